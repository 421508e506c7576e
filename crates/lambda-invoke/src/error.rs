//! Everything that can end a run without an answer, in one sentence each.

use std::time::Duration;

use job_runtime::duration::Human;
use job_runtime::{Abandoned, CallError, Exit, Failure, Interrupted, Place, SinkError};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Options of the runtime that do not go with this program's.
    #[error("{0}")]
    Usage(String),
    /// The ARN and the configuration name different regions.
    #[error(
        "the ARN of function {function} is one of region {arn}, but calls go to {region}: set --region or AWS_REGION \
         to {arn}"
    )]
    Region {
        /// The function as the user named it.
        function: String,
        /// Region of the ARN.
        arn: String,
        /// Region of the configuration.
        region: String,
    },
    /// The function is not where it was looked for.
    #[error(
        "there is no Lambda function {function} in {place}: {source}; check --function-name, --qualifier and --region"
    )]
    NoSuchFunction {
        /// The function as the user named it.
        function: String,
        /// Where it was looked for.
        place: Place,
        /// What Lambda said.
        source: CallError,
    },
    /// The invocation failed without running anything.
    #[error("function {function} was not invoked ({place}): {source}")]
    NotInvoked {
        /// The function as the user named it.
        function: String,
        /// Where it was to be invoked.
        place: Place,
        /// What Lambda said, or what happened on the way.
        source: CallError,
    },
    /// The name of the execution stands for another payload.
    #[error(
        "function {function} was not invoked: its durable execution {name} was started with another payload, and one \
         key stands for one piece of work: {source}"
    )]
    OtherPayload {
        /// The function as the user named it.
        function: String,
        /// Name of the execution.
        name: String,
        /// What Lambda said.
        source: CallError,
    },
    /// The answer of the invocation was lost.
    #[error(
        "function {function} may have run: {source}; its log has the invocation, if there was one: {console}"
    )]
    Unknown {
        /// The function as the user named it.
        function: String,
        /// Address of the function's page.
        console: String,
        /// What happened to the invocation.
        source: CallError,
    },
    /// The answer broke off.
    #[error("function {function} ran, but how it ended is not known: {problem}; its log: {console}")]
    Cut {
        /// The function as the user named it.
        function: String,
        /// Address of the function's page.
        console: String,
        /// What happened.
        problem: String,
        /// Lambda's id of the invocation.
        request_id: Option<String>,
    },
    /// Executions of the key could not be looked for.
    #[error("nothing was started, because earlier executions of this key could not be looked for: {source}")]
    Lookup {
        /// What Lambda said.
        source: CallError,
    },
    /// Our wait for the answer is over, and a function without a durable execution is not found again.
    #[error("function {function} has not ended within {}: it may well go on; its log: {console}", Human(*.timeout))]
    NoAnswer {
        /// The function as the user named it.
        function: String,
        /// Address of the function's page.
        console: String,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// A signal ended the wait for the answer, and a function without a durable execution is not found again.
    #[error(
        "function {function}: {why}; it may still be running, and its response is lost; its log: {console}"
    )]
    Abandoned {
        /// The function as the user named it.
        function: String,
        /// Address of the function's page.
        console: String,
        /// How the wait ended.
        why: Abandoned,
        /// What the run ends with.
        exit: Exit,
    },
    /// Our wait for a durable execution is over.
    #[error("{what} has not ended within {}: it may well go on", Human(*.timeout))]
    Deadline {
        /// An execution, or the function of one that has not told its ARN.
        what: String,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// A durable execution can no longer be seen.
    #[error("the durable execution {arn} can no longer be followed, but may well go on: {source}")]
    Lost {
        /// Its ARN.
        arn: String,
        /// What Lambda said last.
        source: CallError,
    },
    /// A signal ended this program before there was an answer.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// The answer could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The batch could not be run.
    #[error(transparent)]
    Batch(#[from] fan_out::Error),
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Region { .. } => Exit::Config,
            Self::NoSuchFunction { .. } | Self::OtherPayload { .. } => Exit::Rejected,
            Self::NotInvoked { source, .. } | Self::Lookup { source } => source.exit(),
            Self::Unknown { .. } | Self::Cut { .. } | Self::NoAnswer { .. } => Exit::Unknown,
            Self::Deadline { .. } => Exit::Timeout,
            Self::Lost { source, .. } => match source.exit() {
                // A retry would be refused as well.
                exit @ (Exit::Rejected | Exit::Denied | Exit::Config) => exit,
                _ => Exit::Timeout,
            },
            Self::Abandoned { exit, .. } => *exit,
            Self::Interrupted(interrupted) => interrupted.exit(),
            Self::Sink(error) => error.exit(),
            Self::Batch(error) => error.exit(),
        }
    }

    fn request_id(&self) -> Option<&str> {
        match self {
            Self::NoSuchFunction { source, .. }
            | Self::NotInvoked { source, .. }
            | Self::OtherPayload { source, .. }
            | Self::Unknown { source, .. }
            | Self::Lookup { source }
            | Self::Lost { source, .. } => source.request_id(),
            Self::Cut { request_id, .. } => request_id.as_deref(),
            Self::Batch(error) => error.request_id(),
            Self::Usage(_)
            | Self::Region { .. }
            | Self::NoAnswer { .. }
            | Self::Abandoned { .. }
            | Self::Deadline { .. }
            | Self::Interrupted(_)
            | Self::Sink(_) => None,
        }
    }
}
