//! Lambda functions as a world describes them, and the courses that their invocations take.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

/// Everything about Lambda in a world.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LambdaWorld {
    /// A new durable execution is not in `ListDurableExecutionsByFunction` for this long.
    #[serde(default, with = "humantime_serde")]
    pub list_lag: Duration,
    /// The functions.
    #[serde(default)]
    pub functions: Vec<Function>,
}

/// A Lambda function.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its account.
    pub account: String,
    /// Its region; the world's where it names none.
    pub region: Option<String>,
    /// Its name.
    pub name: String,
    /// Published versions; `$LATEST` is always there.
    #[serde(default)]
    pub versions: Vec<String>,
    /// Aliases, with the version that each leads to.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    /// Its executions are durable.
    #[serde(default)]
    pub durable: bool,
    /// It keeps tenants apart: every invocation must name one. No other function takes one.
    #[serde(default)]
    pub tenants: bool,
    /// Other accounts that its resource policy lets in.
    #[serde(default)]
    pub allow_accounts: Vec<String>,
    /// How many invocations may be under way; more are throttled.
    pub throttle_above: Option<usize>,
    /// The first invocation takes the first course and so on; the last course repeats. None: an echo.
    #[serde(default)]
    pub courses: Vec<FunctionCourse>,
}

/// What happens to an invocation.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionCourse {
    /// How long it takes.
    #[serde(default, with = "humantime_serde")]
    pub after: Duration,
    /// What the function answers.
    #[serde(default)]
    pub answer: FunctionAnswer,
    /// The pieces of the answer, instead of `answer`: a stream for those who ask for one, joined for all others.
    #[serde(default)]
    pub chunks: Vec<String>,
    /// Time from one piece of a stream to the next.
    #[serde(default, with = "humantime_serde")]
    pub every: Duration,
    /// The stream ends in this error.
    pub stream_error: Option<StreamError>,
    /// The answer ends with the connection: a stream after its last piece, any other in its middle.
    #[serde(default)]
    pub cut: bool,
    /// What the function writes to its log.
    #[serde(default)]
    pub logs: Vec<String>,
}

impl FunctionCourse {
    /// A course that answers so after some time.
    pub fn new(after: Duration, answer: FunctionAnswer) -> Self {
        Self { after, answer, ..Self::default() }
    }
}

/// What a function answers.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum FunctionAnswer {
    /// The payload, back.
    #[default]
    Echo,
    /// This text, be it JSON or not.
    Json(String),
    /// A JSON string; so many bytes in all.
    Bytes(usize),
    /// An error of the function.
    Error(FunctionFailure),
    /// The process ends.
    Crash,
    /// The process is killed for want of memory.
    OutOfMemory,
    /// The function's timeout is over.
    TimedOut,
}

/// An error as a function's runtime tells of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct FunctionFailure {
    /// `Handled` or `Unhandled`.
    #[serde(default = "default_kind")]
    pub kind: String,
    /// `errorType`.
    #[serde(rename = "type")]
    pub error_type: String,
    /// `errorMessage`.
    pub message: String,
    /// `stackTrace`.
    #[serde(default)]
    pub stack: Vec<String>,
}

/// How a stream tells of an error at its end.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct StreamError {
    /// `ErrorCode`.
    pub code: String,
    /// `ErrorDetails`.
    pub details: String,
}

impl Function {
    /// The course of the `index`-th invocation, counted from 0.
    pub(crate) fn course(&self, index: usize) -> FunctionCourse {
        self.courses.get(index).or_else(|| self.courses.last()).cloned().unwrap_or_default()
    }

    /// The version that a qualifier leads to; `None` where it leads nowhere.
    pub(crate) fn version(&self, qualifier: Option<&str>) -> Option<&str> {
        match qualifier {
            None | Some("$LATEST") => Some("$LATEST"),
            Some("$LATEST.PUBLISHED") => self.versions.last().map(String::as_str),
            Some(name) => {
                let version = self.versions.iter().find(|version| *version == name);
                version.or_else(|| self.aliases.get(name)).map(String::as_str)
            }
        }
    }
}

fn default_kind() -> String {
    "Unhandled".into()
}
