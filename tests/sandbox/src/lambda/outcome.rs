//! What an invocation comes to: its answer, its error, its log.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::function::{FunctionAnswer, FunctionCourse, FunctionFailure};
use crate::answer::{Content, Parts};
use crate::crypto::base64;
use crate::eventstream;

/// The largest answer that is not a stream.
const LARGEST_ANSWER: usize = 6_291_556;
/// How much of a log's end is shown.
const TAIL: usize = 4096;

/// What an invocation comes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) payload: Bytes,
    /// `Handled` or `Unhandled`.
    pub(crate) error: Option<String>,
    /// As durable executions call it.
    pub(crate) status: &'static str,
    /// What a stream says at its end of an error.
    stream_error: Option<(String, String)>,
    /// Lines of the log.
    log: Vec<String>,
}

impl Outcome {
    /// What a course makes of a payload.
    pub(crate) fn of(course: &FunctionCourse, payload: &Bytes, request_id: &str) -> Self {
        let failed = |kind: &str, error: Value| {
            let text = error.to_string();
            let code = error["errorType"].as_str().unwrap_or_default().to_owned();
            Self {
                payload: text.clone().into(),
                error: Some(kind.into()),
                status: "FAILED",
                stream_error: Some((code, text)),
                log: course.logs.clone(),
            }
        };
        let exited = |error_type: &str, reason: &str| {
            let message = format!("RequestId: {request_id} Error: {reason}");
            let mut outcome =
                failed("Unhandled", json!({ "errorType": error_type, "errorMessage": message }));
            outcome.log.push(message);
            outcome
        };
        let answered = |payload: Bytes| Self {
            payload,
            error: None,
            status: "SUCCEEDED",
            stream_error: None,
            log: course.logs.clone(),
        };
        if let Some(error) = &course.stream_error {
            let told = json!({ "errorType": error.code, "errorMessage": error.details });
            let stream_error = Some((error.code.clone(), error.details.clone()));
            return Self { stream_error, ..failed("Unhandled", told) };
        }
        if !course.chunks.is_empty() {
            return answered(course.chunks.concat().into());
        }
        match &course.answer {
            // A function that is given nothing is given an empty object.
            FunctionAnswer::Echo if payload.is_empty() => answered(Bytes::from_static(b"{}")),
            FunctionAnswer::Echo => answered(payload.clone()),
            FunctionAnswer::Json(text) => answered(text.clone().into()),
            FunctionAnswer::Bytes(size) => {
                answered(format!("\"{}\"", "x".repeat(size.saturating_sub(2))).into())
            }
            FunctionAnswer::Error(failure) => failed(&failure.kind, failure.told(request_id)),
            FunctionAnswer::Crash => exited("Runtime.ExitError", "Runtime exited with error: exit status 1"),
            FunctionAnswer::OutOfMemory => {
                exited("Runtime.OutOfMemory", "Runtime exited with error: signal: killed")
            }
            FunctionAnswer::TimedOut => Self {
                status: "TIMED_OUT",
                ..exited("Sandbox.Timedout", "Task timed out after 3.00 seconds")
            },
        }
    }

    /// The same for an answer that is no stream, which must not be too long.
    pub(crate) fn whole(self) -> Self {
        if self.payload.len() <= LARGEST_ANSWER {
            return self;
        }
        let text =
            format!("Response payload size exceeded maximum allowed payload size ({LARGEST_ANSWER} bytes).");
        let error = json!({ "errorType": "Function.ResponseSizeTooLarge", "errorMessage": text });
        Self { payload: error.to_string().into(), error: Some("Unhandled".into()), status: "FAILED", ..self }
    }

    /// As a stream of events.
    pub(crate) fn stream(&self, course: &FunctionCourse, tail: Option<String>) -> Parts {
        let chunk = |payload: &[u8]| eventstream::event("PayloadChunk", "application/octet-stream", payload);
        let mut parts: Vec<(Duration, Bytes)> = match &course.chunks[..] {
            [] if self.stream_error.is_some() => Vec::new(),
            [] => vec![(Duration::ZERO, chunk(&self.payload))],
            chunks => chunks.iter().map(|text| (course.every, chunk(text.as_bytes()))).collect(),
        };
        if let Some((wait, _)) = parts.first_mut() {
            *wait = Duration::ZERO;
        }
        if !course.cut {
            let mut end = json!({});
            if let Some((code, details)) = &self.stream_error {
                (end["ErrorCode"], end["ErrorDetails"]) = (json!(code), json!(details));
            }
            if let Some(tail) = tail {
                end["LogResult"] = json!(tail);
            }
            let end = eventstream::event("InvokeComplete", "application/json", end.to_string().as_bytes());
            parts.push((Duration::ZERO, end));
        }
        Parts { parts, cut: course.cut }
    }

    /// The answer that is no stream.
    pub(crate) fn content(&self, course: &FunctionCourse) -> Content {
        if !course.cut {
            return Content::Whole(self.payload.clone());
        }
        let half = self.payload.slice(..self.payload.len() / 2);
        Content::Parts(Parts { parts: vec![(Duration::ZERO, half)], cut: true })
    }

    /// The last 4 KB of the log, in base64.
    pub(crate) fn tail(&self, request_id: &str, version: &str, took: Duration) -> String {
        let mut log = format!("START RequestId: {request_id} Version: {version}\n");
        for line in &self.log {
            log.extend([line, "\n"]);
        }
        let took = took.as_secs_f64() * 1000.0;
        let _ = writeln!(
            log,
            "END RequestId: {request_id}\nREPORT RequestId: {request_id}\tDuration: {took:.2} ms\tBilled Duration: \
             {:.0} ms\tMemory Size: 128 MB\tMax Memory Used: 64 MB\t",
            took.ceil()
        );
        base64(&log.as_bytes()[log.len().saturating_sub(TAIL)..])
    }

    /// The error in the form of durable executions.
    pub(crate) fn durable_error(&self) -> Value {
        let told: Value = serde_json::from_slice(&self.payload).unwrap_or_default();
        let mut error = json!({ "ErrorType": told["errorType"], "ErrorMessage": told["errorMessage"] });
        if told["stackTrace"].is_array() {
            error["StackTrace"] = told["stackTrace"].clone();
        }
        error
    }
}

impl FunctionFailure {
    fn told(&self, request_id: &str) -> Value {
        let mut error =
            json!({ "errorMessage": self.message, "errorType": self.error_type, "requestId": request_id });
        if !self.stack.is_empty() {
            error["stackTrace"] = json!(self.stack);
        }
        error
    }
}
