//! What can end the training of a model without an ended job to report.

use std::time::Duration;

use job_runtime::duration::Human;
use job_runtime::{CallError, Exit, Failure, Place};

use super::Interrupted;

/// Why there is no ended training job.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// With a key, nothing is started before the key's earlier job has been looked for.
    #[error("nothing was started, because an earlier job of this key could not be looked for: {source}")]
    Lookup {
        /// What `SageMaker` said.
        source: CallError,
    },
    /// What has to come before the start took too long.
    #[error("nothing was started, because looking for an earlier job of this key took longer than --timeout")]
    LookupTimeout,
    /// The start failed without starting anything.
    #[error("training job {name} was not started ({place}): {source}")]
    NotStarted {
        /// Name of the job.
        name: String,
        /// Where it was to be started.
        place: Place,
        /// What `SageMaker` said.
        source: CallError,
    },
    /// A job of this name is there, and is not known to be this piece of work.
    #[error(
        "training job {name} was not started, because there is a job of this name ({console}); give another name, \
         or an --idempotency-key, with which a job of the same specification is taken over"
    )]
    NameTaken {
        /// Name of the job.
        name: String,
        /// Address of the job that is there.
        console: String,
    },
    /// A job of this name is there, and was started with another specification.
    #[error(
        "training job {name} is there already and is another piece of work: its {path} is not what the \
         specification says; give another --job-name or --idempotency-key, or look at {console}"
    )]
    Foreign {
        /// Name of the job.
        name: String,
        /// The first member that differs.
        path: String,
        /// Address of the job that is there.
        console: String,
    },
    /// Every name that the key leads to belongs to a job that has ended badly.
    #[error(
        "{attempts} training jobs of this key have ended badly, the last of them {name}; nothing was started"
    )]
    Exhausted {
        /// How many.
        attempts: u32,
        /// The name of the last.
        name: String,
    },
    /// The start got no clear answer, and there is no key to settle it by.
    #[error(
        "training job {name} may have been started: {source}; look at {console} before starting it again"
    )]
    Unknown {
        /// Name of the job.
        name: String,
        /// Where to look at the job.
        console: String,
        /// What happened to the start.
        source: CallError,
    },
    /// The start got no clear answer, and no job of that name is to be seen.
    #[error(
        "training job {name} may have been started: {source}; it was not seen up to now, and the next process with \
         the same key looks for it first"
    )]
    Unsettled {
        /// Name of the job.
        name: String,
        /// What happened to the start, or to the look for the job.
        source: CallError,
    },
    /// Our wait is over, the job is not.
    #[error("training job {name} has not ended within {}: {}", Human(*.timeout), last_seen(state.as_deref()))]
    Deadline {
        /// Name of the job.
        name: String,
        /// Its last state, where it was seen at all.
        state: Option<String>,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// The job is not, or no longer, where it was looked for.
    #[error("there is no training job {name} in {place}: {source}")]
    NoSuchJob {
        /// Name of the job.
        name: String,
        /// Where it was looked for.
        place: Place,
        /// What `SageMaker` said.
        source: CallError,
    },
    /// The job can no longer be seen.
    #[error("training job {name} can no longer be followed, but may well go on: {source}; look at {console}")]
    Lost {
        /// Name of the job.
        name: String,
        /// Where to look at the job.
        console: String,
        /// What `SageMaker` said last.
        source: CallError,
    },
    /// A signal ended this program before the job ended.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl TrainError {
    /// A signal before there was a job to follow.
    pub(crate) fn interrupted(name: &str, exit: Exit, may_have_started: bool) -> Self {
        let what = if may_have_started {
            format!("training job {name} may have been started, its start got no answer")
        } else {
            "nothing was started".to_owned()
        };
        Self::Interrupted(Interrupted { exit, what })
    }
}

/// What is known of a job whose end was not awaited.
fn last_seen(state: Option<&str>) -> String {
    match state {
        Some(state) => format!("it was last seen {state} and goes on"),
        None => "it was not seen yet and may go on".to_owned(),
    }
}

/// Whether a refused start can succeed later: the limits of an account count what is going on, and one of zero is
/// there to be raised by a person.
fn is_passing(source: &CallError) -> bool {
    source.code() == Some("ResourceLimitExceeded") && !source.message().contains(" is 0 ")
}

impl Failure for TrainError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotStarted { source, .. } if is_passing(source) => Exit::Unavailable,
            Self::Lookup { source } | Self::NotStarted { source, .. } => source.exit(),
            Self::NameTaken { .. } | Self::Foreign { .. } | Self::NoSuchJob { .. } => Exit::Rejected,
            Self::Exhausted { .. } => Exit::Failed,
            Self::Unknown { .. } => Exit::Unknown,
            // The key makes the next start safe, so this is for a retry to settle.
            Self::LookupTimeout | Self::Unsettled { .. } => Exit::Unavailable,
            Self::Deadline { .. } => Exit::Timeout,
            Self::Lost { source, .. } => match source.exit() {
                // A retry would be refused as well.
                exit @ (Exit::Rejected | Exit::Denied | Exit::Config) => exit,
                _ => Exit::Timeout,
            },
            Self::Interrupted(interrupted) => interrupted.exit,
        }
    }

    fn request_id(&self) -> Option<&str> {
        match self {
            Self::Lookup { source }
            | Self::NotStarted { source, .. }
            | Self::Unknown { source, .. }
            | Self::Unsettled { source, .. }
            | Self::NoSuchJob { source, .. }
            | Self::Lost { source, .. } => source.request_id(),
            Self::LookupTimeout
            | Self::NameTaken { .. }
            | Self::Foreign { .. }
            | Self::Exhausted { .. }
            | Self::Deadline { .. }
            | Self::Interrupted(_) => None,
        }
    }
}
