//! Streams that are found by the beginning of their names.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata;
use aws_sdk_cloudwatchlogs::types::LogStream;
use tokio::time::Instant;

use crate::reader::{NOT_THERE, describe, is_refusal};
use crate::{Access, Family, Stream};

/// Pause between two looks for streams.
///
/// `DescribeLogStreams` is limited to a few requests a second for a whole account and region, shared with everybody
/// who opens the console there.
const PAUSE: Duration = Duration::from_secs(10);

/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// Pages of one look; a page has 50 streams.
const MOST_PAGES: usize = 10;

/// The look for the streams of a family.
#[derive(Debug)]
pub(crate) struct Search {
    family: Family,
    /// Names behind the prefix.
    known: Vec<String>,
    /// When to look again; `None`: never.
    next: Option<Instant>,
    failures: u32,
}

impl Search {
    pub(crate) fn new(family: Family) -> Self {
        Self { family, known: Vec::new(), next: Some(Instant::now()), failures: 0 }
    }

    /// Whether there may be more to find.
    pub(crate) fn is_open(&self) -> bool {
        self.next.is_some()
    }

    /// Whether the last look was answered and no look has found a stream.
    pub(crate) fn found_nothing(&self) -> bool {
        self.is_open() && self.known.is_empty() && self.failures == 0
    }

    pub(crate) fn family(&self) -> &Family {
        &self.family
    }

    /// The group that is looked through.
    pub(crate) fn group(&self) -> &str {
        &self.family.group
    }

    /// Makes the next look due.
    pub(crate) fn hurry(&mut self) {
        self.next = self.next.map(|next| next.min(Instant::now()));
    }

    /// The streams that are new, where a look is due.
    pub(crate) async fn look(&mut self, client: &Client) -> Vec<Stream> {
        if self.next.is_none_or(|next| next > Instant::now()) {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut token = None;
        for _ in 0..MOST_PAGES {
            let page = client
                .describe_log_streams()
                .log_group_name(&self.family.group)
                .log_stream_name_prefix(&self.family.prefix)
                .set_next_token(token)
                .send()
                .await;
            match page {
                Ok(page) => {
                    let names = page.log_streams().iter().filter_map(LogStream::log_stream_name);
                    found.extend(self.accept(names));
                    self.failures = 0;
                    token = page.next_token.filter(|token| !token.is_empty());
                }
                Err(error) => {
                    self.refuse(error.code(), &describe(&error));
                    return found;
                }
            }
            if token.is_none() {
                break;
            }
        }
        self.next = Some(Instant::now() + PAUSE);
        found
    }

    /// Asks for one stream, to see whether that is allowed.
    pub(crate) async fn access(&self, client: &Client) -> Access {
        let family = &self.family;
        let asked = client.describe_log_streams().log_group_name(&family.group);
        match asked.log_stream_name_prefix(&family.prefix).limit(1).send().await {
            Ok(_) => Access::Allowed,
            Err(error) => Access::of(error.code(), describe(&error)),
        }
    }

    /// A stream of the family, which need not be there.
    pub(crate) fn any(&self) -> Stream {
        self.stream("any")
    }

    fn accept<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> Vec<Stream> {
        let mut fresh = Vec::new();
        for rest in names.filter_map(|name| name.strip_prefix(&self.family.prefix)) {
            if self.known.iter().all(|known| known != rest) {
                self.known.push(rest.to_owned());
                fresh.push(self.stream(rest));
            }
        }
        fresh
    }

    fn stream(&self, rest: &str) -> Stream {
        let Family { group, prefix, label } = &self.family;
        Stream { group: group.clone(), name: format!("{prefix}{rest}"), label: label(rest) }
    }

    fn refuse(&mut self, code: Option<&str>, text: &str) {
        let group = &self.family.group;
        match code {
            // Nothing of the group has written yet.
            Some(NOT_THERE) => {
                self.failures = 0;
                self.next = Some(Instant::now() + PAUSE);
            }
            Some(code) if is_refusal(code) => {
                tracing::warn!("no logs are shown: logs:DescribeLogStreams on {group} was refused: {text}");
                self.next = None;
            }
            _ => {
                if self.failures == 0 {
                    tracing::warn!("looking for log streams in {group} failed and is tried again: {text}");
                } else {
                    tracing::debug!("looking for log streams failed: {text}");
                }
                self.failures = self.failures.saturating_add(1);
                self.next = Some(Instant::now() + pause_after(self.failures));
            }
        }
    }
}

/// The pause after `failures` failed looks in a row.
fn pause_after(failures: u32) -> Duration {
    PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search() -> Search {
        let label = |rest: &str| rest.split('-').take(2).collect::<Vec<_>>().join("-");
        Search::new(Family { group: "g".to_owned(), prefix: "job/".to_owned(), label })
    }

    #[test]
    fn each_stream_is_found_once_and_named() {
        let mut search = search();
        let names = |streams: Vec<Stream>| {
            streams.into_iter().map(|stream| (stream.name, stream.label)).collect::<Vec<_>>()
        };
        let one = ("job/algo-1-7".to_owned(), "algo-1".to_owned());
        let two = ("job/algo-2-7".to_owned(), "algo-2".to_owned());
        assert_eq!(names(search.accept(["job/algo-1-7"].into_iter())), [one]);
        let later = ["job/algo-1-7", "job/algo-2-7", "other/algo-1-7"];
        assert_eq!(names(search.accept(later.into_iter())), [two]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_ends_the_search_and_a_failure_delays_it() {
        let mut search = search();
        let wait = |search: &Search| search.next.map(|next| next - Instant::now());
        search.refuse(Some("ResourceNotFoundException"), "");
        assert_eq!(wait(&search), Some(PAUSE));
        for expected in [10, 20, 40, 80, 120, 120] {
            search.refuse(Some("ThrottlingException"), "");
            assert_eq!(wait(&search), Some(Duration::from_secs(expected)));
        }
        search.hurry();
        assert_eq!(wait(&search), Some(Duration::ZERO));
        search.refuse(Some("AccessDeniedException"), "");
        assert!(!search.is_open());
        search.hurry();
        assert!(!search.is_open());
    }
}
