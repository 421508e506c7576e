//! Independent proof: the AWS CLI and its botocore against the sandbox and the binaries, and every fault in every call
//! of every binary. What is shown is in the tests; what they stand on is here.

// Test support: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::missing_panics_doc, clippy::disallowed_methods)]

pub mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// One of the scripts of this folder, in an empty environment, with the AWS CLI and the botocore in it.
pub fn python(script: &str) -> Command {
    let mut command = Command::new("python3");
    // -S: no other botocore than the one in the CLI.
    command.arg("-S").arg(Path::new(HERE).join(script)).env_clear();
    command.env("PYTHONPATH", aws_cli()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

/// The program `aws`, as it stands on a `PATH`.
pub fn aws_program() -> String {
    let cli = aws_cli();
    let python = format!("PYTHONPATH='{}' PYTHONDONTWRITEBYTECODE=1 exec python3 -S", cli.display());
    format!("#!/bin/sh\n{python} -m awscli \"$@\"\n")
}

/// Where `make setup` puts the AWS CLI.
fn aws_cli() -> PathBuf {
    let cli = std::path::absolute(Path::new(HERE).join("../../target/aws-cli")).expect("a path");
    assert!(cli.is_dir(), "no AWS CLI in {}: `make setup` puts it there", cli.display());
    cli
}

/// A binary of the workspace, where Cargo has built it: two folders above a test.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let built = test.ancestors().nth(2).expect("target/debug").join(name);
    assert!(built.is_file(), "no {}: `cargo build -p {name}`", built.display());
    built
}
