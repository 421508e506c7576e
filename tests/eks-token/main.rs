//! What eks-token promises its users, tried on the real binary, and on kubectl, which runs it.
//!
//! Whether a token is good is asked of the sandbox's API servers, which check it as aws-iam-authenticator does.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]

mod check;
mod clusters;
mod faults;
mod kubeconfig;
mod kubectl;
mod seed_003;
mod token;

use std::path::PathBuf;

use testkit::{Outcome, Site, Worlds};

testkit::contract!("eks-token", ["token", "--cluster-name", "target"]);

const BINARY: &str = env!("CARGO_BIN_EXE_eks-token");
const ARN: &str = "arn:aws:eks:us-east-2:222222222222:cluster/target";

/// The documented pod, with a home of its own.
fn site() -> Site {
    in_world(Worlds::TWO_ACCOUNTS)
}

fn in_world(world: &str) -> Site {
    let site = Site::pod(BINARY, world);
    let home = site.path("home").display().to_string();
    std::fs::create_dir(&home).unwrap();
    site.env("HOME", home)
}

/// The documented world with a cluster in another status.
fn status(status: &str) -> String {
    Worlds::TWO_ACCOUNTS
        .replace("name = \"target\"\n", &format!("name = \"target\"\nstatus = \"{status}\"\n"))
}

fn write_kubeconfig(site: &Site, more: &[&str]) -> Outcome {
    site.run(["kubeconfig", "--cluster-name", "target"].iter().chain(more))
}

fn kubeconfig_file(site: &Site) -> PathBuf {
    site.path("home/.kube/config")
}

/// The kubeconfig, as kubectl would read it.
fn kubeconfig(site: &Site) -> serde_yaml_ng::Value {
    serde_yaml_ng::from_str(&std::fs::read_to_string(kubeconfig_file(site)).unwrap()).unwrap()
}
