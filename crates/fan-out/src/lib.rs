//! One call per line of a JSON Lines file: bounded, in order, and answered line by line.
//!
//! A binary flattens [`BatchArgs`] into its options and gives [`run`] what makes a line fit to be sent, one call, and
//! what the lines are sent to. Everything between is here, the same in every binary.
//!
//! ```no_run
//! # async fn example(
//! #     batch: Option<fan_out::Batch>,
//! #     once: job_runtime::CallOnce,
//! #     ctx: &job_runtime::Context,
//! # ) -> Result<job_runtime::Report, fan_out::Error> {
//! use fan_out::{Answer, Sending, Target};
//! use job_runtime::Sink;
//! use serde_json::json;
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
//! // The service and everything that defines the result.
//! let target = Target::new(&json!({ "service": "example", "region": "us-east-2" }));
//! // No idempotency key finds the work of a line again.
//! let findable = async |_line: u64| false;
//! let sending = Sending { target, once };
//! let summary = fan_out::run(&batch, sending, Sink::stdout(), ctx, check, call, findable).await?;
//! Ok(summary.report(false, job_runtime::Output::Json))
//! # }
//! ```
//!
//! **Responses** are JSON Lines in the order of the input:
//! `{"line":7,"status":"ok","digest":"…","payload":…,"request_id":"…"}`. `digest` binds the response to its input line
//! and to what it was sent to; a line that is too long to be held has none. `payload` is the response's JSON as it came
//! (line ends between its tokens become spaces), else its text as a string; what is not UTF-8 is in `payload_base64`. A
//! response without a payload has `null`. `status` is one of
//!
//! | status | meaning |
//! | --- | --- |
//! | `ok` | the remote work succeeded; with `detail.expect` `not_evaluated`, nothing is known of the condition on its response |
//! | `failed` | it ran and failed: `error`, perhaps `detail`, and the payload |
//! | `rejected` | the service refuses this line |
//! | `denied`, `config` | refused, as every further line would be: the batch ends |
//! | `unavailable` | nothing was done, or the idempotency key lets the next run find out: throttled, not reached |
//! | `unknown` | sent without a clear response, or still running when the batch ended: it may have run |
//! | `usage` | not fit to be sent, and not sent |
//! | `interrupted` | still running when the batch ended; the next run finds it by the idempotency key |
//!
//! Blank lines are counted and have no response.
//!
//! **Input.** The lines of a regular file are all checked before the first call: where one is not fit to be sent,
//! nothing is sent (exit 2). Lines of a stream are checked as they come; the others are sent (exit 10).
//!
//! **`--resume`** reads the responses of earlier runs. A line is done if there is an `ok` with its digest; of lines that
//! are the same, as many are done as there are such responses. Where a line stands does not matter. A line that was last
//! seen `unknown` is not sent again unless `--repeatable` is given. A file with a response without a digest is refused.
//!
//! **Memory** does not depend on the number of lines. There are at most `--concurrency` lines in the making, four
//! times as many answers, and 32 MiB of finished answers that wait for an earlier line or for the writer: what is
//! beyond that bound holds up new lines, so that only the calls already in flight can exceed it. A line that is
//! too long is not held at all. `--resume` keeps 16 bytes for each good response.
//!
//! **Pace.** A call that provably started nothing (throttled, not ready, no connection) is made again until
//! `--timeout`. It halves the number of calls that may be in flight, once for all calls that were in flight
//! together, and no call begins for a while: 200 ms, doubled each time up to 20 s, with jitter. As many successes
//! as may be in flight raise that number by one and halve the next pause. After five minutes of pauses with nothing
//! but failed connections between them the batch ends: that is for a Job's own retries.
//!
//! **The end.** A line that is denied, too many failures, a signal and `--timeout` all stop the taking of lines.
//! Calls in flight are awaited: after SIGTERM for `--grace-period`, after SIGINT or `--timeout` for three seconds. What
//! is still in flight then is `unknown`; lines that were throttled and wait for another try are `unavailable`. A second
//! signal ends the wait at once. The exit is the first that applies:
//!
//! | exit | where |
//! | --- | --- |
//! | 80 | a line is unknown, but for those that a signal cut off where `--resume` is given; an earlier run left one unknown |
//! | 10 | a line failed, was rejected, or was not fit to be sent |
//! | 77, 78 | a refusal stopped the batch |
//! | 130, 143, 79, 75 | it ended early, and `--resume` does the rest, or a second call does no harm, or nothing was sent |
//! | 80 | it ended early otherwise: a retry would send lines again that have run |
//!
//! A batch whose lines all have an answer has not ended early, whatever came meanwhile.

mod answer;
mod args;
mod batch_state;
mod digest;
mod earlier;
mod engine;
mod error;
mod lines;
mod outbox;
mod pace;
mod progress;
mod resume;
mod selection;
mod summary;
mod window;

/// Entry points of the fuzz targets in `tests/fuzz`; not an interface.
#[doc(hidden)]
pub mod fuzzing {
    /// The lines of `bytes` that are not longer than `longest`.
    pub async fn lines(bytes: Vec<u8>, longest: usize) -> Vec<Vec<u8>> {
        crate::lines::fuzz(bytes, longest).await
    }
}

pub use answer::{Answer, Failed};
pub use args::{Batch, BatchArgs};
pub use digest::Target;
pub use error::Error;
pub use lines::Item;
pub use summary::Summary;

use crate::answer::Refusal;
use crate::batch_state::Told;
use crate::engine::{Progress, Service, Signals, Work};
use crate::lines::{Line, Lines};
use crate::selection::{Selection, Shard};
use crate::summary::Tally;
use job_runtime::{CallError, CallOnce, Context, Exit, Remote, Sink};
use std::pin::pin;
use tokio::time::sleep_until;

/// What the lines are sent to, and what a signal means for those in flight.
#[derive(Clone, Debug)]
pub struct Sending {
    /// The function or endpoint, with every option that defines the result.
    pub target: Target,
    /// `--grace-period` and `--repeatable`.
    pub once: CallOnce,
}

/// Makes one `call` for each line of `batch` that passes `check`, and writes the answers to `sink`.
///
/// `call` sends a line once: its service's own retries are off, and [`Context::start`] is not around it, because
/// the pace of all lines is kept here. It is dropped where its answer is no longer awaited. `findable` asks whether the
/// next process finds the work of a line by the idempotency key.
///
/// The counts go to the log and into the termination message.
///
/// # Errors
/// The lines or the earlier answers cannot be read, a line of a file cannot be sent, the shard makes no sense, or an
/// answer cannot be written. A line that fails is none: it is in the answers and in the [`Summary`].
pub async fn run(
    batch: &Batch,
    sending: Sending,
    sink: Sink,
    ctx: &Context,
    check: impl Fn(&[u8]) -> Result<(), String>,
    call: impl AsyncFn(&Item) -> Result<Answer, CallError>,
    findable: impl AsyncFn(u64) -> bool,
) -> Result<Summary, Error> {
    let shard = batch.shard(ctx.completion_index())?;
    if ctx.remote().is_none() {
        ctx.remember(Remote { id: format!("batch {}", batch.source), ..Remote::default() });
    }
    let Sending { target, once } = sending;
    // After a signal the batch ends by itself: calls in flight may be such that nothing can find again.
    let holding = ctx.hold();
    let mut signal = pin!(async {
        ctx.cancelled().await;
        ctx.interruption().unwrap_or(Exit::Terminated)
    });
    // A pipe may have nobody at its other end.
    let opening = async {
        check_file(batch, shard, &check).await?;
        let lines = Lines::open(&batch.source, batch.longest_line).await?;
        let selection = Selection::new(shard, once.repeatable);
        Ok::<_, Error>(match &batch.resume {
            Some(path) => (lines, selection.after(resume::read(path).await?)),
            None => (lines, selection),
        })
    };
    let (lines, selection) = tokio::select! {
        opened = opening => opened?,
        signal = &mut signal => return Err(Told::Signal(signal).too_early()),
        () = sleep_until(ctx.deadline()) => return Err(Told::Deadline.too_early()),
    };
    let work = Work {
        lines,
        selection,
        target,
        concurrency: batch.concurrency,
        max_failures: batch.max_failures,
        deadline: ctx.deadline(),
        once,
        resumes: batch.resume.is_some(),
        has_expect: batch.has_expect,
    };
    let call = async |item: &Item| call(item).await.map_err(Refusal::from);
    let show = |tally: &Tally, fraction| progress::show(ctx, tally, fraction);
    let done = |summary: &Summary| {
        ctx.ended_in(&summary.counts());
        summary.log();
    };
    let progress = Progress { every: progress::interval(ctx), show, done };
    let service = Service { check, call, findable };
    engine::drive(work, sink, service, Signals { first: signal, second: holding.hurried() }, progress).await
}

/// Checks every line of the shard before the first is sent, where the input can be read twice.
async fn check_file(
    batch: &Batch,
    shard: Shard,
    check: impl Fn(&[u8]) -> Result<(), String>,
) -> Result<(), Error> {
    let Some(path) = batch.regular_file() else { return Ok(()) };
    let mut lines = Lines::open(&batch.source, batch.longest_line).await?;
    let (mut first, mut count) = (None, 0_u64);
    while let Some(line) = lines.next(|line| shard.holds(line)).await? {
        let unfit = match line {
            Line::Whole(item) => check(&item.text).err().map(|why| (item.line, why)),
            Line::TooLong(line) => Some((line, lines.limit())),
        };
        count += u64::from(unfit.is_some());
        first = first.or(unfit);
    }
    match first {
        None => Ok(()),
        Some((line, why)) => Err(Error::Unfit { place: path.display().to_string(), line, why, count }),
    }
}
