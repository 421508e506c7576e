//! What went wrong with a call, and what that means for the run: once for all binaries.

mod codes;

use self::codes::{
    is_broken_setup, is_denial, is_throttle, is_trouble, is_unready, is_wrapped_denial, is_wrapped_throttle,
};
use crate::exit::Exit;
use crate::http::{WireError, find};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::error::operation::BuildError;
use aws_types::request_id::RequestId;
use chained_credentials::{ChainError, ErrorKind};
use std::error::Error;
use std::fmt;

/// An error that can end a job.
///
/// Its text and the texts of its sources are shown to the user, so that no SDK error may be among the sources:
/// those can quote whole requests. [`CallError`] keeps what may be shown.
pub trait Failure: Error + 'static {
    /// How the run ends.
    fn exit(&self) -> Exit;

    /// The AWS request id of the call that failed.
    fn request_id(&self) -> Option<&str> {
        None
    }
}

/// What a failed call may have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it never reached the service, or was throttled there.
    NotStarted,
    /// Nobody knows: it was sent, and no answer says what became of it.
    MayHaveStarted,
    /// Nothing: the service refused it.
    Refused,
}

/// A call of an AWS operation that failed.
///
/// `Display` is one whole sentence: `glue:StartJobRun was refused: AccessDeniedException: User … is not authorized
/// … (request id …)`. There is no source, because nothing of the SDK's own texts may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    operation: &'static str,
    verdict: Verdict,
    code: Option<String>,
    message: String,
    request_id: Option<String>,
}

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdict {
    exit: Exit,
    effect: Effect,
    throttle: bool,
    /// What became of the call; completes "glue:StartJobRun …".
    what: &'static str,
}

impl Verdict {
    const fn new(exit: Exit, effect: Effect, what: &'static str) -> Self {
        Self { exit, effect, throttle: false, what }
    }

    const THROTTLED: Self =
        Self { exit: Exit::Unavailable, effect: Effect::NotStarted, throttle: true, what: "was throttled" };
    const UNREADY: Self = Self::new(Exit::Unavailable, Effect::NotStarted, "was answered: not ready yet");
    const DENIED: Self = Self::new(Exit::Denied, Effect::Refused, "was refused");
    const REJECTED: Self = Self::new(Exit::Rejected, Effect::Refused, "was rejected");
    const BROKEN: Self = Self::new(Exit::Unavailable, Effect::MayHaveStarted, "failed at the service");
    const UNANSWERED: Self = Self::new(Exit::Unavailable, Effect::MayHaveStarted, "got no usable answer");
    const UNSENT: Self = Self::new(Exit::Unavailable, Effect::NotStarted, "could not be sent");
    const UNSENDABLE: Self = Self::new(Exit::Config, Effect::NotStarted, "could not be sent");
}

impl CallError {
    /// Judges the failure of `operation`, which is written as in a policy: `glue:StartJobRun`.
    pub fn new<E>(operation: &'static str, err: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let failed =
            |verdict, message: String| Self { operation, verdict, code: None, message, request_id: None };
        // A session that could not be renewed surfaces in the call that needed it.
        if let Some(chain) = ChainError::find(err) {
            let verdict = Verdict::new(exit_of(chain), Effect::NotStarted, "could not be signed");
            let request_id = chain.request_id().map(str::to_owned);
            return Self { request_id, ..failed(verdict, chain.to_string()) };
        }
        let request_id = || err.request_id().map(str::to_owned);
        match err {
            SdkError::ServiceError(refused) => {
                let code = refused.err().code().map(str::to_owned);
                let status = refused.raw().status().as_u16();
                // Of an answer that makes no sense the SDK makes a service error as well, whatever its status.
                let message = refused.err().message();
                let verdict =
                    if status < 400 { Verdict::UNANSWERED } else { judge(status, code.as_deref(), message) };
                let message = message.map_or_else(|| format!("HTTP {status}"), str::to_owned);
                Self { code, request_id: request_id(), ..failed(verdict, message) }
            }
            // A successful status whose body makes no sense, or an error without one: what it holds is not
            // shown, since answers can hold secrets.
            SdkError::ResponseError(answer) => {
                let status = answer.raw().status().as_u16();
                let verdict = if status < 400 { Verdict::UNANSWERED } else { judge(status, None, None) };
                let message = find::<WireError>(err).map_or_else(
                    || format!("HTTP {status} with a body that cannot be read"),
                    ToString::to_string,
                );
                Self { request_id: request_id(), ..failed(verdict, message) }
            }
            SdkError::TimeoutError(_) => failed(Verdict::UNANSWERED, "it took too long".to_owned()),
            SdkError::ConstructionFailure(_) => match find::<BuildError>(err) {
                Some(field) => {
                    let verdict = Verdict::new(Exit::Usage, Effect::NotStarted, "could not be made");
                    failed(verdict, field.to_string())
                }
                None => failed(Verdict::UNSENDABLE, NOT_BUILT.to_owned()),
            },
            // Every failure of our HTTP client says whether the request was sent. What has none did not get that
            // far, unless it is the SDK's own watch over the connection that gave up.
            SdkError::DispatchFailure(failure) => match find::<WireError>(err) {
                Some(wire) if wire.is_certificate() => failed(Verdict::UNSENDABLE, wire.to_string()),
                Some(wire) if wire.was_sent() => failed(Verdict::UNANSWERED, wire.to_string()),
                Some(wire) => failed(Verdict::UNSENT, wire.to_string()),
                None if failure.is_io() || failure.is_timeout() => {
                    failed(Verdict::UNANSWERED, "the connection was given up".to_owned())
                }
                None => failed(Verdict::UNSENDABLE, NOT_BUILT.to_owned()),
            },
            // The SDK may add variants; nothing is known of what they did.
            _ => failed(Verdict::UNANSWERED, "it failed in an unknown way".to_owned()),
        }
    }

    /// An answer of HTTP 200 that lacks what was asked for; `message` says what.
    pub fn unusable(operation: &'static str, message: &str) -> Self {
        let message = message.to_owned();
        Self { operation, verdict: Verdict::UNANSWERED, code: None, message, request_id: None }
    }

    /// A refusal inside an answer of HTTP 200, with the service's own code and text.
    pub fn refused(operation: &'static str, code: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let verdict = judge(400, Some(code), Some(&message));
        Self { operation, verdict, code: Some(code.to_owned()), message, request_id: None }
    }

    /// An error that arrived as an answer of its own: a service that passes on what stands behind it has no error of the
    /// SDK. `status` is that of HTTP, `message` what was said.
    pub fn answered(operation: &'static str, status: u16, message: impl Into<String>) -> Self {
        let code = status.to_string();
        let verdict = judge(status, Some(&code), None);
        Self { operation, verdict, code: Some(code), message: message.into(), request_id: None }
    }

    /// The same failure of a call that would have been repeated, had `signal` not come.
    pub(crate) fn given_up(self, signal: Exit) -> Self {
        let verdict = Verdict { exit: signal, what: "was not sent again after a signal", ..self.verdict };
        Self { verdict, ..self }
    }

    /// The operation, as in a policy.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// How a run ends that this failure ends.
    pub fn exit(&self) -> Exit {
        self.verdict.exit
    }

    /// What the call may have done.
    pub fn effect(&self) -> Effect {
        self.verdict.effect
    }

    /// Whether the service asked for patience.
    pub fn is_throttle(&self) -> bool {
        self.verdict.throttle
    }

    /// The AWS error code, where the service answered with one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The AWS error text, or what happened on the way.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The AWS request id, where the service answered.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

/// The SDK's own text would quote the request, which can hold tokens.
const NOT_BUILT: &str = "the request could not be prepared; look at the region and at every endpoint setting";

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.operation, self.verdict.what)?;
        if let Some(code) = &self.code {
            write!(f, "{code}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.request_id {
            Some(id) if !self.message.contains(id.as_str()) => write!(f, " (request id {id})"),
            _ => Ok(()),
        }
    }
}

impl Error for CallError {}

impl Failure for CallError {
    fn exit(&self) -> Exit {
        self.verdict.exit
    }

    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

impl Failure for ChainError {
    fn exit(&self) -> Exit {
        exit_of(self)
    }

    fn request_id(&self) -> Option<&str> {
        ChainError::request_id(self)
    }
}

/// How a run ends that a failure of the chain ends.
pub(crate) fn exit_of(chain: &ChainError) -> Exit {
    match chain.kind() {
        ErrorKind::Config => Exit::Config,
        ErrorKind::Denied => Exit::Denied,
        ErrorKind::Unavailable => Exit::Unavailable,
    }
}

/// What an error answer means. The code says more than the status: JSON services answer 400 to most things,
/// throttles and troubles of their own among them, so that a 4xx without a code refuses nothing. The message counts
/// where a service wraps the answer of another one.
fn judge(status: u16, code: Option<&str>, message: Option<&str>) -> Verdict {
    let (code, message) = (code.unwrap_or_default(), message.unwrap_or_default());
    if is_unready(code) {
        Verdict::UNREADY
    } else if is_throttle(code) || status == 429 || is_wrapped_throttle(code, message) {
        Verdict::THROTTLED
    } else if is_broken_setup(code) {
        Verdict::REJECTED
    } else if is_denial(code) || is_wrapped_denial(code, message) {
        Verdict::DENIED
    } else if is_trouble(code) || status >= 500 {
        Verdict::BROKEN
    } else if status == 407 {
        // Only a proxy says this.
        Verdict::UNSENDABLE
    } else if matches!(status, 401 | 403) {
        Verdict::DENIED
    } else if code.is_empty() {
        Verdict::UNANSWERED
    } else {
        Verdict::REJECTED
    }
}

#[cfg(test)]
pub(crate) mod tests;
