//! Invokes a Lambda function in any account a chain of roles leads to, once, and tells the truth about how it ended.
//!
//! It takes the place of `aws lambda invoke` in a script, which exits 0 when the function failed, sends the
//! invocation again after a minute of silence (up to five times in all), and hangs for ever where a gateway forgets
//! the quiet connection.
//!
//! # What it does
//!
//! 1. The payload is checked: JSON, and not longer than Lambda takes for this kind of invocation.
//! 2. `Invoke` is sent once. It is sent again only where nothing can have run: a throttle, no connection, a function
//!    whose network or code is still being made ready. The faults that Lambda reports with status 502 although they
//!    are the function's own (a KMS key, a subnet, the archive) are told at once.
//! 3. The answer is awaited for as long as `--timeout` says, over a connection that is kept alive.
//! 4. The payload of the answer goes to stdout as it came. A function error is exit 10, with type, text and stack on
//!    stderr.
//!
//! With `--batch` it does this for each line of a file; see [`fan_out`].
//!
//! # Start once
//!
//! A plain function has no idempotency: an invocation whose answer is lost may have run, and no key can settle that
//! (exit 80). A **durable** function has: the key becomes the name of its execution, and Lambda takes an invocation
//! with the same name and payload for the same work. So an unclear answer is asked for again, and the next process
//! with the same key gets the same execution. Whether a function is durable is learnt from Lambda's answer: it
//! refuses the name for a function that is not.
//!
//! # IAM
//!
//! | action | for |
//! | --- | --- |
//! | `lambda:InvokeFunction` | everything; also `--stream` and `--check` |
//! | `lambda:GetDurableExecution` | waiting for a durable execution of `--invocation-type Event` |
//! | `lambda:ListDurableExecutionsByFunction` | a durable function: after an unclear answer, `--on-prior-failure rerun`, `--on-terminate cancel` |
//! | `lambda:StopDurableExecution` | `--on-terminate cancel` of a durable function |
//!
//! On `arn:aws:lambda:REGION:ACCOUNT:function:NAME` and, where a qualifier is given, `…:NAME:QUALIFIER`.
//!
//! # Exit codes
//!
//! Every code of [`job_runtime::Exit`] but 12: 0 where the function returned (and `--expect` is true of what it
//! returned), 10 for a function error, 11 for a durable execution that somebody stopped, 65 where there is no such
//! function or Lambda refuses the request, 75 where it could not be reached or was throttled to the end, 79 where
//! `--timeout` ended the wait for a durable execution that the next process finds again, 80 where the answer was lost
//! or did not come in time (after SIGTERM within `--grace-period`), and nothing finds it again.

mod answer;
mod batch;
mod cli;
mod durable;
mod error;
mod job;
mod lambda;
mod target;

use job_runtime::{Context, Report};

pub use crate::cli::Cli;
pub use crate::error::Error;
pub use crate::job::Request;

/// Who this program is. Lambda gives a function 15 minutes.
pub const BINARY: job_runtime::Binary = job_runtime::binary!("16m");

/// Runs the program: from what is asked for to the report.
///
/// # Errors
/// Everything that leaves no answer to report.
pub async fn run(request: Request, ctx: &Context) -> Result<Report, Error> {
    let client = aws_sdk_lambda::Client::new(ctx.sdk_config());
    job::execute(&client, &request, ctx).await
}
