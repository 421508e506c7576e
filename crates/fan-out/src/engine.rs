//! The loop of a batch: takes lines, makes calls, writes answers.

use crate::answer::{self, Answer, Refusal, Status};
use crate::error::Error;
use crate::lines::{Item, Line, Lines};
use crate::outbox::Outbox;
use crate::pace::Pace;
use crate::selection::Selection;
use crate::summary::{Stop, Summary, Tally};
use crate::window::Window;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use job_runtime::{Exit, Sink};
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

/// Between the oldest line without an answer and the newest that was taken are so many times `--concurrency`.
const WINDOW: usize = 4;
/// How long calls in flight are awaited once the run is told to end: of the runtime's four seconds one is left for
/// the writing.
const GRACE: Duration = Duration::from_secs(3);

/// What is to be done.
pub(crate) struct Work {
    pub(crate) lines: Lines,
    pub(crate) selection: Selection,
    pub(crate) sink: Sink,
    pub(crate) concurrency: usize,
    pub(crate) max_failures: Option<u64>,
    /// Responses of earlier runs that `--expect` could not be evaluated on.
    pub(crate) earlier_not_evaluated: u64,
}

/// Who told the run to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Signal(Exit),
    Deadline,
}

impl Told {
    /// The end of a run that had not begun.
    pub(crate) fn too_early(self) -> Error {
        match self {
            Self::Signal(exit @ Exit::Interrupted) => Error::Untaken { what: "ended by SIGINT", exit },
            Self::Signal(exit) => Error::Untaken { what: "ended by SIGTERM", exit },
            Self::Deadline => Error::Untaken { what: "--timeout has passed", exit: Exit::Unavailable },
        }
    }
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

/// Works until every line has its answer, or no more are to be taken and none is in flight.
pub(crate) async fn drive(
    work: Work,
    check: impl Fn(&[u8]) -> Result<(), String>,
    call: impl AsyncFn(&Item) -> Result<Answer, Refusal>,
    told: impl Future<Output = Told>,
    progress: Progress<impl FnMut(&Tally, Option<f64>), impl FnOnce(&Summary)>,
) -> Result<Summary, Error> {
    let Progress { every, mut show, done } = progress;
    let Work { mut lines, mut selection, sink, concurrency, max_failures, earlier_not_evaluated } = work;
    let mut course = Course::new(concurrency, max_failures);
    course.tally.count_earlier_not_evaluated(earlier_not_evaluated);
    let mut outbox = Outbox::new(sink);
    let mut calls = FuturesUnordered::new();
    let mut told = pin!(told);
    let mut grace: Option<(Told, Instant)> = None;
    let mut ended = false;
    let mut broken: Option<Error> = None;
    let mut tick = interval_at(Instant::now() + every, every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        while let Some(text) = course.window.pop() {
            outbox.push(&text);
        }
        if outbox.is_full()
            && let Err(err) = outbox.begin().await
        {
            broken = Some(err.into());
            break;
        }
        let now = Instant::now();
        while course.pace.has_room(now, calls.len())
            && let Some((ticket, (item, _))) = course.again.pop_first()
        {
            calls.push(attempt(&call, ticket, item, now));
        }
        let wants_lines = !ended && course.stop.is_none() && course.window.has_room(outbox.unwritten());
        let takes_line = wants_lines && course.again.is_empty() && course.pace.has_room(now, calls.len());
        if calls.is_empty() && course.again.is_empty() && (ended || course.stop.is_some()) {
            break;
        }
        let pause_end = course.pace.pause_end(now).filter(|_| wants_lines || !course.again.is_empty());
        // In this order: what frees something comes before what takes it, and writing has time when nothing else
        // is ready.
        tokio::select! {
            biased;
            who = &mut told, if grace.is_none() => {
                grace = Some((who, Instant::now() + GRACE));
                course.told(who);
            }
            () = until(grace.map(|(_, end)| end)), if grace.is_some() => break,
            _ = tick.tick() => show(&course.tally, lines.fraction()),
            Some(ended) = calls.next(), if !calls.is_empty() => course.end(ended),
            line = lines.next(|line| selection.takes(line)), if takes_line => match line {
                Ok(Some(Line::Whole(item))) => match check(&item.text) {
                    Ok(()) => calls.push(attempt(&call, course.window.open(item.line), item, now)),
                    Err(why) => course.refuse(item.line, &why),
                },
                Ok(Some(Line::TooLong(line))) => course.refuse(line, &lines.limit()),
                Ok(None) => ended = true,
                Err(err) => (ended, broken) = (true, Some(err)),
            },
            written = outbox.written(), if outbox.unwritten() > 0 => if let Err(err) = written {
                broken = Some(err.into());
                break;
            },
            () = until(pause_end), if pause_end.is_some() => {}
        }
    }
    if let Some((who, _)) = grace {
        course.cut_off(who);
    }
    // Nobody waits for their answers any more.
    drop(calls);
    while let Some(text) = course.window.pop() {
        outbox.push(&text);
    }
    let all_taken = lines.is_at_end();
    let summary = course.summary(all_taken && broken.is_none(), selection.skipped());
    done(&summary);
    if let Some(err @ Error::Sink(_)) = broken {
        return Err(err);
    }
    outbox.close().await?;
    broken.map_or(Ok(summary), Err)
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// A call that has ended.
struct Attempt {
    ticket: u64,
    item: Item,
    begun: Instant,
    ended: Instant,
    outcome: Result<Answer, Refusal>,
}

async fn attempt(
    call: &impl AsyncFn(&Item) -> Result<Answer, Refusal>,
    ticket: u64,
    item: Item,
    begun: Instant,
) -> Attempt {
    let outcome = call(&item).await;
    Attempt { ticket, item, begun, ended: Instant::now(), outcome }
}

/// How a batch stands. Knows nothing of files, calls and waits.
struct Course {
    window: Window,
    pace: Pace,
    tally: Tally,
    /// By ticket: lines whose call started nothing and is to be made again, with what was said to the last.
    again: BTreeMap<u64, (Item, Refusal)>,
    max_failures: Option<u64>,
    /// Why no more lines are taken.
    stop: Option<Stop>,
    /// Whether a line was given up that might have been answered later.
    gave_up: bool,
}

impl Course {
    fn new(concurrency: usize, max_failures: Option<u64>) -> Self {
        Self {
            window: Window::new(WINDOW * concurrency),
            pace: Pace::new(concurrency),
            tally: Tally::new(),
            again: BTreeMap::new(),
            max_failures,
            stop: None,
            gave_up: false,
        }
    }

    /// A line that is not fit to be sent.
    fn refuse(&mut self, line: u64, why: &str) {
        let ticket = self.window.open(line);
        self.settle(ticket, line, Status::Usage, why, answer::unanswered(line, Status::Usage, why, None));
    }

    /// A call has ended.
    fn end(&mut self, attempt: Attempt) {
        let Attempt { ticket, item, begun, ended, outcome } = attempt;
        match outcome {
            Ok(answer) => {
                self.pace.answered(begun);
                self.tally.time(ended - begun);
                let (status, text) = answer::answered(item.line, &answer);
                let why = answer.failure.as_ref().map_or("", |failure| failure.error.as_str());
                self.settle(ticket, item.line, status, why, text);
            }
            Err(refusal) => self.not_answered(ticket, item, begun, ended, refusal),
        }
    }

    fn not_answered(&mut self, ticket: u64, item: Item, begun: Instant, ended: Instant, refusal: Refusal) {
        let Some(why) = refusal.again else {
            self.pace.reached();
            self.settle_refused(ticket, item.line, &refusal);
            if matches!(refusal.status, Status::Denied | Status::Config) {
                self.stop(Stop::Refused);
            }
            return;
        };
        if self.tally.throttled() == 0 {
            tracing::warn!(
                line = item.line,
                error = refusal.error,
                "nothing was started; such calls are made again"
            );
        } else {
            tracing::debug!(line = item.line, error = refusal.error, "nothing was started");
        }
        self.tally.throttle();
        self.pace.set_back(ended, begun, why, fastrand::f64());
        self.again.insert(ticket, (item, refusal));
        if self.pace.is_lost() {
            self.stop(Stop::Unreached);
        } else if self.stop.is_some() {
            self.give_up();
        }
    }

    fn settle_refused(&mut self, ticket: u64, line: u64, refusal: &Refusal) {
        let Refusal { status, error, request_id, .. } = refusal;
        let text = answer::unanswered(line, *status, error, request_id.as_deref());
        self.settle(ticket, line, *status, error, text);
    }

    /// A line has its answer.
    fn settle(&mut self, ticket: u64, line: u64, status: Status, why: &str, text: Vec<u8>) {
        self.tally.count(line, status, why);
        self.window.close(ticket, text);
        if self.stop.is_none() && self.max_failures.is_some_and(|most| self.tally.not_ok() >= most) {
            self.stop(Stop::MaxFailures);
        }
    }

    /// Takes no more lines. The first reason is the one that is told, but for a signal.
    fn stop(&mut self, why: Stop) {
        if self.stop.is_none() || matches!(why, Stop::Signal(_)) {
            self.stop = Some(why);
        }
        self.give_up();
    }

    /// Makes no call again.
    fn give_up(&mut self) {
        for (ticket, (item, refusal)) in std::mem::take(&mut self.again) {
            self.gave_up = true;
            self.settle_refused(ticket, item.line, &refusal);
        }
    }

    fn told(&mut self, who: Told) {
        self.stop(match who {
            Told::Signal(exit) => Stop::Signal(exit),
            Told::Deadline => Stop::Deadline,
        });
    }

    /// Whatever has no answer by now gets none.
    fn cut_off(&mut self, who: Told) {
        let (status, why) = match who {
            Told::Signal(_) => (Status::Interrupted, "a signal came before the answer: it may have run"),
            Told::Deadline => (Status::Unknown, "--timeout passed before the answer: it may have run"),
        };
        for (ticket, line) in self.window.unanswered() {
            self.gave_up = true;
            self.settle(ticket, line, status, why, answer::unanswered(line, status, why, None));
        }
    }

    /// The end. Where all lines were taken and answered, nothing was stopped.
    fn summary(self, all_taken: bool, skipped: u64) -> Summary {
        let stop = self.stop.filter(|_| self.gave_up || !all_taken);
        self.tally.end(stop, skipped)
    }
}

#[cfg(test)]
mod tests;
