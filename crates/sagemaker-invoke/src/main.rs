//! Invokes an Amazon `SageMaker` endpoint or trains a model, and tells the truth about how it ended.

use std::process::ExitCode;

fn main() -> ExitCode {
    job_runtime::main::<sagemaker_invoke::Cli, _>(sagemaker_invoke::BINARY, sagemaker_invoke::run)
}
