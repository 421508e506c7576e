//! Runs SQL through the Amazon Redshift Data API, waits for its end and streams the result.

use std::process::ExitCode;

fn main() -> ExitCode {
    job_runtime::main::<redshift_query::Cli, _>(redshift_query::BINARY, redshift_query::run)
}
