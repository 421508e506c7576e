//! The end of a run: the result on stdout, the error on stderr, the termination message, the exit code.

use crate::context::Remote;
use crate::error::Failure;
use crate::exit::Exit;
use crate::file;
use crate::telemetry::Log;
use serde::Serialize;
use serde_json::Value;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Where Kubernetes reads a container's last word.
const TERMINATION_LOG: &str = "/dev/termination-log";
/// The termination message has fewer bytes. Kubernetes would take 4096 of one container and 12 KiB of a pod.
const MESSAGE_LIMIT: usize = 1024;

/// What a job has to say when it ends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How the run ended.
    pub exit: Exit,
    /// What goes to stdout, to the byte. Empty: stdout stays empty.
    pub result: Vec<u8>,
    /// Why the work did not succeed, as a lower-case fragment.
    pub error: Option<String>,
    /// The AWS request id of what did not succeed.
    pub(crate) request_id: Option<String>,
    /// The exit code of the program that was run in our place; it is the run's.
    pub(crate) child: Option<u8>,
    /// Whether `--expect` could not be evaluated.
    pub(crate) not_evaluated: bool,
}

impl Report {
    /// The work succeeded. A `result` of text gets one newline at its end.
    pub fn ok(result: impl Into<String>) -> Self {
        Self {
            exit: Exit::Ok,
            result: line(result.into()),
            error: None,
            request_id: None,
            child: None,
            not_evaluated: false,
        }
    }

    /// The work ended otherwise, and there is a `result` to show all the same.
    pub fn failed(exit: Exit, result: impl Into<String>, error: impl Into<String>) -> Self {
        Self { exit, error: Some(error.into()), ..Self::ok(result) }
    }

    /// The same end, with the AWS request id of what did not succeed.
    #[must_use]
    pub fn with_request_id(self, request_id: Option<String>) -> Self {
        Self { request_id, ..self }
    }

    /// The same end; `--expect` could not be evaluated, so that nothing is known of the condition.
    #[must_use]
    pub fn with_expect_not_evaluated(self, not_evaluated: bool) -> Self {
        Self { not_evaluated, ..self }
    }

    /// The same end with a result that is not ours to change: the answer of a function or a model.
    #[must_use]
    pub fn with_bytes(self, result: Vec<u8>) -> Self {
        Self { result, ..self }
    }

    /// The result, of which it is known that it is text.
    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.result).unwrap_or("no UTF-8")
    }
}

/// Text with one newline at its end; nothing stays nothing.
fn line(mut text: String) -> Vec<u8> {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.into_bytes()
}

/// Plain structs of strings and numbers always have a JSON form.
pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// `name  value` lines with the values under each other, without a line end at the end.
pub fn aligned<'a>(lines: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> String {
    let width = lines.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
    lines.map(|(name, value)| format!("{name:width$}  {value}")).collect::<Vec<_>>().join("\n")
}

/// How a run ended, whoever ended it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) exit: Exit,
    pub(crate) result: Vec<u8>,
    pub(crate) error: Option<String>,
    pub(crate) request_id: Option<String>,
    /// The exit code of a program that was run in our place.
    pub(crate) child: Option<u8>,
    /// Whether `--expect` could not be evaluated.
    pub(crate) not_evaluated: bool,
}

impl End {
    /// Ended without a result.
    pub(crate) fn error(exit: Exit, error: impl Into<String>) -> Self {
        Self {
            exit,
            result: Vec::new(),
            error: Some(error.into()),
            request_id: None,
            child: None,
            not_evaluated: false,
        }
    }

    /// What the process ends with.
    pub(crate) fn code(&self) -> u8 {
        self.child.unwrap_or(self.exit.code())
    }

    /// Ended by the job's error.
    pub(crate) fn failure(failure: &impl Failure) -> Self {
        let request_id = failure.request_id().map(str::to_owned);
        Self { request_id, ..Self::error(failure.exit(), with_sources(failure)) }
    }

    /// Ended by a signal.
    pub(crate) fn interrupted(exit: Exit) -> Self {
        Self::error(exit, format!("ended by {}", crate::signal::name(exit)))
    }
}

impl From<Report> for End {
    fn from(report: Report) -> Self {
        let Report { exit, result, error, request_id, child, not_evaluated } = report;
        // Whatever is not ok says why.
        let error = error.or_else(|| (exit != Exit::Ok).then(|| exit.meaning().to_owned()));
        Self { exit, result, error, request_id, child, not_evaluated }
    }
}

/// The text of `err` and of its sources, each once.
pub(crate) fn with_sources(err: &(dyn std::error::Error + 'static)) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        let next = err.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = err.source();
    }
    text
}

/// Says what is left to say: result, error, termination message.
pub(crate) fn finish(mut end: End, log: &Log, last_word: &LastWord) -> ExitCode {
    log.console().end_progress();
    if let Err(err) = write_result(&end.result)
        && end.exit == Exit::Ok
    {
        // The work was done: to do it again is not for a Job's retry to decide.
        end = End::error(Exit::Unknown, format!("could not write the result to stdout: {err}"));
    }
    // Before the last line of the log, which stays the last one.
    last_word.write(&end);
    let message = last_word.message(&end);
    if let Some(error) = &end.error {
        log.last_error(error, message.fields());
    } else {
        let Message { outcome, duration_seconds, .. } = message;
        tracing::info!(outcome, duration_seconds, "the run has ended");
    }
    ExitCode::from(end.code())
}

/// A closed pipe is an error here and no signal: Rust's start-up code ignores SIGPIPE.
#[expect(clippy::disallowed_methods, reason = "the one writer of stdout")]
fn write_result(result: &[u8]) -> io::Result<()> {
    if result.is_empty() {
        return Ok(());
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(result)?;
    stdout.flush()
}

/// What becomes the termination message. Shared with the panic hook.
#[derive(Debug)]
pub(crate) struct LastWord {
    binary: &'static str,
    path: Option<PathBuf>,
    started: Instant,
    remote: Mutex<Option<Remote>>,
}

impl LastWord {
    /// To be written to `path`, else to Kubernetes' place where that exists.
    pub(crate) fn new(binary: &'static str, path: Option<PathBuf>) -> Self {
        let default = || Some(PathBuf::from(TERMINATION_LOG)).filter(|path| path.exists());
        Self { binary, path: path.or_else(default), started: Instant::now(), remote: Mutex::default() }
    }

    /// Keeps the remote work.
    pub(crate) fn remember(&self, remote: Remote) {
        *self.lock() = Some(remote);
    }

    /// Keeps that the remembered work was seen in `state`.
    pub(crate) fn note_state(&self, state: &str) {
        if let Some(remote) = self.lock().as_mut() {
            remote.state = Some(state.to_owned());
        }
    }

    /// The remote work, once remembered.
    pub(crate) fn remote(&self) -> Option<Remote> {
        self.lock().clone()
    }

    /// Writes the message. A failure to do so is logged and changes nothing else.
    pub(crate) fn write(&self, end: &End) {
        let Some(path) = &self.path else { return };
        if let Err(err) = file::write_at_once(path, self.message(end).render().as_bytes()) {
            tracing::warn!(path = %path.display(), error = %err, "termination message not written");
        }
    }

    fn message(&self, end: &End) -> Message {
        let remote = self.remote().unwrap_or_default();
        Message {
            binary: self.binary,
            outcome: end.exit.name(),
            exit_code: end.code(),
            remote_id: Some(remote.id).filter(|id| !id.is_empty()),
            state: remote.state,
            error: end.error.clone(),
            request_id: end.request_id.clone(),
            details: end.not_evaluated.then_some(Details::NOT_EVALUATED),
            duration_seconds: (self.started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
        }
    }

    /// A panic elsewhere does not spoil what is kept here.
    fn lock(&self) -> MutexGuard<'_, Option<Remote>> {
        self.remote.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The termination message. All keys are always there, `null` where there is nothing to say.
#[derive(Clone, Debug, Default, Serialize)]
struct Message {
    binary: &'static str,
    outcome: &'static str,
    exit_code: u8,
    remote_id: Option<String>,
    state: Option<String>,
    error: Option<String>,
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    duration_seconds: f64,
}

/// What a result says beside its head, under `details`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Details {
    /// `not_evaluated` where `--expect` is neither true nor false of the response.
    expect: &'static str,
}

impl Details {
    /// `--expect` could not be evaluated.
    pub const NOT_EVALUATED: Self = Self { expect: "not_evaluated" };
}

impl Message {
    /// One JSON object of fewer than [`MESSAGE_LIMIT`] bytes: the longest texts lose their ends.
    fn render(mut self) -> String {
        loop {
            // Strings and finite numbers always have a JSON form.
            let text = serde_json::to_string(&self).unwrap_or_default();
            let Some(excess) = (text.len() + 1).checked_sub(MESSAGE_LIMIT).filter(|&excess| excess > 0)
            else {
                return text;
            };
            let texts = [&mut self.remote_id, &mut self.state, &mut self.error, &mut self.request_id];
            let longest = texts.into_iter().flatten().max_by_key(|text| text.len());
            match longest {
                // Not more than a quarter at once: what JSON escapes weighs more there than here.
                Some(longest) if longest.len() > ELLIPSIS.len() => {
                    let quarter = longest.len() / 4 + 1;
                    shorten(longest, excess.min(quarter));
                }
                _ => return text,
            }
        }
    }

    /// What the final log line says beside the error.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        let optional =
            [("remote_id", &self.remote_id), ("state", &self.state), ("request_id", &self.request_id)];
        let mut fields = vec![("outcome", self.outcome.into()), ("exit_code", self.exit_code.into())];
        fields.extend(optional.into_iter().filter_map(|(name, text)| Some((name, text.clone()?.into()))));
        fields.extend(self.details.map(|details| ("details", serde_json::json!(details))));
        fields.push(("duration_seconds", self.duration_seconds.into()));
        fields
    }
}

/// Stands where the rest of a text was.
const ELLIPSIS: &str = "…";

/// Takes at least `excess` bytes off the end.
fn shorten(text: &mut String, excess: usize) {
    let keep = text.len().saturating_sub(excess + ELLIPSIS.len());
    text.truncate(text.floor_char_boundary(keep));
    text.push_str(ELLIPSIS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_everything() {
        let last_word = LastWord::new("glue-trigger", None);
        last_word.remember(Remote { id: "jr_1".to_owned(), state: None, console: None });
        last_word.note_state("RUNNING");
        let end = End { request_id: Some("r-1".to_owned()), ..End::error(Exit::Timeout, "too long") };
        let message = Message { duration_seconds: 1.5, ..last_word.message(&end) };
        assert_eq!(
            message.render(),
            r#"{"binary":"glue-trigger","outcome":"timeout","exit_code":79,"remote_id":"jr_1","state":"RUNNING","error":"too long","request_id":"r-1","duration_seconds":1.5}"#
        );
        let silent = LastWord::new("x", None).message(&End::from(Report::ok(""))).render();
        assert!(
            silent.contains(r#""outcome":"ok","exit_code":0,"remote_id":null,"state":null,"error":null"#)
        );
    }

    #[test]
    fn a_message_is_always_short_and_whole() {
        for text in ["x".repeat(5000), "ü€😀".repeat(900), "\"\\\n\u{1}".repeat(2000)] {
            for (remote_id, state, error) in [
                (None, None, Some(text.clone())),
                (Some(text.clone()), Some(text.clone()), Some(text.clone())),
                (Some(text.clone()), None, Some("short".to_owned())),
            ] {
                let message =
                    Message { binary: "b", outcome: "failed", remote_id, state, error, ..Message::default() };
                let rendered = message.render();
                assert!(rendered.len() < 1024, "{}", rendered.len());
                assert!(rendered.len() > 600, "no more is cut than must be: {}", rendered.len());
                let value: Value = serde_json::from_str(&rendered).unwrap();
                assert_eq!(value["outcome"], "failed");
                assert!(value["error"].as_str().unwrap().ends_with(['…', 't']));
            }
        }
    }

    #[test]
    fn sources_are_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("could not read a.json")]
        struct Outer(#[source] Middle);
        #[derive(Debug, thiserror::Error)]
        #[error("bad file: {0}")]
        struct Middle(#[source] io::Error);

        let err = Outer(Middle(io::Error::other("disk on fire")));
        assert_eq!(with_sources(&err), "could not read a.json: bad file: disk on fire");
    }

    #[test]
    fn a_message_that_cannot_be_written_changes_nothing() {
        let dir = std::env::temp_dir();
        LastWord::new("x", Some(dir)).write(&End::error(Exit::Usage, "y"));
    }

    #[test]
    fn text_ends_in_one_newline_and_bytes_stay_as_they_are() {
        for (text, shown) in [("", ""), ("a", "a\n"), ("a\n", "a\n")] {
            assert_eq!(Report::ok(text).text(), shown);
        }
        let bytes = vec![0, 159, 146, 150];
        assert_eq!(Report::ok("x").with_bytes(bytes.clone()).result, bytes);
    }

    #[test]
    fn what_is_not_ok_says_why() {
        let report = Report { exit: Exit::Stopped, ..Report::ok("") };
        assert_eq!(End::from(report).error.as_deref(), Some("the remote work was stopped by someone"));
    }
}
