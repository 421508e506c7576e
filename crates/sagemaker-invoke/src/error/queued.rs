//! What can end an asynchronous invocation without an answer.

use std::time::Duration;

use job_runtime::duration::Human;
use job_runtime::{CallError, Context, Exit, Failure, Interrupted, Place};

use aws_wire::s3::S3Error;

/// Why there is no answer of the model.
#[derive(Debug, thiserror::Error)]
pub enum AsyncError {
    /// Nothing was sent, because the claim could not be dealt with.
    #[error(
        "nothing was sent, because the claim {claim} could not be {what}: {source}{}",
        right(what, source)
    )]
    Claim {
        /// What was to be done to it.
        what: &'static str,
        /// Where it is.
        claim: String,
        /// What S3 said.
        source: S3Error,
    },
    /// The claim is there and cannot be read.
    #[error(
        "nothing was sent, because an earlier process has put the claim {claim}, and this one may not read it: \
         it needs s3:GetObject on it"
    )]
    HiddenClaim {
        /// Where it is.
        claim: String,
    },
    /// Somebody else has claimed the work, and it is not known whether they have sent it.
    #[error(
        "another process has claimed this work and may have sent it to endpoint {endpoint} before it ended: look \
         for its answer in the endpoint's output path, and delete {claim} to let the same key send it again"
    )]
    Held {
        /// Name of the endpoint.
        endpoint: String,
        /// Where the claim is.
        claim: String,
    },
    /// The claim belongs to another key.
    #[error(
        "nothing was sent, because the claim {claim} belongs to another key; give each key its own --filename"
    )]
    ForeignClaim {
        /// Where it is.
        claim: String,
    },
    /// The claim is this key's, and stands for another request.
    #[error(
        "nothing was sent, because the claim {claim} is of a request with another endpoint, input, content type, \
         accept or custom attributes: one key stands for one piece of work, so give this one a key of its own"
    )]
    OtherWork {
        /// Where it is.
        claim: String,
    },
    /// Somebody else has claimed the work, and our wait is over.
    #[error(
        "nothing was sent within {}, because another process holds the claim {claim} and may send the request",
        Human(*.timeout)
    )]
    StillHeld {
        /// Where it is.
        claim: String,
        /// How long this program ran.
        timeout: Duration,
    },
    /// Our wait was over before anything was sent.
    #[error(
        "nothing was sent within {}: endpoint {endpoint} was not invoked{}",
        Human(*.timeout), behind(left.as_deref())
    )]
    Late {
        /// Name of the endpoint.
        endpoint: String,
        /// Where there may be a claim of ours.
        left: Option<String>,
        /// How long this program ran.
        timeout: Duration,
    },
    /// Our wait was over before the request was answered.
    #[error(
        "endpoint {endpoint} may have taken the request, but has not said so within {}; look for its answer in the \
         endpoint's output path before sending the same again{}", Human(*.timeout), still(claim.as_deref())
    )]
    Silent {
        /// Name of the endpoint.
        endpoint: String,
        /// Where the key's claim is.
        claim: Option<String>,
        /// How long this program ran.
        timeout: Duration,
    },
    /// What is there is no claim.
    #[error(
        "nothing was sent, because {claim} is there and is no claim of this program; give another --claim-location"
    )]
    BadClaim {
        /// Where it is.
        claim: String,
    },
    /// The request was turned down, or did not reach the service.
    #[error("endpoint {endpoint} was not invoked ({place}): {source}")]
    NotSent {
        /// Name of the endpoint.
        endpoint: String,
        /// Where it was to be invoked.
        place: Place,
        /// What `SageMaker` said.
        source: CallError,
    },
    /// The request got no clear answer.
    #[error(
        "endpoint {endpoint} may have taken the request: {source}; look for its answer in the endpoint's output \
         path before sending the same again{}", still(claim.as_deref())
    )]
    Unclear {
        /// Name of the endpoint.
        endpoint: String,
        /// Where the key's claim is.
        claim: Option<String>,
        /// What happened to the request.
        source: CallError,
    },
    /// A place that is none in S3.
    #[error(
        "the request was sent, but its answer will be in {location}, which is no place that can be looked at"
    )]
    OddLocation {
        /// What the service said.
        location: String,
    },
    /// The model was asked, and failed.
    #[error("the model of endpoint {endpoint} failed: {text} ({location})")]
    Failed {
        /// Name of the endpoint.
        endpoint: String,
        /// Where the whole text is.
        location: String,
        /// The beginning of it.
        text: String,
    },
    /// Our wait is over, and there is no answer yet.
    #[error("there was no answer in {location} within {}{hint}", Human(*.timeout))]
    Deadline {
        /// Where the answer will be.
        location: String,
        /// How long it was waited for.
        timeout: Duration,
        /// What may be the matter.
        hint: &'static str,
    },
    /// The place of the answer can no longer be looked at.
    #[error("the request was sent, but {location} cannot be looked at: {source}")]
    Lost {
        /// Where the answer will be.
        location: String,
        /// What S3 said.
        source: S3Error,
    },
    /// The answer is there, and could not be read to its end.
    #[error("the answer is in {location}, but reading it broke off: {source}")]
    Torn {
        /// Where it is.
        location: String,
        /// What happened on the way.
        source: CallError,
    },
    /// The answer is there, and reading it took too long.
    #[error("the answer is in {location}, but was not read to its end within {}", Human(*.timeout))]
    Slow {
        /// Where it is.
        location: String,
        /// How long this program ran.
        timeout: Duration,
    },
    /// A signal ended this program before there was an answer.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// What stands in the way of the same key.
fn still(claim: Option<&str>) -> String {
    claim.map(|claim| format!(", for which the same key needs {claim} to be deleted")).unwrap_or_default()
}

/// What may have been left behind.
fn behind(claim: Option<&str>) -> String {
    let told =
        |claim| format!("; if its claim {claim} was put all the same, the same key needs it to be deleted");
    claim.map(told).unwrap_or_default()
}

/// Which right a refusal wants.
fn right(what: &str, source: &S3Error) -> &'static str {
    match source {
        S3Error::Call(error) if error.exit() == Exit::Denied && what == "put" => "; it takes s3:PutObject",
        S3Error::Call(error) if error.exit() == Exit::Denied => "; it takes s3:GetObject",
        _ => "",
    }
}

impl AsyncError {
    /// A signal before the request was taken. The claim of a key tells the next process of a request that may have been.
    pub(crate) fn interrupted(endpoint: &str, may_have_started: bool, keyed: bool, ctx: &Context) -> Self {
        Self::Interrupted(if may_have_started {
            let what = format!("endpoint {endpoint} may have taken the request, which got no answer");
            ctx.interrupted_leaving(keyed, what)
        } else {
            ctx.interrupted("nothing was sent")
        })
    }
}

impl Failure for AsyncError {
    fn exit(&self) -> Exit {
        match self {
            Self::Claim { source, .. } => source.exit(),
            Self::HiddenClaim { .. } => Exit::Denied,
            Self::Held { .. } | Self::Unclear { .. } | Self::Silent { .. } => Exit::Unknown,
            Self::ForeignClaim { .. } | Self::OtherWork { .. } | Self::BadClaim { .. } => Exit::Rejected,
            Self::StillHeld { .. } | Self::Late { .. } => Exit::Unavailable,
            Self::NotSent { source, .. } => source.exit(),
            Self::Failed { .. } => Exit::Failed,
            Self::Lost { source, .. } => match source.exit() {
                // A retry would be refused as well.
                exit @ (Exit::Rejected | Exit::Denied | Exit::Config) => exit,
                _ => Exit::Timeout,
            },
            Self::OddLocation { .. } | Self::Deadline { .. } | Self::Torn { .. } | Self::Slow { .. } => {
                Exit::Timeout
            }
            Self::Interrupted(interrupted) => interrupted.exit(),
        }
    }

    fn request_id(&self) -> Option<&str> {
        match self {
            Self::Claim { source, .. } | Self::Lost { source, .. } => source.request_id(),
            Self::NotSent { source, .. } | Self::Unclear { source, .. } | Self::Torn { source, .. } => {
                source.request_id()
            }
            Self::HiddenClaim { .. }
            | Self::Held { .. }
            | Self::ForeignClaim { .. }
            | Self::OtherWork { .. }
            | Self::StillHeld { .. }
            | Self::Late { .. }
            | Self::Silent { .. }
            | Self::BadClaim { .. }
            | Self::OddLocation { .. }
            | Self::Failed { .. }
            | Self::Deadline { .. }
            | Self::Slow { .. }
            | Self::Interrupted(_) => None,
        }
    }
}
