//! Every way in which a run ends without the end of its work: one text, one exit code and the hints of each.

use super::{BegunOf, Engine, RemoteWork, StartError, Step};
use crate::duration::Human;
use crate::error::{CallError, Failure};
use crate::exit::Exit;
use std::fmt;
use std::time::Duration;

/// A run that ended without the end of its work.
#[derive(Clone, Debug)]
pub struct RemoteError(Box<Details>);

#[derive(Clone, Debug)]
struct Details {
    noun: &'static str,
    /// What was to be started, with where.
    title: String,
    exit: Exit,
    problem: Problem,
    hints: Vec<String>,
}

/// What happened.
#[derive(Clone, Debug)]
enum Problem {
    Lookup(CallError),
    Late,
    Differs { id: String, fields: String },
    NotStarted(CallError),
    Exists(CallError),
    Blocked(String),
    Busy(CallError),
    Unknown(CallError),
    Unsettled(CallError),
    UnsettledClaim(String),
    TooManyAttempts(usize),
    Deadline { id: String, state: Option<String>, waited: Duration },
    NotFound { id: String, source: Option<CallError> },
    Lost { id: String, source: CallError },
    InterruptedBeforeStart { signal: Exit },
    InterruptedInFlight { signal: Exit },
    Detached { id: String, signal: Exit },
    Cancelled { id: String, service: &'static str, signal: Exit },
    CancelUncertain { id: String, why: String, signal: Exit },
    NothingToCancel,
    CancelRefused { id: String, source: CallError },
    NoStop { service: &'static str },
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { noun, title, problem, hints, .. } = &*self.0;
        let by = |signal: &Exit| if *signal == Exit::Interrupted { "SIGINT" } else { "SIGTERM" };
        match problem {
            Problem::Lookup(source) => {
                write!(
                    f,
                    "no {title} was started: the search for an earlier {noun} of this idempotency key failed: {source}"
                )
            }
            Problem::Late => write!(f, "no {title} was started: --timeout elapsed before the start"),
            Problem::Differs { id, fields } => write!(
                f,
                "no {title} was started: {noun} {id} of this idempotency key was started with other values of: {fields}"
            ),
            Problem::NotStarted(source) => write!(f, "no {title} was started: {source}"),
            Problem::Exists(source) => {
                write!(f, "no {title} was started: the name is taken by other work: {source}")
            }
            Problem::Blocked(text) => write!(f, "no {title} was started: {text}"),
            Problem::Busy(source) => {
                write!(f, "no {title} was started: the limit of concurrent runs is reached: {source}")
            }
            Problem::Unknown(source) => write!(f, "a {title} may have been started: {source}"),
            Problem::Unsettled(source) => {
                write!(f, "a {title} may have been started and is not visible yet: {source}")
            }
            Problem::UnsettledClaim(text) => f.write_str(text),
            Problem::TooManyAttempts(most) => {
                write!(f, "no {title} was started: {most} attempts of this idempotency key have failed")
            }
            Problem::Deadline { id, state, waited } => {
                write!(f, "{noun} {id} has not ended within {}", Human(*waited))?;
                match state {
                    Some(state) => write!(f, ": last state {state}"),
                    None => f.write_str(": it was never visible"),
                }
            }
            Problem::NotFound { id, source } => {
                write!(f, "{noun} {id} does not exist, or no longer")?;
                source.iter().try_for_each(|source| write!(f, ": {source}"))
            }
            Problem::Lost { id, source } => {
                write!(f, "{noun} {id} could not be followed to its end and may still be running: {source}")
            }
            Problem::InterruptedBeforeStart { signal } => {
                write!(f, "received {}: no {title} was started", by(signal))
            }
            Problem::InterruptedInFlight { signal } => write!(
                f,
                "received {}: a {title} may have been started, the request got no response in time",
                by(signal)
            ),
            Problem::Detached { id, signal } => {
                write!(f, "received {}: {noun} {id} is still running", by(signal))
            }
            Problem::Cancelled { id, service, signal } => {
                write!(f, "received {}: {service} has accepted to stop {noun} {id}", by(signal))
            }
            Problem::CancelUncertain { id, why, signal } => {
                write!(f, "received {}: {noun} {id} may still be running: {why}", by(signal))
            }
            Problem::NothingToCancel => {
                write!(f, "nothing to cancel: no {noun} of this idempotency key was found")
            }
            Problem::CancelRefused { id, source } => write!(f, "{noun} {id} was not stopped: {source}"),
            Problem::NoStop { service } => write!(f, "--cancel: {service} cannot stop a {noun}"),
        }?;
        hints.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for RemoteError {}

impl RemoteError {
    /// The same error with another hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// The failed call, where there is one.
    pub fn call(&self) -> Option<&CallError> {
        match &self.0.problem {
            Problem::Lookup(source)
            | Problem::NotStarted(source)
            | Problem::Exists(source)
            | Problem::Busy(source)
            | Problem::Unknown(source)
            | Problem::Unsettled(source)
            | Problem::CancelRefused { source, .. }
            | Problem::Lost { source, .. } => Some(source),
            Problem::NotFound { source, .. } => source.as_ref(),
            Problem::Late
            | Problem::Differs { .. }
            | Problem::Blocked(_)
            | Problem::UnsettledClaim(_)
            | Problem::TooManyAttempts(_)
            | Problem::Deadline { .. }
            | Problem::InterruptedBeforeStart { .. }
            | Problem::InterruptedInFlight { .. }
            | Problem::Detached { .. }
            | Problem::Cancelled { .. }
            | Problem::CancelUncertain { .. }
            | Problem::NothingToCancel
            | Problem::NoStop { .. } => None,
        }
    }
}

impl Failure for RemoteError {
    fn exit(&self) -> Exit {
        self.0.exit
    }

    fn request_id(&self) -> Option<&str> {
        self.call()?.request_id()
    }
}

impl<W: RemoteWork> Engine<'_, W> {
    fn error(&self, exit: Exit, problem: Problem, hints: Vec<String>) -> RemoteError {
        RemoteError(Box::new(Details { noun: W::NOUN, title: self.work.title(), exit, problem, hints }))
    }

    /// Whether the next process can find the work: then `findable`, else [`Exit::Unknown`], because a retry would
    /// repeat work that is running.
    fn exit_of_running(&self, begun: &BegunOf<W>, findable: Exit) -> Exit {
        if self.ctx.key().is_some() || begun.attached { findable } else { Exit::Unknown }
    }

    /// How the wait for running work is resumed, and where a person finds it.
    fn to_resume(&self, begun: &BegunOf<W>) -> Vec<String> {
        let links = self.work.links(Some(&begun.id));
        let resume = if self.ctx.key().is_some() && !begun.attached {
            Some("the same command with the same idempotency key resumes the wait".to_owned())
        } else {
            links.resume.map(|command| format!("to wait for it: {command}"))
        };
        resume.into_iter().chain(links.console.map(|console| format!("see {console}"))).collect()
    }

    /// Where a person finds work whose id is not known.
    fn to_find(&self) -> Vec<String> {
        let console = self.work.links(None).console;
        console
            .map(|console| format!("before starting another {}, search for it: {console}", W::NOUN))
            .into_iter()
            .collect()
    }

    pub(super) fn lookup_error(&self, source: CallError) -> RemoteError {
        let hints = self.work.hints(Step::Find, &source);
        self.error(source.exit(), Problem::Lookup(source), hints)
    }

    pub(super) fn late(&self) -> RemoteError {
        let hint = "check the network path to AWS (endpoint, proxy, security group), or raise --timeout";
        self.error(Exit::Unavailable, Problem::Late, vec![hint.to_owned()])
    }

    pub(super) fn differs(&self, id: &W::Id, fields: &[String]) -> RemoteError {
        let hints = vec![
            "use another idempotency key for other work (--step NAME within one Job)".to_owned(),
            "--on-difference resume takes the earlier work all the same".to_owned(),
        ];
        let problem = Problem::Differs { id: id.to_string(), fields: fields.join(", ") };
        self.error(Exit::Rejected, problem, hints)
    }

    pub(super) fn not_started(&self, error: StartError) -> RemoteError {
        match error {
            StartError::NotSent(source) | StartError::Refused(source) => {
                let hints = self.work.hints(Step::Start, &source);
                self.error(source.exit(), Problem::NotStarted(source), hints)
            }
            StartError::Exists(source) => {
                let hints = self.work.hints(Step::Start, &source);
                self.error(Exit::Rejected, Problem::Exists(source), hints)
            }
            StartError::Blocked(text) => self.error(Exit::Rejected, Problem::Blocked(text), Vec::new()),
            StartError::Busy(source) => self.busy(source),
            StartError::Unclear(source) => self.unknown(source),
        }
    }

    pub(super) fn busy(&self, source: CallError) -> RemoteError {
        let hints = self.work.hints(Step::Start, &source);
        self.error(Exit::Busy, Problem::Busy(source), hints)
    }

    pub(super) fn unknown(&self, source: CallError) -> RemoteError {
        self.error(Exit::Unknown, Problem::Unknown(source), self.to_find())
    }

    pub(super) fn unsettled(&self, source: CallError) -> RemoteError {
        let hint = "the next process with the same idempotency key searches for it first";
        self.error(Exit::Unavailable, Problem::Unsettled(source), vec![hint.to_owned()])
    }

    pub(super) fn unsettled_claim(&self, text: String) -> RemoteError {
        self.error(Exit::Unknown, Problem::UnsettledClaim(text), Vec::new())
    }

    pub(super) fn too_many_attempts(&self, most: usize) -> RemoteError {
        self.error(Exit::Rejected, Problem::TooManyAttempts(most), Vec::new())
    }

    pub(super) fn deadline(&self, begun: &BegunOf<W>, state: Option<String>) -> RemoteError {
        let problem = Problem::Deadline { id: begun.id.to_string(), state, waited: self.ctx.elapsed() };
        self.error(self.exit_of_running(begun, Exit::Timeout), problem, self.to_resume(begun))
    }

    pub(super) fn not_found(&self, begun: &BegunOf<W>, source: Option<CallError>) -> RemoteError {
        self.error(Exit::Rejected, Problem::NotFound { id: begun.id.to_string(), source }, Vec::new())
    }

    pub(super) fn lost(&self, begun: &BegunOf<W>, source: CallError) -> RemoteError {
        let exit = match source.exit() {
            // A retry would be refused as well.
            exit @ (Exit::Rejected | Exit::Denied | Exit::Config) => exit,
            _ => self.exit_of_running(begun, Exit::Timeout),
        };
        let mut hints = self.work.hints(Step::Wait, &source);
        hints.extend(self.to_resume(begun));
        self.error(exit, Problem::Lost { id: begun.id.to_string(), source }, hints)
    }

    pub(super) fn interrupted_before_start(&self, exit: Exit) -> RemoteError {
        self.error(exit, Problem::InterruptedBeforeStart { signal: exit }, Vec::new())
    }

    pub(super) fn interrupted_in_flight(&self, exit: Exit) -> RemoteError {
        let problem = Problem::InterruptedInFlight { signal: exit };
        if self.ctx.key().is_some() && self.work.recovery() != super::Recovery::Nothing {
            let hint = "the next process with the same idempotency key searches for it first";
            self.error(exit, problem, vec![hint.to_owned()])
        } else {
            self.error(Exit::Unknown, problem, self.to_find())
        }
    }

    pub(super) fn detached(&self, begun: &BegunOf<W>, exit: Exit) -> RemoteError {
        let problem = Problem::Detached { id: begun.id.to_string(), signal: exit };
        self.error(self.exit_of_running(begun, exit), problem, self.to_resume(begun))
    }

    pub(super) fn cancelled(&self, begun: &BegunOf<W>, exit: Exit) -> RemoteError {
        let problem = Problem::Cancelled { id: begun.id.to_string(), service: W::SERVICE, signal: exit };
        self.error(exit, problem, Vec::new())
    }

    pub(super) fn cancel_uncertain(&self, begun: &BegunOf<W>, exit: Exit, why: &str) -> RemoteError {
        let problem =
            Problem::CancelUncertain { id: begun.id.to_string(), why: why.to_owned(), signal: exit };
        self.error(self.exit_of_running(begun, exit), problem, self.to_resume(begun))
    }

    pub(super) fn nothing_to_cancel(&self) -> RemoteError {
        self.error(Exit::Rejected, Problem::NothingToCancel, Vec::new())
    }

    pub(super) fn cancel_refused(&self, begun: &BegunOf<W>, source: CallError) -> RemoteError {
        let hints = self.work.hints(Step::Wait, &source);
        self.error(source.exit(), Problem::CancelRefused { id: begun.id.to_string(), source }, hints)
    }

    pub(super) fn no_stop(&self) -> RemoteError {
        self.error(Exit::Usage, Problem::NoStop { service: W::SERVICE }, Vec::new())
    }
}
