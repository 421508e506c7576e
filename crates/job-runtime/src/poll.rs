//! Waiting for remote work to end.

mod pace;

use self::pace::Pace;
use crate::context::Context;
use crate::duration::Human;
use crate::error::CallError;
use crate::exit::Exit;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// So many failed polls in a row end the wait.
const FAILURES: u32 = 5;
/// Pauses between the attempts of a lookup.
const LOOKUP_PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
/// How long the poll after a signal may take.
const LAST_POLL: Duration = Duration::from_millis(1500);
/// How much of the time for a stop that poll leaves.
const TIME_TO_STOP: Duration = Duration::from_secs(1);
/// How long the look at the deadline may take.
const LAST_LOOK: Duration = Duration::from_secs(10);
/// While nothing changes, a log line says so this often.
const STILL_THERE: Duration = Duration::from_mins(1);
/// How often the clock of the progress line moves.
const TICK: Duration = Duration::from_secs(1);

/// What a look at the remote work showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged<T> {
    /// It goes on.
    Pending {
        /// The service's word for where it is.
        state: String,
        /// What else there is to say about it.
        detail: Option<String>,
    },
    /// It goes on, as the service said after it had held the answer back for as long as it was asked to: the next
    /// look is at once.
    Held {
        /// The service's word for where it is.
        state: String,
    },
    /// It has ended, well or badly.
    Done(T),
}

/// What a state of the remote work means for the one who waits. Which state means what is the service's own table;
/// one that is not in it is pending: waiting on is the only safe answer to a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not over yet.
    Pending,
    /// It did what it should.
    Succeeded,
    /// It ended badly.
    Failed,
    /// Somebody stopped it.
    Stopped,
}

impl Verdict {
    /// How a run ends with work that is over.
    pub const fn exit(self) -> Option<Exit> {
        match self {
            Self::Pending => None,
            Self::Succeeded => Some(Exit::Ok),
            Self::Failed => Some(Exit::Failed),
            Self::Stopped => Some(Exit::Stopped),
        }
    }
}

/// How a wait ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended<T> {
    /// The remote work has ended.
    Done(T),
    /// `--timeout` has passed; the state it was last seen in, if it ever was.
    Deadline(Option<String>),
    /// The run was told to end, by the signal of this exit.
    Cancelled(Exit),
    /// The remote work cannot be seen any more: a refusal, or five failures in a row.
    Lost(CallError),
}

impl Context {
    /// Looks at the remote work until it has ended, `--timeout` has passed or the run is told to end.
    ///
    /// The first look is at once. The interval begins with `--poll-interval`, or `first` where nobody says, and
    /// grows to a minute. A failed look is borne four times in a row, a throttle always; a refusal ends the wait.
    /// A throttle adds 10 s at most to the interval, until a look succeeds.
    /// A service that holds its answer back ([`Judged::Held`]) is asked again at once.
    /// At the deadline there is one last look. After a signal there is one more, in place of the one in flight: work that
    /// has ended by then is the result. It takes 1.5 s at most, and leaves a second of [`Context::stop_by`].
    ///
    /// Every change of state is logged, and once a minute that there was none.
    pub async fn poll<T>(
        &self,
        first: Duration,
        look: impl AsyncFnMut() -> Result<Judged<T>, CallError>,
    ) -> Ended<T> {
        let first = self.poll_interval().unwrap_or(first);
        self.poll_at(Pace::of_wait(first), look).await
    }

    /// Reads something by `ask`, and bears failures and throttles as [`Context::poll`] does; each throttle delays it by
    /// 6 s at most.
    pub async fn read<T>(&self, ask: impl AsyncFn() -> Result<T, CallError>) -> Ended<T> {
        self.poll_at(Pace::of_read(), async || Ok(Judged::Done(ask().await?))).await
    }

    /// Reads by `ask` what has to be known before anything is started. What may pass is tried three times: the SDK does not
    /// know all of it. Throttles are left to the SDK and to the retries of a Job.
    ///
    /// # Errors
    /// The failure of the last attempt.
    pub async fn look_up<T>(&self, ask: impl AsyncFn() -> Result<T, CallError>) -> Result<T, CallError> {
        for pause in LOOKUP_PAUSES {
            let error = match ask().await {
                Err(error) if error.exit() == Exit::Unavailable && !error.is_throttle() => error,
                done => return done,
            };
            if Instant::now() + pause >= self.deadline() {
                return Err(error);
            }
            tracing::debug!(%error, "lookup failed; trying again");
            tokio::select! {
                biased;
                () = self.cancelled() => return Err(self.given_up(error)),
                () = sleep(pause) => {}
            }
        }
        ask().await
    }

    async fn poll_at<T>(
        &self,
        mut pace: Pace,
        mut look: impl AsyncFnMut() -> Result<Judged<T>, CallError>,
    ) -> Ended<T> {
        let deadline = self.deadline();
        let mut watch = Watch { state: None, logged: Instant::now() };
        let mut failures = 0;
        loop {
            let last = Instant::now() >= deadline;
            let looked = tokio::select! {
                biased;
                () = self.cancelled() => return self.last_poll(look, watch).await,
                looked = look() => looked,
                // Its time is told meanwhile: a look may be long.
                () = self.rest(deadline + LAST_LOOK, &mut watch) => return Ended::Deadline(watch.state),
            };
            let mut held = false;
            match looked {
                Ok(Judged::Done(done)) => {
                    self.console.end_progress();
                    return Ended::Done(done);
                }
                Ok(Judged::Pending { state, detail }) => {
                    failures = 0;
                    pace.succeeded();
                    self.saw(&mut watch, state, detail.as_deref());
                }
                Ok(Judged::Held { state }) => {
                    failures = 0;
                    pace.restart();
                    held = true;
                    self.saw(&mut watch, state, None);
                }
                Err(err) if err.is_throttle() => {
                    let throttles = pace.throttled();
                    // One is nothing to worry about; several in a row delay the end.
                    if throttles == 1 {
                        tracing::debug!(error = %err, throttles, "poll throttled");
                    } else {
                        tracing::info!(error = %err, throttles, "poll throttled");
                    }
                }
                Err(err) => {
                    failures += 1;
                    if err.exit() != Exit::Unavailable || failures == FAILURES {
                        return Ended::Lost(err);
                    }
                    tracing::warn!(error = %err, failures, "could not look at the remote work; trying again");
                }
            }
            if last {
                return Ended::Deadline(watch.state);
            }
            let pause = if held { Duration::ZERO } else { pace.next(fastrand::f64()) };
            let next = Instant::now() + pause;
            tokio::select! {
                biased;
                () = self.cancelled() => return self.last_poll(look, watch).await,
                () = self.rest(next.min(deadline), &mut watch) => {}
            }
        }
    }

    /// Takes note of the state that the remote work has ended in: tells it, and keeps it for the termination
    /// message. Call it where a look judges [`Judged::Done`].
    pub fn ended_in(&self, state: &str) {
        self.last_word.note_state(state);
        tracing::info!(state, elapsed = %Human(self.elapsed()), "new state");
    }

    /// The poll after a signal.
    async fn last_poll<T>(
        &self,
        mut look: impl AsyncFnMut() -> Result<Judged<T>, CallError>,
        mut watch: Watch,
    ) -> Ended<T> {
        let by = (Instant::now() + LAST_POLL).min(self.stop_by() - TIME_TO_STOP);
        match timeout_at(by, look()).await {
            Ok(Ok(Judged::Done(done))) => {
                self.console.end_progress();
                return Ended::Done(done);
            }
            Ok(Ok(Judged::Pending { state, detail })) => self.saw(&mut watch, state, detail.as_deref()),
            Ok(Ok(Judged::Held { state })) => self.saw(&mut watch, state, None),
            Ok(Err(error)) => tracing::debug!(%error, "the poll after the signal failed"),
            Err(_) => {}
        }
        Ended::Cancelled(self.interruption().unwrap_or(Exit::Terminated))
    }

    /// Takes note of a state, and tells where it is a new one.
    fn saw(&self, watch: &mut Watch, state: String, detail: Option<&str>) {
        if watch.state.as_ref() != Some(&state) {
            self.last_word.note_state(&state);
            tracing::info!(state, detail, elapsed = %Human(self.elapsed()), "new state");
            watch.logged = Instant::now();
            watch.state = Some(state);
        }
        self.show_state(watch);
    }

    /// Sleeps until `end`, and tells meanwhile that the wait goes on.
    async fn rest(&self, end: Instant, watch: &mut Watch) {
        loop {
            let mut wake = end.min(watch.logged + STILL_THERE);
            if self.console.is_terminal() {
                wake = wake.min(Instant::now() + TICK);
            }
            sleep_until(wake).await;
            let now = Instant::now();
            if now >= watch.logged + STILL_THERE {
                let state = watch.state.as_deref();
                tracing::info!(state, elapsed = %Human(self.elapsed()), "still waiting");
                watch.logged = now;
            }
            if now >= end {
                return;
            }
            self.show_state(watch);
        }
    }

    fn show_state(&self, watch: &Watch) {
        if self.console.is_terminal() {
            let state = watch.state.as_deref().unwrap_or("waiting");
            let id = self.remote().map(|remote| remote.id).unwrap_or_default();
            self.console.progress(&format!("{state}  {}  {id}", Human(self.elapsed())));
        }
    }
}

/// What was seen and said so far.
struct Watch {
    state: Option<String>,
    logged: Instant,
}

#[cfg(test)]
mod tests;
