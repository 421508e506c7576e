//! Everything that can end a run without a result, in one sentence each.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use aws_wire::s3::{Location, S3Error};
use job_runtime::duration::Human;
use job_runtime::{CallError, Context, Effect, Exit, Failure, Place};

use crate::mwaa::Mwaa;
use crate::trigger::channel::Ways;
use crate::web_server::POST;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment is not where it was looked for.
    #[error(
        "there is no MWAA environment {name} in {place}: {source}; check --environment-name, --region and the role"
    )]
    NoSuchEnvironment {
        /// Name of the environment.
        name: String,
        /// Where it was looked for.
        place: Place,
        /// What MWAA said.
        source: CallError,
    },
    /// A call that is all there is to do, or has to come first, failed.
    #[error(transparent)]
    Call(CallError),
    /// The web server is private, and we are not in its VPC.
    #[error("{source}; {PRIVATE}")]
    Private {
        /// What happened to the request.
        source: CallError,
    },
    /// A command was sent, and what came of it is not known.
    #[error("the Airflow command may have been run: {source}; look before running it again")]
    CommandUnknown {
        /// What happened to it.
        source: CallError,
    },
    /// A request that changes something was sent, and what came of it is not known.
    #[error("the request may have been carried out: {source}; look before sending it again")]
    RestUnknown {
        /// What happened to it.
        source: CallError,
    },
    /// Nothing can be started in the environment.
    #[error("nothing was started, because environment {name} is {status}")]
    Unusable {
        /// Name of the environment.
        name: String,
        /// Its status.
        status: String,
        /// It becomes usable by itself.
        later: bool,
    },
    /// The DAG's runs would stay queued.
    #[error(
        "no run of DAG {dag} was started, because it is paused: unpause it, or start a run that waits for that with --allow-paused"
    )]
    Paused {
        /// Id of the DAG.
        dag: String,
    },
    /// With a key, nothing is started before the key's earlier run has been looked for.
    #[error("nothing was started, because an earlier run of this key could not be looked for: {source}{}", addition(.note.as_deref()))]
    Lookup {
        /// What was said.
        source: CallError,
        /// What else there is to know.
        note: Option<String>,
    },
    /// The start failed without starting anything.
    #[error("no run of DAG {dag} was started: {source}{}", addition(.note.as_deref()))]
    NotStarted {
        /// Id of the DAG.
        dag: String,
        /// What was said.
        source: CallError,
        /// What else there is to know.
        note: Option<String>,
    },
    /// There is a run of this logical date.
    #[error("no run of DAG {dag} was started, because of another run: {said}; check --logical-date")]
    DateTaken {
        /// Id of the DAG.
        dag: String,
        /// What Airflow said.
        said: String,
    },
    /// Every id that the key leads to has a run that failed.
    #[error("no run of DAG {dag} was started, because {most} of this key have failed already")]
    TooManyReruns {
        /// Id of the DAG.
        dag: String,
        /// How many.
        most: u32,
    },
    /// The start got no clear answer, and there is no key to find its run by.
    #[error("run {id} of DAG {dag} may have been started: {source}; look for it before starting another one")]
    Unknown {
        /// Id of the DAG.
        dag: String,
        /// Id of the run.
        id: String,
        /// What happened to the start.
        source: CallError,
    },
    /// The start got no clear answer; the key makes the next one safe.
    #[error(
        "a run of DAG {dag} may have been started: {source}; the next process with the same key finds it"
    )]
    Unsettled {
        /// Id of the DAG.
        dag: String,
        /// What happened to the start.
        source: CallError,
    },
    /// What starts nothing took longer than `--timeout`.
    #[error(
        "it took longer than --timeout; check the way to AWS (endpoint, proxy, security group), or give it more time"
    )]
    TooLong,
    /// Our wait is over, the run is not.
    #[error("run {id} has not ended within {}: {}", Human(*.timeout), last_seen(state.as_deref()))]
    Deadline {
        /// Id of the run.
        id: String,
        /// Its last state, where it was seen at all.
        state: Option<String>,
        /// How long it was waited for.
        timeout: Duration,
    },
    /// The run was started or found, and is not there any more.
    #[error(
        "there is no run {id} of DAG {dag} any more: somebody has deleted it, or Airflow's database was cleaned"
    )]
    Gone {
        /// Id of the DAG.
        dag: String,
        /// Id of the run.
        id: String,
    },
    /// The run can no longer be seen.
    #[error("run {id} can no longer be followed, but may well go on: {source}{}; look at {url}", addition(.note.as_deref()))]
    Lost {
        /// Id of the run.
        id: String,
        /// Address of the run.
        url: String,
        /// What was said last.
        source: CallError,
        /// What else there is to know.
        note: Option<String>,
    },
    /// The environment tells of no folder.
    #[error("MWAA does not say where environment {name} takes its DAGs from")]
    NoFolder {
        /// Name of the environment.
        name: String,
    },
    /// S3 refuses something in the DAG folder.
    #[error("in the DAG folder, at {at}: {source}")]
    Folder {
        /// What it was about.
        at: String,
        /// What S3 said.
        source: S3Error,
    },
    /// A file to upload cannot be read.
    #[error("could not read {}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A signal ended this program before the work ended.
    #[error("ended by {}: {what}", if *.exit == Exit::Interrupted { "SIGINT" } else { "SIGTERM" })]
    Interrupted {
        /// The signal's exit.
        exit: Exit,
        /// What became of the work.
        what: String,
    },
}

impl Error {
    /// A failure of a call that takes nothing but the environment.
    pub(crate) fn environment(name: &str, ctx: &Context, source: CallError) -> Self {
        if source.code() == Some("ResourceNotFoundException") {
            Self::NoSuchEnvironment { name: name.to_owned(), place: ctx.place(), source }
        } else {
            Self::Call(source)
        }
    }

    /// A web server that was not reached, or a token that was not made. Why a private one is not reached is told.
    pub(crate) async fn unreached(mwaa: &Mwaa<'_>, source: CallError) -> Self {
        if is_unreached(&source) && mwaa.describe().await.is_ok_and(|environment| environment.is_private()) {
            return Self::Private { source };
        }
        Self::Call(source)
    }

    /// A failure to look for the key's earlier run.
    pub(crate) fn lookup(ways: &Ways<'_>, source: CallError) -> Self {
        Self::Lookup { note: ways.note(&source), source }
    }

    /// A failure that leaves nothing started.
    pub(crate) fn not_started(dag: &str, ways: &Ways<'_>, source: CallError) -> Self {
        Self::NotStarted { dag: dag.to_owned(), note: ways.note(&source), source }
    }

    /// The end of a wait that can no longer see the run.
    pub(crate) fn lost(id: String, url: String, ways: &Ways<'_>, source: CallError) -> Self {
        Self::Lost { id, url, note: ways.note(&source), source }
    }

    /// A refusal of S3 in the DAG folder.
    pub(crate) fn folder(at: &Location, source: S3Error) -> Self {
        Self::Folder { at: at.to_string(), source }
    }
}

/// What is added to what was said.
fn addition(note: Option<&str>) -> String {
    note.map(|note| format!(" ({note})")).unwrap_or_default()
}

/// What reaches a private web server's Airflow.
pub(crate) const PRIVATE: &str = "the web server is private (PRIVATE_ONLY): from outside its VPC only airflow:InvokeRestApi \
                                  reaches Airflow, by the sub-commands rest and trigger";

/// Whether a command did not get to the web server.
pub(crate) fn is_unreached(source: &CallError) -> bool {
    source.operation() == POST && source.effect() == Effect::NotStarted && !source.is_throttle()
}

/// What is known of a run whose end was not awaited.
fn last_seen(state: Option<&str>) -> String {
    match state {
        Some(state) => format!("it was last seen {state} and goes on"),
        None => "it was not seen yet and may go on".to_owned(),
    }
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::NoSuchEnvironment { .. }
            | Self::Paused { .. }
            | Self::DateTaken { .. }
            | Self::TooManyReruns { .. }
            | Self::Gone { .. }
            | Self::NoFolder { .. } => Exit::Rejected,
            Self::Unusable { later, .. } => {
                if *later {
                    Exit::Unavailable
                } else {
                    Exit::Rejected
                }
            }
            // From within its VPC a retry may help.
            Self::Private { source }
            | Self::Call(source)
            | Self::Lookup { source, .. }
            | Self::NotStarted { source, .. } => source.exit(),
            Self::CommandUnknown { .. } | Self::RestUnknown { .. } | Self::Unknown { .. } => Exit::Unknown,
            // The key makes the next start safe, so this is for a retry to settle.
            Self::Unsettled { .. } | Self::TooLong => Exit::Unavailable,
            Self::Deadline { .. } => Exit::Timeout,
            Self::Lost { source, .. } => match source.exit() {
                // A retry would be refused as well.
                exit @ (Exit::Rejected | Exit::Denied | Exit::Config) => exit,
                _ => Exit::Timeout,
            },
            Self::Folder { source, .. } => source.exit(),
            Self::File { .. } => Exit::Usage,
            Self::Interrupted { exit, .. } => *exit,
        }
    }

    fn request_id(&self) -> Option<&str> {
        match self {
            Self::NoSuchEnvironment { source, .. }
            | Self::Call(source)
            | Self::Private { source }
            | Self::CommandUnknown { source }
            | Self::RestUnknown { source }
            | Self::Lookup { source, .. }
            | Self::NotStarted { source, .. }
            | Self::Unknown { source, .. }
            | Self::Unsettled { source, .. }
            | Self::Lost { source, .. } => source.request_id(),
            Self::Folder { source, .. } => source.request_id(),
            Self::Unusable { .. }
            | Self::Paused { .. }
            | Self::DateTaken { .. }
            | Self::TooManyReruns { .. }
            | Self::TooLong
            | Self::Deadline { .. }
            | Self::Gone { .. }
            | Self::NoFolder { .. }
            | Self::File { .. }
            | Self::Interrupted { .. } => None,
        }
    }
}
