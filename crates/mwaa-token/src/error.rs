//! Everything that can end a run without a result, in one sentence each.

use std::io;
use std::path::PathBuf;

use aws_wire::s3::{Location, S3Error};
use job_runtime::remote::RemoteError;
use job_runtime::{CallError, Context, Effect, Exit, Failure, Interrupted, Place};

use crate::mwaa::Mwaa;
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
    /// A DAG run was not started, or not followed to its end.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// What starts nothing took longer than `--timeout`.
    #[error(
        "it took longer than --timeout; check the way to AWS (endpoint, proxy, security group), or give it more time"
    )]
    TooLong,
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
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
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

    /// A refusal of S3 in the DAG folder.
    pub(crate) fn folder(at: &Location, source: S3Error) -> Self {
        Self::Folder { at: at.to_string(), source }
    }
}

/// What reaches a private web server's Airflow.
pub(crate) const PRIVATE: &str = "the web server is private (PRIVATE_ONLY): from outside its VPC only airflow:InvokeRestApi \
                                  reaches Airflow, by the sub-commands rest and trigger";

/// Whether a command did not get to the web server.
pub(crate) fn is_unreached(source: &CallError) -> bool {
    source.operation() == POST && source.effect() == Effect::NotStarted && !source.is_throttle()
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::NoSuchEnvironment { .. } | Self::NoFolder { .. } => Exit::Rejected,
            Self::Remote(error) => error.exit(),
            Self::Unusable { later, .. } => {
                if *later {
                    Exit::Unavailable
                } else {
                    Exit::Rejected
                }
            }
            // From within its VPC a retry may help.
            Self::Private { source } | Self::Call(source) => source.exit(),
            Self::CommandUnknown { .. } | Self::RestUnknown { .. } => Exit::Unknown,
            Self::TooLong => Exit::Unavailable,
            Self::Folder { source, .. } => source.exit(),
            Self::File { .. } => Exit::Usage,
            Self::Interrupted(interrupted) => interrupted.exit(),
        }
    }

    fn request_id(&self) -> Option<&str> {
        match self {
            Self::NoSuchEnvironment { source, .. }
            | Self::Call(source)
            | Self::Private { source }
            | Self::CommandUnknown { source }
            | Self::RestUnknown { source } => source.request_id(),
            Self::Remote(error) => error.request_id(),
            Self::Folder { source, .. } => source.request_id(),
            Self::Unusable { .. }
            | Self::TooLong
            | Self::NoFolder { .. }
            | Self::File { .. }
            | Self::Interrupted(_) => None,
        }
    }
}
