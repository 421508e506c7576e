//! Durable functions: an execution with a name, which Lambda starts once.
//!
//! Lambda takes an invocation with the name and the payload of an execution it knows for the same work, and answers
//! with that execution's end, now or when it comes ("Idempotency" in the durable functions part of the Lambda
//! Developer Guide). That makes it safe to ask again. It holds for durable functions only, so that a name made of
//! the key is no promise until Lambda has shown that it took it.

use std::cell::Cell;
use std::time::Duration;

use job_runtime::{
    CallError, Context, Effect, Ended, Exit, Interrupted, Judged, OnPriorFailure, OnTerminate, Remote,
    Verdict, digest,
};
use tokio::time::{Instant, sleep, timeout};

use crate::answer::Answer;
use crate::cli::durable_name;
use crate::error::Error;
use crate::job::Call;
use crate::lambda::{Execution, INVOKE};

/// Pause before an unclear invocation of a named execution is sent again.
const PAUSE: Duration = Duration::from_secs(2);
/// How often that is done. A connection that breaks this often does so for a reason.
const RESENDS: u32 = 5;
/// How many failed executions of one key are passed over with `--on-prior-failure rerun`.
const RERUNS: u32 = 100;
/// First interval between two looks at an execution; some are over in a second, others take a year.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// How long the end of a run may take once it was told to end. The runtime gives it four seconds.
const LAST_WORD: Duration = Duration::from_secs(3);

/// The name that an execution gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Naming {
    /// None.
    Plain,
    /// The user's: the function is durable.
    Given(String),
    /// Made of the key: the function may be durable.
    Key(String),
}

impl Naming {
    /// By the option, else by the key.
    pub(crate) fn new(given: Option<&str>, ctx: &Context) -> Self {
        match (given, ctx.key()) {
            (Some(name), _) => Self::Given(name.to_owned()),
            (None, Some(key)) => Self::Key(fitting(key)),
            (None, None) => Self::Plain,
        }
    }

    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Plain => None,
            Self::Given(name) | Self::Key(name) => Some(name),
        }
    }

    /// What a signal does to the execution. One of the user's name may be someone else's, because Lambda takes an invocation
    /// with its name and payload for the same work.
    pub(crate) fn on_terminate(&self, ctx: &Context) -> OnTerminate {
        match self {
            Self::Given(_) => ctx.on_terminate_or(OnTerminate::Detach),
            Self::Plain | Self::Key(_) => ctx.on_terminate(),
        }
    }

    /// The same with a suffix: the number of a line, or of a try.
    pub(crate) fn numbered(&self, number: u64) -> Self {
        let numbered = |name: &str| fitting(&format!("{name}-{number}"));
        match self {
            Self::Plain => Self::Plain,
            Self::Given(name) => Self::Given(numbered(name)),
            Self::Key(name) => Self::Key(numbered(name)),
        }
    }
}

/// `text` where it may be a name, else what stands for it.
fn fitting(text: &str) -> String {
    durable_name(text).unwrap_or_else(|_| digest(text, 32))
}

/// Invokes the function, and asks again where that cannot run anything twice. `nameless` is kept true from when on
/// Lambda has said that the function is not durable: what is sent then has no name.
pub(crate) async fn invoke(
    call: &Call<'_>,
    payload: Option<&[u8]>,
    naming: &Naming,
    nameless: &Cell<bool>,
    ctx: &Context,
) -> Result<Answer, Error> {
    let mut resends = 0;
    // Whether Lambda is known to have taken the name.
    let mut named = matches!(naming, Naming::Given(_));
    loop {
        let name = naming.name().filter(|_| !nameless.get());
        let send = async || call.function.invoke(payload, name, ctx).await;
        let error = match ctx.start_until(INVOKE, ctx.deadline(), send).await {
            Ok(answer) => {
                if let (Naming::Key(_), Some(_), None) = (naming, name, &answer.durable_execution) {
                    tracing::debug!("{} is not durable: the key settles nothing", call.function.target);
                }
                return Ok(answer);
            }
            Err(error) => error,
        };
        match name {
            Some(_) if matches!(naming, Naming::Key(_)) && says_not_durable(&error) => {
                tracing::info!(
                    "{} is no durable function: it is invoked once by this process, but an invocation whose answer \
                     is lost cannot be found again by its key",
                    call.function.target
                );
                nameless.set(true);
            }
            Some(name)
                if error.effect() == Effect::MayHaveStarted && resends < RESENDS && !ctx.is_cancelled() =>
            {
                tracing::warn!(%error, execution = name, "the answer was lost; asking for the same execution again");
                named = named || matches!(call.function.execution_named(name).await, Ok(Some(_)));
                if !named || Instant::now() + PAUSE >= ctx.deadline() {
                    return Err(call.error(error, Some(name)));
                }
                resends += 1;
                tokio::select! {
                    () = sleep(PAUSE) => {}
                    () = ctx.cancelled() => {}
                }
            }
            // The next process asks for the same execution.
            Some(name) if error.effect() == Effect::MayHaveStarted && named && ctx.is_cancelled() => {
                let what = format!("the durable execution {name} may have been started: {error}");
                return Err(ctx.interrupted(what).into());
            }
            name => return Err(call.error(error, name)),
        }
    }
}

/// Whether the name of an invocation without an answer leads the next process to it: the user's does, and one made of
/// the key where Lambda shows an execution of it.
pub(crate) async fn is_findable(call: &Call<'_>, naming: &Naming) -> bool {
    match naming {
        Naming::Plain => false,
        Naming::Given(_) => true,
        Naming::Key(name) => {
            matches!(timeout(LAST_WORD / 2, call.function.execution_named(name)).await, Ok(Ok(Some(_))))
        }
    }
}

/// Lambda refuses a name for a function that is not durable, and runs nothing. A durable function that was named
/// without a version is refused in similar words.
pub(crate) fn says_not_durable(error: &CallError) -> bool {
    let text = error.message().to_ascii_lowercase();
    error.code() == Some("InvalidParameterValueException")
        && text.contains("durable")
        && !text.contains("qualifi")
}

/// With `--on-prior-failure rerun`, the first name whose execution has not failed.
pub(crate) async fn settle_name(call: &Call<'_>, naming: Naming, ctx: &Context) -> Result<Naming, CallError> {
    if naming == Naming::Plain || ctx.on_prior_failure() == OnPriorFailure::Report {
        return Ok(naming);
    }
    let mut next = naming.clone();
    for number in 2..RERUNS {
        let Some(name) = next.name() else { break };
        match call.function.execution_named(name).await {
            Ok(Some((_, status))) if matches!(judge(&status), Some(Verdict::Failed | Verdict::Stopped)) => {
                tracing::info!(
                    execution = name,
                    status,
                    "an earlier execution of this key has failed; starting again"
                );
                next = naming.numbered(number.into());
            }
            Ok(_) => return Ok(next),
            // There are no executions of a function that is not durable.
            Err(error) if error.exit() == Exit::Rejected => return Ok(next),
            Err(error) => return Err(error),
        }
    }
    Ok(next)
}

/// Judges an `ExecutionStatus`; `None` for one that this program does not know.
pub(crate) fn judge(status: &str) -> Option<Verdict> {
    match status {
        "RUNNING" | "PAUSING" | "PAUSED" | "DELETING" => Some(Verdict::Pending),
        "SUCCEEDED" => Some(Verdict::Succeeded),
        "FAILED" | "TIMED_OUT" => Some(Verdict::Failed),
        "STOPPED" => Some(Verdict::Stopped),
        _ => None,
    }
}

/// Waits for an execution that runs on its own, and gives its end. `naming` is what it was started by.
pub(crate) async fn follow(
    call: &Call<'_>,
    arn: &str,
    naming: &Naming,
    ctx: &Context,
) -> Result<(Execution, Verdict), Error> {
    ctx.remember(Remote { id: arn.to_owned(), state: None, console: Some(call.console.clone()) });
    match ctx.poll(POLL_INTERVAL, async || look(call, arn, ctx).await).await {
        Ended::Done(end) => Ok(end),
        Ended::Deadline(_) => {
            Err(Error::Deadline { what: format!("the durable execution {arn}"), timeout: ctx.elapsed() })
        }
        Ended::Lost(source) => Err(Error::Lost { arn: arn.to_owned(), source }),
        Ended::Cancelled(_) => match naming.on_terminate(ctx) {
            OnTerminate::Detach => {
                let what = format!("the durable execution {arn} goes on");
                Err(ctx.interrupted_leaving(naming.name().is_some(), what).into())
            }
            OnTerminate::Cancel => stop(call, arn, ctx).await.map_err(Error::from),
        },
    }
}

async fn look(call: &Call<'_>, arn: &str, ctx: &Context) -> Result<Judged<(Execution, Verdict)>, CallError> {
    let execution = call.function.execution(arn).await?;
    let unknown = "a status that this version does not know, taken for pending";
    match judge(&execution.status) {
        Some(Verdict::Pending) => Ok(Judged::Pending { state: execution.status, detail: None }),
        None => Ok(Judged::Pending { state: execution.status, detail: Some(unknown.to_owned()) }),
        Some(verdict) => {
            ctx.ended_in(&execution.status);
            Ok(Judged::Done((execution, verdict)))
        }
    }
}

/// Stops the execution of a name whose ARN is not known yet, and says what became of that; `None`: it had ended by itself.
pub(crate) async fn stop_named(call: &Call<'_>, name: &str, ctx: &Context) -> Option<Interrupted> {
    let what = match timeout(LAST_WORD / 2, call.function.execution_named(name)).await {
        Ok(Ok(Some((_, status)))) if judge(&status).and_then(Verdict::exit).is_some() => return None,
        Ok(Ok(Some((arn, _)))) => return stop(call, &arn, ctx).await.err(),
        Ok(Ok(None)) => call.left(),
        Ok(Err(error)) => format!("{}: it could not be looked for to be stopped: {error}", call.left()),
        Err(_) => format!("{}: Lambda did not answer in time where it is", call.left()),
    };
    Some(ctx.interrupted_with_work_left(what))
}

/// Stops an execution, and says what became of that. One that has ended by itself is the result: Lambda accepts the stop
/// of one as well, which changes nothing.
async fn stop(call: &Call<'_>, arn: &str, ctx: &Context) -> Result<(Execution, Verdict), Interrupted> {
    let work = format!("the durable execution {arn}");
    let ask = async || call.function.stop(arn).await;
    let exit = |(_, verdict): &(Execution, Verdict)| verdict.exit().unwrap_or(Exit::Failed);
    Box::pin(ctx.stop("Lambda", &work, ask, look(call, arn, ctx), exit)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_lambda() {
        let key = |text: &str| Naming::Key(fitting(text));
        assert_eq!(
            key("5f1c7e0a-0d5e-4d0e-9a53-2f0a6b1f8a11").name(),
            Some("5f1c7e0a-0d5e-4d0e-9a53-2f0a6b1f8a11")
        );
        let hashed = key("a/b").name().unwrap().to_owned();
        assert_eq!(hashed.len(), 32);
        assert_ne!(key("a/c").name(), Some(hashed.as_str()));
        assert_eq!(key("k").numbered(7).name(), Some("k-7"));
        let long = "x".repeat(63);
        assert_eq!(key(&long).numbered(7).name().map(str::len), Some(32));
        assert_eq!(Naming::Plain.numbered(7), Naming::Plain);
    }

    #[test]
    fn every_status_has_a_verdict() {
        for (status, verdict) in [
            ("RUNNING", Some(Verdict::Pending)),
            ("PAUSED", Some(Verdict::Pending)),
            ("SUCCEEDED", Some(Verdict::Succeeded)),
            ("FAILED", Some(Verdict::Failed)),
            ("TIMED_OUT", Some(Verdict::Failed)),
            ("STOPPED", Some(Verdict::Stopped)),
            ("HIBERNATING", None),
        ] {
            assert_eq!(judge(status), verdict, "{status}");
        }
        for status in aws_sdk_lambda::types::ExecutionStatus::values() {
            assert!(judge(status).is_some(), "{status} is not judged");
        }
    }
}
