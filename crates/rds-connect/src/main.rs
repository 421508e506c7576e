//! Connects to PostgreSQL in Amazon RDS and Aurora: checks the way, runs SQL, signs tokens, proxies.

use std::process::ExitCode;

fn main() -> ExitCode {
    let binary = job_runtime::Binary { version: rds_connect::VERSION, ..job_runtime::binary!("1h") };
    job_runtime::main::<rds_connect::Cli, _>(binary, rds_connect::run)
}
