//! Runs SQL through the Amazon Redshift Data API in any account a chain of roles leads to, waits for its end, says how
//! it ended, and streams its result.
//!
//! It takes the place of `aws redshift-data execute-statement` in a script, which returns as soon as the statement is
//! accepted, so that an error in the SQL is a success; which makes a token of its own for each call, so that a script
//! that is run again runs the SQL again; and whose `get-statement-result` gives one statement's rows as objects of
//! objects. This program waits, starts the work of an idempotency key once, and prints rows.
//!
//! # What it does
//!
//! `redshift-query --workgroup-name analytics --database sales --sql-file load.sql --output csv`
//!
//! 1. The SQL – options, files, standard input, the folder of a `ConfigMap` – is taken apart into its statements. What
//!    the Data API would refuse is told: a combination of credentials, a statement of more than 100 KB, more than 40 of
//!    them, a parameter that none of them uses.
//! 2. With a key: `ListStatements` for a statement with the name that the key makes. One that is there is taken over,
//!    whichever session of the role has sent it.
//! 3. Else `ExecuteStatement`, or `BatchExecuteStatement` for several. Its `ClientToken` makes it safe to send it again
//!    where the answer was lost. Where as many statements or sessions are active as may, it is tried again until
//!    `--timeout`.
//! 4. `DescribeStatement`, which the service answers when the statement has ended, or after half a minute. `ABORTED` is
//!    no success; a status unknown to this version is waited on.
//! 5. `GetStatementResult` for each statement that has a result, page by page. A page is written before the next one is
//!    asked for: a result of any size needs the memory of one page.
//!
//! `result ID` prints the result of a statement that was started before (kept for a day), `cancel ID` stops one, `list`
//! shows the newest; `databases`, `schemas`, `tables` and `describe-table` show what there is.
//!
//! # Results
//!
//! | `--output` | several results | NULL | numbers | bytes | `super` |
//! | --- | --- | --- | --- | --- | --- |
//! | `json`: facts and `results`, an array of rows for each | as they are | `null` | integers and floating point as numbers, decimals as text | base64 | JSON |
//! | `jsonl`: a row a line | one after the other; `json` tells them apart | `null` | the same | base64 | JSON |
//! | `csv`: what `psql --csv` prints | an empty line between them | `--null`, else nothing | as psql prints them | `\x…` | text |
//! | `table`: for people | an empty line between them | `--null`, else `NULL` | as psql prints them | `\x…` | text |
//! | `none` | | | | | |
//!
//! psql prints NULL and an empty text alike. Here a text that looks like NULL is quoted, as `COPY … CSV` does it: an
//! empty one is `""`. In a row of JSON a name that is there already gets a number: `sum`, `sum_2`. A floating-point
//! number that is none is the text `NaN`, `Infinity` or `-Infinity` in JSON. The first 1000 rows settle the widths of a
//! table. A result that breaks off is told by the exit code: what is on stdout by then is not whole.
//!
//! # Start once
//!
//! The name of a statement is `NAME.DIGEST`, of the user's name (or `redshift-query`) and the key, target, SQL and
//! parameters; the `ClientToken` is made of the same. The name finds what was started within a day, the token covers
//! the moment in which it is not listed yet. Without a key the token is the process's own.
//!
//! # IAM
//!
//! | action | on | for |
//! | --- | --- | --- |
//! | `redshift-data:ExecuteStatement`, `redshift-data:BatchExecuteStatement` | `cluster:NAME` or `workgroup/ID` | one statement, several |
//! | `redshift-data:DescribeStatement`, `redshift-data:GetStatementResult`, `redshift-data:CancelStatement` | `*`: they take no resource | waiting, results, `--on-terminate cancel` (the default without a key) and `cancel` |
//! | `redshift-data:ListStatements` | `*` | `--idempotency-key`, `list`, `--check` |
//! | `redshift-data:ListDatabases`, `redshift-data:ListSchemas`, `redshift-data:ListTables`, `redshift-data:DescribeTable` | as the first | their sub-commands; the first also for `--check` |
//! | `redshift:GetClusterCredentials` | `dbuser:CLUSTER/USER`, `dbname:CLUSTER/DATABASE` | `--db-user` |
//! | `redshift:GetClusterCredentialsWithIAM` | `dbname:CLUSTER/DATABASE` | a cluster without `--db-user` or `--secret-arn` |
//! | `redshift-serverless:GetCredentials` | `workgroup/ID` | a workgroup without `--secret-arn` |
//! | `secretsmanager:GetSecretValue` | the secret | `--secret-arn` |
//!
//! The actions that take no resource are narrowed by the condition key `redshift-data:statement-owner-iam-userid`. Its
//! usual value `${aws:userid}` holds the name of the role session: a process whose session has another name may not
//! look at the statement. That is why the name of this program's sessions is made of the key and stays the same
//! for every restart of a Job; where it is given by `--role-session-name`, it has to stay the same too.
//!
//! # Exit codes
//!
//! Every code of [`job_runtime::Exit`] but 12: 0 for `FINISHED`, 10 for `FAILED`, or where `--expect` or
//! `--expect-rows` is not met, 11 for `ABORTED`, 65 where there is no such statement or the service refuses the
//! request, 75 where it could not be reached, was throttled or had too many active statements to the end, or where a
//! start with a key got no clear answer, 79 where the statement goes on unseen or its result was not read to the end in
//! time, 80 where a start without a key got no clear answer, however often it was sent, or its result could not be
//! written (1, where it can be read again). After a signal it is 130 or
//! 143, or 80 where a statement without a key is left running or its result is not read; a statement that has ended by
//! itself is the result.

mod begin;
mod check;
mod cli;
mod connection;
mod error;
mod job;
mod listing;
mod once;
mod redshift;
mod result;
mod run;
mod show;
mod sql;
mod statement;
mod wait;

use std::fmt;

use job_runtime::{Context, Report};

/// Entry points of the fuzz targets in `tests/fuzz`; not an interface.
#[doc(hidden)]
pub mod fuzzing {
    /// Reads a page of a result.
    pub fn page(body: &[u8]) {
        let mut rows = sql_text::Rows::new(sql_text::Form::Jsonl, false);
        let _ = crate::result::page::read(body, &mut rows);
    }
}

pub use crate::cli::Cli;
use crate::connection::Connection;
pub use crate::error::Error;

/// Who this program is. A statement may run for a day.
pub const BINARY: job_runtime::Binary = job_runtime::binary!("24h");
use crate::listing::List;
use crate::redshift::Catalog;
use crate::run::Run;
use crate::show::Show;

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    /// What to do.
    pub(crate) work: Work,
    /// How to show what comes of it.
    pub(crate) show: Show,
}

/// What there is to do.
#[derive(Debug)]
pub(crate) enum Work {
    /// Run statements.
    Run(Box<Run>),
    /// Show the result of an earlier statement.
    Result(String),
    /// Stop an earlier statement.
    Cancel(String),
    /// Show the statements of the last day.
    List(List),
    /// Show what there is in a database.
    Catalog(Box<Catalog>),
}

impl Work {
    /// The database that is spoken to, where one is.
    pub(crate) fn connection(&self) -> Option<&Connection> {
        match self {
            Self::Run(run) => Some(&run.connection),
            Self::Catalog(catalog) => Some(&catalog.connection),
            Self::Result(_) | Self::Cancel(_) | Self::List(_) => None,
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(run) => run.connection.fmt(f),
            Self::Catalog(catalog) => catalog.connection.fmt(f),
            Self::Result(id) | Self::Cancel(id) => write!(f, "statement {id}"),
            Self::List(_) => f.write_str("statements"),
        }
    }
}

/// Runs the program: from what is asked for to the report.
///
/// # Errors
/// Everything that leaves no ended statement to report.
pub async fn run(request: Request, ctx: &Context) -> Result<Report, Error> {
    let client = aws_sdk_redshiftdata::Client::new(ctx.sdk_config());
    job::execute(&client, &request, ctx).await
}
