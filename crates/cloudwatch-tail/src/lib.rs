//! Follows `CloudWatch` log streams to their end, beside a job that is being waited for.
//!
//! Logs are a courtesy: they must neither fail nor delay the job they belong to. So a [`Tail`] returns no
//! errors. A group or stream that is not there yet is looked for again, a refusal ends the reading of that
//! stream with one warning, and any other failure is answered by reading less often.
//!
//! Streams are given by name, or found by the beginning of their names ([`Tail::over`]) as they appear.
//!
//! IAM: `logs:GetLogEvents` on the log groups that are read, and `logs:DescribeLogStreams` where streams are looked
//! for.
//!
//! ```no_run
//! # async fn example(config: &aws_config::SdkConfig, job: impl Future<Output = u8>) -> u8 {
//! use cloudwatch_tail::{Ending, Stream, Tail};
//!
//! let stream = |label: &str| Stream {
//!     group: format!("/aws-glue/jobs/{label}"),
//!     name: "jr_0123".to_owned(),
//!     label: label.to_owned(),
//! };
//! let mut tail = Tail::new(config, vec![stream("output"), stream("error")]);
//! let print = |event: cloudwatch_tail::Event<'_>| tracing::info!("{}: {}", event.label, event.message);
//! let ending = |code: &u8| if *code == 0 { Ending::Succeeded } else { Ending::Failed };
//! tail.beside(job, ending, std::future::pending(), print).await
//! # }
//! ```

mod reader;
mod search;

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::config::retry::RetryConfig;
use tokio::time::{sleep, timeout};

use crate::reader::{NOT_THERE, Page, Reader, is_refusal};
use crate::search::Search;

/// Pause between two rounds while there is more to read.
///
/// `GetLogEvents` is limited to 25 requests a second for a whole account and region ("`CloudWatch` Logs
/// quotas" in the `CloudWatch` Logs user guide), shared with everybody who looks at logs there. One tail of two
/// streams takes at most four of them, and that only while it catches up.
const CATCH_UP: Duration = Duration::from_millis(500);

/// The share of one stream in the pause between two rounds: more streams take as many requests a second as two.
const SHARE: Duration = Duration::from_millis(250);

/// Pause between two rounds once every stream was read to its end.
const REST: Duration = Duration::from_secs(5);

/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Pause between two rounds of the final drain.
const DRAIN_PACE: Duration = Duration::from_secs(1);

/// How long a job that has ended is kept waiting for the rest of its logs.
const DRAIN: Duration = Duration::from_secs(10);

/// Rounds without a new event after which the final drain takes the logs of a success to be complete.
const EMPTY_ROUNDS: u32 = 2;

/// While no stream is there, the final drain looks for one every so many rounds.
const SEARCH_ROUNDS: u32 = 3;

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

/// Log streams that are looked for by the beginning of their names. Neither they nor their group need to exist yet.
#[derive(Debug, Clone)]
pub struct Family {
    /// Name of the log group.
    pub group: String,
    /// What the names of the streams begin with.
    pub prefix: String,
    /// Makes the label of a stream from the rest of its name.
    pub label: fn(&str) -> String,
}

/// How a job is over, which decides how long its late events are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is not over: nothing is waited for.
    Unfinished,
    /// Its logs are complete once nothing new appears.
    Succeeded,
    /// What explains the failure may appear some seconds later, behind lines that are of no use.
    Failed,
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
    /// It was refused, in these words.
    Refused(String),
    /// There was no clear answer.
    Unknown(String),
}

impl Access {
    /// What a failure with this code and text says. What is not there may be read.
    pub(crate) fn of(code: Option<&str>, text: String) -> Self {
        match code {
            Some(NOT_THERE) => Self::Allowed,
            Some(code) if is_refusal(code) => Self::Refused(text),
            _ => Self::Unknown(text),
        }
    }
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
    search: Option<Search>,
    failures_in_a_row: u32,
}

impl Tail {
    /// A tail over `streams`, read with the region and credentials of `config`. Sends nothing yet.
    pub fn new(config: &SdkConfig, streams: Vec<Stream>) -> Self {
        Self::with(config, streams, None)
    }

    /// A tail over the streams of a family, as they appear. Sends nothing yet.
    pub fn over(config: &SdkConfig, family: Family) -> Self {
        Self::with(config, Vec::new(), Some(Search::new(family)))
    }

    fn with(config: &SdkConfig, streams: Vec<Stream>, search: Option<Search>) -> Self {
        // The pace is kept here: a resend inside the SDK would break it.
        let config = aws_sdk_cloudwatchlogs::config::Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .build();
        Self {
            client: Client::from_conf(config),
            readers: streams.into_iter().map(Reader::new).collect(),
            search,
            failures_in_a_row: 0,
        }
    }

    /// Hands every event to `sink` as it appears. Never ends: run it beside the job and drop it when the job ends.
    pub async fn follow(&mut self, mut sink: impl FnMut(Event<'_>)) -> Infallible {
        while self.is_open() {
            let round = self.round(&mut sink).await;
            sleep(pause(&round, self.failures_in_a_row).max(self.share())).await;
        }
        std::future::pending().await
    }

    /// Hands every event to `sink` while `job` goes on. Once it is over, as `ending` says of its result, late events are
    /// waited for, no longer than until `leave`: 10 s after a failure and while no stream is there, else until nothing new
    /// appears for two seconds. If no stream has appeared by then, the log says which were looked for.
    pub async fn beside<T>(
        mut self,
        job: impl Future<Output = T>,
        ending: impl FnOnce(&T) -> Ending,
        leave: impl Future<Output = ()>,
        mut sink: impl FnMut(Event<'_>),
    ) -> T {
        let result = tokio::select! {
            result = job => result,
            never = self.follow(&mut sink) => match never {},
        };
        let ending = ending(&result);
        if ending != Ending::Unfinished {
            let leave = pin!(leave);
            tokio::select! {
                () = self.drain(DRAIN, ending, sink) => self.tell_missing(),
                () = leave => {}
            }
        }
        result
    }

    /// Reads what is still missing once the job has ended, for `limit` at most.
    ///
    /// `CloudWatch` shows events some seconds after they were written, and streams some seconds after they were made. So
    /// after a success this ends when two looks in a row, a second apart, brought nothing new; after a failure, and while
    /// there is no stream, only the limit ends it.
    async fn drain(&mut self, limit: Duration, ending: Ending, mut sink: impl FnMut(Event<'_>)) {
        let until_quiet = async {
            let (mut empty, mut rounds) = (0, 0);
            loop {
                if rounds % SEARCH_ROUNDS == 0
                    && let Some(search) = &mut self.search
                {
                    search.hurry();
                }
                rounds += 1;
                let round = self.round(&mut sink).await;
                empty = if round.is_quiet() { empty + 1 } else { 0 };
                let complete = ending == Ending::Succeeded && empty >= EMPTY_ROUNDS && self.has_stream();
                if complete || !self.is_open() {
                    break;
                }
                sleep(if round.more { CATCH_UP } else { DRAIN_PACE }.max(self.share())).await;
            }
        };
        if timeout(limit, until_quiet).await.is_err() {
            tracing::debug!("log streams were read for {limit:?} after the end");
        }
    }

    /// Whether there is a stream, be it one that may not be read.
    fn has_stream(&self) -> bool {
        self.readers.iter().any(|reader| reader.is_there() || !reader.is_open())
    }

    /// Logs which streams never appeared, where none did.
    fn tell_missing(&self) {
        if self.has_stream() {
            return;
        }
        for reader in self.readers.iter().filter(|reader| reader.is_missing()) {
            let Stream { group, name, .. } = reader.stream();
            tracing::info!(
                log_group = group,
                log_stream = name,
                "no logs are shown: the log stream never appeared"
            );
        }
        if let Some(search) = self.search.as_ref().filter(|search| search.found_nothing()) {
            let Family { group, prefix, .. } = search.family();
            tracing::info!(
                log_group = group,
                log_stream = format!("{prefix}*"),
                "no logs are shown: the log stream never appeared"
            );
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

    /// What a family of streams needs, by action and group: to look for streams, and to read them.
    pub async fn rights(&self) -> Vec<(&'static str, &str, Access)> {
        let Some(search) = &self.search else { return Vec::new() };
        let read = Reader::new(search.any()).access(&self.client).await;
        let look = search.access(&self.client).await;
        vec![("logs:DescribeLogStreams", search.group(), look), ("logs:GetLogEvents", search.group(), read)]
    }

    /// Whether there is a stream left that may be read, or found.
    fn is_open(&self) -> bool {
        self.readers.iter().any(Reader::is_open) || self.search.as_ref().is_some_and(Search::is_open)
    }

    /// The shortest pause between two rounds of so many streams.
    fn share(&self) -> Duration {
        SHARE.saturating_mul(u32::try_from(self.readers.len()).unwrap_or(u32::MAX))
    }

    /// Reads one page of each stream, so that a talkative one does not hold up the others.
    async fn round(&mut self, sink: &mut impl FnMut(Event<'_>)) -> Round {
        let mut round = Round::default();
        if let Some(search) = &mut self.search {
            let found = search.look(&self.client).await;
            self.readers.extend(found.into_iter().map(Reader::new));
        }
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
