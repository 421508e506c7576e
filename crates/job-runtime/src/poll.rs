//! Waiting for remote work to end.

use crate::context::Context;
use crate::duration::Human;
use crate::error::CallError;
use crate::exit::Exit;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Each interval is this much longer than the one before.
const GROWTH: f64 = 1.5;
/// The longest interval, unless the first is longer.
const CAP: Duration = Duration::from_mins(1);
/// By how much an interval may be shorter or longer, so that a fleet does not look in step.
const JITTER: f64 = 0.2;
/// So many failed looks in a row end the wait.
const FAILURES: u32 = 5;
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
    /// A service that holds its answer back ([`Judged::Held`]) is asked again at once.
    /// At the deadline there is one last look. A signal ends the wait at once, with the look in flight.
    ///
    /// Every change of state is logged, and once a minute that there was none.
    pub async fn poll<T>(
        &self,
        first: Duration,
        mut look: impl AsyncFnMut() -> Result<Judged<T>, CallError>,
    ) -> Ended<T> {
        let deadline = self.deadline();
        let first = self.poll_interval().unwrap_or(first);
        let mut pace = Pace::new(first);
        let mut watch = Watch { state: None, logged: Instant::now() };
        let mut failures = 0;
        loop {
            let last = Instant::now() >= deadline;
            let looked = tokio::select! {
                biased;
                () = self.cancelled() => return self.cancelled_wait(),
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
                    self.saw(&mut watch, state, detail.as_deref());
                }
                Ok(Judged::Held { state }) => {
                    failures = 0;
                    pace = Pace::new(first);
                    held = true;
                    self.saw(&mut watch, state, None);
                }
                Err(err) if err.is_throttle() => {
                    tracing::debug!(error = %err, "looking less often");
                    pace.back_off();
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
                () = self.cancelled() => return self.cancelled_wait(),
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

    fn cancelled_wait<T>(&self) -> Ended<T> {
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

/// How long to wait for the next look.
struct Pace {
    interval: Duration,
    cap: Duration,
}

impl Pace {
    fn new(first: Duration) -> Self {
        Self { interval: first, cap: first.max(CAP) }
    }

    /// The next interval; `random` is between 0 and 1.
    fn next(&mut self, random: f64) -> Duration {
        let interval = self.interval;
        self.interval = interval.mul_f64(GROWTH).min(self.cap);
        interval.mul_f64(1.0 - JITTER + 2.0 * JITTER * random)
    }

    /// The service asks for patience.
    fn back_off(&mut self) {
        self.interval = (self.interval * 2).min(self.cap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::tests::context;
    use crate::error::tests::{answered, refused_connection};
    use tokio::time::sleep;

    const SECOND: Duration = Duration::from_secs(1);

    fn pending(state: &str) -> Judged<&'static str> {
        Judged::Pending { state: state.to_owned(), detail: None }
    }

    fn unavailable() -> Result<Judged<&'static str>, CallError> {
        Err(CallError::new("glue:GetJobRun", &refused_connection()))
    }

    fn answer(status: u16, code: &'static str) -> Result<Judged<&'static str>, CallError> {
        Err(CallError::new("glue:GetJobRun", &answered(status, code)))
    }

    /// Polls until the looks of `script` are used up, then done.
    async fn follow(
        ctx: &Context,
        script: Vec<Result<Judged<&'static str>, CallError>>,
    ) -> (Ended<&'static str>, usize) {
        let mut looks = 0;
        let mut script = script.into_iter();
        let ended = ctx
            .poll(SECOND, async || {
                looks += 1;
                script.next().unwrap_or(Ok(Judged::Done("done")))
            })
            .await;
        (ended, looks)
    }

    #[test]
    fn intervals_grow_to_the_cap() {
        let mut pace = Pace::new(Duration::from_secs(5));
        let seconds: Vec<f64> = (0..9).map(|_| pace.next(0.5).as_secs_f64()).collect();
        assert_eq!(seconds, [5.0, 7.5, 11.25, 16.875, 25.3125, 37.96875, 56.953_125, 60.0, 60.0]);
        let mut pace = Pace::new(Duration::from_mins(5));
        assert_eq!([pace.next(0.5), pace.next(0.5)], [Duration::from_mins(5); 2]);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        for (random, seconds) in [(0.0, 8.0), (0.5, 10.0), (1.0, 12.0)] {
            assert_eq!(Pace::new(Duration::from_secs(10)).next(random), Duration::from_secs_f64(seconds));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_look_is_at_once() {
        let ctx = context(3600 * SECOND, None);
        let begun = Instant::now();
        assert_eq!(follow(&ctx, vec![]).await, (Ended::Done("done"), 1));
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn four_failures_are_borne_and_five_are_not() {
        let ctx = context(36_000 * SECOND, None);
        let mut script = vec![Ok(pending("RUNNING"))];
        for _ in 0..3 {
            script.extend((0..4).map(|_| unavailable()));
            script.push(Ok(pending("RUNNING")));
        }
        assert_eq!(follow(&ctx, script).await, (Ended::Done("done"), 17));

        let (ended, looks) = follow(&ctx, (0..9).map(|_| unavailable()).collect()).await;
        assert!(matches!(ended, Ended::Lost(err) if err.exit() == Exit::Unavailable));
        assert_eq!(looks, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn throttles_do_not_count_but_slow_down() {
        let ctx = context(360_000 * SECOND, None);
        let begun = Instant::now();
        let script = (0..20).map(|_| answer(400, "ThrottlingException")).collect();
        assert_eq!(follow(&ctx, script).await, (Ended::Done("done"), 21));
        // Twice and half as long again each time: 2, 6, 18, 54, then 60.
        let seconds = begun.elapsed().as_secs_f64();
        let unjittered = 2.0 + 6.0 + 18.0 + 54.0 + 16.0 * 60.0;
        assert!((0.8 * unjittered..1.2 * unjittered).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_ends_the_wait_at_once() {
        let ctx = context(3600 * SECOND, None);
        for (status, code, exit) in
            [(400, "AccessDeniedException", Exit::Denied), (400, "EntityNotFoundException", Exit::Rejected)]
        {
            let (ended, looks) = follow(&ctx, vec![Ok(pending("RUNNING")), answer(status, code)]).await;
            assert!(matches!(ended, Ended::Lost(err) if err.exit() == exit));
            assert_eq!(looks, 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_one_last_look_at_the_deadline() {
        let ctx = context(100 * SECOND, None);
        let mut looks = Vec::new();
        let ended: Ended<()> = ctx
            .poll(SECOND, async || {
                looks.push(ctx.elapsed().as_secs());
                Ok(Judged::Pending { state: "RUNNING".to_owned(), detail: None })
            })
            .await;
        assert_eq!(ended, Ended::Deadline(Some("RUNNING".to_owned())));
        assert_eq!(looks.last(), Some(&100));

        // The work that ended just in time is seen.
        let ctx = context(100 * SECOND, None);
        let ended = ctx
            .poll(SECOND, async || match ctx.elapsed().as_secs() {
                100 => Ok(Judged::Done(())),
                _ => Ok(Judged::Pending { state: "RUNNING".to_owned(), detail: None }),
            })
            .await;
        assert_eq!(ended, Ended::Done(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_does_not_outlive_the_deadline() {
        let ctx = context(100 * SECOND, None);
        let ended: Ended<()> = ctx.poll(SECOND, async || std::future::pending().await).await;
        assert_eq!(ended, Ended::Deadline(None));
        assert_eq!(ctx.elapsed(), 110 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_ends_the_wait_at_once() {
        for hangs in [false, true] {
            let ctx = context(3600 * SECOND, None);
            let wait = ctx.poll(600 * SECOND, async || {
                if hangs {
                    std::future::pending::<()>().await;
                }
                Ok(pending("RUNNING"))
            });
            let (ended, ()) = tokio::join!(wait, async {
                sleep(30 * SECOND).await;
                ctx.interrupt(Exit::Interrupted);
            });
            assert_eq!(ended, Ended::Cancelled(Exit::Interrupted));
            assert_eq!(ctx.elapsed(), 30 * SECOND);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_was_held_back_is_asked_for_again_at_once() {
        let ctx = context(7200 * SECOND, None);
        let mut looks = 0;
        let ended = ctx
            .poll(SECOND, async || {
                looks += 1;
                sleep(30 * SECOND).await;
                if ctx.elapsed() < 3600 * SECOND {
                    Ok(Judged::Held { state: "STARTED".to_owned() })
                } else {
                    Ok(Judged::Done(()))
                }
            })
            .await;
        assert_eq!((ended, looks), (Ended::Done(()), 120));
        assert_eq!(ctx.elapsed(), 3600 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn ten_hours_of_waiting() {
        let ctx = context(24 * 3600 * SECOND, None);
        let mut looks = 0;
        let ended = ctx
            .poll(5 * SECOND, async || {
                looks += 1;
                if ctx.elapsed() < 36_000 * SECOND {
                    Ok(Judged::Pending { state: "RUNNING".to_owned(), detail: None })
                } else {
                    Ok(Judged::Done(()))
                }
            })
            .await;
        assert_eq!(ended, Ended::Done(()));
        // A look a minute, and a few more at the start.
        assert!((500..760).contains(&looks), "{looks}");
    }
}
