//! What became of a batch as a whole.

use crate::answer::Status;
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

/// What is counted on the way.
#[derive(Debug)]
pub(crate) struct Tally {
    counts: Counts,
    throttled: u64,
    /// Microseconds of the calls that were answered.
    times: Option<Histogram<u64>>,
    begun: Instant,
    first_failure: Option<String>,
    /// Responses of earlier runs that `--expect` could not be evaluated on.
    earlier_not_evaluated: u64,
}

/// Lines by what became of them.
type Counts = [u64; Status::ALL.len()];

impl Tally {
    pub(crate) fn new() -> Self {
        let times = Histogram::new(3).ok();
        Self {
            counts: Counts::default(),
            throttled: 0,
            times,
            begun: Instant::now(),
            first_failure: None,
            earlier_not_evaluated: 0,
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

    /// Counts responses of earlier runs whose calls are not made again, though nothing is known of the condition.
    pub(crate) fn count_earlier_not_evaluated(&mut self, responses: u64) {
        self.earlier_not_evaluated += responses;
    }

    /// A call was answered after so long.
    pub(crate) fn time(&mut self, took: Duration) {
        if let Some(times) = &mut self.times {
            // Auto-resizing: no time is too long.
            let _ = times.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1));
        }
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

    /// The end; `stop` is why lines are left over, where some are.
    pub(crate) fn end(self, stop: Option<Stop>, skipped: u64) -> Summary {
        let millis = |quantile| {
            let times = self.times.as_ref().filter(|times| !times.is_empty())?;
            Some(rounded(Duration::from_micros(times.value_at_quantile(quantile)).as_secs_f64() * 1000.0))
        };
        Summary {
            lines: self.lines(),
            ok: self.ok(),
            failed: self.not_ok(),
            skipped,
            throttled: self.throttled,
            seconds: rounded(self.begun.elapsed().as_secs_f64()),
            per_second: self.per_second(),
            p50_ms: millis(0.5),
            p99_ms: millis(0.99),
            ended_early: stop.map(Stop::word),
            exit: match exit(&self.counts, stop) {
                Exit::Ok if self.earlier_not_evaluated > 0 => Exit::Failed,
                exit => exit,
            },
            earlier_not_evaluated: self.earlier_not_evaluated,
            stop,
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
    stop: Option<Stop>,
    #[serde(skip)]
    counts: Counts,
    #[serde(skip)]
    first_failure: Option<String>,
    #[serde(skip)]
    earlier_not_evaluated: u64,
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
                let not_evaluated =
                    self.counts[Status::NotEvaluated as usize] + self.earlier_not_evaluated > 0;
                Report::failed(self.exit, result, error).with_expect_not_evaluated(not_evaluated)
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
            ("ended early", self.stop.map(|stop| stop.phrase().to_owned())),
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
            lines, ok, failed, skipped, throttled, seconds, per_second, p50_ms, p99_ms, ended_early,
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
        text
    }

    /// Why the batch is no success.
    fn error(&self) -> Option<String> {
        if self.exit == Exit::Ok {
            return None;
        }
        let Self { failed, lines, .. } = self;
        let failures = format!("{failed} of {lines} lines failed: {}", self.counts());
        let parts = [
            (*failed > 0).then_some(failures),
            self.first_failure.clone(),
            (self.earlier_not_evaluated > 0).then(|| {
                format!("--expect was not evaluated on {} earlier responses", self.earlier_not_evaluated)
            }),
            self.stop.map(|stop| format!("ended early after {lines} lines: {}", stop.phrase())),
        ];
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

/// The first that applies.
fn exit(counts: &Counts, stop: Option<Stop>) -> Exit {
    if let Some(Stop::Signal(exit)) = stop {
        return exit;
    }
    let by_weight = [
        (Status::Denied, Exit::Denied),
        (Status::Config, Exit::Config),
        (Status::Unknown, Exit::Unknown),
        (Status::Failed, Exit::Failed),
        (Status::NotEvaluated, Exit::Failed),
        (Status::Rejected, Exit::Rejected),
        (Status::Usage, Exit::Usage),
        (Status::Unavailable, Exit::Unavailable),
    ];
    let worst = by_weight.into_iter().find(|(status, _)| counts[*status as usize] > 0);
    match (worst, stop) {
        (Some((_, exit)), _) => exit,
        (None, None) => Exit::Ok,
        (None, Some(Stop::Deadline)) => Exit::Timeout,
        // Each of them goes with a failure.
        (None, Some(Stop::Signal(_) | Stop::Refused | Stop::MaxFailures | Stop::Unreached)) => {
            Exit::Unavailable
        }
    }
}

/// To three digits behind the point.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(statuses: &[Status]) -> Tally {
        let mut tally = Tally::new();
        for (line, status) in (1..).zip(statuses) {
            tally.count(line, *status, "why");
        }
        tally
    }

    #[test]
    fn the_heaviest_end_counts() {
        use Status::{Config, Denied, Failed, Interrupted, Ok, Rejected, Unavailable, Unknown, Usage};
        let signal = Some(Stop::Signal(Exit::Terminated));
        for (statuses, stop, exit) in [
            (&[][..], None, Exit::Ok),
            (&[Ok, Ok], None, Exit::Ok),
            (&[Ok], signal, Exit::Terminated),
            (&[Denied, Unknown], signal, Exit::Terminated),
            (&[Interrupted, Failed], Some(Stop::Signal(Exit::Interrupted)), Exit::Interrupted),
            (&[Ok, Config, Denied, Unknown], Some(Stop::Refused), Exit::Denied),
            (&[Unknown, Config], Some(Stop::Refused), Exit::Config),
            (&[Usage, Rejected, Failed, Unknown], None, Exit::Unknown),
            (&[Usage, Rejected, Failed, Unavailable], Some(Stop::MaxFailures), Exit::Failed),
            (&[Unavailable, Usage, Rejected], None, Exit::Rejected),
            (&[Unavailable, Usage], Some(Stop::Deadline), Exit::Usage),
            (&[Ok, Unavailable], Some(Stop::Deadline), Exit::Unavailable),
            (&[Ok, Unavailable], Some(Stop::Unreached), Exit::Unavailable),
            (&[Ok, Unknown], Some(Stop::Deadline), Exit::Unknown),
            (&[Ok], Some(Stop::Deadline), Exit::Timeout),
        ] {
            assert_eq!(tally(statuses).end(stop, 0).exit(), exit, "{statuses:?} {stop:?}");
        }
    }

    #[test]
    fn what_is_told() {
        let ok = tally(&[Status::Ok, Status::Ok]).end(None, 3);
        assert_eq!(ok.report(false, Output::Json), Report::ok(""));
        assert_eq!(ok.counts(), "2 ok, 3 skipped");
        let failed = tally(&[Status::Ok, Status::Failed, Status::Unknown]).end(Some(Stop::MaxFailures), 0);
        assert_eq!(
            failed.report(false, Output::Json).error.as_deref(),
            Some(
                "2 of 3 lines failed: 1 ok, 1 failed, 1 unknown; line 2 is failed: why; ended early after 3 lines: as \
                 many lines have failed as --max-failures allows"
            )
        );
        let told =
            tally(&[Status::Ok]).end(Some(Stop::Signal(Exit::Terminated)), 0).report(false, Output::Json);
        assert_eq!(told.error.as_deref(), Some("ended early after 1 lines: ended by SIGTERM"));
        assert_eq!(told.exit, Exit::Terminated);
    }

    #[tokio::test(start_paused = true)]
    async fn the_summary_as_json() {
        let mut tally = Tally::new();
        tally.count(1, Status::Ok, "");
        tally.count(2, Status::Rejected, "why");
        tally.throttle();
        (1..=100).for_each(|millis| tally.time(Duration::from_millis(millis)));
        tokio::time::advance(Duration::from_secs(4)).await;
        let summary = tally.end(Some(Stop::Deadline), 5);
        let text = String::from_utf8(summary.report(true, Output::Text).result).unwrap();
        assert!(text.contains("ended early  --timeout has passed"), "{text}");
        let result = summary.report(true, Output::Json).result;
        let json: serde_json::Value = serde_json::from_slice(&result).unwrap();
        for (key, expected) in [
            ("lines", 2.0),
            ("ok", 1.0),
            ("failed", 1.0),
            ("skipped", 5.0),
            ("throttled", 1.0),
            ("seconds", 4.0),
            ("per_second", 0.5),
        ] {
            assert_eq!(json[key].as_f64(), Some(expected), "{key}");
        }
        assert_eq!(json["ended_early"], "timeout");
        let near = |key: &str, expected: f64| (json[key].as_f64().unwrap() - expected).abs() < 0.1;
        assert!(near("p50_ms", 50.0) && near("p99_ms", 99.0), "{json}");
    }
}
