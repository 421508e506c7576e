//! Log groups, as a world describes them and as they grow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use time::OffsetDateTime;

use crate::refusal::Refusal;

/// The most events of a page.
pub(crate) const PAGE_EVENTS: usize = 10_000;

/// Everything about `CloudWatch` Logs in a world.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogsWorld {
    /// The most events of a page, if fewer than AWS's 10 000.
    #[serde(default = "default_page_size")]
    pub page_size: usize,
    /// Before each page of `GetLogEvents`, answer once with no events and a new token, as AWS may do.
    #[serde(default)]
    pub empty_pages: bool,
    /// Log groups that are there from the start; those of runs come with their first line.
    #[serde(default)]
    pub groups: Vec<LogGroup>,
}

impl Default for LogsWorld {
    fn default() -> Self {
        Self { page_size: PAGE_EVENTS, empty_pages: false, groups: Vec::new() }
    }
}

/// A log group.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogGroup {
    /// Its account.
    pub account: String,
    /// Its region; the world's where it names none.
    pub region: Option<String>,
    /// Its name.
    pub name: String,
    /// Lines by stream name; their times count from the start of the sandbox.
    #[serde(default)]
    pub streams: BTreeMap<String, Vec<StreamLine>>,
}

/// A line of a stream that is there from the start.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamLine {
    /// When it appears.
    #[serde(default, with = "humantime_serde")]
    pub after: Duration,
    /// The line.
    pub text: String,
}

/// Where a group lives: account, region, name.
pub(crate) type Place<'a> = (&'a str, &'a str, &'a str);
type Key = (String, String, String);

/// A line of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) at: OffsetDateTime,
    pub(crate) text: String,
}

/// All log groups. Events of the future are there already and not seen before their time.
#[derive(Debug)]
pub(crate) struct Logs {
    pub(crate) page_size: usize,
    pub(crate) empty_pages: bool,
    groups: BTreeMap<Key, BTreeMap<String, Vec<Event>>>,
    /// Groups that exist without a line.
    standing: BTreeSet<Key>,
}

impl Logs {
    pub(crate) fn new(world: &LogsWorld, region: &str, now: OffsetDateTime) -> Self {
        let mut logs = Self {
            page_size: world.page_size.clamp(1, PAGE_EVENTS),
            empty_pages: world.empty_pages,
            groups: BTreeMap::new(),
            standing: BTreeSet::new(),
        };
        for group in &world.groups {
            let region = group.region.as_deref().unwrap_or(region);
            let key = (group.account.clone(), region.to_owned(), group.name.clone());
            logs.standing.insert(key.clone());
            let streams = logs.groups.entry(key).or_default();
            for (stream, lines) in &group.streams {
                let event = |line: &StreamLine| Event { at: now + line.after, text: line.text.clone() };
                streams.insert(stream.clone(), lines.iter().map(event).collect());
            }
        }
        logs
    }

    /// Writes a line that is seen from a moment on.
    pub(crate) fn write(&mut self, place: Place<'_>, stream: &str, at: OffsetDateTime, text: String) {
        let events = self.groups.entry(key(place)).or_default().entry(stream.to_owned()).or_default();
        let late = events.partition_point(|event| event.at <= at);
        events.insert(late, Event { at, text });
    }

    /// Takes back what a stream would show after a moment, in all groups below a prefix.
    pub(crate) fn cut(&mut self, (account, region, prefix): Place<'_>, stream: &str, after: OffsetDateTime) {
        let groups = self.groups.iter_mut();
        for (_, streams) in groups.filter(|(k, _)| k.0 == account && k.1 == region && k.2.starts_with(prefix))
        {
            if let Some(events) = streams.get_mut(stream) {
                events.retain(|event| event.at <= after);
            }
        }
    }

    /// The streams of a group that have begun, with the events seen so far.
    pub(crate) fn streams(
        &self,
        place: Place<'_>,
        now: OffsetDateTime,
    ) -> Result<Vec<(&str, &[Event])>, Refusal> {
        let key = key(place);
        let seen = |events: &'_ [Event]| events.partition_point(|event| event.at <= now);
        let streams = self.groups.get(&key).into_iter().flatten();
        let begun: Vec<_> = streams
            .map(|(name, events)| (name.as_str(), &events[..seen(events)]))
            .filter(|(_, events)| !events.is_empty())
            .collect();
        if begun.is_empty() && !self.standing.contains(&key) {
            return Err(Refusal::new(
                400,
                "ResourceNotFoundException",
                "The specified log group does not exist.",
            ));
        }
        Ok(begun)
    }
}

fn key((account, region, name): Place<'_>) -> Key {
    (account.to_owned(), region.to_owned(), name.to_owned())
}

fn default_page_size() -> usize {
    PAGE_EVENTS
}
