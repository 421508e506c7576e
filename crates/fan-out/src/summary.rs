//! What became of a batch as a whole.

use crate::answer::Status;
use crate::selection::KeptUnknown;
use hdrhistogram::Histogram;
use job_runtime::{ALWAYS, Exit, Output, Report, aligned};
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;
use tokio::time::Instant;

/// Of the first failure's text, so much is in the error.
const QUOTED: usize = 300;

/// Why no more lines were taken, before the last was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A signal, as its exit.
    Signal(Exit),
    /// `--timeout`.
    Deadline,
    /// A line was denied, or the configuration is wrong.
    Refused,
    MaxFailures,
    /// The service was not reached for too long.
    Unreached,
}

impl Stop {
    /// One word, for the summary.
    fn word(self) -> &'static str {
        match self {
            Self::Signal(_) => "signal",
            Self::Deadline => "timeout",
            Self::Refused => "refused",
            Self::MaxFailures => "max-failures",
            Self::Unreached => "unreached",
        }
    }

    /// For people.
    fn phrase(self) -> &'static str {
        match self {
            Self::Signal(Exit::Interrupted) => "ended by SIGINT",
            Self::Signal(_) => "ended by SIGTERM",
            Self::Deadline => "--timeout has passed",
            Self::Refused => "every further line would be refused as well",
            Self::MaxFailures => "as many lines have failed as --max-failures allows",
            Self::Unreached => "the service was not reached for five minutes",
        }
    }
}

/// How a batch ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ending {
    /// Why lines are left over, where some are.
    pub(crate) stop: Option<Stop>,
    /// The next run with the same options does the rest, and only that.
    pub(crate) resumes: bool,
    /// To send a line again does no harm: the user says so, or the idempotency key finds its work.
    pub(crate) harmless: bool,
    /// A second signal came.
    pub(crate) hurried: bool,
    /// Lines that an earlier run has done.
    pub(crate) skipped: u64,
    pub(crate) kept_unknown: KeptUnknown,
    /// Of the skipped lines, those whose response `--expect` could not be evaluated on.
    pub(crate) not_evaluated: u64,
}

/// What is counted on the way.
#[derive(Debug)]
pub(crate) struct Tally {
    counts: Counts,
    /// Lines without a response because of a signal.
    cut_off: u64,
    throttled: u64,
    /// Microseconds of the calls that were answered.
    times: Option<Histogram<u64>>,
    begun: Instant,
    first_failure: Option<String>,
}

/// Lines by what became of them.
type Counts = [u64; Status::ALL.len()];

impl Tally {
    pub(crate) fn new() -> Self {
        let times = Histogram::new(3).ok();
        Self {
            counts: Counts::default(),
            cut_off: 0,
            throttled: 0,
            times,
            begun: Instant::now(),
            first_failure: None,
        }
    }

    /// A line has its answer; `error` says why it is not ok.
    pub(crate) fn count(&mut self, line: u64, status: Status, error: &str) {
        self.counts[status as usize] += 1;
        if status != Status::Ok && self.first_failure.is_none() {
            let quoted: String = error.chars().take(QUOTED).collect();
            self.first_failure = Some(format!("line {line} is {}: {quoted}", status.label()));
        }
    }

    /// A call was answered after so long.
    pub(crate) fn time(&mut self, took: Duration) {
        if let Some(times) = &mut self.times {
            // Auto-resizing: no time is too long.
            let _ = times.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1));
        }
    }

    /// The line that was counted last has no response because of a signal.
    pub(crate) fn cut_off(&mut self) {
        self.cut_off += 1;
    }

    /// A call has to be made again.
    pub(crate) fn throttle(&mut self) {
        self.throttled += 1;
    }

    pub(crate) fn throttled(&self) -> u64 {
        self.throttled
    }

    pub(crate) fn ok(&self) -> u64 {
        self.counts[Status::Ok as usize]
    }

    pub(crate) fn not_ok(&self) -> u64 {
        self.lines() - self.ok()
    }

    fn lines(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Lines a second, from the beginning.
    pub(crate) fn per_second(&self) -> f64 {
        let seconds = self.begun.elapsed().as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
        let lines = self.lines() as f64;
        if seconds > 0.0 { rounded(lines / seconds) } else { 0.0 }
    }

    /// The end.
    pub(crate) fn end(self, ending: Ending) -> Summary {
        let Ending { stop, skipped, kept_unknown, .. } = ending;
        let millis = |quantile| {
            let times = self.times.as_ref().filter(|times| !times.is_empty())?;
            Some(rounded(Duration::from_micros(times.value_at_quantile(quantile)).as_secs_f64() * 1000.0))
        };
        Summary {
            lines: self.lines(),
            ok: self.ok(),
            failed: self.not_ok(),
            skipped,
            kept_unknown: kept_unknown.count,
            throttled: self.throttled,
            seconds: rounded(self.begun.elapsed().as_secs_f64()),
            per_second: self.per_second(),
            p50_ms: millis(0.5),
            p99_ms: millis(0.99),
            ended_early: stop.map(Stop::word),
            exit: exit(&self.counts, self.cut_off, ending),
            ending,
            counts: self.counts,
            first_failure: self.first_failure,
        }
    }
}

/// What became of a batch: its counts, its times, its exit. Its JSON form is one flat object.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    lines: u64,
    ok: u64,
    failed: u64,
    skipped: u64,
    kept_unknown: u64,
    throttled: u64,
    seconds: f64,
    per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_early: Option<&'static str>,
    #[serde(skip)]
    exit: Exit,
    #[serde(skip)]
    ending: Ending,
    #[serde(skip)]
    counts: Counts,
    #[serde(skip)]
    first_failure: Option<String>,
}

impl Summary {
    /// How the run ends.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The end of the run. Its result is the summary where the answers went to a file, else nothing: stdout holds
    /// the answers.
    pub fn report(&self, answers_in_file: bool, output: Output) -> Report {
        let result = match output {
            _ if !answers_in_file => String::new(),
            Output::Json => job_runtime::json(self),
            Output::Text => self.text(),
        };
        match self.error() {
            None => Report::ok(result),
            Some(error) => {
                let not_evaluated = self.counts[Status::NotEvaluated as usize] + self.ending.not_evaluated;
                Report::failed(self.exit, result, error).with_expect_not_evaluated(not_evaluated > 0)
            }
        }
    }

    /// A few aligned lines for people.
    fn text(&self) -> String {
        let millis = |time: Option<f64>| time.map(|time| format!("{time} ms"));
        let lines = [
            ("lines", Some(format!("{}: {}", self.lines, self.counts()))),
            ("throttled", (self.throttled > 0).then(|| self.throttled.to_string())),
            ("seconds", Some(self.seconds.to_string())),
            ("per second", Some(self.per_second.to_string())),
            ("p50", millis(self.p50_ms)),
            ("p99", millis(self.p99_ms)),
            ("ended early", self.ending.stop.map(|stop| stop.phrase().to_owned())),
        ];
        aligned(lines.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))))
    }

    /// Whatever `RUST_LOG` says: stdout holds the answers, and somebody has to tell how many there are.
    pub(crate) fn log(&self) {
        let Self {
            lines,
            ok,
            failed,
            skipped,
            kept_unknown,
            throttled,
            seconds,
            per_second,
            p50_ms,
            p99_ms,
            ended_early,
            ..
        } = self;
        tracing::info!(
            target: ALWAYS,
            lines, ok, failed, skipped, kept_unknown, throttled, seconds, per_second, p50_ms, p99_ms, ended_early,
            "the batch has ended"
        );
    }

    /// `97 ok, 2 failed, 1 unknown`: what there was any of.
    pub(crate) fn counts(&self) -> String {
        let mut text = format!("{} ok", self.ok);
        for status in Status::ALL.into_iter().filter(|status| *status != Status::Ok) {
            let count = self.counts[status as usize];
            if count > 0 {
                // Writing to a String cannot fail.
                let _ = write!(text, ", {count} {}", status.label());
            }
        }
        if self.skipped > 0 {
            let _ = write!(text, ", {} skipped", self.skipped);
        }
        if self.kept_unknown > 0 {
            let _ = write!(text, ", {} still unknown", self.kept_unknown);
        }
        text
    }

    /// Whether a run with the same options would send lines again that may have run.
    pub(crate) fn repeats_work(&self) -> bool {
        !self.ending.resumes && !self.ending.harmless && has_run(&self.counts)
    }

    /// Why the batch did not succeed.
    fn error(&self) -> Option<String> {
        if self.exit == Exit::Ok {
            return None;
        }
        let Self { failed, lines, kept_unknown, ending, .. } = self;
        let failures = format!("{failed} of {lines} lines failed: {}", self.counts());
        let kept = format!(
            "{kept_unknown} lines are unknown since an earlier run, the first of them line {}, and were not sent \
             again; --repeatable sends them",
            ending.kept_unknown.first
        );
        let early = |stop: Stop| {
            let rest =
                if self.repeats_work() { "; without --resume a retry sends all lines again" } else { "" };
            format!("ended early after {lines} lines: {}{rest}", stop.phrase())
        };
        let parts = [
            (*failed > 0).then_some(failures),
            self.first_failure.clone(),
            (ending.not_evaluated > 0)
                .then(|| format!("--expect was not evaluated on {} earlier responses", ending.not_evaluated)),
            (*kept_unknown > 0).then_some(kept),
            ending.stop.map(early),
        ];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

/// Whether a line may have run.
fn has_run(counts: &Counts) -> bool {
    [Status::Ok, Status::NotEvaluated, Status::Failed, Status::Unknown, Status::Interrupted]
        .into_iter()
        .any(|status| counts[status as usize] > 0)
}

/// The first that applies: a line is unknown, a line failed, a refusal stopped the batch, it ended early.
///
/// An early end is told only where a retry does the rest and no more: with `--resume`, or where a second call does no
/// harm. `cut_off` lines are unknown because of the signal that ended the batch, which `--resume` takes into account.
fn exit(counts: &Counts, cut_off: u64, ending: Ending) -> Exit {
    let Ending { stop, resumes, harmless, hurried, kept_unknown, not_evaluated, .. } = ending;
    let count = |status: Status| counts[status as usize];
    let accounted = if harmless || resumes && !hurried { cut_off } else { 0 };
    if count(Status::Unknown).saturating_sub(accounted) + kept_unknown.count > 0 {
        return Exit::Unknown;
    }
    if not_evaluated > 0 {
        return Exit::Failed;
    }
    let by_weight = [
        (Status::Failed, Exit::Failed),
        (Status::NotEvaluated, Exit::Failed),
        (Status::Rejected, Exit::Failed),
        (Status::Usage, Exit::Failed),
        (Status::Denied, Exit::Denied),
        (Status::Config, Exit::Config),
    ];
    if let Some((_, exit)) = by_weight.into_iter().find(|(status, _)| count(*status) > 0) {
        return exit;
    }
    let unavailable = count(Status::Unavailable) > 0;
    let early = match stop {
        None if !unavailable => return Exit::Ok,
        Some(Stop::Signal(exit)) => exit,
        Some(Stop::Deadline) if !unavailable && has_run(counts) => Exit::Timeout,
        None | Some(Stop::Deadline | Stop::Refused | Stop::MaxFailures | Stop::Unreached) => {
            Exit::Unavailable
        }
    };
    if has_run(counts) && !resumes && !harmless { Exit::Unknown } else { early }
}

/// To three digits behind the point.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests;
