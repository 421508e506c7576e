//! What the targets of the Makefile would run.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::process::Command;

use deploy::{root, run};

/// The commands of a target, printed and not run.
fn commands(target: &str) -> String {
    let mut make = Command::new("make");
    make.arg("--dry-run").arg("--no-print-directory").arg("-C").arg(root()).arg(target);
    // A `make test` that runs this test must not hand its own flags down.
    make.env_remove("MAKEFLAGS").env_remove("MFLAGS").env_remove("MAKELEVEL");
    run(&mut make).unwrap_or_else(|said| panic!("{said}"))
}

/// They take minutes to compile and only `make check` runs them.
#[test]
fn the_tests_do_not_install_the_tools_of_the_checks() {
    for target in ["test", "conformance", "setup-test"] {
        let commands = commands(target);
        assert!(commands.contains("cargo-nextest"), "{target}: {commands}");
        for tool in ["cargo-deny", "cargo-machete"] {
            assert!(!commands.contains(tool), "make {target} installs {tool}: {commands}");
        }
    }
}

#[test]
fn the_checks_do_not_install_what_only_tests_need() {
    for target in ["check", "setup-check"] {
        let commands = commands(target);
        for tool in ["cargo-deny", "cargo-machete"] {
            assert!(commands.contains(tool), "make {target} does not install {tool}: {commands}");
        }
        for tool in ["cargo-nextest", "apt-get", "podman"] {
            assert!(!commands.contains(tool), "make {target} installs {tool}: {commands}");
        }
    }
}

#[test]
fn every_installed_tool_has_a_version() {
    let commands = commands("setup");
    for line in commands.lines().filter(|line| line.contains("cargo install")) {
        assert!(line.contains("--version "), "without a version: {line}");
    }
    for line in commands.lines().filter(|line| line.contains("pip3 install ")) {
        assert!(line.contains("=="), "without a version: {line}");
    }
    assert!(commands.contains("-c tests/deploy/constraints.txt"), "{commands}");
}

/// The database of advisories is on GitHub: the gate must pass without it, and a target of its own must use it.
#[test]
fn advisories_are_checked_outside_the_gate() {
    for target in ["check", "test"] {
        assert!(!commands(target).contains("advisories"), "make {target} needs GitHub");
    }
    assert!(commands("advisories").contains("check advisories"));
}

#[test]
fn the_image_of_the_build_stage_can_be_pinned() {
    let mut make = Command::new("make");
    make.args(["--dry-run", "-C"]).arg(root()).args(["image", "BIN=glue-trigger", "BUILDER=buildah"]);
    make.arg("RUST_IMAGE=rust@sha256:0").env_remove("MAKEFLAGS").env_remove("MFLAGS").env_remove("MAKELEVEL");
    let said = run(&mut make).unwrap_or_else(|said| panic!("{said}"));
    assert!(said.contains("--build-arg RUST_IMAGE=rust@sha256:0 "), "{said}");
}
