//! Follows `CloudWatch` log streams to their end, beside a job that is being waited for.
//!
//! Logs are a courtesy: they must neither fail nor delay the job they belong to. So a [`Tail`] returns no
//! errors. A group or stream that is not there yet is looked for again, a refusal ends the reading of that
//! stream with one warning, and any other failure is answered by reading less often.
//!
//! IAM: `logs:GetLogEvents` on the log groups that are read.
//!
//! ```no_run
//! # async fn example(config: &aws_config::SdkConfig, job: impl Future<Output = u8>) -> u8 {
//! use cloudwatch_tail::{Stream, Tail};
//!
//! let stream = |label: &str| Stream {
//!     group: format!("/aws-glue/jobs/{label}"),
//!     name: "jr_0123".to_owned(),
//!     label: label.to_owned(),
//! };
//! let mut tail = Tail::new(config, vec![stream("output"), stream("error")]);
//! let print = |event: cloudwatch_tail::Event<'_>| tracing::info!("{}: {}", event.label, event.message);
//! let result = tokio::select! {
//!     result = job => result,
//!     never = tail.follow(print) => match never {},
//! };
//! tail.drain(std::time::Duration::from_secs(10), print).await;
//! result
//! # }
//! ```

mod reader;

use std::convert::Infallible;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::retry::RetryConfig;
use tokio::time::{sleep, timeout};

use crate::reader::{Page, Reader};

/// Pause between two rounds while there is more to read.
///
/// `GetLogEvents` is limited to 25 requests a second for a whole account and region ("`CloudWatch` Logs
/// quotas" in the `CloudWatch` Logs user guide), shared with everybody who looks at logs there. One tail of two
/// streams takes at most four of them, and that only while it catches up.
const CATCH_UP: Duration = Duration::from_millis(500);

/// Pause between two rounds once every stream was read to its end.
const REST: Duration = Duration::from_secs(5);

/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Pause between two rounds of the final drain.
const DRAIN_PACE: Duration = Duration::from_secs(1);

/// Rounds without a new event after which the final drain takes the logs to be complete.
const EMPTY_ROUNDS: u32 = 2;

/// One log stream to follow. Neither it nor its group needs to exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Name of the log group.
    pub group: String,
    /// Name of the log stream within the group.
    pub name: String,
    /// What the stream is called in the events handed to the sink.
    pub label: String,
}

/// One log event, lent to the sink while it is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// The label of the stream it came from.
    pub label: &'a str,
    /// When it happened, in milliseconds since 1970-01-01 UTC; absent if `CloudWatch` gave none.
    pub timestamp: Option<i64>,
    /// The text, without line ends at its end.
    pub message: &'a str,
}

/// Whether a log group may be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// It may, or nothing is there yet.
    Allowed,
    /// `logs:GetLogEvents` was refused, in these words.
    Refused(String),
    /// There was no clear answer.
    Unknown(String),
}

/// Follows a set of log streams, each from its first event on.
///
/// A future of [`follow`](Self::follow) may be dropped at any point and nothing is lost or delivered twice: a
/// stream's position moves on when a page has been handed to the sink as a whole. Memory is bounded by one page
/// (1 MB of events) at a time.
#[derive(Debug)]
pub struct Tail {
    client: Client,
    readers: Vec<Reader>,
    failures_in_a_row: u32,
}

impl Tail {
    /// A tail over `streams`, read with the region and credentials of `config`. Sends nothing yet.
    pub fn new(config: &SdkConfig, streams: Vec<Stream>) -> Self {
        // The pace is kept here: a resend inside the SDK would break it.
        let config = aws_sdk_cloudwatchlogs::config::Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .build();
        Self {
            client: Client::from_conf(config),
            readers: streams.into_iter().map(Reader::new).collect(),
            failures_in_a_row: 0,
        }
    }

    /// Hands every event to `sink` as it appears. Never ends: run it beside the job and drop it when the job ends.
    pub async fn follow(&mut self, mut sink: impl FnMut(Event<'_>)) -> Infallible {
        while self.is_open() {
            let round = self.round(&mut sink).await;
            sleep(pause(&round, self.failures_in_a_row)).await;
        }
        std::future::pending().await
    }

    /// Reads what is still missing once the job has ended, for `limit` at most.
    ///
    /// `CloudWatch` shows events some seconds after they were written, so one look at the end of a stream is not
    /// enough: this ends when two looks in a row, a second apart, brought nothing new.
    pub async fn drain(&mut self, limit: Duration, mut sink: impl FnMut(Event<'_>)) {
        let until_quiet = async {
            let mut empty = 0;
            loop {
                let round = self.round(&mut sink).await;
                empty = if round.is_quiet() { empty + 1 } else { 0 };
                if empty >= EMPTY_ROUNDS || !self.is_open() {
                    break;
                }
                sleep(if round.more { CATCH_UP } else { DRAIN_PACE }).await;
            }
        };
        if timeout(limit, until_quiet).await.is_err() {
            tracing::debug!("log streams were not read to their end within {limit:?}");
        }
    }

    /// Whether each stream's group may be read, without delivering anything. What does not exist yet may be read.
    pub async fn access(&self) -> Vec<(&str, Access)> {
        let mut found = Vec::with_capacity(self.readers.len());
        for reader in &self.readers {
            found.push((reader.names().1, reader.access(&self.client).await));
        }
        found
    }

    /// Whether there is a stream left that may be read.
    fn is_open(&self) -> bool {
        self.readers.iter().any(Reader::is_open)
    }

    /// Reads one page of each stream, so that a talkative one does not hold up the others.
    async fn round(&mut self, sink: &mut impl FnMut(Event<'_>)) -> Round {
        let mut round = Round::default();
        for reader in self.readers.iter_mut().filter(|reader| reader.is_open()) {
            match reader.read(&self.client, sink).await {
                Page::Read { events, more } => {
                    round.events += events;
                    round.more |= more;
                }
                Page::NotYet | Page::Refused => {}
                Page::Failed(error) => {
                    round.failed = true;
                    if self.failures_in_a_row == 0 {
                        let (label, group) = reader.names();
                        tracing::warn!("reading {label} logs in {group} failed and is tried again: {error}");
                    } else {
                        tracing::debug!("reading logs failed: {error}");
                    }
                }
            }
        }
        self.failures_in_a_row = if round.failed { self.failures_in_a_row.saturating_add(1) } else { 0 };
        round
    }
}

/// What one look at every stream brought.
#[derive(Debug, Default, PartialEq, Eq)]
struct Round {
    /// Events delivered.
    events: usize,
    /// At least one stream was not read to its end.
    more: bool,
    /// At least one read failed.
    failed: bool,
}

impl Round {
    /// Every stream was seen at its end, and nothing was new.
    fn is_quiet(&self) -> bool {
        self.events == 0 && !self.more && !self.failed
    }
}

/// The pause after a round, where `failures` rounds in a row have failed by now.
fn pause(round: &Round, failures: u32) -> Duration {
    match round {
        Round { failed: true, .. } => {
            REST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(LONGEST_PAUSE)
        }
        Round { more: true, .. } => CATCH_UP,
        Round { .. } => REST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_follows_what_the_round_brought() {
        let quiet = Round::default();
        let more = Round { events: 9, more: true, failed: false };
        let failed = Round { events: 9, more: true, failed: true };
        let cases = [
            (&quiet, 0, Duration::from_secs(5)),
            (&more, 0, Duration::from_millis(500)),
            (&failed, 1, Duration::from_secs(5)),
            (&failed, 2, Duration::from_secs(10)),
            (&failed, 4, Duration::from_secs(40)),
            (&failed, 5, Duration::from_mins(1)),
            (&failed, u32::MAX, Duration::from_mins(1)),
        ];
        for (round, failures, expected) in cases {
            assert_eq!(pause(round, failures), expected, "{round:?} after {failures} failures");
        }
    }

    #[test]
    fn quiet_means_seen_to_the_end() {
        assert!(Round::default().is_quiet());
        assert!(!Round { events: 1, ..Round::default() }.is_quiet());
        assert!(!Round { more: true, ..Round::default() }.is_quiet());
        assert!(!Round { failed: true, ..Round::default() }.is_quiet());
    }
}
