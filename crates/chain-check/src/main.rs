//! `chain-check`: see the library's documentation.

use std::process::ExitCode;

fn main() -> ExitCode {
    job_runtime::main::<chain_check::Cli, _>(job_runtime::binary!("2m"), chain_check::run)
}
