//! What the tests of the deployables share: where things are, manifests as kustomize renders them, the rules of an API
//! server, and containers run as a kubelet would run them.

// Test support: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod cloudformation;
pub mod container;
pub mod failure_policy;
pub mod iam;
pub mod manifest;
pub mod pod;
pub mod rules;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// Every binary of the tree: what has a `crates/*/src/main.rs`.
pub fn binaries() -> Vec<String> {
    let mut found: Vec<String> = folders("crates")
        .into_iter()
        .filter(|crate_| crate_.join("src/main.rs").is_file())
        .map(name)
        .collect();
    found.sort();
    assert!(found.len() >= 4, "only {found:?}");
    found
}

/// The folders in a folder of the repository.
pub fn folders(of: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(root().join(of))
        .unwrap_or_else(|error| panic!("{of}: {error}"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

/// The last part of a path.
#[allow(clippy::needless_pass_by_value)] // maps iterators of paths
pub fn name(path: PathBuf) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

/// A file of the repository.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One of the Python programs that judge what is deployed.
pub fn judge(program: &str) -> Command {
    let path = root().join("target/judges/bin").join(program);
    assert!(path.exists(), "{} is missing: `make setup` installs it", path.display());
    Command::new(path)
}

/// Runs a command to its end; what it printed on both streams, if it succeeded.
///
/// # Errors
/// What it printed, where it did not.
pub fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if output.status.success() { Ok(said) } else { Err(said) }
}
