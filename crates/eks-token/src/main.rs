//! `eks-token`: see the library's documentation.

use std::process::ExitCode;

fn main() -> ExitCode {
    job_runtime::main::<eks_token::Cli, _>(eks_token::BINARY, eks_token::run)
}
