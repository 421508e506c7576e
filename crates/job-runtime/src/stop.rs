//! Stopping remote work because the run was told to end.

use crate::context::Context;
use crate::error::{CallError, Effect};
use crate::exit::Exit;
use crate::poll::Judged;
use std::cell::Cell;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How often a stop is asked for. There are four seconds for all of it.
const ATTEMPTS: u32 = 3;
/// The pause between two of them.
const PAUSE: Duration = Duration::from_millis(300);

impl Context {
    /// Asks `service` to stop `work` (`run jr_1`) after a signal, until `by`, and says in words what became of that.
    ///
    /// Where that fails, `look` tells whether the work is over, and `exit` what that means. Work that had ended before
    /// it was asked to is given back: its end is that of the run. Work that was stopped after a request of ours got
    /// lost was stopped by us, even where the next request was refused because there was nothing left to stop; so the SDK
    /// must not send `ask` again on its own, because it does not tell a lost answer from none.
    ///
    /// # Errors
    /// The words: the run ends by its signal.
    pub async fn stop<T>(
        &self,
        service: &str,
        work: &str,
        by: Instant,
        ask: impl AsyncFnMut() -> Result<(), CallError>,
        look: impl Future<Output = Result<Judged<T>, CallError>>,
        exit: impl FnOnce(&T) -> Exit,
    ) -> Result<T, String> {
        let lost = Cell::new(false);
        let failure = match timeout_at(by, asking(ask, &lost)).await {
            Ok(Ok(())) => return Err(format!("{service} has accepted to stop {work}")),
            Ok(Err(error)) => error,
            Err(_) => return Err(format!("{work} may go on, {service} did not answer the stop in time")),
        };
        match timeout_at(by, look).await {
            Ok(Ok(Judged::Done(over))) if lost.get() && exit(&over) == Exit::Stopped => {
                Err(format!("{work} was stopped"))
            }
            Ok(Ok(Judged::Done(over))) => Ok(over),
            Ok(Ok(Judged::Pending { state, .. } | Judged::Held { state })) => {
                Err(format!("{work} may go on (last seen {state}), stopping it failed: {failure}"))
            }
            Ok(Err(_)) | Err(_) => Err(format!("{work} may go on, stopping it failed: {failure}")),
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
    ) -> Result<Exit, String> {
        let ctx = context(Duration::from_hours(1), None);
        let by = Instant::now() + Duration::from_secs(3);
        let refused =
            || Err(CallError::refused("glue:BatchStopJobRun", "InvalidInputException", "nothing to stop"));
        let mut answers = answers.iter().cloned();
        let ask = async || answers.next().unwrap_or_else(refused);
        ctx.stop("Glue", "run r", by, ask, async { looked }, |exit| *exit).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_for_is_no_end_of_its_own() {
        let done = |exit| Ok(Judged::Done(exit));
        let pending = || Ok(Judged::Pending { state: "RUNNING".to_owned(), detail: None });
        let lost = || Err(CallError::new("glue:BatchStopJobRun", &reset_connection()));
        let throttled = || Err(CallError::new("glue:BatchStopJobRun", &answered(400, "ThrottlingException")));
        let unseen = || Err(CallError::new("glue:GetJobRun", &refused_connection()));
        let goes_on = |seen: &str| Err(format!("run r may go on{seen}, stopping it failed: {REFUSED}"));
        let accepted = || Err("Glue has accepted to stop run r".to_owned());
        assert_eq!(stopped(&[Ok(())], unseen()).await, accepted());
        assert_eq!(stopped(&[throttled(), lost(), Ok(())], unseen()).await, accepted());
        // Ours, and somebody else's.
        assert_eq!(stopped(&[lost()], done(Exit::Stopped)).await, Err("run r was stopped".to_owned()));
        assert_eq!(stopped(&[], done(Exit::Stopped)).await, Ok(Exit::Stopped));
        assert_eq!(stopped(&[throttled()], done(Exit::Stopped)).await, Ok(Exit::Stopped));
        assert_eq!(stopped(&[lost()], done(Exit::Ok)).await, Ok(Exit::Ok));
        assert_eq!(stopped(&[lost()], done(Exit::Failed)).await, Ok(Exit::Failed));
        assert_eq!(stopped(&[], pending()).await, goes_on(" (last seen RUNNING)"));
        assert_eq!(stopped(&[], unseen()).await, goes_on(""));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_not_waited_for() {
        let ctx = context(Duration::from_hours(1), None);
        let by = Instant::now() + Duration::from_secs(3);
        let silent = async || std::future::pending().await;
        let stopped =
            ctx.stop("Glue", "run r", by, silent, async { Ok(Judged::Done(Exit::Ok)) }, |exit| *exit);
        let words = "run r may go on, Glue did not answer the stop in time";
        assert_eq!(stopped.await, Err(words.to_owned()));
        assert_eq!(ctx.elapsed(), Duration::from_secs(3));
        let refused = async || Err(CallError::refused("glue:BatchStopJobRun", "X", "no"));
        let stopped = ctx.stop("Glue", "run r", by, refused, std::future::pending(), |exit: &Exit| *exit);
        assert!(stopped.await.unwrap_err().starts_with("run r may go on, stopping it failed"));
    }
}
