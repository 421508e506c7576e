//! Starts an AWS Glue job, waits for its end and says how it ended.

use std::process::ExitCode;

fn main() -> ExitCode {
    job_runtime::main::<glue_trigger::Cli, _>(glue_trigger::BINARY, glue_trigger::run)
}
