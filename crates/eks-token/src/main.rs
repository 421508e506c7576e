//! `eks-token`: see the library's documentation.

use std::process::ExitCode;

fn main() -> ExitCode {
    job_runtime::main::<eks_token::Cli, _>(job_runtime::binary!("1m"), eks_token::run)
}
