//! What a signal does to the work: stop it, or leave it running.

use super::{Begun, BegunOf, EndingOf, Engine, Polled, RemoteError, RemoteWork, StopKind};
use crate::cli::OnTerminate;
use crate::error::{CallError, Effect};
use crate::exit::Exit;
use crate::poll::{Ended, Verdict};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long after a signal the work may be stopped and described. The runtime ends the process half a second later.
const STOP_LIMIT: Duration = Duration::from_millis(3500);
/// How often a stop is sent whose response is missing.
const ATTEMPTS: u32 = 3;
/// The pause between two of them, and between describes of work that is being stopped.
const PAUSE: Duration = Duration::from_millis(300);

/// What became of a stop.
enum Stopped<S> {
    /// The work had ended by itself.
    Ended(S),
    /// The service has accepted the stop, or the work has stopped.
    Accepted,
    /// The work may still be running; why.
    Uncertain(String),
}

impl<W: RemoteWork> Engine<'_, W> {
    /// After a signal: the end of work that has ended by itself, or the interruption.
    pub(super) async fn cancel(&self, begun: BegunOf<W>, exit: Exit) -> Result<EndingOf<W>, RemoteError> {
        let typed = self.ctx.on_terminate_typed();
        let cancels = match typed {
            Some(action) => action == OnTerminate::Cancel,
            // Without a word of the user: what a key finds again continues, what the user named is not ours, and an
            // end that a stop would overwrite is not risked.
            None => self.ctx.key().is_none() && !begun.attached && W::STOP == StopKind::Guarded,
        };
        if !cancels {
            return Err(self.detached(&begun, exit));
        }
        let by = self.ctx.signalled_at().unwrap_or_else(Instant::now) + STOP_LIMIT;
        let stopped = match W::STOP {
            StopKind::None => return Err(self.detached(&begun, exit)),
            StopKind::Guarded => self.stop_guarded(&begun.id, by).await,
            StopKind::Overwrites => self.stop_pending(&begun.id, by).await,
        };
        match stopped {
            Stopped::Ended(snapshot) => Ok(self.ending(begun, snapshot)),
            Stopped::Accepted => Err(self.cancelled(&begun, exit)),
            Stopped::Uncertain(why) => Err(self.cancel_uncertain(&begun, exit, &why)),
        }
    }

    /// Stop, then describe: the service refuses to stop what has ended.
    ///
    /// Work that was stopped after one of our requests got lost was stopped by us, even where the next request was
    /// refused because there was nothing left to stop.
    async fn stop_guarded(&self, id: &W::Id, by: Instant) -> Stopped<W::Snapshot> {
        let Ok((asked, lost)) = timeout_at(by, self.ask_to_stop(id)).await else {
            return Stopped::Uncertain(format!("{} did not respond to the stop in time", W::SERVICE));
        };
        let ours = asked.is_ok() || lost;
        // What accepts a stop may have ended at that moment; what refuses one has probably ended.
        match (self.ended(id, by).await, asked) {
            (Some((_, Verdict::Stopped)), _) if ours => Stopped::Accepted,
            (Some((snapshot, _)), _) => Stopped::Ended(snapshot),
            (None, Ok(())) => Stopped::Accepted,
            (None, Err(error)) => Stopped::Uncertain(format!("stopping it failed: {error}")),
        }
    }

    /// Describe, and stop only what is pending: a stop would overwrite the end.
    async fn stop_pending(&self, id: &W::Id, by: Instant) -> Stopped<W::Snapshot> {
        let described = timeout_at(by, Box::pin(self.work.describe(id, None))).await;
        match described {
            Ok(Ok(Polled::Seen(snapshot) | Polled::Held(snapshot))) => {
                if matches!(self.work.status(&snapshot).verdict, Some(verdict) if verdict != Verdict::Pending)
                {
                    return Stopped::Ended(snapshot);
                }
            }
            Ok(Ok(Polled::NotVisible(_))) => {
                return Stopped::Uncertain("it is not visible, so that it was not stopped".to_owned());
            }
            Ok(Err(error)) => {
                return Stopped::Uncertain(format!(
                    "it was not stopped, because its state is unknown: {error}"
                ));
            }
            Err(_) => return Stopped::Uncertain(format!("{} did not respond in time", W::SERVICE)),
        }
        match timeout_at(by, Box::pin(self.work.stop(id))).await {
            Ok(Ok(())) => Stopped::Accepted,
            Ok(Err(error)) => Stopped::Uncertain(format!("stopping it failed: {error}")),
            Err(_) => Stopped::Uncertain(format!("{} did not respond to the stop in time", W::SERVICE)),
        }
    }

    /// Sends the stop until there is a response; says whether one of the requests may have been carried out without.
    async fn ask_to_stop(&self, id: &W::Id) -> (Result<(), CallError>, bool) {
        let (mut attempt, mut lost) = (1, false);
        loop {
            let Err(error) = Box::pin(self.work.stop(id)).await else { return (Ok(()), lost) };
            lost = lost || error.effect() == Effect::MayHaveStarted;
            if error.exit() != Exit::Unavailable || attempt == ATTEMPTS {
                return (Err(error), lost);
            }
            sleep(PAUSE).await;
            attempt += 1;
        }
    }

    /// The work, if a describe shows that it has ended.
    async fn ended(&self, id: &W::Id, by: Instant) -> Option<(W::Snapshot, Verdict)> {
        let described = timeout_at(by, Box::pin(self.work.describe(id, None))).await;
        let Ok(Ok(Polled::Seen(snapshot) | Polled::Held(snapshot))) = described else { return None };
        let verdict = self.work.status(&snapshot).verdict.filter(|verdict| *verdict != Verdict::Pending)?;
        Some((snapshot, verdict))
    }

    /// `--cancel`: stops the work of the key and waits for its end.
    pub(super) async fn cancel_earlier(&self) -> Result<EndingOf<W>, RemoteError> {
        if W::STOP == StopKind::None {
            return Err(self.no_stop());
        }
        let earlier = self.find_earlier().await?;
        let pending = earlier.iter().find(|it| it.verdict == Verdict::Pending);
        let found = pending.or(earlier.first()).cloned().ok_or_else(|| self.nothing_to_cancel())?;
        let ended = found.verdict != Verdict::Pending;
        let begun = Begun { attached: true, ..Begun::adopted(found) };
        self.track(&begun.id);
        if !ended {
            let asked = timeout_at(self.ctx.deadline(), self.ask_to_stop(&begun.id)).await;
            let (asked, _) = asked.map_err(|_| self.deadline(&begun, None))?;
            if let Err(error) = asked {
                // What cannot be stopped may have ended meanwhile.
                return match self.ended(&begun.id, self.ctx.deadline()).await {
                    Some((snapshot, _)) => Ok(self.ending(begun, snapshot)),
                    None => Err(self.cancel_refused(&begun, error)),
                };
            }
        }
        match Box::pin(self.wait(&begun)).await {
            Ended::Done(Ok(snapshot)) => Ok(self.ending(begun, snapshot)),
            Ended::Done(Err(source)) => Err(self.not_found(&begun, source)),
            Ended::Deadline(state) => Err(self.deadline(&begun, state)),
            Ended::Cancelled(exit) => Err(self.cancelled(&begun, exit)),
            Ended::Lost(source) => Err(self.lost(&begun, source)),
        }
    }
}
