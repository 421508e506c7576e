//! The log on stderr: text for people, else one JSON object a line.
//!
//! Only this project's own targets are ever logged, whatever `RUST_LOG` says. The SDK's and hyper's debug output
//! holds requests with tokens and signatures.

use crate::cli::LogFormat;
use crate::progress::Console;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;

/// The shared crates whose events are logged, beside those of the binary itself.
const OWN_TARGETS: [&str; 4] = ["job_runtime", "chained_credentials", "cloudwatch_tail", "fan_out"];

/// Target of the log lines that no `RUST_LOG` holds back: those that a user was promised or has asked for.
///
/// They are of level `INFO`: where to look at the remote work, and its own words.
pub const ALWAYS: &str = "job_runtime::always";

/// Writes log lines.
#[derive(Debug)]
pub(crate) struct Log {
    console: Arc<Console>,
    json: bool,
    binary: &'static str,
}

/// The fields of a line, in order.
pub(crate) type Fields = Vec<(&'static str, Value)>;

impl Log {
    pub(crate) fn new(console: Arc<Console>, format: LogFormat, binary: &'static str) -> Self {
        let json = match format {
            LogFormat::Json => true,
            LogFormat::Text => false,
            LogFormat::Auto => !console.is_terminal(),
        };
        Self { console, json, binary }
    }

    /// Where the lines go.
    pub(crate) fn console(&self) -> &Console {
        &self.console
    }

    /// Writes the error that ends the run. No filter holds it back.
    pub(crate) fn last_error(&self, text: &str, fields: Fields) {
        if self.json {
            self.write(Level::ERROR, text, fields);
        } else {
            self.console.line(&format!("error: {text}"));
        }
    }

    fn write(&self, level: Level, message: &str, fields: Fields) {
        let time = DateTime::from(now());
        let line = if self.json {
            let line = Line { time: stamp(time), level, binary: self.binary, message, fields };
            serde_json::to_string(&line).unwrap_or_default()
        } else {
            text(time.secs(), level, message, &fields)
        };
        self.console.line(&line);
    }
}

#[expect(clippy::disallowed_methods, reason = "log lines carry the time of day")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// `2026-01-31T23:59:59.042Z`: always with milliseconds, so that lines sort as text.
fn stamp(time: DateTime) -> String {
    // Years beyond 9999 have no such form.
    let seconds = DateTime::from_secs(time.secs()).fmt(Format::DateTime).unwrap_or_default();
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), time.subsec_nanos() / 1_000_000)
}

/// Sends the project's events to `log`, at the levels of `rust_log`.
pub(crate) fn install(log: &Arc<Log>, rust_log: Option<&str>) {
    let (filter, problem) = filter(rust_log, log.binary);
    // There is one already only where a test made one.
    let _ = tracing::subscriber::set_global_default(Events { log: Arc::clone(log), filter });
    if let Some(problem) = problem {
        tracing::warn!("RUST_LOG is not understood: {problem}");
    }
}

/// What is logged, and what is wrong with `rust_log`. Without it: this project at `info`.
fn filter(rust_log: Option<&str>, binary: &str) -> (Targets, Option<String>) {
    let own = OWN_TARGETS.iter().map(|&target| target.to_owned()).chain([binary.replace('-', "_")]);
    let own: Vec<String> = own.collect();
    let (asked, problem) = match rust_log.unwrap_or("info").parse::<Targets>() {
        Ok(asked) => (asked, None),
        Err(err) => (Targets::new(), Some(err.to_string())),
    };
    let level = asked.default_level().unwrap_or(LevelFilter::INFO);
    let is_own = |target: &str| {
        own.iter().any(|own| {
            target.strip_prefix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
    };
    let narrowed = asked.iter().filter(|(target, _)| is_own(target));
    let filter = Targets::new()
        .with_default(LevelFilter::OFF)
        .with_targets(own.iter().map(|target| (target.as_str(), level)))
        .with_targets(narrowed.map(|(target, level)| (target.to_owned(), level)))
        // The last word on a target counts.
        .with_target(ALWAYS, LevelFilter::INFO);
    (filter, problem)
}

/// One line of JSON, its keys in this order.
struct Line<'a> {
    time: String,
    level: Level,
    binary: &'a str,
    message: &'a str,
    fields: Fields,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &self.time)?;
        map.serialize_entry("level", self.level.as_str())?;
        map.serialize_entry("binary", self.binary)?;
        map.serialize_entry("message", self.message)?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// One line of text: `12:34:56 message key=value`. The time is UTC.
fn text(seconds: i64, level: Level, message: &str, fields: &Fields) -> String {
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let name = match level {
        Level::ERROR => "error: ",
        Level::WARN => "warning: ",
        Level::INFO => "",
        Level::DEBUG => "debug: ",
        Level::TRACE => "trace: ",
    };
    let mut line = format!("{hour:02}:{minute:02}:{second:02} {name}{message}");
    for (field, value) in fields {
        // Writing to a String cannot fail.
        let _ = match value {
            Value::String(value) if value.contains(char::is_whitespace) => write!(line, " {field}={value:?}"),
            Value::String(value) => write!(line, " {field}={value}"),
            value => write!(line, " {field}={value}"),
        };
    }
    line
}

/// Hands events to the log. Spans are not shown: their events say what there is to say. So none is kept, as the
/// registry of tracing-subscriber would, which takes 32 KiB before the first.
struct Events {
    log: Arc<Log>,
    filter: Targets,
}

impl Subscriber for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && self.filter.would_enable(metadata.target(), metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.filter.iter().map(|(_, level)| level).max()
    }

    fn event(&self, event: &Event<'_>) {
        let mut seen = Seen::default();
        event.record(&mut seen);
        self.log.write(*event.metadata().level(), &seen.message, seen.fields);
    }

    /// Never asked for: no span is enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Collects what an event carries.
#[derive(Default)]
struct Seen {
    message: String,
    fields: Fields,
}

impl Seen {
    fn push(&mut self, field: &Field, value: impl Into<Value>) {
        self.fields.push((field.name(), value.into()));
    }
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        if field.name() == "message" { self.message = value } else { self.push(field, value) }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" { value.clone_into(&mut self.message) } else { self.push(field, value) }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.push(field, value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_targets_are_logged() {
        for (rust_log, target, level, logged) in [
            (None, "glue_trigger::job", Level::INFO, true),
            (None, "glue_trigger", Level::DEBUG, false),
            (None, "aws_smithy_runtime::client", Level::ERROR, false),
            (Some("trace"), "job_runtime::poll", Level::TRACE, true),
            (Some("trace"), "aws_sigv4", Level::ERROR, false),
            (Some("trace"), "hyper_util::client", Level::ERROR, false),
            (Some("aws_sigv4=trace,hyper=trace,info"), "aws_sigv4::sign", Level::WARN, false),
            (Some("chained_credentials=debug"), "chained_credentials::chain", Level::DEBUG, true),
            (Some("chained_credentials=debug"), "job_runtime", Level::INFO, true),
            (Some("chained_credentials=debug"), "job_runtime", Level::DEBUG, false),
            (Some("off"), "job_runtime", Level::ERROR, false),
            (None, ALWAYS, Level::INFO, true),
            (Some("warn"), ALWAYS, Level::INFO, true),
            (Some("warn"), "job_runtime::context", Level::INFO, false),
            (Some("off"), ALWAYS, Level::INFO, true),
            (Some("job_runtime=error,job_runtime::always=off"), ALWAYS, Level::INFO, true),
            (Some("job_runtime=no such level"), "job_runtime", Level::INFO, true),
        ] {
            let (filter, _) = filter(rust_log, "glue-trigger");
            assert_eq!(filter.would_enable(target, &level), logged, "{rust_log:?} {target} {level}");
        }
        assert!(filter(Some("job_runtime=no such level"), "x").1.is_some());
    }

    #[test]
    fn a_line_of_text() {
        let fields = vec![("state", "RUNNING".into()), ("attempt", 2.into()), ("error", "a b".into())];
        assert_eq!(
            text(1_700_000_000, Level::WARN, "slow", &fields),
            r#"22:13:20 warning: slow state=RUNNING attempt=2 error="a b""#
        );
        assert_eq!(text(0, Level::INFO, "begun", &Vec::new()), "00:00:00 begun");
    }

    #[test]
    fn stamps_have_one_length() {
        let second = DateTime::from_secs_and_nanos(1_700_000_000, 0);
        assert_eq!(stamp(second), "2023-11-14T22:13:20.000Z");
        assert_eq!(stamp(DateTime::from_millis(1_700_000_000_042)), "2023-11-14T22:13:20.042Z");
    }

    #[test]
    fn a_line_of_json() {
        let line = Line {
            time: "2023-11-14T22:13:20.5Z".to_owned(),
            level: Level::INFO,
            binary: "glue-trigger",
            message: "say \"hi\"\n",
            fields: vec![("id", "jr_1".into())],
        };
        assert_eq!(
            serde_json::to_string(&line).unwrap(),
            r#"{"timestamp":"2023-11-14T22:13:20.5Z","level":"INFO","binary":"glue-trigger","message":"say \"hi\"\n","id":"jr_1"}"#
        );
    }
}
