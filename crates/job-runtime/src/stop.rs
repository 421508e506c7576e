//! Stopping remote work because the run was told to end.

use crate::context::Context;
use crate::error::{CallError, Effect};
use crate::exit::Exit;
use crate::interrupted::Interrupted;
use crate::poll::Judged;
use std::cell::Cell;
use std::time::Duration;
use tokio::time::{sleep, timeout_at};

/// How often a stop is asked for. There are four seconds for all of it.
const ATTEMPTS: u32 = 3;
/// The pause between two of them.
const PAUSE: Duration = Duration::from_millis(300);

impl Context {
    /// Asks `service` to stop `work` (`run jr_1`) after a signal, until [`Context::stop_by`], and says what became of that.
    ///
    /// After that, `look` tells whether the work is over, and `exit` what that means. Work that has ended by itself is given
    /// back: its end is that of the run. A service may accept the stop of work that has ended, so that an accepted stop
    /// proves nothing. Work that was stopped after a request of ours got
    /// lost was stopped by us, even where the next request was refused because there was nothing left to stop; so the SDK
    /// must not send `ask` again on its own, because it does not tell a lost answer from none.
    ///
    /// # Errors
    /// What became of work that has not ended by itself.
    pub async fn stop<T>(
        &self,
        service: &str,
        work: &str,
        ask: impl AsyncFnMut() -> Result<(), CallError>,
        look: impl Future<Output = Result<Judged<T>, CallError>>,
        exit: impl FnOnce(&T) -> Exit,
    ) -> Result<T, Interrupted> {
        let by = self.stop_by();
        let lost = Cell::new(false);
        let left = |what| Err(self.interrupted_with_work_left(what));
        let Ok(asked) = timeout_at(by, asking(ask, &lost)).await else {
            return left(format!("{work} may go on, {service} did not answer the stop in time"));
        };
        let ours = asked.is_ok() || lost.get();
        let looked = timeout_at(by, look).await;
        match (looked, asked) {
            (Ok(Ok(Judged::Done(over))), _) if ours && exit(&over) == Exit::Stopped => {
                Err(self.interrupted(format!("{work} was stopped")))
            }
            (Ok(Ok(Judged::Done(over))), _) => Ok(over),
            (_, Ok(())) => Err(self.interrupted(format!("{service} has accepted to stop {work}"))),
            (Ok(Ok(Judged::Pending { state, .. } | Judged::Held { state })), Err(failure)) => {
                left(format!("{work} may go on (last seen {state}), stopping it failed: {failure}"))
            }
            (Ok(Err(_)) | Err(_), Err(failure)) => {
                left(format!("{work} may go on, stopping it failed: {failure}"))
            }
        }
    }
}

/// Asks until there is an answer; `lost` says whether a request may have been carried out without one.
async fn asking(
    mut ask: impl AsyncFnMut() -> Result<(), CallError>,
    lost: &Cell<bool>,
) -> Result<(), CallError> {
    let mut attempt = 1;
    loop {
        let Err(error) = ask().await else { return Ok(()) };
        lost.set(lost.get() || error.effect() == Effect::MayHaveStarted);
        if error.exit() != Exit::Unavailable || attempt == ATTEMPTS {
            return Err(error);
        }
        sleep(PAUSE).await;
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::tests::context;
    use crate::error::tests::{answered, refused_connection, reset_connection};

    const REFUSED: &str = "glue:BatchStopJobRun was rejected: InvalidInputException: nothing to stop";

    /// What becomes of a stop that is answered by `answers` in turn, then by a refusal, and of a look at the work.
    async fn stopped(
        answers: &[Result<(), CallError>],
        looked: Result<Judged<Exit>, CallError>,
    ) -> Result<Exit, (Exit, String)> {
        let ctx = context(Duration::from_hours(1), None);
        ctx.interrupt(Exit::Terminated);
        let refused =
            || Err(CallError::refused("glue:BatchStopJobRun", "InvalidInputException", "nothing to stop"));
        let mut answers = answers.iter().cloned();
        let ask = async || answers.next().unwrap_or_else(refused);
        let stopped = ctx.stop("Glue", "run r", ask, async { looked }, |exit| *exit).await;
        stopped.map_err(|interrupted| (interrupted.exit(), interrupted.to_string()))
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_for_is_no_end_of_its_own() {
        let done = |exit| Ok(Judged::Done(exit));
        let pending = || Ok(Judged::Pending { state: "RUNNING".to_owned(), detail: None });
        let lost = || Err(CallError::new("glue:BatchStopJobRun", &reset_connection()));
        let throttled = || Err(CallError::new("glue:BatchStopJobRun", &answered(400, "ThrottlingException")));
        let unseen = || Err(CallError::new("glue:GetJobRun", &refused_connection()));
        let ended = |exit, what: &str| Err((exit, format!("ended by SIGTERM: {what}")));
        let goes_on = |seen: &str| {
            ended(Exit::Unknown, &format!("run r may go on{seen}, stopping it failed: {REFUSED}"))
        };
        let accepted = || ended(Exit::Terminated, "Glue has accepted to stop run r");
        let was_stopped = || ended(Exit::Terminated, "run r was stopped");
        assert_eq!(stopped(&[Ok(())], unseen()).await, accepted());
        assert_eq!(stopped(&[throttled(), lost(), Ok(())], unseen()).await, accepted());
        assert_eq!(stopped(&[Ok(())], pending()).await, accepted());
        assert_eq!(stopped(&[Ok(())], done(Exit::Stopped)).await, was_stopped());
        // Some services accept the stop of what has ended.
        assert_eq!(stopped(&[Ok(())], done(Exit::Ok)).await, Ok(Exit::Ok));
        assert_eq!(stopped(&[Ok(())], done(Exit::Failed)).await, Ok(Exit::Failed));
        // Ours, and somebody else's.
        assert_eq!(stopped(&[lost()], done(Exit::Stopped)).await, was_stopped());
        assert_eq!(stopped(&[], done(Exit::Stopped)).await, Ok(Exit::Stopped));
        assert_eq!(stopped(&[throttled()], done(Exit::Stopped)).await, Ok(Exit::Stopped));
        assert_eq!(stopped(&[lost()], done(Exit::Ok)).await, Ok(Exit::Ok));
        assert_eq!(stopped(&[lost()], done(Exit::Failed)).await, Ok(Exit::Failed));
        assert_eq!(stopped(&[], pending()).await, goes_on(" (last seen RUNNING)"));
        assert_eq!(stopped(&[], unseen()).await, goes_on(""));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_not_waited_for() {
        let ctx = context(Duration::from_hours(1), Some("k"));
        ctx.interrupt(Exit::Terminated);
        let silent = async || std::future::pending().await;
        let done = async { Ok(Judged::Done(Exit::Ok)) };
        let stopped = ctx.stop("Glue", "run r", silent, done, |exit| *exit).await.unwrap_err();
        let words = "ended by SIGTERM: run r may go on, Glue did not answer the stop in time";
        // The next process with the same key looks.
        assert_eq!((stopped.exit(), stopped.to_string().as_str()), (Exit::Terminated, words));
        assert_eq!(ctx.elapsed(), Duration::from_millis(3500));

        let ctx = context(Duration::from_hours(1), None);
        ctx.interrupt(Exit::Terminated);
        let refused = async || Err(CallError::refused("glue:BatchStopJobRun", "X", "no"));
        let stopped = ctx.stop("Glue", "run r", refused, std::future::pending(), |exit: &Exit| *exit);
        assert!(stopped.await.unwrap_err().to_string().contains("run r may go on, stopping it failed"));
    }
}
