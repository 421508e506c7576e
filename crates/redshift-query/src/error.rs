//! Everything that can end a run without a result, in one sentence each.

use std::time::Duration;

use job_runtime::duration::Human;
use job_runtime::{CallError, Context, Exit, Failure, Interrupted, SinkError};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Options that turn out not to go together, or a file that cannot be written.
    #[error("{0}")]
    Usage(String),
    /// The ARN and the configuration name different regions.
    #[error(
        "the workgroup's ARN is one of region {arn}, but calls go to {region}: set --region or AWS_REGION to {arn}"
    )]
    Region {
        /// Region of the ARN.
        arn: String,
        /// Region of the configuration.
        region: String,
    },
    /// With a key, nothing is started before the key's earlier statements have been looked for.
    #[error("nothing was started, because earlier statements of this key could not be looked for: {source}")]
    Lookup {
        /// What the service said.
        source: CallError,
    },
    /// The look for earlier statements took too long.
    #[error(
        "nothing was started, because the look for earlier statements of this key took longer than --timeout"
    )]
    LookupTimeout,
    /// The start failed without starting anything.
    #[error("no statement was started ({place}): {source}")]
    NotStarted {
        /// Where it was to be started.
        place: String,
        /// What the service said.
        source: CallError,
    },
    /// The start got no clear answer, however often it was sent; there is no key to find its statement by.
    #[error(
        "a statement may have been started ({place}): {source}; look at `aws redshift-data list-statements --status ALL` \
         before starting it again"
    )]
    Unknown {
        /// Where it was to be started.
        place: String,
        /// What happened to the start.
        source: CallError,
    },
    /// The start got no clear answer, however often it was sent.
    #[error(
        "a statement may have been started ({place}): {source}; the next process with the same key takes it over, or \
         starts it"
    )]
    Unsettled {
        /// Where it was to be started.
        place: String,
        /// What happened to the start.
        source: CallError,
    },
    /// Our wait is over, the statement is not.
    #[error("statement {id} has not ended within {}: {}; look at `{command}`", Human(*.timeout), last_seen(state.as_deref()))]
    Deadline {
        /// Id of the statement.
        id: String,
        /// Its last state, where it was seen at all.
        state: Option<String>,
        /// How long it was waited for.
        timeout: Duration,
        /// The command to look at it with.
        command: String,
    },
    /// There is no such statement, or it belongs to somebody else.
    #[error(
        "there is no statement {id} to be seen: {source}; statements are kept for a day, in the account and region they \
         were sent to"
    )]
    NoSuchStatement {
        /// Id of the statement.
        id: String,
        /// What the service said.
        source: CallError,
    },
    /// The statement may not be seen.
    #[error(
        "statement {id} may not be looked at: {source}; where the policy asks for redshift-data:statement-owner-iam-userid, \
         a statement belongs to the role session that has sent it: give each process of the work the same \
         --role-session-name"
    )]
    NotOwned {
        /// Id of the statement.
        id: String,
        /// What the service said.
        source: CallError,
    },
    /// The statement can no longer be seen.
    #[error("statement {id} can no longer be followed, but may well go on: {source}; look at `{command}`")]
    Lost {
        /// Id of the statement.
        id: String,
        /// The command to look at it with.
        command: String,
        /// What the service said last.
        source: CallError,
    },
    /// The result cannot be fetched.
    #[error(
        "statement {id} has finished, but its result could not be read to the end: {source}; `redshift-query result {id}` \
         reads it again"
    )]
    Result {
        /// Id of the statement.
        id: String,
        /// What the service said.
        source: CallError,
    },
    /// The result is not whole.
    #[error(
        "statement {id} has finished with a result of {expected} rows, but its pages held {received}; \
         `redshift-query result {id}` reads it again"
    )]
    Incomplete {
        /// Id of the statement.
        id: String,
        /// Rows that the service has told.
        expected: u64,
        /// Rows that have come.
        received: u64,
    },
    /// The result took longer than the rest of the wait.
    #[error(
        "statement {id} has finished, but --timeout was over before its result was read; `redshift-query result {id}` reads it again"
    )]
    ResultTimeout {
        /// Id of the statement.
        id: String,
    },
    /// The result of statements without a key, of which a retry would have to run them again.
    #[error("{0}; nothing else does: without a key a retry would run the SQL again")]
    Unrepeatable(Box<Error>),
    /// The service did not answer a cancel.
    #[error("statement {id} may go on: the service did not answer the cancel within --timeout")]
    CancelTimeout {
        /// Id of the statement.
        id: String,
    },
    /// A list that could not be fetched.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A list took longer than `--timeout`.
    #[error("the list took longer than --timeout")]
    ListTimeout,
    /// A signal ended this program first.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// A signal ended this program before it had read the result.
    #[error(transparent)]
    InterruptedResult(Interrupted),
    /// The result of work that nobody can have again could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A result could not be written that can be read again.
    #[error("{0}; nothing is lost by that, it can be read again")]
    Unwritten(#[source] SinkError),
}

impl Error {
    /// A signal, where all that is left to do is to read the result.
    pub(crate) fn interrupted_result(id: &str, ctx: &Context) -> Self {
        let what = format!("statement {id} has finished; `redshift-query result {id}` shows its result");
        Self::InterruptedResult(ctx.interrupted(what))
    }

    /// A statement that can no longer be seen.
    pub(crate) fn lost(id: &str, command: String, source: CallError) -> Self {
        let id = id.to_owned();
        match source.exit() {
            Exit::Denied => Self::NotOwned { id, source },
            Exit::Rejected => Self::NoSuchStatement { id, source },
            _ => Self::Lost { id, command, source },
        }
    }
}

/// What is known of a statement whose end was not awaited.
fn last_seen(state: Option<&str>) -> String {
    match state {
        Some(state) => format!("it was last seen {state} and goes on"),
        None => "it was not seen yet and may go on".to_owned(),
    }
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Region { .. } => Exit::Config,
            Self::Lookup { source }
            | Self::NotStarted { source, .. }
            | Self::NoSuchStatement { source, .. }
            | Self::NotOwned { source, .. }
            | Self::Result { source, .. }
            | Self::Call(source) => source.exit(),
            Self::Unknown { .. } | Self::Unrepeatable(_) => Exit::Unknown,
            // A statement may run, and yet it is not 80, which is for what no key can settle: with the key the next process
            // looks for it first, and the Data API knows the token of its start again. A result can be read again.
            Self::LookupTimeout | Self::Unsettled { .. } | Self::Incomplete { .. } | Self::ListTimeout => {
                Exit::Unavailable
            }
            Self::Deadline { .. } | Self::ResultTimeout { .. } | Self::CancelTimeout { .. } => Exit::Timeout,
            Self::Lost { source, .. } => match source.exit() {
                // A retry would meet the same.
                exit @ Exit::Config => exit,
                _ => Exit::Timeout,
            },
            Self::Interrupted(interrupted) | Self::InterruptedResult(interrupted) => interrupted.exit(),
            Self::Sink(source) => source.exit(),
            Self::Unwritten(_) => Exit::Internal,
        }
    }

    fn request_id(&self) -> Option<&str> {
        match self {
            Self::Lookup { source }
            | Self::NotStarted { source, .. }
            | Self::Unknown { source, .. }
            | Self::Unsettled { source, .. }
            | Self::NoSuchStatement { source, .. }
            | Self::NotOwned { source, .. }
            | Self::Lost { source, .. }
            | Self::Result { source, .. }
            | Self::Call(source) => source.request_id(),
            Self::Unrepeatable(error) => error.request_id(),
            Self::Usage(_)
            | Self::Region { .. }
            | Self::LookupTimeout
            | Self::Deadline { .. }
            | Self::Incomplete { .. }
            | Self::ResultTimeout { .. }
            | Self::ListTimeout
            | Self::CancelTimeout { .. }
            | Self::Interrupted(_)
            | Self::InterruptedResult(_)
            | Self::Sink(_)
            | Self::Unwritten(_) => None,
        }
    }
}
