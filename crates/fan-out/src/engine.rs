//! The loop of a batch: takes lines, makes calls, writes answers.

use crate::answer::{Answer, Refusal, Status, Taken};
use crate::batch_state::{Attempt, BatchState, Told};
use crate::digest::Target;
use crate::error::Error;
use crate::lines::{Item, Line, Lines};
use crate::outbox::Outbox;
use crate::selection::Selection;
use crate::summary::{Ending, Summary, Tally};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use job_runtime::{CallOnce, Exit, Sink};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};

/// How long calls in flight are awaited after `--timeout`, and how long the writing of the answers may take after a
/// signal.
const GRACE: Duration = Duration::from_secs(3);
/// How long the writing may take after a second signal; the runtime ends everything after a second.
const HURRIED: Duration = Duration::from_millis(500);

/// How long a further line is waited for after an early end: without one, nothing was left over.
const PEEK: Duration = Duration::from_millis(100);

/// What is to be done.
pub(crate) struct Work {
    pub(crate) lines: Lines,
    pub(crate) selection: Selection,
    pub(crate) target: Target,
    pub(crate) concurrency: usize,
    pub(crate) max_failures: Option<u64>,
    pub(crate) deadline: Instant,
    pub(crate) once: CallOnce,
    /// The next run with the same options does the rest.
    pub(crate) resumes: bool,
    /// There is a condition on each response.
    pub(crate) has_expect: bool,
}

/// What the service does.
pub(crate) struct Service<K, C, F> {
    /// Whether a line is fit to be sent.
    pub(crate) check: K,
    /// Sends a line once.
    pub(crate) call: C,
    /// Whether the next process finds the work of a line by the idempotency key.
    pub(crate) findable: F,
}

/// The signals of a run.
pub(crate) struct Signals<S, H> {
    /// The first one.
    pub(crate) first: S,
    /// Ends with the second one: what can be written at once is written.
    pub(crate) second: H,
}

/// Who is shown how far it is.
pub(crate) struct Progress<S, D> {
    pub(crate) every: Duration,
    /// Called again and again, with the part of the input that has been used up.
    pub(crate) show: S,
    /// Called once, when every line has its answer, before the last answers are written: the one who reads them may
    /// be slow.
    pub(crate) done: D,
}

/// How the loop ended.
#[derive(Default)]
struct Halt {
    /// The first signal.
    signal: Option<Exit>,
    /// A second one has come.
    hurried: bool,
    /// Why calls in flight were awaited for so long only.
    grace: Option<(Told, Instant)>,
    /// What broke.
    broken: Option<Error>,
}

/// Works until every line has its answer, or no more are to be taken and none is in flight.
pub(crate) async fn drive<K, C, F>(
    mut work: Work,
    sink: Sink,
    service: Service<K, C, F>,
    signals: Signals<impl Future<Output = Exit>, impl Future<Output = ()>>,
    progress: Progress<impl FnMut(&Tally, Option<f64>), impl FnOnce(&Summary)>,
) -> Result<Summary, Error>
where
    K: Fn(&[u8]) -> Result<(), String>,
    C: AsyncFn(&Item) -> Result<Answer, Refusal>,
    F: AsyncFn(u64) -> bool,
{
    let Progress { every, show, done } = progress;
    let (mut first, mut second) = (pin!(signals.first), pin!(signals.second));
    let mut state = BatchState::new(work.concurrency, work.max_failures);
    let mut outbox = Outbox::new(sink);
    let signals = Signals { first: first.as_mut(), second: second.as_mut() };
    let halt = send_lines(&mut work, &service, signals, (every, show), (&mut state, &mut outbox)).await;
    let Halt { signal, hurried, grace, broken } = halt;
    let Work { mut lines, selection, once, resumes, has_expect, .. } = work;
    // One question for all lines: they are sent to one target under one key.
    let harmless = once.repeatable
        || state.ended_early() && !hurried && (service.findable)(state.window.first_unanswered()).await;
    if let Some((who, _)) = grace {
        state.cut_off(who, harmless && !once.repeatable);
    }
    while let Some(text) = state.window.pop() {
        outbox.push(&text);
    }
    let whole = broken.is_none()
        && (lines.is_at_end()
            || matches!(timeout(PEEK, lines.next(|line| selection.shard.holds(line))).await, Ok(Ok(None))));
    let (skipped, kept_unknown) = (selection.skipped(), selection.kept_unknown());
    let not_evaluated = if has_expect { selection.not_evaluated() } else { 0 };
    let ending = Ending { stop: None, resumes, harmless, hurried, skipped, kept_unknown, not_evaluated };
    let summary = state.summary(whole, ending);
    done(&summary);
    if whole && selection.unused() > 0 {
        let responses = selection.unused();
        tracing::warn!(responses, "earlier responses belong to other lines or to another target");
    }
    if let Some(err @ Error::Sink(_)) = broken {
        return Err(err);
    }
    tokio::select! {
        biased;
        closed = outbox.close() => closed?,
        signal = too_late(signal, hurried, once, Signals { first, second }) => {
            return Err(Error::Unwritten { signal, exit: if harmless { signal } else { Exit::Unknown } });
        }
    }
    match broken {
        None => Ok(summary),
        Some(Error::Read { place, source, .. }) => {
            Err(Error::Read { place, source, repeats: summary.repeats_work() })
        }
        Some(err) => Err(err),
    }
}

/// The loop.
async fn send_lines<K, C, F>(
    work: &mut Work,
    service: &Service<K, C, F>,
    mut signals: Signals<impl Future<Output = Exit> + Unpin, impl Future<Output = ()> + Unpin>,
    (every, mut show): (Duration, impl FnMut(&Tally, Option<f64>)),
    (state, outbox): (&mut BatchState, &mut Outbox),
) -> Halt
where
    K: Fn(&[u8]) -> Result<(), String>,
    C: AsyncFn(&Item) -> Result<Answer, Refusal>,
    F: AsyncFn(u64) -> bool,
{
    let Work { lines, selection, target, once, deadline, .. } = work;
    let shard = selection.shard;
    let mut calls = FuturesUnordered::new();
    let mut deadline = pin!(sleep_until(*deadline));
    let mut halt = Halt::default();
    let mut ended = false;
    let mut tick = interval_at(Instant::now() + every, every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        while let Some(text) = state.window.pop() {
            outbox.push(&text);
        }
        if outbox.is_full()
            && let Err(err) = outbox.begin().await
        {
            return Halt { broken: Some(err.into()), ..halt };
        }
        let now = Instant::now();
        while state.pace.has_room(now, calls.len())
            && let Some((ticket, (item, _))) = state.again.pop_first()
        {
            calls.push(attempt(service, ticket, item, now));
        }
        let wants_lines = !ended && state.stop.is_none() && state.window.has_room(outbox.unwritten());
        let takes_line = wants_lines && state.again.is_empty() && state.pace.has_room(now, calls.len());
        if calls.is_empty() && state.again.is_empty() && (ended || state.stop.is_some()) {
            return halt;
        }
        let pause_end = state.pace.pause_end(now).filter(|_| wants_lines || !state.again.is_empty());
        // In this order: what frees something comes before what takes it, and writing has time when nothing else
        // is ready.
        tokio::select! {
            biased;
            exit = &mut signals.first, if halt.signal.is_none() => {
                let end = Instant::now() + once.patience(exit);
                let end = halt.grace.map_or(end, |(_, before)| end.min(before));
                (halt.signal, halt.grace) = (Some(exit), Some((Told::Signal(exit), end)));
                state.told(Told::Signal(exit));
            }
            () = &mut signals.second, if halt.signal.is_some() => return Halt { hurried: true, ..halt },
            () = &mut deadline, if halt.grace.is_none() => {
                halt.grace = Some((Told::Deadline, Instant::now() + GRACE));
                state.told(Told::Deadline);
            }
            () = until(halt.grace.map(|(_, end)| end)), if halt.grace.is_some() => return halt,
            _ = tick.tick() => show(&state.tally, lines.fraction()),
            Some(ended) = calls.next(), if !calls.is_empty() => state.end(ended),
            line = lines.next(|line| shard.holds(line)), if takes_line => match line {
                Ok(Some(line)) => {
                    let binding = (&mut *selection, &*target);
                    if let Some((ticket, item)) = take(line, lines, binding, &service.check, state) {
                        calls.push(attempt(service, ticket, item, now));
                    }
                }
                Ok(None) => ended = true,
                Err(err) => (ended, halt.broken) = (true, Some(err)),
            },
            written = outbox.written(), if outbox.unwritten() > 0 => if let Err(err) = written {
                return Halt { broken: Some(err.into()), ..halt };
            },
            () = until(pause_end), if pause_end.is_some() => {}
        }
    }
}

/// What becomes of a line of the input: the ticket of one that is to be sent.
fn take(
    line: Line,
    lines: &Lines,
    (selection, target): (&mut Selection, &Target),
    check: &impl Fn(&[u8]) -> Result<(), String>,
    state: &mut BatchState,
) -> Option<(u64, Item)> {
    let item = match line {
        Line::Whole(item) => item,
        Line::TooLong(line) => {
            state.refuse(Taken { line, digest: None }, &lines.limit());
            return None;
        }
    };
    let digest = target.digest(&item.text);
    if !selection.takes(item.line, digest) {
        return None;
    }
    let taken = Taken { line: item.line, digest: Some(digest) };
    match check(&item.text) {
        Ok(()) => Some((state.window.open(taken), item)),
        Err(why) => {
            state.refuse(taken, &why);
            None
        }
    }
}

/// Ends when the last answers have had their time to be written, which only a signal limits; tells the signal.
async fn too_late(
    signal: Option<Exit>,
    hurried: bool,
    once: CallOnce,
    signals: Signals<impl Future<Output = Exit>, impl Future<Output = ()>>,
) -> Exit {
    let (exit, time) = if let Some(exit) = signal {
        (exit, if hurried { HURRIED } else { GRACE })
    } else {
        let exit = signals.first.await;
        (exit, once.patience(exit))
    };
    tokio::select! {
        () = sleep(time) => {}
        () = signals.second, if !hurried => {}
    }
    exit
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

async fn attempt<K, C, F>(service: &Service<K, C, F>, ticket: u64, item: Item, begun: Instant) -> Attempt
where
    C: AsyncFn(&Item) -> Result<Answer, Refusal>,
    F: AsyncFn(u64) -> bool,
{
    let mut outcome = (service.call)(&item).await;
    if let Err(refusal) = &mut outcome
        && refusal.status == Status::Unknown
        && (service.findable)(item.line).await
    {
        refusal.status = Status::Unavailable;
        refusal.error.push_str("; the next run with the same idempotency key finds out whether it ran");
    }
    Attempt { ticket, item, begun, ended: Instant::now(), outcome }
}

#[cfg(test)]
mod tests;
