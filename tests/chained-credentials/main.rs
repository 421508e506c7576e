//! Chains over the wire: what is asked of STS, by whom, how often, and what a user is told when it refuses.
//!
//! The vehicle is glue-trigger; the chain is the same in every binary.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]

mod network;
mod refusals;
mod renewal;
mod sources;

use testkit::{Call, Site};

const BINARY: &str = env!("CARGO_BIN_EXE_glue-trigger");

/// Arguments for a run that succeeds in the documented world.
const NIGHTLY: [&str; 4] = ["--job-name", "nightly-etl", "--poll-interval", "200ms"];

/// [`NIGHTLY`] and more.
fn nightly<'a>(more: &[&'a str]) -> Vec<&'a str> {
    NIGHTLY.iter().chain(more).copied().collect()
}

/// The calls of one operation.
fn calls(site: &Site, operation: &str) -> Vec<Call> {
    site.sandbox.calls().into_iter().filter(|call| call.operation == operation).collect()
}

/// The one call of an operation.
#[track_caller]
fn the_call(site: &Site, operation: &str) -> Call {
    match calls(site, operation).as_slice() {
        [call] => call.clone(),
        calls => panic!("{} calls of {operation}: {calls:#?}", calls.len()),
    }
}
