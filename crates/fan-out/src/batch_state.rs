//! How a batch stands: which lines are open, are to be sent again, have a response. Knows nothing of files, calls and
//! waits.

use crate::answer::{self, Answer, Refusal, Status, Taken};
use crate::error::Error;
use crate::lines::Item;
use crate::pace::Pace;
use crate::summary::{Ending, Stop, Summary, Tally};
use crate::window::Window;
use job_runtime::Exit;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Between the oldest line without an answer and the newest that was taken are so many times `--concurrency`.
const WINDOW: usize = 4;

/// What ended the run.
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

/// A call that has ended.
pub(crate) struct Attempt {
    pub(crate) ticket: u64,
    pub(crate) item: Item,
    pub(crate) begun: Instant,
    pub(crate) ended: Instant,
    pub(crate) outcome: Result<Answer, Refusal>,
}

/// How a batch stands.
pub(crate) struct BatchState {
    pub(crate) window: Window,
    pub(crate) pace: Pace,
    pub(crate) tally: Tally,
    /// By ticket: lines whose call started nothing and is to be made again, with what was said to the last.
    pub(crate) again: BTreeMap<u64, (Item, Refusal)>,
    max_failures: Option<u64>,
    /// Why no more lines are taken.
    pub(crate) stop: Option<Stop>,
    /// Whether a line was given up that might have been answered later.
    gave_up: bool,
}

impl BatchState {
    pub(crate) fn new(concurrency: usize, max_failures: Option<u64>) -> Self {
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
    pub(crate) fn refuse(&mut self, line: Taken, why: &str) {
        let ticket = self.window.open(line);
        self.settle(
            ticket,
            line.line,
            Status::Usage,
            why,
            answer::unanswered(line, Status::Usage, why, None),
        );
    }

    /// A call has ended.
    pub(crate) fn end(&mut self, attempt: Attempt) {
        let Attempt { ticket, item, begun, ended, outcome } = attempt;
        match outcome {
            Ok(answer) => {
                self.pace.answered(begun);
                self.tally.time(ended - begun);
                let (status, text) = answer::answered(self.taken(ticket, item.line), &answer);
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
        let text = answer::unanswered(self.taken(ticket, line), *status, error, request_id.as_deref());
        self.settle(ticket, line, *status, error, text);
    }

    /// The line of a ticket, with its digest.
    fn taken(&self, ticket: u64, line: u64) -> Taken {
        self.window.taken(ticket).unwrap_or(Taken { line, digest: None })
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

    pub(crate) fn told(&mut self, who: Told) {
        self.stop(match who {
            Told::Signal(exit) => Stop::Signal(exit),
            Told::Deadline => Stop::Deadline,
        });
    }

    /// Whether lines were left over that the next run might send.
    pub(crate) fn ended_early(&self) -> bool {
        matches!(self.stop, Some(Stop::Signal(_) | Stop::Deadline | Stop::Unreached))
    }

    /// Whatever has no answer by now gets none. `findable`: the next process finds the work.
    pub(crate) fn cut_off(&mut self, who: Told, findable: bool) {
        let (status, why) = match who {
            _ if findable => (
                Status::Interrupted,
                "the batch ended before the response; the next run with the same idempotency key finds the work",
            ),
            Told::Signal(_) => (Status::Unknown, "a signal came before the response: it may have run"),
            Told::Deadline => (Status::Unknown, "--timeout passed before the response: it may have run"),
        };
        for (ticket, taken) in self.window.unanswered() {
            self.gave_up = true;
            self.settle(ticket, taken.line, status, why, answer::unanswered(taken, status, why, None));
            if matches!(who, Told::Signal(_)) && status == Status::Unknown {
                self.tally.cut_off();
            }
        }
    }

    /// The end. Where all lines were taken and answered, nothing was stopped.
    pub(crate) fn summary(self, whole: bool, ending: Ending) -> Summary {
        let stop = self.stop.filter(|_| self.gave_up || !whole);
        self.tally.end(Ending { stop, ..ending })
    }
}
