//! One stream: where it was read up to, and what an answer of `GetLogEvents` means.

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudwatchlogs::operation::get_log_events::{GetLogEventsError, GetLogEventsOutput};

use crate::{Access, Event, Stream};

/// What one read of a stream brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// A page was delivered; `more` until the end of the stream has been seen.
    Read { events: usize, more: bool },
    /// The group or the stream does not exist yet.
    NotYet,
    /// The caller may not read it: the reader is closed.
    Refused,
    /// Anything else; try again later.
    Failed(String),
}

/// A stream and the place it was read up to.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: Stream,
    position: Position,
    /// As the last clear answer said; `None` before there was one.
    there: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Position {
    /// No page was read, or the token was lost: from this time on (milliseconds since 1970), else from the head.
    From(Option<i64>),
    /// Behind the last page.
    After { token: String, last_event: Option<i64> },
    /// Not to be read again.
    Closed,
}

impl Reader {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, position: Position::From(None), there: None }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.position != Position::Closed
    }

    /// Whether the stream has been seen.
    pub(crate) fn is_there(&self) -> bool {
        self.there == Some(true)
    }

    /// Whether the stream is known not to be there.
    pub(crate) fn is_missing(&self) -> bool {
        self.there == Some(false)
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Label and group, for messages.
    pub(crate) fn names(&self) -> (&str, &str) {
        (&self.stream.label, &self.stream.group)
    }

    /// Reads the next page and hands its events to `sink`.
    pub(crate) async fn read(&mut self, client: &Client, sink: &mut impl FnMut(Event<'_>)) -> Page {
        let (token, start_time) = match &self.position {
            Position::From(start) => (None, *start),
            Position::After { token, .. } => (Some(token.clone()), None),
            Position::Closed => return Page::Refused,
        };
        let answer = client
            .get_log_events()
            .log_group_name(&self.stream.group)
            .log_stream_name(&self.stream.name)
            .start_from_head(true)
            .set_next_token(token)
            .set_start_time(start_time)
            .send()
            .await;
        match answer {
            Ok(page) => self.accept(&page, sink),
            Err(error) => self.refuse(&error),
        }
    }

    /// Asks for one event, to see whether that is allowed.
    pub(crate) async fn access(&self, client: &Client) -> Access {
        let answer = client
            .get_log_events()
            .log_group_name(&self.stream.group)
            .log_stream_name(&self.stream.name)
            .limit(1)
            .send()
            .await;
        match answer {
            Ok(_) => Access::Allowed,
            Err(error) => Access::of(error.code(), describe(&error)),
        }
    }

    fn accept(&mut self, page: &GetLogEventsOutput, sink: &mut impl FnMut(Event<'_>)) -> Page {
        for event in page.events() {
            sink(Event {
                label: &self.stream.label,
                timestamp: event.timestamp(),
                message: event.message().unwrap_or_default().trim_end_matches(['\r', '\n']),
            });
        }
        self.there = Some(true);
        let (position, more) = advance(&self.position, page);
        self.position = position;
        Page::Read { events: page.events().len(), more }
    }

    fn refuse(&mut self, error: &SdkError<GetLogEventsError>) -> Page {
        let text = describe(error);
        match (error.code(), &self.position) {
            (Some(NOT_THERE), _) => {
                self.there = self.there.or(Some(false));
                Page::NotYet
            }
            (Some(code), _) if is_refusal(code) => {
                let (label, group) = self.names();
                tracing::warn!(
                    "{label} logs are not shown: logs:GetLogEvents on {group} was refused: {text}"
                );
                self.position = Position::Closed;
                Page::Refused
            }
            // A token lives for 24 hours; after a day of silence the time of the last event takes its place.
            (Some("InvalidParameterException"), Position::After { last_event, .. }) => {
                self.position = Position::From(last_event.map(|time| time + 1));
                Page::Failed(text)
            }
            _ => Page::Failed(text),
        }
    }
}

/// Where to read on after `page`, and whether the end of the stream is still unseen.
///
/// `CloudWatch` says "this is the end" by handing back the token it was given. An empty page is no end: pages in
/// the middle of a stream may be empty.
fn advance(before: &Position, page: &GetLogEventsOutput) -> (Position, bool) {
    let (given, last_seen) = match before {
        Position::From(_) | Position::Closed => (None, None),
        Position::After { token, last_event } => (Some(token.as_str()), *last_event),
    };
    let last_event = page.events().last().and_then(aws_sdk_cloudwatchlogs::types::OutputLogEvent::timestamp);
    match page.next_forward_token() {
        Some(token) => {
            let more = given != Some(token);
            (Position::After { token: token.to_owned(), last_event: last_event.or(last_seen) }, more)
        }
        // Against the documentation; without a token the same page would be delivered for ever.
        None => (Position::Closed, false),
    }
}

/// Neither a group nor a stream that is not there is told apart from the other.
pub(crate) const NOT_THERE: &str = "ResourceNotFoundException";

pub(crate) fn is_refusal(code: &str) -> bool {
    matches!(code, "AccessDeniedException" | "AccessDenied")
}

/// One line on a failed read. Only the service's own words or the kind of failure: the SDK's details can quote
/// whole requests.
pub(crate) fn describe<E>(error: &SdkError<E>) -> String
where
    SdkError<E>: ProvideErrorMetadata + std::fmt::Display,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatchlogs::types::OutputLogEvent;

    use super::*;

    fn page(events: &[(i64, &str)], token: Option<&str>) -> GetLogEventsOutput {
        let events = events
            .iter()
            .map(|(time, text)| OutputLogEvent::builder().timestamp(*time).message(*text).build())
            .collect();
        GetLogEventsOutput::builder()
            .set_events(Some(events))
            .set_next_forward_token(token.map(str::to_owned))
            .build()
    }

    fn after(token: &str, last_event: Option<i64>) -> Position {
        Position::After { token: token.to_owned(), last_event }
    }

    #[test]
    fn the_same_token_twice_is_the_end_and_an_empty_page_is_not() {
        let start = Position::From(None);
        let cases = [
            ("first page", &start, page(&[(5, "a")], Some("t1")), after("t1", Some(5)), true),
            ("first page, empty", &start, page(&[], Some("t1")), after("t1", None), true),
            ("next page", &after("t1", Some(5)), page(&[(7, "b")], Some("t2")), after("t2", Some(7)), true),
            ("empty in the middle", &after("t1", Some(5)), page(&[], Some("t2")), after("t2", Some(5)), true),
            ("the end", &after("t2", Some(7)), page(&[], Some("t2")), after("t2", Some(7)), false),
            (
                "events, same token",
                &after("t2", None),
                page(&[(9, "c")], Some("t2")),
                after("t2", Some(9)),
                false,
            ),
            ("no token at all", &after("t2", Some(7)), page(&[(9, "c")], None), Position::Closed, false),
        ];
        for (name, before, page, position, more) in cases {
            assert_eq!(advance(before, &page), (position, more), "{name}");
        }
    }

    #[test]
    fn events_are_labelled_and_lose_their_line_ends() {
        let stream = Stream { group: "g".into(), name: "s".into(), label: "output".into() };
        let mut reader = Reader::new(stream);
        let mut seen = Vec::new();
        let mut sink = |event: Event<'_>| {
            seen.push((event.label.to_owned(), event.timestamp, event.message.to_owned()));
        };
        let read = reader.accept(&page(&[(5, "  one\r\n"), (6, "two")], Some("t1")), &mut sink);
        assert_eq!(read, Page::Read { events: 2, more: true });
        assert_eq!(
            seen,
            [("output".into(), Some(5), "  one".into()), ("output".into(), Some(6), "two".to_owned())]
        );
    }
}
