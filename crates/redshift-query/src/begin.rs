//! The beginning: at most one statement for a key, and none twice by a resend.

use std::cell::Cell;
use std::time::Duration;

use job_runtime::{CallError, Context, Effect, Ended, OnPriorFailure, Verdict};
use tokio::time::{Instant, sleep};

use crate::error::Error;
use crate::once::{self, Decision, Earlier, Mark};
use crate::redshift::{BATCH, EXECUTE, Label, Service};
use crate::run::Run;

/// How often a start without a clear answer is sent again. A connection that breaks this often does so for a reason.
const RESENDS: u32 = 5;

/// The pause before the first resend; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long what is in flight may take once a signal has come. The answer of a start holds the id of what there is to
/// cancel, so it is worth waiting for; it leaves time for that before the runtime ends everything, four seconds after
/// the signal.
const ANSWER_LIMIT: Duration = Duration::from_millis(1500);

/// The statement to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) id: String,
    /// Found, not started.
    pub(crate) adopted: bool,
    /// What its status meant when it was found.
    pub(crate) verdict: Verdict,
    /// The session that it runs in, where it was told.
    pub(crate) session: Option<String>,
}

/// Starts the statements, or finds those that were started for the same key.
///
/// After a signal it ends within [`ANSWER_LIMIT`], whatever it is waiting for.
pub(crate) async fn begin(service: &Service<'_>, run: &Run, ctx: &Context) -> Result<Begun, Error> {
    let may_have_started = Cell::new(false);
    tokio::select! {
        begun = find_or_start(service, run, ctx, &may_have_started) => begun,
        _ = ctx.out_of_patience(ANSWER_LIMIT) => Err(interrupted(may_have_started.get(), ctx)),
    }
}

/// [`begin`] without the end of patience, for which `may_have_started` is kept true while there is a start that has no
/// clear answer.
async fn find_or_start(
    service: &Service<'_>,
    run: &Run,
    ctx: &Context,
    may_have_started: &Cell<bool>,
) -> Result<Begun, Error> {
    let mut label = Label { name: run.statement_name.clone(), token: once::token_of_process() };
    if let Some(key) = ctx.key() {
        let mark = Mark::new(key, run);
        let earlier = match service.named(&mark.name).await {
            Ended::Done(earlier) => earlier,
            Ended::Lost(source) => return Err(Error::Lookup { source }),
            Ended::Deadline(_) => return Err(Error::LookupTimeout),
            Ended::Cancelled(_) => return Err(interrupted(false, ctx)),
        };
        match once::decide(&earlier, ctx.on_prior_failure() == OnPriorFailure::Rerun) {
            Decision::Adopt(earlier) => return Ok(adopt(earlier)),
            Decision::Start { after } => {
                label = Label { token: mark.token(after.as_deref()), name: Some(mark.name) };
            }
        }
    }
    let operation = if run.statements.len() == 1 { EXECUTE } else { BATCH };
    let mut pause = FIRST_PAUSE;
    let mut resends = 0;
    loop {
        if ctx.is_cancelled() {
            return Err(interrupted(may_have_started.get(), ctx));
        }
        may_have_started.set(true);
        let source = match service.start(run, &label).await {
            Ok(started) => match started.id {
                Some(id) => {
                    let session = started.session;
                    return Ok(Begun { id, adopted: false, verdict: Verdict::Pending, session });
                }
                None => CallError::unusable(operation, "it was answered without the id of a statement"),
            },
            Err(source) => source,
        };
        let place = run.connection.to_string();
        // After one unclear answer, a later refusal does not say that nothing was started.
        if source.effect() != Effect::MayHaveStarted && resends == 0 {
            may_have_started.set(false);
            return Err(Error::NotStarted { place, source });
        }
        let again = source.effect() == Effect::MayHaveStarted && resends < RESENDS;
        if !again || Instant::now() + pause >= ctx.deadline() {
            return Err(match ctx.key() {
                Some(_) => Error::Unsettled { place, source },
                None => Error::Unknown { place, source },
            });
        }
        tracing::warn!(error = %source, "the answer was lost; sending the same start again, which its token makes safe");
        // Half to whole of the pause at random, so that a fleet does not come back in step.
        tokio::select! {
            () = sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)) => {}
            () = ctx.cancelled() => {}
        }
        resends += 1;
        pause *= 2;
    }
}

fn adopt(earlier: Earlier) -> Begun {
    let Earlier { id, verdict, .. } = earlier;
    match verdict {
        Verdict::Pending => {
            tracing::info!(statement = id, "the statement of this key goes on; taking over the wait");
        }
        Verdict::Succeeded => {
            tracing::info!(statement = id, "already done: the statement of this key has finished");
        }
        Verdict::Failed | Verdict::Stopped => {
            tracing::info!(
                statement = id,
                "the statement of this key has ended badly; --on-prior-failure rerun starts again"
            );
        }
    }
    Begun { id, adopted: true, verdict, session: None }
}

/// A signal before there was a statement to follow.
fn interrupted(may_have_started: bool, ctx: &Context) -> Error {
    let interrupted = if may_have_started {
        ctx.interrupted_with_work_left("a statement may have been started, its start got no answer")
    } else {
        ctx.interrupted("nothing was started")
    };
    interrupted.into()
}
