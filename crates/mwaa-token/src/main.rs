//! Talks to an Amazon MWAA environment in any account a chain of roles leads to.

use std::process::ExitCode;

fn main() -> ExitCode {
    job_runtime::main::<mwaa_token::Cli, _>(mwaa_token::BINARY, mwaa_token::run)
}
