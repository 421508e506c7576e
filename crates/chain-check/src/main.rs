//! `chain-check`: see the library's documentation.

use std::process::ExitCode;

fn main() -> ExitCode {
    job_runtime::main::<chain_check::Cli, _>(chain_check::BINARY, chain_check::run)
}
