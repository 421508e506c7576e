//! The life cycle of work that a service runs while the process waits: find the earlier work of an idempotency key,
//! decide, start once, record the id, wait, cancel or detach on a signal.
//!
//! A runner implements [`RemoteWork`]: one request per method. All loops, limits and decisions are here, so that they
//! are the same for every service.

mod cancel;
mod error;
mod fingerprint;
mod lookup;
mod start;
mod wait;

pub use self::error::RemoteError;
pub use self::fingerprint::{Comparison, Fingerprint, canonical_json, short_digest};

use crate::context::{Context, Remote};
use crate::error::CallError;
use crate::exit::Exit;
use crate::poll::{Ended, Verdict};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::Duration;

/// One kind of work that a service runs while we wait. Methods send one request each; the loops are the engine's.
#[expect(async_fn_in_trait, reason = "there is one thread, and no trait object")]
pub trait RemoteWork {
    /// What identifies one piece of work. May hold more than its text.
    type Id: Clone + PartialEq + fmt::Display;
    /// What one describe returned.
    type Snapshot;

    /// What it is called in messages: `job run`.
    const NOUN: &'static str;
    /// Who runs it: `Glue`.
    const SERVICE: &'static str;
    /// How it is polled.
    const POLL: PollPolicy;
    /// How it is stopped.
    const STOP: StopKind;

    /// What is to be started, and where, for messages: `run of job etl (account 222222222222, us-east-2)`.
    fn title(&self) -> String {
        Self::NOUN.to_owned()
    }

    /// Name and canonical text of everything that defines the result. The engine makes the [`Fingerprint`] of it.
    fn identity(&self) -> Vec<(&'static str, String)>;

    /// Every attempt of the key, newest first; without a key, the work that this process's nonce or the name that the
    /// user typed identifies.
    async fn find(&self, lookup: &Lookup<'_>) -> Result<Found<Self::Id>, CallError>;

    /// What must be read or claimed before the start. Nothing has been sent yet.
    async fn prepare(&self, attempt: &Attempt<'_, Self::Id>) -> Result<(), StartError> {
        let _ = attempt;
        Ok(())
    }

    /// Sends one request, once.
    async fn send(
        &self,
        attempt: &Attempt<'_, Self::Id>,
    ) -> Result<Started<Self::Id, Self::Snapshot>, StartError>;

    /// Records the id, or takes back what [`prepare`](Self::prepare) has left where nothing was started (`None`).
    async fn settled(&self, id: Option<&Self::Id>) {
        let _ = id;
    }

    /// How a request without a clear response is resolved.
    fn recovery(&self) -> Recovery;

    /// Describes the work. `hold` is how long the service may hold the response back, where it can.
    async fn describe(
        &self,
        id: &Self::Id,
        hold: Option<Duration>,
    ) -> Result<Polled<Self::Snapshot>, CallError>;

    /// Asks the service to stop the work, once.
    async fn stop(&self, id: &Self::Id) -> Result<(), CallError>;

    /// What a snapshot says.
    fn status(&self, snapshot: &Self::Snapshot) -> Status;

    /// Called for each snapshot of the wait.
    fn observe(&self, snapshot: &Self::Snapshot) {
        let _ = snapshot;
    }

    /// Runs `waiting` together with what accompanies the wait, such as the log streams of the work.
    async fn accompany<T>(&self, id: &Self::Id, waiting: impl Future<Output = Ended<T>>) -> Ended<T> {
        let _ = id;
        waiting.await
    }

    /// How long to try again while the service is at its limit.
    fn slot_wait(&self) -> Duration {
        Duration::ZERO
    }

    /// Where a person finds the work; without an id, where such work is listed.
    fn links(&self, id: Option<&Self::Id>) -> Links;

    /// What to do about a failed call, one sentence each.
    fn hints(&self, step: Step, error: &CallError) -> Vec<String> {
        let _ = (step, error);
        Vec::new()
    }
}

/// How work is polled.
#[derive(Clone, Copy, Debug)]
pub struct PollPolicy {
    /// The first interval.
    pub first: Duration,
    /// For how long the service holds a response back at most; zero where it does not.
    pub hold: Duration,
    /// For how long after its start the service may not show the work yet.
    pub visible_within: Duration,
}

/// How work is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopKind {
    /// The service has no stop.
    None,
    /// The service refuses to stop what has ended: stop, then describe.
    Guarded,
    /// A stop overwrites the end of work that has ended: describe, and stop only what is pending.
    Overwrites,
}

/// What can resolve a request whose response is missing or unclear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// The same request again: the service recognises it by a token or a name.
    Resend,
    /// A search for what it may have started.
    Find,
    /// Nothing.
    Nothing,
}

/// What to search for.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// The idempotency key.
    pub key: Option<&'a str>,
    /// What defines the result of the work that is asked for now.
    pub fingerprint: &'a Fingerprint,
    /// Random text of this process: it stands for the key where there is none.
    pub nonce: &'a str,
}

/// What the search for earlier work has found.
#[derive(Clone, Debug)]
pub enum Found<I> {
    /// The attempts, newest first.
    Attempts(Vec<Earlier<I>>),
    /// An earlier process may have sent a request that nothing can find; what a person needs to know.
    Unsettled(String),
}

/// An earlier attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Earlier<I> {
    /// Its id.
    pub id: I,
    /// What its state means.
    pub verdict: Verdict,
    /// Whether it is the same work.
    pub same: Comparison,
    /// A process of this key has stopped it on a signal, provably.
    pub stopped_by_key: bool,
}

/// One attempt at a start.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a, I> {
    /// The idempotency key.
    pub key: Option<&'a str>,
    /// The failed work that it follows.
    pub after: Option<&'a I>,
    /// What defines the result.
    pub fingerprint: &'a Fingerprint,
    /// Random text of this process, for names and tokens without a key.
    pub nonce: &'a str,
}

/// What a start has led to.
#[derive(Clone, Debug)]
pub enum Started<I, S> {
    /// Work that runs.
    Running(I),
    /// Work that has ended already.
    Ended(I, S),
}

/// Why a start has led to nothing, as far as is known.
#[derive(Clone, Debug)]
pub enum StartError {
    /// Provably nothing was started: the same request may be sent again.
    NotSent(CallError),
    /// Refused because a limit is reached.
    Busy(CallError),
    /// Refused because the name or the token is taken.
    Exists(CallError),
    /// Refused for good.
    Refused(CallError),
    /// Not sent, for a reason of the runner's own; the run ends as rejected.
    Blocked(String),
    /// It may have started something.
    Unclear(CallError),
}

impl From<CallError> for StartError {
    fn from(error: CallError) -> Self {
        use crate::error::Effect;
        match (error.effect(), error.exit()) {
            (Effect::MayHaveStarted, _) => Self::Unclear(error),
            (Effect::NotStarted, Exit::Unavailable) => Self::NotSent(error),
            (Effect::NotStarted | Effect::Refused, _) => Self::Refused(error),
        }
    }
}

/// What one describe has shown.
#[derive(Clone, Debug)]
pub enum Polled<S> {
    /// The work.
    Seen(S),
    /// The work, still pending after the service has held the response back: the next poll is due at once.
    Held(S),
    /// No such work; what the service said, where it said something.
    NotVisible(Option<CallError>),
}

/// What a snapshot says of the work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The service's word for the state.
    pub state: String,
    /// What else there is to say about it.
    pub detail: Option<String>,
    /// What the state means; `None` for a state that this version does not know, which counts as pending.
    pub verdict: Option<Verdict>,
    /// A process of the key has stopped it on a signal, provably.
    pub stopped_by_key: bool,
}

/// Where a person finds the work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// Address in a console, or a command that shows the work.
    pub console: Option<String>,
    /// The command that waits for it again, where that needs no key.
    pub resume: Option<String>,
}

/// The step at which a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The search for earlier work.
    Find,
    /// The start, or what precedes it.
    Start,
    /// The wait.
    Wait,
}

/// Work that was started or found.
#[derive(Clone, Debug)]
pub struct Begun<I, S> {
    /// Its id.
    pub id: I,
    /// Found, not started by this process.
    pub resumed: bool,
    /// The user named it: it is not ours to stop unless asked to.
    pub(crate) attached: bool,
    /// What its state meant when it was found.
    pub(crate) verdict: Verdict,
    /// Its end, where the start has held it.
    pub(crate) ended: Option<S>,
}

impl<I, S> Begun<I, S> {
    /// Work that this process has started.
    pub(crate) fn started(id: I, ended: Option<S>) -> Self {
        Self { id, resumed: false, attached: false, verdict: Verdict::Pending, ended }
    }

    /// Work of an earlier process.
    pub(crate) fn adopted(earlier: Earlier<I>) -> Self {
        let Earlier { id, verdict, .. } = earlier;
        Self { id, resumed: true, attached: false, verdict, ended: None }
    }
}

/// What a run has come to.
#[derive(Clone, Debug)]
pub enum Outcome<I, S> {
    /// The work has ended.
    Ended(Ending<I, S>),
    /// It was started or found, and nobody waits for its end (`--no-wait`).
    Started(Begun<I, S>),
}

/// Work that has ended.
#[derive(Clone, Debug)]
pub struct Ending<I, S> {
    /// Its id.
    pub id: I,
    /// The last describe.
    pub snapshot: S,
    /// What its state means.
    pub verdict: Verdict,
    /// Found, not started by this process.
    pub resumed: bool,
    /// Its end is what was asked for (`--cancel`), whatever it is.
    pub(crate) cancel: bool,
}

impl<I, S> Ending<I, S> {
    /// How the run ends.
    pub fn exit(&self) -> Exit {
        if self.cancel { Exit::Ok } else { self.verdict.exit().unwrap_or(Exit::Internal) }
    }
}

/// [`Begun`] work of one kind.
pub type BegunOf<W> = Begun<<W as RemoteWork>::Id, <W as RemoteWork>::Snapshot>;
/// [`Ending`] of one kind of work.
pub type EndingOf<W> = Ending<<W as RemoteWork>::Id, <W as RemoteWork>::Snapshot>;
/// [`Outcome`] of one kind of work.
pub type OutcomeOf<W> = Outcome<<W as RemoteWork>::Id, <W as RemoteWork>::Snapshot>;

/// Finds the earlier work of the key or starts new work, and waits for its end.
///
/// # Errors
/// Everything that leaves no ended work to report. Work that failed is an [`Outcome::Ended`].
pub async fn run<W: RemoteWork>(work: &W, ctx: &Context) -> Result<OutcomeOf<W>, RemoteError> {
    if ctx.cancel_earlier() {
        return Box::pin(Engine::new(work, ctx).cancel_earlier()).await.map(Outcome::Ended);
    }
    loop {
        let engine = Engine::new(work, ctx);
        let begun = engine.find_or_start().await?;
        match engine.follow(begun).await? {
            // An earlier process of this key was stopping it when this one found it: it counts as not done.
            Outcome::Ended(ending) if ending.resumed && work.status(&ending.snapshot).stopped_by_key => {
                tracing::info!(id = %ending.id, "stopped by an earlier process of this idempotency key; starting again");
            }
            outcome => return Ok(outcome),
        }
    }
}

/// Waits for the end of work that the user named.
///
/// # Errors
/// Those of [`run`] that come after the start.
pub async fn attach<W: RemoteWork>(work: &W, id: W::Id, ctx: &Context) -> Result<OutcomeOf<W>, RemoteError> {
    let begun = Begun { id, resumed: true, attached: true, verdict: Verdict::Pending, ended: None };
    Engine::new(work, ctx).follow(begun).await
}

/// One run of one piece of work.
struct Engine<'a, W: RemoteWork> {
    work: &'a W,
    ctx: &'a Context,
    fingerprint: Fingerprint,
    nonce: String,
    /// A request was sent whose response is missing or unclear.
    may_have_started: Cell<bool>,
    /// Attempts of the key that were there before this process sent a start.
    known: RefCell<Vec<W::Id>>,
}

impl<'a, W: RemoteWork> Engine<'a, W> {
    fn new(work: &'a W, ctx: &'a Context) -> Self {
        let nonce = format!("{:032x}", fastrand::u128(..));
        let fingerprint = Fingerprint::new(ctx.key().unwrap_or(&nonce), &work.identity());
        Self { work, ctx, fingerprint, nonce, may_have_started: Cell::new(false), known: RefCell::default() }
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup { key: self.ctx.key(), fingerprint: &self.fingerprint, nonce: &self.nonce }
    }

    fn attempt<'b>(&'b self, after: Option<&'b W::Id>) -> Attempt<'b, W::Id> {
        Attempt { key: self.ctx.key(), after, fingerprint: &self.fingerprint, nonce: &self.nonce }
    }

    /// Waits for the end of `begun`, and cancels or detaches on a signal.
    async fn follow(&self, mut begun: BegunOf<W>) -> Result<OutcomeOf<W>, RemoteError> {
        self.track(&begun.id);
        // A failure of the key's earlier work is reported even so, after one describe.
        let failed = matches!(begun.verdict, Verdict::Failed | Verdict::Stopped);
        if let Some(snapshot) = begun.ended.take() {
            return Ok(Outcome::Ended(self.ending(begun, snapshot)));
        }
        if self.ctx.no_wait() && !failed {
            return Ok(Outcome::Started(begun));
        }
        // Boxed: the futures of SDK calls are large, and would be carried in every frame above.
        match Box::pin(self.wait(&begun)).await {
            Ended::Done(Ok(snapshot)) => Ok(Outcome::Ended(self.ending(begun, snapshot))),
            Ended::Done(Err(source)) => Err(self.not_found(&begun, source)),
            Ended::Deadline(state) => Err(self.deadline(&begun, state)),
            Ended::Cancelled(exit) => Box::pin(self.cancel(begun, exit)).await.map(Outcome::Ended),
            Ended::Lost(source) => Err(self.lost(&begun, source)),
        }
    }

    /// Keeps the id for the termination message, and logs it.
    fn track(&self, id: &W::Id) {
        let console = self.work.links(Some(id)).console;
        self.ctx.remember(Remote { id: id.to_string(), state: None, console });
    }

    fn ending(&self, begun: BegunOf<W>, snapshot: W::Snapshot) -> EndingOf<W> {
        let status = self.work.status(&snapshot);
        self.ctx.ended_in(&status.state);
        let verdict = status.verdict.unwrap_or(Verdict::Pending);
        Ending { id: begun.id, snapshot, verdict, resumed: begun.resumed, cancel: self.ctx.cancel_earlier() }
    }
}

#[cfg(test)]
mod tests;
