//! Invokes an AWS Lambda function once and tells the truth about how it ended.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Lambda gives a function 15 minutes.
    job_runtime::main::<lambda_invoke::Cli, _>(job_runtime::binary!("16m"), lambda_invoke::run)
}
