//! Compiles the stand-in for libpam that servers with RDS's authentication are started with.

// A build that cannot be made ends here; cargo reads standard output.
#![allow(clippy::expect_used, clippy::disallowed_methods, clippy::print_stdout)]

use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str = "src/rds_pam.c";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    let library = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("rds_pam.so");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&library).arg(SOURCE);
    assert!(cc.status().expect("a C compiler, as ring needs one too").success());
}
