//! One call per line of a JSON Lines file: bounded, in order, and answered line by line.
//!
//! A binary flattens [`BatchArgs`] into its options and gives [`run`] two things: what makes a line fit to be
//! sent, and one call. Everything between is here, the same in every binary.
//!
//! ```no_run
//! # async fn example(batch: Option<fan_out::Batch>, ctx: &job_runtime::Context) -> Result<job_runtime::Report, fan_out::Error> {
//! use fan_out::Answer;
//! use job_runtime::Sink;
//!
//! // From `BatchArgs::into_batch`.
//! let Some(batch) = batch else { todo!("one call") };
//! let batch = batch.longest_line(6 * 1024 * 1024);
//! let check = |line: &[u8]| {
//!     serde_json::from_slice::<serde::de::IgnoredAny>(line).map(drop).map_err(|_| "it is no JSON".to_owned())
//! };
//! let call = async |item: &fan_out::Item| {
//!     // One call of the service with `item.text`, its own retries off.
//!     Ok(Answer { payload: item.text.clone(), failure: None, request_id: None })
//! };
//! let summary = fan_out::run(&batch, Sink::stdout(), ctx, check, call).await?;
//! Ok(summary.report(false, job_runtime::Output::Json))
//! # }
//! ```
//!
//! **Answers** are JSON Lines in the order of the input:
//! `{"line":7,"status":"ok","payload":…,"request_id":"…"}`. `payload` is the answer's JSON as it came (line ends
//! between its tokens become spaces), else its text as a string; what is no UTF-8 is in `payload_base64`. An
//! answer without a payload has `null`. `status` is one of
//!
//! | status | meaning |
//! | --- | --- |
//! | `ok` | the remote work succeeded; with `detail.expect` `not_evaluated`, nothing is known of the condition on its response |
//! | `failed` | it ran and failed: `error`, perhaps `detail`, and the payload |
//! | `rejected` | the service refuses this line |
//! | `denied`, `config` | refused, as every further line would be: the batch ends |
//! | `unavailable` | nothing was done: throttled or not reached until the batch ended |
//! | `unknown` | sent without a clear answer: it may have run |
//! | `usage` | not fit to be sent, and not sent |
//! | `interrupted` | sent, and a signal came before the answer: it may have run |
//!
//! Blank lines are counted and have no answer.
//!
//! **Memory** does not depend on the number of lines. There are at most `--concurrency` lines in the making, four
//! times as many answers, and 32 MiB of finished answers that wait for an earlier line or for the writer: what is
//! beyond that bound holds up new lines, so that only the calls already in flight can exceed it. A line that is
//! too long is not held at all. What `--resume` keeps is a set of ranges.
//!
//! **Pace.** A call that provably started nothing (throttled, not ready, no connection) is made again until
//! `--timeout`. It halves the number of calls that may be in flight, once for all calls that were in flight
//! together, and no call begins for a while: 200 ms, doubled each time up to 20 s, with jitter. As many successes
//! as may be in flight raise that number by one and halve the next pause. After five minutes of pauses with nothing
//! but failed connections between them the batch ends: that is for a Job's own retries.
//!
//! **The end.** A line that is denied, too many failures, a signal and `--timeout` all stop the taking of lines.
//! Calls in flight are awaited, after a signal or `--timeout` for three seconds; lines that were throttled and wait
//! for another try are answered `unavailable`. The exit is the first that applies of: the signal's, denied,
//! config, unknown, failed, rejected, usage, unavailable, timeout. A batch whose lines all have an answer has not
//! ended early, whatever came meanwhile.

mod answer;
mod args;
mod engine;
mod error;
mod line_set;
mod lines;
mod outbox;
mod pace;
mod progress;
mod resume;
mod selection;
mod summary;
mod window;

pub use answer::{Answer, Failed};
pub use args::{Batch, BatchArgs};
pub use error::Error;
pub use lines::Item;
pub use summary::Summary;

use crate::answer::Refusal;
use crate::engine::{Progress, Told, Work};
use crate::lines::Lines;
use crate::summary::Tally;
use job_runtime::{CallError, Context, Exit, Remote, Sink};
use std::pin::pin;
use tokio::time::sleep_until;

/// Makes one `call` for each line of `batch` that passes `check`, and writes the answers to `sink`.
///
/// `call` sends a line once: its service's own retries are off, and [`Context::start`] is not around it, because
/// the pace of all lines is kept here. It is dropped where its answer is no longer awaited.
///
/// The counts go to the log and into the termination message.
///
/// # Errors
/// The lines or the earlier answers cannot be read, the shard makes no sense, or an answer cannot be written. A
/// line that fails is none: it is in the answers and in the [`Summary`].
pub async fn run(
    batch: &Batch,
    sink: Sink,
    ctx: &Context,
    check: impl Fn(&[u8]) -> Result<(), String>,
    call: impl AsyncFn(&Item) -> Result<Answer, CallError>,
) -> Result<Summary, Error> {
    let mut selection = batch.selection(ctx.completion_index())?;
    if ctx.remote().is_none() {
        ctx.remember(Remote { id: format!("batch {}", batch.source), ..Remote::default() });
    }
    let mut told = pin!(async {
        tokio::select! {
            biased;
            () = ctx.cancelled() => Told::Signal(ctx.interruption().unwrap_or(Exit::Terminated)),
            () = sleep_until(ctx.deadline()) => Told::Deadline,
        }
    });
    // A pipe may have nobody at its other end.
    let opening = async {
        let lines = Lines::open(&batch.source, batch.longest_line).await?;
        let mut earlier_not_evaluated = 0;
        if let Some(path) = &batch.resume {
            let not_evaluated = resume::read(path, &mut selection).await?;
            earlier_not_evaluated = if batch.has_expect { not_evaluated } else { 0 };
        }
        Ok::<_, Error>((lines, earlier_not_evaluated))
    };
    let (lines, earlier_not_evaluated) = tokio::select! {
        lines = opening => lines?,
        told = &mut told => return Err(told.too_early()),
    };
    let work = Work {
        lines,
        selection,
        sink,
        concurrency: batch.concurrency,
        max_failures: batch.max_failures,
        earlier_not_evaluated,
    };
    let call = async |item: &Item| call(item).await.map_err(Refusal::from);
    let show = |tally: &Tally, fraction| progress::show(ctx, tally, fraction);
    let done = |summary: &Summary| {
        ctx.ended_in(&summary.counts());
        summary.log();
    };
    let progress = Progress { every: progress::interval(ctx), show, done };
    engine::drive(work, check, call, told, progress).await
}
