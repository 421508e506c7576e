//! `CloudWatch` Logs: reading log streams (awsJson1.1, `Logs_20140328.*`).

mod store;

use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) use store::Logs;
pub use store::{LogGroup, LogsWorld, StreamLine};

use self::store::{Event, PAGE_EVENTS, Place};
use crate::clock::epoch_millis;
use crate::cloud::Cloud;
use crate::refusal::{Constraints, Refusal};
use crate::service::Request;

/// What this service can do.
pub(crate) const OPERATIONS: &[&str] = &["DescribeLogStreams", "FilterLogEvents", "GetLogEvents"];

/// A page of events holds at most this many bytes, counting this much for each event besides its text.
const PAGE_BYTES: usize = 1_048_576;
const EVENT_OVERHEAD: usize = 26;
/// The most streams of a page.
const PAGE_STREAMS: usize = 50;

/// Answers one authenticated request.
pub(crate) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    match request.operation {
        "DescribeLogStreams" => describe_log_streams(&cloud.logs(), request),
        "GetLogEvents" => get_log_events(&cloud.logs(), request),
        "FilterLogEvents" => filter_log_events(&cloud.logs(), request),
        _ => Err(request.unknown_operation()),
    }
}

/// The parameters of all three operations.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Query {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_name: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    #[serde(default)]
    descending: bool,
    start_time: Option<i64>,
    end_time: Option<i64>,
    #[serde(default)]
    start_from_head: bool,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

impl Query {
    fn read(request: &Request<'_>, most: usize) -> Result<Self, Refusal> {
        let query = Self::deserialize(request.parameters)
            .map_err(|error| Refusal::at_the_door(400, "SerializationException", error.to_string()))?;
        let mut constraints = Constraints::default();
        if let Some(name) = &query.log_group_name {
            constraints.length("logGroupName", name, 1, 512, false);
            constraints.pattern("logGroupName", name, r"[\.\-_/#A-Za-z0-9]+", |character| {
                character.is_ascii_alphanumeric() || ".-_/#".contains(character)
            });
        }
        if let Some(name) = &query.log_stream_name {
            constraints.length("logStreamName", name, 1, 512, false);
            constraints.pattern("logStreamName", name, "[^:*]*", |character| !":*".contains(character));
        }
        if let Some(limit) = query.limit {
            constraints.range("limit", limit, 1, i64::try_from(most).unwrap_or(i64::MAX));
        }
        if let Some(names) = &query.log_stream_names {
            constraints.count("logStreamNames", names.len(), 1, 100);
        }
        if let Some(order) = &query.order_by {
            constraints.one_of("orderBy", order, &["LogStreamName", "LastEventTime"]);
        }
        constraints.finish("InvalidParameterException")?;
        Ok(query)
    }

    /// The group's name, however it is given.
    fn group(&self) -> Result<&str, Refusal> {
        match (&self.log_group_name, &self.log_group_identifier) {
            (Some(name), None) => Ok(name),
            (None, Some(identifier)) => {
                Ok(identifier.split(":log-group:").last().map_or("", |name| name.trim_end_matches(":*")))
            }
            _ => Err(invalid("Exactly one of logGroupName and logGroupIdentifier must be given.")),
        }
    }

    fn limit(&self, most: usize) -> usize {
        self.limit.and_then(|limit| usize::try_from(limit).ok()).map_or(most, |limit| limit.min(most))
    }

    fn wants(&self, event: &Event) -> bool {
        let at = epoch_millis(event.at);
        self.start_time.is_none_or(|start| at >= start) && self.end_time.is_none_or(|end| at < end)
    }
}

/// The group's place, if the caller may do this to it.
fn authorize<'a>(request: &'a Request<'_>, group: &'a str, stream: &str) -> Result<Place<'a>, Refusal> {
    let caller = request.caller()?;
    let (partition, region, account) = (caller.partition(), request.region, &caller.account);
    request.authorize(&format!(
        "arn:{partition}:logs:{region}:{account}:log-group:{group}:log-stream:{stream}"
    ))?;
    Ok((account, region, group))
}

fn describe_log_streams(logs: &Logs, request: &Request<'_>) -> Result<Value, Refusal> {
    let query = Query::read(request, PAGE_STREAMS)?;
    let place = authorize(request, query.group()?, "")?;
    let by_time = query.order_by.as_deref() == Some("LastEventTime");
    if by_time && query.log_stream_name_prefix.is_some() {
        return Err(invalid("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    let prefix = query.log_stream_name_prefix.as_deref().unwrap_or_default();
    let mut streams = logs.streams(place, request.now)?;
    streams.retain(|(name, _)| name.starts_with(prefix));
    if by_time {
        streams.sort_by_key(|(_, events)| events.last().map(|event| event.at));
    }
    if query.descending {
        streams.reverse();
    }
    let skipped = token_number(query.next_token.as_deref())?.min(streams.len());
    let page = &streams[skipped..(skipped + query.limit(PAGE_STREAMS)).min(streams.len())];
    let (partition, (account, region, group)) = (request.caller()?.partition(), place);
    let describe = |(name, events): &(&str, &[Event])| {
        let (first, last) = (events.first().map(time_of), events.last().map(time_of));
        json!({
            "logStreamName": name,
            "creationTime": first,
            "firstEventTimestamp": first,
            "lastEventTimestamp": last,
            "lastIngestionTime": last,
            "arn": format!("arn:{partition}:logs:{region}:{account}:log-group:{group}:log-stream:{name}"),
            "storedBytes": 0,
        })
    };
    let mut answer = json!({ "logStreams": page.iter().map(describe).collect::<Vec<_>>() });
    if skipped + page.len() < streams.len() {
        answer["nextToken"] = json!((skipped + page.len()).to_string());
    }
    Ok(answer)
}

fn get_log_events(logs: &Logs, request: &Request<'_>) -> Result<Value, Refusal> {
    let query = Query::read(request, PAGE_EVENTS)?;
    let Some(stream) = &query.log_stream_name else {
        return Err(invalid(
            "1 validation error detected: Value null at 'logStreamName' failed to satisfy constraint: Member must not be null",
        ));
    };
    let place = authorize(request, query.group()?, stream)?;
    let streams = logs.streams(place, request.now)?;
    let Some((_, events)) = streams.iter().find(|(name, _)| name == stream) else {
        return Err(not_found("The specified log stream does not exist."));
    };
    let limit = query.limit(logs.page_size);
    let (from, to) = match query.next_token.as_deref().map(Position::read) {
        Some(None) => return Err(invalid("The specified nextToken is invalid.")),
        Some(Some(Position { at, forward: true, fresh })) => {
            // The end of the stream always answers with the token it was asked with.
            if logs.empty_pages && !fresh && at < events.len() {
                let next = Position { at, forward: true, fresh: true }.write();
                return Ok(json!({ "events": [], "nextForwardToken": next, "nextBackwardToken": next }));
            }
            (at.min(events.len()), forward(events, at, limit))
        }
        Some(Some(Position { at, .. })) => (at.min(events.len()).saturating_sub(limit), at.min(events.len())),
        None if query.start_from_head => (0, forward(events, 0, limit)),
        None => (events.len().saturating_sub(limit), events.len()),
    };
    let shown = events[from..to].iter().filter(|event| query.wants(event));
    let shown: Vec<Value> = shown
        .map(|event| {
            json!({ "timestamp": time_of(event), "message": event.text, "ingestionTime": time_of(event) })
        })
        .collect();
    let token = |at, forward| Position { at, forward, fresh: false }.write();
    let asked = query.next_token.as_deref().filter(|_| from == to);
    let ahead = asked.filter(|asked| asked.starts_with('f')).map_or_else(|| token(to, true), str::to_owned);
    Ok(json!({ "events": shown, "nextForwardToken": ahead, "nextBackwardToken": token(from, false) }))
}

/// Where a page that begins at `from` ends: at the limit of events or of bytes.
fn forward(events: &[Event], from: usize, limit: usize) -> usize {
    let mut bytes = 0;
    let fits = |event: &&Event| {
        bytes += event.text.len() + EVENT_OVERHEAD;
        bytes <= PAGE_BYTES
    };
    let from = from.min(events.len());
    from + events[from..].iter().take(limit).take_while(fits).count()
}

fn filter_log_events(logs: &Logs, request: &Request<'_>) -> Result<Value, Refusal> {
    let query = Query::read(request, PAGE_EVENTS)?;
    let place = authorize(request, query.group()?, "")?;
    if query.log_stream_names.is_some() && query.log_stream_name_prefix.is_some() {
        return Err(invalid("Only one of logStreamNames and logStreamNamePrefix may be given."));
    }
    let prefix = query.log_stream_name_prefix.as_deref().unwrap_or_default();
    let named =
        |name: &str| query.log_stream_names.as_ref().is_none_or(|names| names.iter().any(|n| n == name));
    let streams = logs.streams(place, request.now)?;
    if query.log_stream_names.iter().flatten().any(|name| !streams.iter().any(|(known, _)| known == name)) {
        return Err(not_found("The specified log stream does not exist."));
    }
    // Terms in quotes or bare must all occur; more of the pattern language is not played.
    let pattern = query.filter_pattern.as_deref().unwrap_or_default().replace('"', " ");
    let mut found: Vec<(&str, &Event)> = Vec::new();
    for (name, events) in streams.iter().filter(|(name, _)| name.starts_with(prefix) && named(name)) {
        let wanted = events.iter().filter(|event| query.wants(event));
        let fitting = wanted.filter(|event| pattern.split_whitespace().all(|term| event.text.contains(term)));
        found.extend(fitting.map(|event| (*name, event)));
    }
    found.sort_by_key(|(_, event)| event.at);
    let skipped = token_number(query.next_token.as_deref())?.min(found.len());
    let page = &found[skipped..(skipped + query.limit(logs.page_size)).min(found.len())];
    let describe = |(index, (stream, event)): (usize, &(&str, &Event))| {
        json!({
            "logStreamName": stream,
            "timestamp": time_of(event),
            "message": event.text,
            "ingestionTime": time_of(event),
            "eventId": format!("{:056}", skipped + index),
        })
    };
    let events: Vec<Value> = page.iter().enumerate().map(describe).collect();
    let mut answer = json!({ "events": events, "searchedLogStreams": [] });
    if skipped + page.len() < found.len() {
        answer["nextToken"] = json!((skipped + page.len()).to_string());
    }
    Ok(answer)
}

/// A place between two events of a stream, as tokens carry it.
struct Position {
    at: usize,
    forward: bool,
    /// The empty page before this one has been given.
    fresh: bool,
}

impl Position {
    fn write(&self) -> String {
        let direction = if self.forward { 'f' } else { 'b' };
        format!("{direction}/{:056}/{}", self.at, if self.fresh { 'e' } else { 's' })
    }

    fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('/');
        let (direction, at, tail) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        matches!(direction, "f" | "b").then_some(Self { at, forward: direction == "f", fresh: tail == "e" })
    }
}

fn token_number(token: Option<&str>) -> Result<usize, Refusal> {
    let number = token.map(str::parse).transpose();
    number.map(Option::unwrap_or_default).map_err(|_| invalid("The specified nextToken is invalid."))
}

fn time_of(event: &Event) -> i64 {
    epoch_millis(event.at)
}

fn invalid(text: &str) -> Refusal {
    Refusal::new(400, "InvalidParameterException", text)
}

fn not_found(text: &str) -> Refusal {
    Refusal::new(400, "ResourceNotFoundException", text)
}
