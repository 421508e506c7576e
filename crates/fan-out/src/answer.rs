//! What became of a line, and how that is written.

use crate::digest::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use job_runtime::{CallError, Effect, Exit};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// What the service answered to a line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The answer as it came.
    pub payload: Vec<u8>,
    /// Why the remote work failed, where it did.
    pub failure: Option<Failed>,
    /// The AWS request id.
    pub request_id: Option<String>,
}

/// Remote work that ran and failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failed {
    /// What happened, in one line.
    pub error: String,
    /// What else the service told: original status, stack, log stream.
    pub detail: Option<Value>,
    /// Whether the work itself has succeeded, and only `--expect` could not be evaluated.
    pub not_evaluated: bool,
}

/// A line that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Its number, from 1.
    pub(crate) line: u64,
    /// `None` where it is too long to be held.
    pub(crate) digest: Option<Digest>,
}

/// What became of a line, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    /// The remote work has succeeded, and `--expect` could not be evaluated: `ok` in the output, and a failure in the exit.
    NotEvaluated,
    Failed,
    Rejected,
    Denied,
    Config,
    Unavailable,
    Unknown,
    Usage,
    Interrupted,
}

impl Status {
    pub(crate) const ALL: [Self; 10] = [
        Self::Ok,
        Self::NotEvaluated,
        Self::Failed,
        Self::Rejected,
        Self::Denied,
        Self::Config,
        Self::Unavailable,
        Self::Unknown,
        Self::Usage,
        Self::Interrupted,
    ];

    /// The word in the output, which is about the remote work.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ok | Self::NotEvaluated => "ok",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Denied => "denied",
            Self::Config => "config",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::Usage => "usage",
            Self::Interrupted => "interrupted",
        }
    }

    /// The word in counts and errors.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::NotEvaluated => "not evaluated",
            other => other.word(),
        }
    }

    /// Of a call that ended in an error.
    fn of(exit: Exit, effect: Effect) -> Self {
        match exit {
            Exit::Usage => Self::Usage,
            Exit::Rejected => Self::Rejected,
            Exit::Denied => Self::Denied,
            Exit::Config => Self::Config,
            Exit::Failed | Exit::Stopped => Self::Failed,
            Exit::Unavailable | Exit::Busy => match effect {
                Effect::MayHaveStarted => Self::Unknown,
                Effect::NotStarted | Effect::Refused => Self::Unavailable,
            },
            Exit::Ok
            | Exit::Internal
            | Exit::Timeout
            | Exit::Unknown
            | Exit::Interrupted
            | Exit::Terminated => Self::Unknown,
        }
    }
}

/// A call that ended without an answer of the remote work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: Status,
    /// Whether to make the call again, and why.
    pub(crate) again: Option<Again>,
    pub(crate) error: String,
    pub(crate) request_id: Option<String>,
}

/// Why a call that started nothing can be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// The service asks for patience.
    Busy,
    /// It was not reached.
    Unreached,
}

impl From<CallError> for Refusal {
    fn from(err: CallError) -> Self {
        let nothing_started = err.effect() == Effect::NotStarted && err.exit() == Exit::Unavailable;
        let answered = err.is_throttle() || err.code().is_some();
        Self {
            status: Status::of(err.exit(), err.effect()),
            again: nothing_started.then_some(if answered { Again::Busy } else { Again::Unreached }),
            error: err.to_string(),
            request_id: err.request_id().map(str::to_owned),
        }
    }
}

/// One line of the output. What is `None` is not there.
#[derive(Default, Serialize)]
struct Row<'a> {
    line: u64,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Payload<'a> {
    Json(&'a RawValue),
    Text(&'a str),
    Nothing,
}

/// The answer of a line, and its line in the output.
pub(crate) fn answered(taken: Taken, answer: &Answer) -> (Status, Vec<u8>) {
    let Answer { payload, failure, request_id } = answer;
    let status = match failure {
        None => Status::Ok,
        Some(failure) if failure.not_evaluated => Status::NotEvaluated,
        Some(_) => Status::Failed,
    };
    let not_evaluated = serde_json::json!({ "expect": "not_evaluated" });
    let json = || serde_json::from_slice::<&RawValue>(payload).ok().map(Payload::Json);
    let text = || std::str::from_utf8(payload).ok().map(Payload::Text);
    let shown = if payload.is_empty() { Some(Payload::Nothing) } else { json().or_else(text) };
    let row = Row {
        line: taken.line,
        status: status.word(),
        digest: taken.digest,
        payload_base64: shown.is_none().then(|| STANDARD.encode(payload)),
        payload: shown,
        error: failure.as_ref().map(|failure| failure.error.as_str()),
        detail: match status {
            Status::NotEvaluated => Some(&not_evaluated),
            _ => failure.as_ref().and_then(|failure| failure.detail.as_ref()),
        },
        request_id: request_id.as_deref(),
    };
    (status, render(&row, payload.len()))
}

/// The line in the output of a line without an answer.
pub(crate) fn unanswered(taken: Taken, status: Status, error: &str, request_id: Option<&str>) -> Vec<u8> {
    let Taken { line, digest } = taken;
    let row = Row { line, status: status.word(), digest, error: Some(error), request_id, ..Row::default() };
    render(&row, error.len())
}

fn render(row: &Row<'_>, about: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(about + 128);
    // Rows of strings, numbers and JSON always have a JSON form, and memory can always be written.
    let _ = serde_json::to_writer(&mut text, row);
    // Only between the tokens of a payload's own JSON can there be line ends: strings have none in them.
    for byte in &mut text {
        if matches!(*byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Target;
    use serde_json::json;

    fn taken(line: u64) -> Taken {
        Taken { line, digest: None }
    }

    /// Files of earlier releases are read by later ones, and by other programs.
    #[test]
    fn a_golden_response() {
        let digest = Some(Target::new(&json!({"function": "f"})).digest(b"{\"n\":1}"));
        let request_id = Some("r-1".to_owned());
        let (_, text) = answered(
            Taken { line: 7, digest },
            &Answer { payload: b"{\"score\":0.5}".to_vec(), failure: None, request_id },
        );
        assert_eq!(
            String::from_utf8(text).unwrap(),
            concat!(
                r#"{"line":7,"status":"ok","digest":"cf6de7cdf927b15ae0c16d55f91f8403","#,
                r#""payload":{"score":0.5},"request_id":"r-1"}"#,
                "\n"
            )
        );
        let text = unanswered(Taken { line: 8, digest }, Status::Unknown, "lost", None);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "{\"line\":8,\"status\":\"unknown\",\"digest\":\"cf6de7cdf927b15ae0c16d55f91f8403\",\"error\":\"lost\"}\n"
        );
    }

    fn line(payload: &[u8]) -> String {
        let answer = Answer { payload: payload.to_owned(), ..Answer::default() };
        let (status, text) = answered(taken(7), &answer);
        assert_eq!(status, Status::Ok);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn payloads() {
        for (payload, shown) in [
            (&b"{\"b\": 1.0, \"a\":[1e400,\"\\u00e9\\ud800\"], \"a\":12345678901234567890123}"[..], None),
            (b"null", None),
            (b"  3  ", Some(r#""payload":3"#)),
            (b"{\r\n  \"a\":\n1\n}\n", Some(r#""payload":{    "a": 1 }"#)),
            (b"", Some(r#""payload":null"#)),
            (b"two\nlines \"", Some(r#""payload":"two\nlines \"""#)),
            (b"{\"a\":", Some(r#""payload":"{\"a\":""#)),
            (b"1 2", Some(r#""payload":"1 2""#)),
            (b"NaN", Some(r#""payload":"NaN""#)),
            (b"\xff\x00", Some(r#""payload_base64":"/wA=""#)),
            (b"\"\xff\"", Some(r#""payload_base64":"Iv8i""#)),
        ] {
            let raw = format!(r#""payload":{}"#, String::from_utf8_lossy(payload));
            let shown = shown.unwrap_or(&raw);
            assert_eq!(line(payload), format!("{{\"line\":7,\"status\":\"ok\",{shown}}}\n"));
        }
    }

    #[test]
    fn deep_json_is_no_trouble() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(line(deep.as_bytes()).contains(&deep));
    }

    #[test]
    fn failures_keep_their_payload() {
        let error = "Bang: \"no\"".to_owned();
        let failure = Failed { error, detail: Some(json!({"stack": ["a"]})), not_evaluated: false };
        let request_id = Some("r-1".to_owned());
        let (status, text) =
            answered(taken(1), &Answer { payload: b"{}".to_vec(), failure: Some(failure), request_id });
        assert_eq!(status, Status::Failed);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            concat!(
                r#"{"line":1,"status":"failed","payload":{},"error":"Bang: \"no\"","#,
                r#""detail":{"stack":["a"]},"request_id":"r-1"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn what_could_not_be_judged_is_ok_and_says_so() {
        let failure = Failed { error: "e".to_owned(), detail: None, not_evaluated: true };
        let answer = Answer { payload: b"text".to_vec(), failure: Some(failure), request_id: None };
        let (status, text) = answered(taken(1), &answer);
        assert_eq!(status, Status::NotEvaluated);
        let expected =
            r#"{"line":1,"status":"ok","payload":"text","error":"e","detail":{"expect":"not_evaluated"}}"#;
        assert_eq!(String::from_utf8(text).unwrap().trim_end(), expected);
    }

    #[test]
    fn lines_without_an_answer() {
        let text = unanswered(taken(3), Status::Rejected, "no\nsuch", Some("r-2"));
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "{\"line\":3,\"status\":\"rejected\",\"error\":\"no\\nsuch\",\"request_id\":\"r-2\"}\n"
        );
        let text = unanswered(taken(3), Status::Usage, "x", None);
        assert_eq!(text, b"{\"line\":3,\"status\":\"usage\",\"error\":\"x\"}\n");
    }

    #[test]
    fn errors_of_calls_become_a_status() {
        use Effect::{MayHaveStarted, NotStarted, Refused};
        for (exit, effect, status) in [
            (Exit::Unavailable, NotStarted, Status::Unavailable),
            (Exit::Unavailable, MayHaveStarted, Status::Unknown),
            (Exit::Denied, Refused, Status::Denied),
            (Exit::Denied, NotStarted, Status::Denied),
            (Exit::Config, NotStarted, Status::Config),
            (Exit::Rejected, Refused, Status::Rejected),
            (Exit::Usage, NotStarted, Status::Usage),
            (Exit::Internal, MayHaveStarted, Status::Unknown),
        ] {
            assert_eq!(Status::of(exit, effect), status, "{exit:?} {effect:?}");
        }
        let refusal = Refusal::from(CallError::unusable("lambda:Invoke", "it has no status"));
        assert_eq!((refusal.status, refusal.again), (Status::Unknown, None));
        assert!(refusal.error.contains("lambda:Invoke"), "{}", refusal.error);
    }
}
