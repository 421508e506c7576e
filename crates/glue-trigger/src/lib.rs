//! Starts an AWS Glue job in any account a chain of roles leads to, waits for its end and says how it ended.
//!
//! It takes the place of `aws glue start-job-run` in a script, which returns as soon as the run is asked for and
//! so calls every run a success. There is no waiter for Glue in the AWS CLI, nor a client token in `StartJobRun`:
//! a script that is run again starts the job again. This program waits, and with an idempotency key it starts
//! the work once, however often it is killed and run again.
//!
//! # What it does
//!
//! 1. With a key: looks through the newest runs of the job for one that carries the key, and takes it over.
//! 2. Else `StartJobRun`, sent once. Where the answer is lost it looks for the run (with a key) and takes it
//!    over, or says that it does not know (without). It never sends again: a late request would make two runs.
//! 3. `GetJobRun` until the run has ended; `STOPPED` is no success, `ERROR` and `EXPIRED` are ends, and a state
//!    unknown to this version is waited on.
//! 4. The run on stdout, the exit code by its end.
//!
//! What Glue's own retries (`MaxRetries` of the job) do is not followed: each is a run of its own, with the same
//! arguments. A process that starts with the same key while one of them goes on takes that one over.
//!
//! # IAM
//!
//! | action | for |
//! | --- | --- |
//! | `glue:StartJobRun`, `glue:GetJobRun` | starting and waiting |
//! | `glue:GetJobRuns` | `--idempotency-key`; `--check`, to see whether the job exists |
//! | `glue:BatchStopJobRun` | `--on-terminate cancel`, the default without a key |
//! | `logs:GetLogEvents` on `<log group>/output` and `<log group>/error` | `--logs` |
//!
//! All of the Glue actions on `arn:aws:glue:REGION:ACCOUNT:job/NAME`.
//!
//! `glue:StartJobRun` is more than it seems: arguments such as `--extra-py-files` and `--scriptLocation` run code of whoever
//! writes them in the job's role. `--deny-reserved-arguments` refuses them here; in Glue, the job's `NonOverridableArguments`
//! keep what they set.
//!
//! # Exit codes
//!
//! Every code of [`job_runtime::Exit`]: 0 for `SUCCEEDED`, 10 for `FAILED`, `TIMEOUT`, `ERROR` and `EXPIRED`, 11
//! for `STOPPED`, 12 where as many runs as the job allows are going, 65 where there is no such job or run,
//! or the key belongs to other work, 75
//! where Glue or the account's limits turned the start down for now, or a start with a key got no answer and no
//! run of it was seen, 79 where the run is still running and the key finds it again,
//! 80 where nothing does. After a
//! signal it is 130 or 143, or 80 where a run without a key is left running; a run that has ended by itself is the result.

mod arguments;
mod check;
mod cli;
mod glue;
mod job;
mod job_run;
mod logs;
mod request;
mod run;

use job_runtime::remote::RemoteError;
use job_runtime::{Context, Report};

pub use crate::cli::Cli;
pub use crate::request::Request;

/// Who this program is.
pub const BINARY: job_runtime::Binary = job_runtime::binary!("24h");

/// Runs the program: from what is asked for to the report.
///
/// # Errors
/// Everything that leaves no ended run to report.
pub async fn run(request: Request, ctx: &Context) -> Result<Report, RemoteError> {
    let client = aws_sdk_glue::Client::new(ctx.sdk_config());
    job::execute(&client, &request, ctx).await
}
