//! Runs SQL through the Amazon Redshift Data API, waits for its end and streams the result.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A statement may run for a day.
    job_runtime::main::<redshift_query::Cli, _>(job_runtime::binary!("24h"), redshift_query::run)
}
