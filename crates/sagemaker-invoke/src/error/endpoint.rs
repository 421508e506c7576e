//! What can end the invocation of an endpoint without an answer.

use std::time::Duration;

use job_runtime::duration::Human;
use job_runtime::{Abandoned, CallError, Exit, Failure, Place};

use super::{Interrupted, beginning};

/// Why there is no answer of the model.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Nothing reached the model.
    #[error("endpoint {endpoint} was not invoked ({place}): {source}")]
    NotInvoked {
        /// Name of the endpoint.
        endpoint: String,
        /// Where it was to be invoked.
        place: Place,
        /// What `SageMaker` said.
        source: CallError,
    },
    /// The request got no clear answer.
    #[error(
        "the model of endpoint {endpoint} may have been asked: {source}; look at its logs before sending the same again"
    )]
    Unclear {
        /// Name of the endpoint.
        endpoint: String,
        /// What happened to the request.
        source: CallError,
    },
    /// The model was asked, and failed.
    #[error("the model of endpoint {endpoint} failed: {failure}")]
    Model {
        /// Name of the endpoint.
        endpoint: String,
        /// What `SageMaker` told of it.
        failure: Box<ModelFailure>,
    },
    /// An answer in parts broke off.
    #[error(
        "the answer of endpoint {endpoint} broke off after {bytes} bytes: {source}; the model was asked, \
         how it ended is not known"
    )]
    Cut {
        /// Name of the endpoint.
        endpoint: String,
        /// How much of the answer was written.
        bytes: u64,
        /// What happened to the answer.
        source: CallError,
    },
    /// Our wait is over, the model may be at work.
    #[error(
        "endpoint {endpoint} has not answered within {}: its model may go on, but its answer is lost",
        Human(*.timeout)
    )]
    NoAnswer {
        /// Name of the endpoint.
        endpoint: String,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// A signal ended the wait for the answer.
    #[error("endpoint {endpoint}: {why}; its model may still be at work, and its response is lost")]
    Abandoned {
        /// Name of the endpoint.
        endpoint: String,
        /// How the wait ended.
        why: Abandoned,
        /// What the run ends with.
        exit: Exit,
    },
    /// A signal ended this program before anything was sent.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// What `SageMaker` tells of a model that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelFailure {
    /// `ErrorCode` of a stream: `ModelInvocationTimeExceeded`, `StreamBroken`.
    pub code: Option<String>,
    /// `OriginalStatusCode`: what the container answered with; 0 for nothing at all.
    pub status: Option<i32>,
    /// `OriginalMessage`: what the container said.
    pub message: String,
    /// `LogStreamArn`: where its logs are.
    pub log_stream_arn: Option<String>,
    /// The AWS request id.
    pub request_id: Option<String>,
}

impl std::fmt::Display for ModelFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, status, message, log_stream_arn, request_id } = self;
        match (code, status) {
            (Some(code), _) => write!(f, "{code}")?,
            (None, Some(0)) => f.write_str(
                "its container did not answer within the 60 s that SageMaker gives it (status 0)",
            )?,
            (None, Some(status)) => write!(f, "its container answered HTTP {status}")?,
            (None, None) => f.write_str("without a status")?,
        }
        if !message.trim().is_empty() {
            write!(f, ": {}", beginning(message.trim()))?;
        }
        if *status != Some(0) && message.contains("server error (0)") {
            f.write_str(
                " (0 is the container's silence: it did not answer within the 60 s that SageMaker gives it)",
            )?;
        }
        if let Some(arn) = log_stream_arn {
            write!(f, "; its logs are in {arn}")?;
        }
        match request_id {
            Some(id) => write!(f, " (request id {id})"),
            None => Ok(()),
        }
    }
}

impl EndpointError {
    /// A signal came while nothing was with the model.
    pub(crate) fn not_sent(endpoint: &str, exit: Exit) -> Self {
        Self::Interrupted(Interrupted { exit, what: format!("endpoint {endpoint} was not invoked") })
    }
}

impl Failure for EndpointError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotInvoked { source, .. } => source.exit(),
            // A model has no work of ours to be found again: not even the end of our wait says that it was begun.
            Self::Unclear { .. } | Self::Cut { .. } | Self::NoAnswer { .. } => Exit::Unknown,
            Self::Model { .. } => Exit::Failed,
            Self::Abandoned { exit, .. } => *exit,
            Self::Interrupted(interrupted) => interrupted.exit,
        }
    }

    fn request_id(&self) -> Option<&str> {
        match self {
            Self::NotInvoked { source, .. } | Self::Unclear { source, .. } | Self::Cut { source, .. } => {
                source.request_id()
            }
            Self::Model { failure, .. } => failure.request_id.as_deref(),
            Self::NoAnswer { .. } | Self::Abandoned { .. } | Self::Interrupted(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_the_model_says_what_is_known() {
        let cases = [
            (ModelFailure::default(), "without a status"),
            (
                ModelFailure {
                    status: Some(500),
                    message: "boom\n".to_owned(),
                    log_stream_arn: Some("arn:x".to_owned()),
                    request_id: Some("r-1".to_owned()),
                    ..ModelFailure::default()
                },
                "its container answered HTTP 500: boom; its logs are in arn:x (request id r-1)",
            ),
            (
                ModelFailure { status: Some(0), message: "m".to_owned(), ..ModelFailure::default() },
                "its container did not answer within the 60 s that SageMaker gives it (status 0): m",
            ),
            (
                ModelFailure {
                    status: Some(500),
                    message: "Received server error (0) from primary".to_owned(),
                    ..ModelFailure::default()
                },
                "its container answered HTTP 500: Received server error (0) from primary (0 is the container's \
                 silence: it did not answer within the 60 s that SageMaker gives it)",
            ),
            (
                ModelFailure {
                    code: Some("StreamBroken".to_owned()),
                    message: "reset".to_owned(),
                    ..ModelFailure::default()
                },
                "StreamBroken: reset",
            ),
        ];
        for (failure, expected) in cases {
            assert_eq!(failure.to_string(), expected);
        }
    }
}
