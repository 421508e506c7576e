//! The start: at most one for a key, and never a second request that may do the work again.

use super::lookup::{Decision, SearchError, adoptable};
use super::{Begun, BegunOf, Earlier, Engine, Recovery, RemoteError, RemoteWork, StartError, Started};
use crate::duration::Human;
use crate::error::CallError;
use crate::exit::Exit;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long a request in flight may take once a signal has come: its response holds the id of what there is to stop. It
/// leaves time to stop that before the runtime ends the process.
const IN_FLIGHT: Duration = Duration::from_millis(1500);
/// How long the one search may take that follows, where there was no response.
const FIND_AFTER_SIGNAL: Duration = Duration::from_secs(1);
/// How long a request that provably started nothing is sent again.
const NOT_SENT_LIMIT: Duration = Duration::from_secs(30);
/// The pause before the first repetition; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// How often a request without a clear response is sent again where that is safe.
const RESENDS: u32 = 5;
/// Pauses before each search for what a request without a clear response may have started: services show new work
/// with a delay.
const SETTLING: [Duration; 3] = [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(4)];
/// How long the last search for a slot may take where `--timeout` has elapsed.
const LAST_SEARCH: Duration = Duration::from_secs(10);
/// Pauses while the service is at its limit.
const SLOT_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_SLOT_PAUSE: Duration = Duration::from_secs(30);
/// How many attempts one key may have.
const MOST_ATTEMPTS: usize = 100;

/// What one attempt has led to.
enum Attempted<W: RemoteWork> {
    Begun(BegunOf<W>),
    /// The name is taken by failed work that is to be done again.
    After(W::Id),
}

impl<W: RemoteWork> Engine<'_, W> {
    /// Starts the work, or finds what was started for the same key. Ends soon after a signal, whatever it waits for.
    pub(super) async fn find_or_start(&self) -> Result<BegunOf<W>, RemoteError> {
        tokio::select! {
            biased;
            begun = Box::pin(self.begin()) => begun,
            exit = self.ctx.out_of_patience(IN_FLIGHT) => self.signalled_in_flight(exit).await,
        }
    }

    /// After a signal, where the request in flight got no response in time.
    async fn signalled_in_flight(&self, exit: Exit) -> Result<BegunOf<W>, RemoteError> {
        if !self.may_have_started.get() {
            self.work.settled(None).await;
            return Err(self.interrupted_before_start(exit));
        }
        if self.work.recovery() != Recovery::Nothing {
            let by = Instant::now() + FIND_AFTER_SIGNAL;
            match timeout_at(by, self.find_unknown()).await {
                Ok(Ok(found)) => {
                    if let Some(earlier) = adoptable(&found) {
                        return Ok(self.resolved(earlier));
                    }
                }
                Ok(Err(SearchError::Unsettled(text))) => return Err(self.unsettled_claim(text)),
                Ok(Err(SearchError::Failed(_))) | Err(_) => {}
            }
        }
        Err(self.interrupted_in_flight(exit))
    }

    async fn begin(&self) -> Result<BegunOf<W>, RemoteError> {
        let mut after = None;
        if self.ctx.key().is_some() {
            let earlier = self.find_earlier().await?;
            let decision = self.decide(&earlier)?;
            self.known.borrow_mut().extend(earlier.into_iter().map(|it| it.id));
            match decision {
                Decision::Adopt(earlier) => return Ok(Begun::adopted(earlier)),
                Decision::Start { after: failed } => after = failed,
            }
        }
        while self.known.borrow().len() < MOST_ATTEMPTS {
            match self.attempt_start(after.as_ref()).await? {
                Attempted::Begun(begun) => return Ok(begun),
                Attempted::After(failed) => after = Some(failed),
            }
        }
        Err(self.too_many_attempts(MOST_ATTEMPTS))
    }

    /// One attempt: prepare, send, and resolve what is unclear.
    async fn attempt_start(&self, after: Option<&W::Id>) -> Result<Attempted<W>, RemoteError> {
        let attempt = self.attempt(after);
        let preparing = Box::pin(self.work.prepare(&attempt));
        match timeout_at(self.ctx.deadline(), preparing).await.map_err(|_| self.late())? {
            Ok(()) => {}
            Err(StartError::Exists(source)) => return self.taken(after, false, source).await,
            Err(error) => return Err(self.not_started(error)),
        }
        let mut pauses = Pauses::new(self.ctx.deadline());
        let mut slot = Slot::new(self.work.slot_wait(), self.ctx.deadline());
        let mut resends = 0;
        loop {
            if let Some(exit) = self.ctx.interruption() {
                return Err(if self.may_have_started.get() {
                    self.interrupted_in_flight(exit)
                } else {
                    self.give_up(|| self.interrupted_before_start(exit)).await
                });
            }
            let unclear = self.may_have_started.replace(true);
            let sent = Box::pin(self.work.send(&attempt)).await;
            let error = match sent {
                Ok(started) => {
                    let (id, ended) = match started {
                        Started::Running(id) => (id, None),
                        Started::Ended(id, snapshot) => (id, Some(snapshot)),
                    };
                    self.work.settled(Some(&id)).await;
                    return Ok(Attempted::Begun(Begun::started(id, ended)));
                }
                Err(error) => error,
            };
            self.may_have_started.set(unclear || matches!(error, StartError::Unclear(_)));
            match error {
                // After an unclear response, a later refusal does not prove that nothing was started.
                StartError::NotSent(source) | StartError::Refused(source) | StartError::Busy(source)
                    if unclear =>
                {
                    return self.settle(source).await;
                }
                StartError::NotSent(source) => {
                    let Some(pause) = pauses.next(NOT_SENT_LIMIT) else {
                        return Err(self.give_up(|| self.not_started(StartError::NotSent(source))).await);
                    };
                    tracing::warn!(error = %source, "nothing was started; trying again in {}", Human(pause));
                    self.pause(pause).await;
                }
                StartError::Busy(source) => {
                    if let Some(begun) = self.in_slot(slot.is_over()).await? {
                        return Ok(Attempted::Begun(begun));
                    }
                    let Some(pause) = slot.next() else {
                        return Err(self.give_up(|| self.busy(source)).await);
                    };
                    tracing::info!("{} has no free slot; trying again in {}", W::SERVICE, Human(pause));
                    self.pause(pause).await;
                }
                StartError::Exists(source) => return self.taken(after, unclear, source).await,
                StartError::Unclear(source) => match self.work.recovery() {
                    Recovery::Resend if resends < RESENDS && !self.ctx.is_cancelled() => {
                        resends += 1;
                        let Some(pause) = pauses.next(Duration::MAX) else {
                            return self.settle(source).await;
                        };
                        tracing::warn!(error = %source, "no clear response; sending the same request again in {}", Human(pause));
                        self.pause(pause).await;
                    }
                    Recovery::Resend | Recovery::Find => return self.settle(source).await,
                    Recovery::Nothing => return Err(self.unknown(source)),
                },
                error @ (StartError::Refused(_) | StartError::Blocked(_)) => {
                    return Err(self.give_up(|| self.not_started(error)).await);
                }
            }
        }
    }

    /// Takes back what the preparation has left, where nothing can have been started.
    async fn give_up(&self, error: impl FnOnce() -> RemoteError) -> RemoteError {
        if !self.may_have_started.get() {
            self.work.settled(None).await;
        }
        error()
    }

    /// The name or the token is taken: by work of this key, or by other work. What was not there before an `unclear`
    /// response was started by this process.
    async fn taken(
        &self,
        after: Option<&W::Id>,
        unclear: bool,
        source: CallError,
    ) -> Result<Attempted<W>, RemoteError> {
        if self.ctx.key().is_none() && !unclear {
            // No other request of this process can have taken it.
            return Err(self.not_started(StartError::Exists(source)));
        }
        let found = timeout_at(self.ctx.deadline(), self.find_settled()).await;
        let found = found
            .unwrap_or_else(|_| Err(SearchError::Failed(source.clone())))
            .map_err(|error| self.search_error(error, |source| self.unresolved(source)))?;
        // It is there: whoever started it.
        self.may_have_started.set(false);
        let decision = self.decide(&found)?;
        self.known.borrow_mut().extend(found.into_iter().map(|it| it.id));
        match decision {
            Decision::Adopt(earlier) => {
                Ok(Attempted::Begun(Begun { resumed: !unclear, ..Begun::adopted(earlier) }))
            }
            Decision::Start { after: Some(failed) } if after != Some(&failed) => Ok(Attempted::After(failed)),
            Decision::Start { .. } => Err(self.not_started(StartError::Exists(source))),
        }
    }

    /// Finds out what became of a request without a clear response, and never sends another: one that is late may still
    /// be carried out, and then the work would run twice.
    async fn settle(&self, source: CallError) -> Result<Attempted<W>, RemoteError> {
        tracing::warn!(error = %source, "no clear response; searching for the {} {}", W::NOUN, self.owner());
        let searching = async {
            // Without a key only some services can find it; where one can, it shows what another request has found.
            if self.ctx.key().is_some() { self.find_settled().await } else { self.find_unknown().await }
        };
        let found = timeout_at(self.ctx.deadline(), searching).await;
        match found {
            Ok(Ok(found)) => match adoptable(&found) {
                Some(earlier) => {
                    self.work.settled(Some(&earlier.id)).await;
                    Ok(Attempted::Begun(self.resolved(earlier)))
                }
                None => Err(self.unresolved(source)),
            },
            Ok(Err(error)) => Err(self.search_error(error, |source| self.unresolved(source))),
            Err(_) => Err(self.unresolved(source)),
        }
    }

    /// Work that a request without a clear response has led to. Without a key, no other process can have started it.
    fn resolved(&self, earlier: Earlier<W::Id>) -> BegunOf<W> {
        Begun { resumed: self.ctx.key().is_some(), ..Begun::adopted(earlier) }
    }

    /// The request may have started something that is not to be found.
    fn unresolved(&self, source: CallError) -> RemoteError {
        match (self.ctx.interruption(), self.ctx.key()) {
            (Some(exit), _) => self.interrupted_in_flight(exit),
            (None, Some(_)) => self.unsettled(source),
            (None, None) => self.unknown(source),
        }
    }

    /// Searches until new work would be visible, or `--timeout` has elapsed. A signal makes the next search the last.
    async fn find_settled(&self) -> Result<Vec<Earlier<W::Id>>, SearchError> {
        let mut found = Vec::new();
        for wait in SETTLING {
            if !wait.is_zero() && Instant::now() + wait >= self.ctx.deadline() {
                break;
            }
            self.pause(wait).await;
            found = self.find_unknown().await?;
            if !found.is_empty() || self.ctx.is_cancelled() {
                break;
            }
        }
        Ok(found)
    }

    /// Work of this key in the slot that a start was refused for: another process may have started it.
    async fn in_slot(&self, over: bool) -> Result<Option<BegunOf<W>>, RemoteError> {
        if self.ctx.key().is_none() {
            return Ok(None);
        }
        let searching = async { if over { self.find_settled().await } else { self.find_unknown().await } };
        // With the wait for a slot, that of the whole may have elapsed; work of this key must still be found.
        let limit = self.ctx.deadline().max(Instant::now() + LAST_SEARCH);
        let found = timeout_at(limit, searching).await.map_err(|_| self.late())?;
        let found = found.map_err(|error| self.search_error(error, |source| self.lookup_error(source)))?;
        match self.decide(&found)? {
            Decision::Adopt(earlier) => Ok(Some(Begun::adopted(earlier))),
            Decision::Start { .. } => Ok(None),
        }
    }

    /// Sleeps, but not through a signal.
    async fn pause(&self, duration: Duration) {
        tokio::select! {
            () = sleep(duration) => {}
            () = self.ctx.cancelled() => {}
        }
    }
}

/// The pauses between two requests: twice as long each time, half to whole of it at random so that a fleet does not
/// come back in step.
struct Pauses {
    begun: Instant,
    deadline: Instant,
    next: Duration,
}

impl Pauses {
    fn new(deadline: Instant) -> Self {
        Self { begun: Instant::now(), deadline, next: FIRST_PAUSE }
    }

    /// The next pause, if it ends within `limit` since the first request and before the deadline.
    fn next(&mut self, limit: Duration) -> Option<Duration> {
        let pause = self.next.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        let at = Instant::now() + pause;
        (at < self.deadline && at.duration_since(self.begun) < limit).then_some(pause)
    }
}

/// The wait for a slot.
struct Slot {
    until: Instant,
    next: Duration,
}

impl Slot {
    fn new(wait: Duration, deadline: Instant) -> Self {
        Self { until: (Instant::now() + wait).min(deadline), next: SLOT_PAUSE }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// The next pause, unless the wait is over.
    fn next(&mut self) -> Option<Duration> {
        if self.is_over() {
            return None;
        }
        let pause = self.next;
        self.next = (pause * 3 / 2).min(LONGEST_SLOT_PAUSE);
        let left = self.until.saturating_duration_since(Instant::now());
        Some(pause.mul_f64(0.8 + 0.4 * fastrand::f64()).min(left))
    }
}
