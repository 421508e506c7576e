//! Everything that can end a run without a result, in one sentence each.

mod endpoint;
mod queued;

use job_runtime::remote::RemoteError;
use job_runtime::{Exit, Failure, SinkError};

pub use self::endpoint::{EndpointError, ModelFailure};
pub use self::queued::AsyncError;
pub use aws_wire::s3::S3Error;

/// So much of a text that somebody else wrote is shown.
const SHOWN: usize = 1024;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A mistake in the options that only shows when they are acted on.
    #[error("{problem}")]
    Input {
        /// What is wrong, and with what.
        problem: String,
    },
    /// The result could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// There is no answer of an endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A batch came to no end of its own.
    #[error(transparent)]
    Batch(#[from] fan_out::Error),
    /// There is no answer of an asynchronous endpoint.
    #[error(transparent)]
    Async(#[from] AsyncError),
    /// There is no ended training job.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

/// A signal ended this program before the work ended.
#[derive(Debug, thiserror::Error)]
#[error("ended by {}: {what}", if *.exit == Exit::Interrupted { "SIGINT" } else { "SIGTERM" })]
pub struct Interrupted {
    /// The signal's exit.
    pub exit: Exit,
    /// What became of the work.
    pub what: String,
}

impl From<Box<AsyncError>> for Error {
    fn from(error: Box<AsyncError>) -> Self {
        (*error).into()
    }
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Input { .. } => Exit::Usage,
            Self::Sink(source) => source.exit(),
            Self::Endpoint(error) => error.exit(),
            Self::Batch(error) => error.exit(),
            Self::Async(error) => error.exit(),
            Self::Remote(error) => error.exit(),
        }
    }

    fn request_id(&self) -> Option<&str> {
        match self {
            Self::Input { .. } | Self::Sink(_) => None,
            Self::Endpoint(error) => error.request_id(),
            Self::Batch(error) => error.request_id(),
            Self::Async(error) => error.request_id(),
            Self::Remote(error) => error.request_id(),
        }
    }
}

/// The first [`SHOWN`] bytes of `text`.
pub(crate) fn beginning(text: &str) -> String {
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(SHOWN)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut() {
        let long = "ü".repeat(2000);
        let shown = beginning(&long);
        assert_eq!(shown.chars().count(), 513);
        assert!(shown.ends_with('…'));
        assert_eq!(beginning("short"), "short");
    }
}
