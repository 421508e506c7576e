//! Calls that hold their result and that nothing can find again: a plain Lambda function, a model behind an endpoint.
//!
//! The service does the work while the caller waits, and keeps nothing that another process could ask for. A signal
//! therefore does not end the wait at once, and the exit says whether the call may have run.

use crate::cli::OnTerminate;
use crate::context::Context;
use crate::duration::{self, Human};
use crate::env;
use crate::exit::Exit;
use crate::signal;
use clap::Args;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// How long a call is awaited after SIGINT, because a person is waiting, and where the next process finds its work.
const SHORT_WAIT: Duration = Duration::from_secs(3);

/// `--grace-period` and `--repeatable`, for a binary that makes such calls. Flatten it.
#[derive(Args, Clone, Copy, Debug)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the doc comments of options are help texts")]
pub struct CallOnceArgs {
    /// How long to wait for a call in flight after SIGTERM
    ///
    /// For calls whose result nothing can find again: a plain Lambda function, an endpoint. Without a response by then
    /// the exit code is 80, because the call may have run. Keep it below terminationGracePeriodSeconds. After SIGINT
    /// the wait is 3 s, and the exit code 130. A second signal ends the wait at once.
    #[arg(
        id = "runtime.grace-period", long = "grace-period", value_name = "DURATION", env = env::GRACE_PERIOD,
        value_parser = duration::parse, default_value = "25s", help_heading = "Running"
    )]
    grace_period: Duration,

    /// Say that a second call does no harm: a call in flight at a signal then exits with 143 or 130, not 80
    #[arg(
        id = "runtime.repeatable", long = "repeatable", env = env::REPEATABLE, help_heading = "Running"
    )]
    repeatable: bool,
}

impl CallOnceArgs {
    /// What they say.
    pub fn call_once(self) -> CallOnce {
        CallOnce { grace_period: self.grace_period, repeatable: self.repeatable }
    }
}

/// What a signal means for a call that nothing can find again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallOnce {
    /// How long to wait for a call in flight after SIGTERM.
    pub grace_period: Duration,
    /// A second call does no harm.
    pub repeatable: bool,
}

impl CallOnce {
    /// How long to wait for a call in flight after `signal`.
    pub fn patience(self, signal: Exit) -> Duration {
        match signal {
            Exit::Interrupted => SHORT_WAIT.min(self.grace_period),
            _ => self.grace_period,
        }
    }

    /// The exit of a run that a signal has ended while a call may have been running; `second`: by a second signal.
    fn exit(self, signal: Exit, second: bool) -> Exit {
        match signal {
            _ if self.repeatable => signal,
            Exit::Interrupted if !second => signal,
            _ => Exit::Unknown,
        }
    }
}

/// Why a call is no longer awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abandoned {
    /// `--timeout` has passed.
    Deadline {
        /// Whether the next process finds the work by its key.
        findable: bool,
    },
    /// A signal came before the call: nothing was sent.
    NotSent {
        /// The signal, as its exit.
        signal: Exit,
    },
    /// A signal came, and the wait after it is over.
    Signal {
        /// The signal, as its exit.
        signal: Exit,
        /// What the run ends with.
        exit: Exit,
        /// Whether the next process finds the work by its key.
        findable: bool,
        /// How long the call was awaited after the signal; `None` where a second signal ended the wait.
        waited: Option<Duration>,
    },
}

impl std::fmt::Display for Abandoned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deadline { .. } => f.write_str("no response within --timeout"),
            Self::NotSent { signal } => write!(f, "received {} before it was called", signal::name(*signal)),
            Self::Signal { signal, waited: Some(waited), .. } => {
                write!(f, "no response within {} after {}", Human(*waited), signal::name(*signal))
            }
            Self::Signal { waited: None, .. } => f.write_str("no response by the second signal"),
        }
    }
}

impl Context {
    /// Waits for `call`, which ends when the work of a service has ended, until `--timeout` has passed, or a signal has
    /// come and the call has had its time. Where a signal has come already, nothing is sent.
    ///
    /// `findable` asks whether the next process finds the work by its key, because only the service may know. Work that
    /// is found is not worth a long wait: it gets 3 s, or none where it is to be stopped.
    ///
    /// # Errors
    /// The call is no longer awaited.
    pub async fn call_once<T>(
        &self,
        once: CallOnce,
        call: impl Future<Output = T>,
        findable: impl AsyncFn() -> bool,
    ) -> Result<T, Abandoned> {
        if let Some(signal) = self.interruption() {
            return Err(Abandoned::NotSent { signal });
        }
        let holding = self.hold();
        let mut call = pin!(call);
        tokio::select! {
            biased;
            ended = &mut call => return Ok(ended),
            () = sleep_until(self.deadline()) => return Err(Abandoned::Deadline { findable: findable().await }),
            () = self.cancelled() => {}
        }
        let (signal, since) = (self.interruption().unwrap_or(Exit::Terminated), Instant::now());
        let abandoned = |findable, waited: Option<Duration>| {
            let exit = if findable { signal } else { once.exit(signal, waited.is_none()) };
            Abandoned::Signal { signal, exit, findable, waited }
        };
        let found = tokio::select! {
            biased;
            ended = &mut call => return Ok(ended),
            () = holding.hurried() => return Err(abandoned(false, None)),
            found = findable() => found,
        };
        let patience = match (found, self.on_terminate()) {
            (true, OnTerminate::Cancel) => Duration::ZERO,
            (true, OnTerminate::Detach) => SHORT_WAIT,
            (false, _) => once.patience(signal),
        };
        tokio::select! {
            biased;
            ended = &mut call => Ok(ended),
            () = holding.hurried() => Err(abandoned(found, None)),
            () = sleep_until((since + patience).min(self.deadline())) => {
                // The service may show the work only now.
                Err(abandoned(found || findable().await, Some(patience)))
            }
        }
    }

    /// Keeps the runtime from ending the run a few seconds after a signal: while this is held, the job ends by itself,
    /// and is handed a second signal.
    pub fn hold(&self) -> Holding<'_> {
        self.held.send_modify(|held| held.calls += 1);
        Holding { held: &self.held }
    }

    /// Hands a second signal to the job, where it holds a call.
    pub(crate) fn hurry(&self) -> bool {
        self.held.send_if_modified(|held| {
            held.hurried = held.calls > 0;
            held.hurried
        })
    }

    /// Ends when no call has been held for `grace`.
    pub(crate) async fn unheld_for(&self, grace: Duration) {
        let mut held = self.held.subscribe();
        loop {
            // The sender is a field of `self`, so it cannot be gone.
            let _ = held.wait_for(|held| held.calls == 0).await;
            tokio::select! {
                () = sleep(grace) => return,
                _ = held.wait_for(|held| held.calls > 0) => {}
            }
        }
    }
}

/// The calls that the job holds, and whether a second signal has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    calls: usize,
    hurried: bool,
}

/// Says that the job holds a call, until it is dropped.
#[derive(Debug)]
pub struct Holding<'a> {
    held: &'a watch::Sender<Held>,
}

impl Holding<'_> {
    /// Ends when a second signal has come: the job has a second to end.
    pub async fn hurried(&self) {
        let _ = self.held.subscribe().wait_for(|held| held.hurried).await;
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.held.send_modify(|held| held.calls -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::tests::context;
    use std::future::pending;

    const ONCE: CallOnce = CallOnce { grace_period: Duration::from_secs(25), repeatable: false };

    /// What comes of a call that takes `call` seconds, after a signal at second 10 and, if any, a second one.
    async fn ended(
        once: CallOnce,
        call: u64,
        signal: Exit,
        second: Option<u64>,
        findable: bool,
    ) -> (Result<u8, Abandoned>, u64) {
        let ctx = context(Duration::from_hours(1), None);
        let begun = Instant::now();
        let call = async {
            sleep(Duration::from_secs(call)).await;
            7
        };
        let signals = async {
            sleep(Duration::from_secs(10)).await;
            ctx.interrupt(signal);
            if let Some(second) = second {
                sleep(Duration::from_secs(second)).await;
                assert!(ctx.hurry());
            }
            pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = ctx.call_once(once, call, async || findable) => ended,
            () = signals => unreachable!("signals never end"),
        };
        assert!(!ctx.hurry(), "nothing is held any longer");
        (ended, begun.elapsed().as_secs())
    }

    /// The exit of such a call, and when the run ends.
    async fn exit(once: CallOnce, signal: Exit, second: Option<u64>, findable: bool) -> (Exit, u64) {
        match ended(once, 3600, signal, second, findable).await {
            (Err(Abandoned::Signal { exit, .. }), seconds) => (exit, seconds),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn how_long_and_with_which_exit() {
        let repeatable = CallOnce { repeatable: true, ..ONCE };
        let none = CallOnce { grace_period: Duration::ZERO, ..ONCE };
        for (once, signal, second, findable, expected) in [
            (ONCE, Exit::Terminated, None, false, (Exit::Unknown, 35)),
            (ONCE, Exit::Interrupted, None, false, (Exit::Interrupted, 13)),
            (ONCE, Exit::Terminated, Some(1), false, (Exit::Unknown, 11)),
            (ONCE, Exit::Interrupted, Some(1), false, (Exit::Unknown, 11)),
            (repeatable, Exit::Terminated, None, false, (Exit::Terminated, 35)),
            (repeatable, Exit::Interrupted, Some(1), false, (Exit::Interrupted, 11)),
            (none, Exit::Terminated, None, false, (Exit::Unknown, 10)),
            (none, Exit::Interrupted, None, false, (Exit::Interrupted, 10)),
            // The context's --on-terminate is cancel: what can be found is stopped at once.
            (ONCE, Exit::Terminated, None, true, (Exit::Terminated, 10)),
        ] {
            assert_eq!(
                exit(once, signal, second, findable).await,
                expected,
                "{once:?} {signal:?} {second:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_in_time_is_the_result() {
        assert_eq!(ended(ONCE, 34, Exit::Terminated, None, false).await, (Ok(7), 34));
        assert_eq!(ended(ONCE, 12, Exit::Interrupted, None, false).await, (Ok(7), 12));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_every_wait() {
        let ctx = context(Duration::from_secs(20), None);
        let call = ctx.call_once(ONCE, pending::<()>(), async || false);
        assert_eq!(call.await, Err(Abandoned::Deadline { findable: false }));
        let ctx = context(Duration::from_secs(20), None);
        ctx.interrupt(Exit::Terminated);
        let unsent = ctx.call_once(ONCE, async { unreachable!("it is not sent") }, async || false);
        assert_eq!(unsent.await, Err::<(), _>(Abandoned::NotSent { signal: Exit::Terminated }));
    }

    #[tokio::test(start_paused = true)]
    async fn the_runtime_waits_for_what_is_held() {
        let ctx = context(Duration::from_hours(1), None);
        let begun = Instant::now();
        let holding = ctx.hold();
        let job = async {
            sleep(Duration::from_secs(20)).await;
            drop(holding);
            pending::<()>().await;
        };
        tokio::select! {
            () = job => unreachable!("it never ends"),
            () = ctx.unheld_for(Duration::from_secs(4)) => assert_eq!(begun.elapsed().as_secs(), 24),
        }
    }
}
