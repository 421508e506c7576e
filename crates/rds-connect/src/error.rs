//! Everything that can end a run, in one sentence each.

use std::io;
use std::path::PathBuf;

use chained_credentials::ChainError;
use job_runtime::{CallError, Context, Exit, Failure, SinkError};

use crate::stages::Failed;

/// Why the run ends.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Options that turn out not to go together.
    #[error("{0}")]
    Usage(String),
    /// There is no server to connect to.
    #[error("there is no host: give --host, or a secret that has one (those that RDS manages have none)")]
    NoHost,
    /// There is no user to connect as.
    #[error("there is no user: give --user, or a secret that has one")]
    NoUser,
    /// Something is to be signed without credentials.
    #[error("a token can only be signed with credentials")]
    NoChain,
    /// The region of the endpoint is not known.
    #[error("the region of {0} is not known: give --sign-region")]
    NoRegion(String),
    /// The file of roots cannot be used.
    #[error("{0}")]
    Roots(String),
    /// The file with the password cannot be read.
    #[error("could not read the password in {}: {source}", path.display())]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder of a mounted secret cannot be used.
    #[error("could not use the secret in {}: {problem}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The secret cannot be read.
    #[error("could not read the secret {id}: {source}{hint}")]
    Secret {
        /// ARN or name.
        id: String,
        /// What Secrets Manager said.
        source: Box<CallError>,
        /// What to look at.
        hint: String,
    },
    /// What the secret holds cannot be used.
    #[error(
        "could not use the secret {id}: {problem}; --secret-user-key, --secret-password-key and their like name its keys"
    )]
    SecretText {
        /// ARN or name.
        id: String,
        /// What is wrong with it; quotes no value.
        problem: String,
    },
    /// The token could not be signed.
    #[error("could not sign a token: {0}")]
    Chain(Box<ChainError>),
    /// A part of the way to the session failed.
    #[error("{0}")]
    Stage(Box<Failed>),
    /// The program of `exec` could not be started.
    #[error("could not start `{program}`: {source}")]
    Exec {
        /// Its name.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// The proxy cannot listen, or not any more.
    #[error("could not listen on {place}: {source}")]
    Listen {
        /// Address or path.
        place: String,
        /// What the system says.
        source: io::Error,
    },
    /// The run was told to end before anything was run.
    #[error("{why} before the login was there to go on with; nothing was run")]
    NotBegun {
        /// The signal's exit; at the end of patience, that nothing was reached.
        exit: Exit,
        /// Which it was.
        why: String,
    },
    /// The result could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl Error {
    pub(crate) fn stage(failed: Failed) -> Self {
        Self::Stage(Box::new(failed))
    }

    /// A refusal of Secrets Manager, with what is behind most of them.
    pub(crate) fn secret(id: &str, source: CallError, ctx: &Context) -> Self {
        let account = ctx.place().account;
        let other = account.filter(|account| id.starts_with("arn:") && !id.contains(&format!(":{account}:")));
        let hint = match source.code() {
            Some("ResourceNotFoundException") if !id.starts_with("arn:") => {
                "; a name is looked for in the account and region where the chain ends, another account's secret needs \
                 its whole ARN"
                    .to_owned()
            }
            Some("ResourceNotFoundException") => {
                "; look at the ARN with its last six characters, the region, and the version stage".to_owned()
            }
            Some("AccessDeniedException") if other.is_some() => {
                "; the secret is another account's: it needs a resource policy that lets this role in, and a customer \
                 managed key with a key policy that does"
                    .to_owned()
            }
            Some("AccessDeniedException") => {
                "; the role's policy must allow secretsmanager:GetSecretValue on the secret, and kms:Decrypt where its \
                 key is the customer's"
                    .to_owned()
            }
            Some("DecryptionFailure") => "; the key of the secret must let this role decrypt (kms:Decrypt)".to_owned(),
            _ => String::new(),
        };
        Self::Secret { id: id.to_owned(), source: Box::new(source), hint }
    }

    /// Whether it may be gone another time.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            // A name that nobody knows yet: a cluster that is being made.
            Self::Stage(failed) => {
                failed.exit == Exit::Unavailable || failed.stage == crate::stages::Stage::Dns
            }
            other => other.exit() == Exit::Unavailable,
        }
    }
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::NoHost
            | Self::NoUser
            | Self::NoChain
            | Self::NoRegion(_)
            | Self::Roots(_)
            | Self::PasswordFile { .. }
            | Self::Folder { .. }
            | Self::SecretText { .. }
            | Self::Exec { .. }
            | Self::Listen { .. } => Exit::Config,
            // Its key refuses, not the secret: AWS says so with another code.
            Self::Secret { source, .. } if source.code() == Some("DecryptionFailure") => Exit::Denied,
            Self::Secret { source, .. } => source.exit(),
            Self::Chain(chain) => chain.exit(),
            Self::Stage(failed) => failed.exit,
            Self::NotBegun { exit, .. } => *exit,
            Self::Sink(sink) => sink.exit(),
        }
    }

    fn request_id(&self) -> Option<&str> {
        match self {
            Self::Secret { source, .. } => source.request_id(),
            Self::Chain(chain) => chain.request_id(),
            Self::Usage(_)
            | Self::NoHost
            | Self::NoUser
            | Self::NoChain
            | Self::NoRegion(_)
            | Self::Roots(_)
            | Self::PasswordFile { .. }
            | Self::Folder { .. }
            | Self::SecretText { .. }
            | Self::Stage(_)
            | Self::Exec { .. }
            | Self::Listen { .. }
            | Self::NotBegun { .. }
            | Self::Sink(_) => None,
        }
    }
}
