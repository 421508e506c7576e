//! What can end a run without a result. A hop that fails is no error here: it is what the result tells.

use job_runtime::{Exit, Failure};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A signal ended this program first.
    #[error("ended by {}", if *.0 == Exit::Interrupted { "SIGINT" } else { "SIGTERM" })]
    Interrupted(Exit),
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Interrupted(exit) => *exit,
        }
    }
}
