//! The wait for the end of a statement, and how it is stopped.

use std::cell::Cell;
use std::time::Duration;

use job_runtime::{CallError, Context, Effect, Ended, Exit, Judged, Verdict};
use tokio::time::{Instant, sleep, timeout_at};

use crate::redshift::Service;
use crate::statement::{Statement, judge};

/// First interval between two looks, where the service does not hold its answers back; some statements are over in a
/// second, others take a day.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The longest that the service holds an answer back, in seconds (`WaitTimeSeconds`).
const LONGEST_HOLD: i32 = 30;

/// After so many refusals to hold an answer back it is not asked for any more.
const REFUSALS: u32 = 3;

/// Pause between two looks at a statement that is being cancelled, where the service does not hold its answers back.
const UNHELD_PAUSE: Duration = Duration::from_millis(250);

/// How often a cancel is sent whose response is missing.
const CANCEL_ATTEMPTS: u32 = 3;

/// How a look was asked for.
#[derive(Debug, Default)]
struct Hold {
    /// How often the service would not hold an answer back.
    refused: Cell<u32>,
}

/// Looks at a statement until it has ended.
///
/// The service is asked to hold each answer back until the end, or for half a minute: so the end is seen at once, and
/// a long statement costs two calls a minute. An answer that comes back early all the same is followed by a pause.
pub(crate) async fn wait(service: &Service<'_>, id: &str, ctx: &Context) -> Ended<Statement> {
    let hold = Hold::default();
    // Boxed: the futures of SDK calls are large, and would be carried in every frame above.
    Box::pin(ctx.poll(POLL_INTERVAL, async || {
        // After a signal there is no time for an answer that is held back.
        let left = ctx.deadline().saturating_duration_since(Instant::now());
        let seconds = hold.seconds(left).filter(|_| !ctx.is_cancelled());
        let begun = Instant::now();
        let statement = match service.describe(id, seconds).await {
            Err(error) if seconds.is_some() && hold.is_refusal(&error) => service.describe(id, None).await?,
            looked => looked?,
        };
        let asked = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
        let judged = judged(statement, asked.is_some_and(|asked| begun.elapsed() >= asked / 2));
        if let Judged::Done(statement) = &judged {
            ctx.ended_in(&statement.whole.status);
        }
        Ok(judged)
    }))
    .await
}

impl Hold {
    /// For how long to ask the service to hold its answer back, where `left` is left of the wait.
    fn seconds(&self, left: Duration) -> Option<i32> {
        let left = i32::try_from(left.as_secs()).unwrap_or(LONGEST_HOLD).min(LONGEST_HOLD);
        (self.refused.get() < REFUSALS && left > 0).then_some(left)
    }

    /// Whether the service would answer, if it need not hold the answer back: as many of its answers are held back
    /// already as may be, or it does not know how to.
    fn is_refusal(&self, error: &CallError) -> bool {
        let refused = error.code() == Some("ActiveWaitingRequestsExceededException")
            || error.code() == Some("ValidationException") && error.message().contains("WaitTimeSeconds");
        if refused {
            tracing::debug!(%error, "looking without being held");
            self.refused.set(self.refused.get() + 1);
        }
        refused
    }
}

/// Pending or over; `held` says that the service held its answer back. A status that is not known goes into the log
/// with the remark that it is not.
fn judged(statement: Statement, held: bool) -> Judged<Statement> {
    let state = || statement.whole.status.clone();
    match judge(&statement.whole.status) {
        Some(Verdict::Succeeded | Verdict::Failed | Verdict::Stopped) => Judged::Done(statement),
        Some(Verdict::Pending) if held => Judged::Held { state: state() },
        Some(Verdict::Pending) => Judged::Pending { state: state(), detail: None },
        None => {
            let detail = "a status that this version does not know, taken for pending".to_owned();
            Judged::Pending { state: state(), detail: Some(detail) }
        }
    }
}

/// What became of a cancel.
#[derive(Debug)]
pub(crate) enum Cancelled {
    /// It had ended by itself, or someone else had cancelled it.
    Ended(Box<Statement>),
    /// This process has cancelled it, or the service has accepted that; in words.
    Accepted(String),
    /// It may be running; in words.
    Uncertain(String),
}

/// Sends the cancel until there is a response; says whether a request may have been carried out without one. A statement
/// that was cancelled after a request got lost was cancelled by this process.
async fn ask_to_cancel(service: &Service<'_>, id: &str) -> (Result<bool, CallError>, bool) {
    let (mut attempt, mut lost) = (1, false);
    loop {
        let error = match service.cancel_once(id).await {
            Ok(accepted) => return (Ok(accepted), lost),
            Err(error) => error,
        };
        lost = lost || error.effect() == Effect::MayHaveStarted;
        if error.exit() != Exit::Unavailable || attempt == CANCEL_ATTEMPTS {
            return (Err(error), lost);
        }
        sleep(UNHELD_PAUSE).await;
        attempt += 1;
    }
}

/// Asks the service to stop a statement, and looks whether it has stopped, all of it until `by`.
pub(crate) async fn cancel(service: &Service<'_>, id: &str, by: Instant) -> Cancelled {
    let Ok((asked, lost)) = timeout_at(by, ask_to_cancel(service, id)).await else {
        let what = format!("statement {id} may go on, the service did not answer the cancel in time");
        return Cancelled::Uncertain(what);
    };
    // One that cannot be cancelled may be over; and to be asked to stop is not to have stopped.
    let hold = Hold::default();
    let looking = async {
        loop {
            let asked_to_hold = hold.refused.get() == 0;
            match service.describe(id, asked_to_hold.then_some(1)).await {
                Ok(statement) => match judged(statement, false) {
                    Judged::Done(statement) => return Some(statement),
                    _ if asked.is_err() => return None,
                    _ if asked_to_hold => {}
                    _ => sleep(UNHELD_PAUSE).await,
                },
                Err(error) if hold.is_refusal(&error) => {}
                Err(_) => return None,
            }
        }
    };
    let over = timeout_at(by, Box::pin(looking)).await.ok().flatten();
    match (over, asked) {
        (Some(statement), asked)
            if statement.verdict() == Verdict::Stopped && (lost || matches!(asked, Ok(true))) =>
        {
            Cancelled::Accepted(format!("statement {id} was cancelled"))
        }
        (Some(statement), _) => Cancelled::Ended(Box::new(statement)),
        (None, Ok(true)) => Cancelled::Accepted(format!("the service has accepted to cancel statement {id}")),
        (None, Ok(false)) => {
            Cancelled::Uncertain(format!("statement {id} may go on, the service found nothing to cancel"))
        }
        (None, Err(error)) => {
            Cancelled::Uncertain(format!("statement {id} may go on, cancelling it failed: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::Part;

    #[test]
    fn an_answer_is_held_back_for_what_is_left() {
        let hold = Hold::default();
        for (left, expected) in [
            (Duration::from_hours(24), Some(30)),
            (Duration::from_secs(7), Some(7)),
            (Duration::from_millis(900), None),
            (Duration::ZERO, None),
            (Duration::MAX, Some(30)),
        ] {
            assert_eq!(hold.seconds(left), expected, "{left:?}");
        }
        hold.refused.set(REFUSALS);
        assert_eq!(hold.seconds(Duration::from_secs(7)), None);
    }

    #[test]
    fn statuses_end_the_wait_or_do_not() {
        let statement = |status: &str| Statement {
            whole: Part { status: status.to_owned(), ..Part::default() },
            ..Statement::default()
        };
        for status in ["FINISHED", "FAILED", "ABORTED"] {
            assert_eq!(judged(statement(status), false), Judged::Done(statement(status)));
        }
        let state = || "STARTED".to_owned();
        assert_eq!(judged(statement("STARTED"), true), Judged::Held { state: state() });
        assert_eq!(judged(statement("STARTED"), false), Judged::Pending { state: state(), detail: None });
        assert!(matches!(judged(statement("PAUSED"), true), Judged::Pending { detail: Some(_), .. }));
    }
}
