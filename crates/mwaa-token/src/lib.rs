//! Talks to an Amazon MWAA environment in any account a chain of roles leads to: tokens, Airflow's command line, its
//! REST API, runs of DAGs that are waited for, the files of the DAG folder.
//!
//! It takes the place of `aws mwaa create-cli-token`, curl and base64 in a script: the token is dead after a minute, the
//! status of a failed Airflow command means little, `dags trigger` returns as soon as a run is queued, and a script
//! that is run again starts another one.
//!
//! # What it does
//!
//! | sub-command | does |
//! | --- | --- |
//! | `cli`, `web` | prints a token; `web` also the address to log in at, for Airflow 2 and 3 |
//! | `environments`, `describe` | what there is, in which state |
//! | `run -- COMMAND` | an Airflow command on the web server: a token for it, its standard output as the result, its standard error as log |
//! | `rest METHOD PATH [BODY]` | a request to Airflow's REST API by `InvokeRestApi`, and its answer |
//! | `trigger DAG` | starts a run once, waits for `success` or `failed`, names the failed tasks |
//! | `dags list`, `dags upload`, `dags delete` | files in the environment's DAG folder in S3 |
//!
//! `trigger` looks at the environment's status and at whether the DAG is paused before anything else. It goes by
//! `InvokeRestApi`, which reaches private web servers too; where that is not allowed, start and looks go by Airflow's
//! command line. A path of `InvokeRestApi` has 64 characters at most: where a DAG's id leaves too little room, its runs
//! are asked for by lists, and beyond 50 characters the start goes by the command line.
//!
//! # Start once
//!
//! Airflow has one run of an id in a DAG. With a key the id is `key-DIGEST`; a run that is there – before the start, or
//! by its answer (409) – is taken over. Without a key the id is the process's own, so that a start without a clear
//! answer can still be sent again. `--on-prior-failure rerun` counts: `key-DIGEST-1` and so on.
//!
//! # Secrets
//!
//! Tokens are on standard output where they are what was asked for (`cli`, `web`), and nowhere else. Configurations of
//! runs and the text of Airflow commands are not logged.
//!
//! # IAM
//!
//! | action | on | for |
//! | --- | --- | --- |
//! | `airflow:GetEnvironment` | `environment/NAME` | `describe`, `trigger`, `dags`; `web`, to know the address |
//! | `airflow:ListEnvironments` | `*`: it takes no resource | `environments` |
//! | `airflow:CreateCliToken` | `environment/NAME` | `cli`, `run`; `trigger` without `InvokeRestApi` |
//! | `airflow:CreateWebLoginToken` | `role/NAME/ROLE` (`Admin`, `Op`, `User`, `Viewer`, `Public`) | `web` |
//! | `airflow:InvokeRestApi` | `role/NAME/ROLE` | `rest`, `trigger` |
//! | `s3:ListBucket` | the bucket itself, not its objects | `dags list` |
//! | `s3:PutObject`, `s3:DeleteObject` | `BUCKET/FOLDER/*` | `dags upload`, `dags delete` |
//!
//! A token for the command line is as good as Airflow's administrator: `InvokeRestApi` with the role `User` grants less.
//!
//! # Exit codes
//!
//! Every code of [`job_runtime::Exit`] but 11 and 12: 10 where the DAG run or the Airflow command has failed, 65 where
//! there is no such environment, DAG or path, where the DAG is paused, or where Airflow refuses a request as invalid,
//! 75 where a service or the web server was not reached or the environment is still being created, 77 where IAM or
//! Airflow does not allow it, 79 where the run goes on unseen, 80 where a command, a request that changes something or
//! a start without a key got no clear answer. After a signal it is 130 or 143, or 80 where a run without a key is left
//! running. A run that has ended by then is the result.

mod check;
mod cli;
mod command;
mod dags;
mod environment;
mod error;
mod job;
mod mwaa;
mod rest;
mod tokens;
mod trigger;
mod web_server;

use job_runtime::{Context, Report};

pub use crate::cli::Cli;
pub use crate::error::Error;
pub use crate::job::Request;

/// Who this program is.
pub const BINARY: job_runtime::Binary = job_runtime::binary!("24h");

/// Runs the program: from what is asked for to the report.
///
/// # Errors
/// Everything that leaves no result to report.
pub async fn run(request: Request, ctx: &Context) -> Result<Report, Error> {
    let client = aws_sdk_mwaa::Client::new(ctx.sdk_config());
    job::execute(&client, &request, ctx).await
}
