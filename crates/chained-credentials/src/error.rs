//! What can go wrong, told so that a user knows what, where and what to do.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::role::RoleSpecError;

/// Who has to act on a [`ChainError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Profile, file, variable, option or token on our side. A retry never helps.
    Config,
    /// STS or a credentials endpoint refused. A retry never helps.
    Denied,
    /// Throttled, broken or out of reach for longer than we were patient. A retry helps.
    Unavailable,
}

/// Why a chain yields no credentials.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// Found before any request was sent.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// One hop of the chain failed.
    #[error(transparent)]
    Hop(Box<HopError>),
    /// The chain works, but ends in another account than asked for.
    #[error(
        "the chain ends in account {found} as {arn}, but --expect-account is {expected}; \
         look at the profile and at the roles of the chain"
    )]
    WrongAccount {
        /// The account asked for.
        expected: String,
        /// The account that STS named.
        found: String,
        /// The identity that STS named.
        arn: String,
    },
    /// The chain gives sessions that end too soon for what is to be signed.
    #[error(
        "the session at the end of the chain ends in {} s, and {} s are asked for; \
         renew the credentials at its source, or let a role's session last longer",
        left.as_secs(), wanted.as_secs()
    )]
    TooShort {
        /// What is left of the newest session.
        left: Duration,
        /// What was asked for.
        wanted: Duration,
    },
    /// What is to be signed is no address, or has a header that is none.
    #[error("the address for {0} cannot be signed; look at host, port and user")]
    Unsignable(String),
}

impl ChainError {
    /// Who has to act.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Config(_) | Self::WrongAccount { .. } | Self::TooShort { .. } | Self::Unsignable(_) => {
                ErrorKind::Config
            }
            Self::Hop(hop) => hop.kind,
        }
    }

    /// The AWS request id, where STS answered.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Hop(hop) => hop.request_id.as_deref(),
            Self::Config(_) | Self::WrongAccount { .. } | Self::TooShort { .. } | Self::Unsignable(_) => None,
        }
    }

    /// Finds the chain's failure in the sources of `error`: a refresh that fails in the middle of a run
    /// surfaces deep inside the service call that needed it.
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a ChainError> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

impl From<HopError> for ChainError {
    fn from(hop: HopError) -> Self {
        Self::Hop(Box::new(hop))
    }
}

/// One hop that failed: which, who called, what STS said, and what to mend.
#[derive(Debug)]
pub struct HopError {
    /// Number of the hop, from 1: the source of the chain.
    pub hop: usize,
    /// Hops in all.
    pub of: usize,
    /// What was tried, such as `sts:AssumeRole of arn:…`.
    pub action: String,
    /// The profile that asks for this hop.
    pub profile: Option<String>,
    /// ARN of the identity that called, where an earlier hop told it.
    pub caller: Option<String>,
    /// Who has to act.
    pub kind: ErrorKind,
    /// AWS error code.
    pub code: Option<String>,
    /// What was answered, or how the connection failed.
    pub message: String,
    /// AWS request id.
    pub request_id: Option<String>,
    /// What to look at, the likeliest first.
    pub advice: Vec<String>,
}

impl fmt::Display for HopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hop {} of {}: {}", self.hop, self.of, self.action)?;
        if let Some(profile) = &self.profile {
            write!(f, " (profile `{profile}`)")?;
        }
        if let Some(caller) = &self.caller {
            write!(f, " by {caller}")?;
        }
        let how = match self.kind {
            ErrorKind::Denied => "was refused",
            ErrorKind::Config | ErrorKind::Unavailable => "failed",
        };
        write!(f, " {how}: ")?;
        if let Some(code) = &self.code {
            write!(f, "{code}: ")?;
        }
        f.write_str(self.message.trim_end_matches('.'))?;
        if let Some(id) = &self.request_id {
            write!(f, " (request id {id})")?;
        }
        match self.advice.as_slice() {
            [] => Ok(()),
            advice => write!(f, "; to mend: {}", advice.join("; or ")),
        }
    }
}

impl StdError for HopError {}

/// A setting that cannot work, found before any request is sent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A file named by a variable cannot be read.
    #[error("{variable} names {path}, which {problem}{hint}")]
    File {
        /// The variable.
        variable: &'static str,
        /// The path it holds.
        path: String,
        /// `does not exist`, `is a directory` …
        problem: String,
        /// What to do, with a leading separator, or nothing.
        hint: &'static str,
    },
    /// A file that is not of the AWS CLI's format.
    #[error("{path} is not an AWS config file: {problem}")]
    Format {
        /// The file.
        path: String,
        /// What the parser says.
        problem: String,
    },
    /// A profile that is nowhere.
    #[error("profile `{name}` ({asked_by}) is not in {files}{hint}")]
    NoProfile {
        /// The profile.
        name: String,
        /// Who names it: `--profile`, `AWS_PROFILE`, `source_profile of …`.
        asked_by: String,
        /// Where it was looked for.
        files: String,
        /// A section that nearly is it, with a leading separator, or nothing.
        hint: String,
    },
    /// Profiles that lead back to themselves.
    #[error("profiles form a cycle: {0}; one of them must end the chain with credentials of its own")]
    Cycle(String),
    /// A profile that leads to no credentials, or to two kinds of them.
    #[error("profile `{name}` in {file} {problem}")]
    Profile {
        /// The profile.
        name: String,
        /// The file it is in.
        file: String,
        /// What is wrong, with the key's name.
        problem: String,
    },
    /// A role in a profile, a variable or an option that is none.
    #[error("{place}: {problem}")]
    Role {
        /// Where it stands: option, variable or file, profile and key.
        place: String,
        /// What is wrong.
        problem: RoleSpecError,
    },
    /// A value that cannot be one.
    #[error("{place} is `{value}`, which {problem}")]
    Value {
        /// Option, variable, or profile and key.
        place: String,
        /// The value.
        value: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// One of two variables that belong together is absent.
    #[error("{present} is set, but {absent} is not{hint}")]
    Half {
        /// The variable that is there.
        present: String,
        /// The one that is not.
        absent: &'static str,
        /// What to do, with a leading separator, or nothing.
        hint: &'static str,
    },
    /// No region anywhere.
    #[error("no region: set --region, AWS_REGION or AWS_DEFAULT_REGION, or `region` in the profile")]
    NoRegion,
    /// No source of credentials is configured.
    #[error(
        "no credentials are configured: there is no --profile, no AWS_ACCESS_KEY_ID, no AWS_PROFILE, no `default` profile \
         with credentials ({files}), no AWS_WEB_IDENTITY_TOKEN_FILE (does the pod's serviceAccountName have the \
         eks.amazonaws.com/role-arn annotation?) and no AWS_CONTAINER_CREDENTIALS_* variable (is there a pod identity \
         association or a task role?); the role of the machine is taken only with --allow-instance-metadata"
    )]
    NothingConfigured {
        /// The files that were looked at.
        files: String,
    },
    /// The machine's role was asked for and forbidden at the same time.
    #[error("instance metadata is asked for, but AWS_EC2_METADATA_DISABLED is true")]
    MetadataDisabled,
}
