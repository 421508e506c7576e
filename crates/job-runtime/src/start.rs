//! Calls that begin work: never sent twice blindly.

use crate::context::Context;
use crate::error::{CallError, Effect};
use crate::exit::Exit;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::error::Error;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long after the first attempt another may begin.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause before the second attempt; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause: by then the other side is not busy but down.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

impl Context {
    /// Sends a call that begins work, written as in a policy: `glue:StartJobRun`.
    ///
    /// It is sent again only where the failure proves that nothing was started: no connection, or a throttle.
    /// The SDK must not retry it on top, because it cannot tell these from a lost answer. Each service has its
    /// own type for that, so that it has to be said in the closure:
    ///
    /// ```text
    /// ctx.start("glue:StartJobRun", async || {
    ///     let once = aws_sdk_glue::Config::builder().retry_config(RetryConfig::disabled());
    ///     client.start_job_run().job_name("nightly").customize().config_override(once).send().await
    /// })
    /// .await?
    /// ```
    ///
    /// A signal does not break the call in flight, since its answer holds the id of what was started; it ends
    /// the pause between two attempts, and the error has the exit of the signal.
    ///
    /// Another attempt begins within half a minute of the first, or not at all: a Job's own retries are the better
    /// place for longer waits.
    ///
    /// # Errors
    /// The failure of the last attempt; [`CallError::effect`] says whether work may have begun.
    pub async fn start<T, E>(
        &self,
        operation: &'static str,
        send: impl AsyncFn() -> Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<T, CallError>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        self.start_until(operation, Instant::now() + PATIENCE, send).await
    }

    /// As [`start`](Self::start), with attempts until `end` where the service asks for patience: for work that is
    /// over when its answer comes, to wait until the other side is ready is a part of the wait.
    ///
    /// # Errors
    /// Those of [`start`](Self::start).
    pub async fn start_until<T, E>(
        &self,
        operation: &'static str,
        end: Instant,
        send: impl AsyncFn() -> Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<T, CallError>
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let end = end.min(self.deadline());
        // A service that is not reached is not asked for as long as one that asks for patience.
        let unreached = (Instant::now() + PATIENCE).min(end);
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let err = match send().await {
                Ok(answer) => return Ok(answer),
                Err(err) => CallError::new(operation, &err),
            };
            // Half to whole of the pause at random, so that a fleet does not come back in step.
            let wait = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
            let proven = err.effect() == Effect::NotStarted && err.exit() == Exit::Unavailable;
            let end = if err.is_throttle() || err.code().is_some() { end } else { unreached };
            if !proven || Instant::now() + wait >= end {
                return Err(err);
            }
            tracing::warn!(error = %err, attempt, "nothing was started; trying again");
            tokio::select! {
                biased;
                () = self.cancelled() => return Err(self.given_up(err)),
                () = sleep(wait) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            attempt += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::tests::context;
    use crate::error::tests::{Answer, answered, refused_connection, reset_connection};
    use std::cell::{Cell, RefCell};

    /// How often a call is sent that fails `failures` times before it succeeds.
    async fn sent(
        failures: u32,
        fail: impl Fn() -> SdkError<Answer, HttpResponse>,
        ctx: &Context,
    ) -> (u32, bool) {
        let calls = Cell::new(0);
        let answer = ctx
            .start("glue:StartJobRun", async || {
                calls.set(calls.get() + 1);
                if calls.get() > failures { Ok(()) } else { Err(fail()) }
            })
            .await;
        (calls.get(), answer.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn sent_again_only_where_nothing_was_started() {
        let ctx = context(Duration::from_hours(1), None);
        assert_eq!(sent(2, refused_connection, &ctx).await, (3, true));
        let (attempts, succeeded) = sent(9, refused_connection, &ctx).await;
        assert!((5..=7).contains(&attempts) && !succeeded, "{attempts} attempts within 30 s");
        assert_eq!(sent(1, || answered(400, "ThrottlingException"), &ctx).await, (2, true));
        assert_eq!(sent(1, reset_connection, &ctx).await, (1, false));
        assert_eq!(sent(1, || answered(500, "InternalServiceException"), &ctx).await, (1, false));
        assert_eq!(sent(1, || answered(400, "AccessDeniedException"), &ctx).await, (1, false));
        assert_eq!(sent(1, || answered(400, "ConcurrentRunsExceededException"), &ctx).await, (1, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_ends_the_pause_and_not_the_call() {
        let ctx = context(Duration::from_hours(1), None);
        ctx.interrupt(Exit::Terminated);
        assert_eq!(sent(9, refused_connection, &ctx).await, (1, false));
        assert_eq!(sent(0, refused_connection, &ctx).await, (1, true));
        for (fail, exit, text) in [
            (
                answered(400, "ThrottlingException"),
                Exit::Terminated,
                "glue:StartJobRun was not sent again after a signal: ThrottlingException: its text (request id r-1)",
            ),
            // Its own end: nothing would have been sent again.
            (
                answered(400, "AccessDeniedException"),
                Exit::Denied,
                "glue:StartJobRun was refused: AccessDeniedException: its text (request id r-1)",
            ),
        ] {
            let failed = RefCell::new(Some(fail));
            let send = async || Err::<(), _>(failed.take().unwrap());
            let error = ctx.start("glue:StartJobRun", send).await.unwrap_err();
            assert_eq!((error.exit(), error.to_string().as_str()), (exit, text));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_patience_lasts_longer() {
        let ctx = context(Duration::from_hours(1), None);
        let calls = Cell::new(0);
        let begun = Instant::now();
        let send = async || {
            calls.set(calls.get() + 1);
            if begun.elapsed() > Duration::from_mins(5) {
                Ok(())
            } else {
                Err(answered(429, "ModelNotReadyException"))
            }
        };
        let end = Instant::now() + Duration::from_mins(10);
        assert!(ctx.start_until("sagemaker:InvokeEndpoint", end, send).await.is_ok());
        assert!(calls.get() > 15, "a pause never grows beyond 20 s");

        let begun = Instant::now();
        let send = async || Err::<(), _>(refused_connection());
        let end = Instant::now() + Duration::from_mins(10);
        assert!(ctx.start_until("sagemaker:InvokeEndpoint", end, send).await.is_err());
        assert!(begun.elapsed() <= PATIENCE, "who is not there does not ask for patience");
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_bounds_it() {
        let ctx = context(Duration::from_millis(400), None);
        assert_eq!(sent(9, refused_connection, &ctx).await, (1, false));
    }
}
