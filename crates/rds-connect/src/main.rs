//! Connects to PostgreSQL in Amazon RDS and Aurora: checks the way, runs SQL, signs tokens, proxies.

use std::process::ExitCode;

fn main() -> ExitCode {
    job_runtime::main::<rds_connect::Cli, _>(rds_connect::BINARY, rds_connect::run)
}
