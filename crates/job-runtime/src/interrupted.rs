//! The end of a run that a signal ended before its work.

use crate::context::Context;
use crate::exit::Exit;
use crate::signal;
use std::time::Duration;
use tokio::time::Instant;

/// How long after a signal remote work may be stopped and checked. The runtime gives the whole end four seconds.
const STOP_LIMIT: Duration = Duration::from_millis(3500);

/// A signal ended the run before its work ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ended by {}: {what}", signal::name(*.signal))]
pub struct Interrupted {
    signal: Exit,
    exit: Exit,
    what: String,
}

impl Interrupted {
    /// How the run ends.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The same, where repeating the command does no harm, whether there is a key or not: it only attaches to the work.
    #[must_use]
    pub fn repeatable(self) -> Self {
        Self { exit: self.signal, ..self }
    }
}

impl Context {
    /// The end by a signal of a run that leaves nothing running, or work that a retry finds by what the user gave;
    /// `what` says what became of the work.
    pub fn interrupted(&self, what: impl Into<String>) -> Interrupted {
        let signal = self.interruption().unwrap_or(Exit::Terminated);
        Interrupted { signal, exit: signal, what: what.into() }
    }

    /// The same of a run whose work is running, or may be, and is found by its key.
    pub fn interrupted_with_work_left(&self, what: impl Into<String>) -> Interrupted {
        self.interrupted_leaving(self.key().is_some(), what)
    }

    /// The same of a run whose work is running, or may be. Where a retry does not find it again the exit is
    /// [`Exit::Unknown`], so that a Job does not run the work a second time.
    pub fn interrupted_leaving(&self, found_again: bool, what: impl Into<String>) -> Interrupted {
        let interrupted = self.interrupted(what);
        let exit = if found_again { interrupted.exit } else { Exit::Unknown };
        Interrupted { exit, ..interrupted }
    }

    /// The same of a request that got no answer and that nothing can find again: whoever sees SIGTERM is a platform, which
    /// must not send it a second time.
    pub fn interrupted_call(&self, what: impl Into<String>) -> Interrupted {
        let interrupted = self.interrupted(what);
        let exit = if interrupted.signal == Exit::Terminated { Exit::Unknown } else { interrupted.exit };
        Interrupted { exit, ..interrupted }
    }

    /// Until when remote work may be stopped and checked after the signal.
    pub fn stop_by(&self) -> Instant {
        self.signalled_at().unwrap_or_else(Instant::now) + STOP_LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::tests::context;

    #[tokio::test(start_paused = true)]
    async fn work_that_is_left_without_a_key_is_not_to_be_repeated() {
        for (key, signal, exit) in [
            (None, Exit::Terminated, Exit::Unknown),
            (None, Exit::Interrupted, Exit::Unknown),
            (Some("k"), Exit::Terminated, Exit::Terminated),
            (Some("k"), Exit::Interrupted, Exit::Interrupted),
        ] {
            let ctx = context(Duration::from_mins(1), key);
            ctx.interrupt(signal);
            let name = if signal == Exit::Interrupted { "SIGINT" } else { "SIGTERM" };
            let left = ctx.interrupted_with_work_left("run r is still running");
            assert_eq!(
                (left.exit(), left.to_string()),
                (exit, format!("ended by {name}: run r is still running"))
            );
            assert_eq!(left.repeatable().exit(), signal);
            assert_eq!(ctx.interrupted("nothing was started").exit(), signal);
            let call = if signal == Exit::Interrupted { signal } else { Exit::Unknown };
            assert_eq!(ctx.interrupted_call("it may have been sent").exit(), call);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_for_a_stop_counts_from_the_first_signal() {
        let ctx = context(Duration::from_mins(1), None);
        let begun = Instant::now();
        ctx.interrupt(Exit::Terminated);
        tokio::time::sleep(Duration::from_secs(1)).await;
        ctx.interrupt(Exit::Terminated);
        assert_eq!(ctx.stop_by(), begun + STOP_LIMIT);
    }
}
