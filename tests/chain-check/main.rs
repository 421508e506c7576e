//! What chain-check promises its users, tried on the real binary: each refusal at each hop, and what it says to mend.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]

mod explain;
mod faults;
mod refusals;
mod seed_003;
mod walk;

use testkit::{Outcome, Site, Worlds};

testkit::contract!("chain-check", []);

const BINARY: &str = env!("CARGO_BIN_EXE_chain-check");
const ROLE_A: &str = "arn:aws:iam::111111111111:role/cats-glue";
const ROLE_B: &str = "arn:aws:iam::222222222222:role/external-glue";

/// The documented pod.
fn site() -> Site {
    Site::pod(BINARY, Worlds::TWO_ACCOUNTS)
}

/// The pod in a world that was changed first.
fn altered(from: &str, to: &str) -> Site {
    assert!(Worlds::TWO_ACCOUNTS.contains(from));
    Site::pod(BINARY, &Worlds::TWO_ACCOUNTS.replace(from, to))
}

/// Nothing but STS was asked, and nothing of it but what a walk needs.
#[track_caller]
fn assert_only_walked(site: &Site) {
    let allowed = ["AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity"];
    for call in site.sandbox.calls() {
        assert!(call.service == "sts" && allowed.contains(&call.operation.as_str()), "{call:?}");
    }
}

/// Hop `number` of the first chain.
fn hop(outcome: &Outcome, number: usize) -> serde_json::Value {
    outcome.json()["chains"][0]["hops"][number - 1].clone()
}
