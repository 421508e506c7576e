//! Invokes an AWS Lambda function once and tells the truth about how it ended.

use std::process::ExitCode;

fn main() -> ExitCode {
    job_runtime::main::<lambda_invoke::Cli, _>(lambda_invoke::BINARY, lambda_invoke::run)
}
