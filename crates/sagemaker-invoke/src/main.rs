//! Invokes an Amazon `SageMaker` endpoint or trains a model, and tells the truth about how it ended.

use std::process::ExitCode;

fn main() -> ExitCode {
    job_runtime::main::<sagemaker_invoke::Cli, _>(job_runtime::binary!("24h"), sagemaker_invoke::run)
}
