//! Start once: an object in S3 for each piece of work, since `SageMaker` has no way to ask whether a request was made.
//!
//! It is put before the request, under the condition that nobody else has put it, and put again with where the answer
//! will be. Whoever finds it so waits there. Whoever finds it claimed and nothing more cannot know whether the one
//! who claimed it has sent the request before it was killed: that is for a person to look at.

use std::cell::Cell;
use std::time::Duration;

use job_runtime::{Context, Effect};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

use super::Sent;
use super::begin::Trace;
use crate::error::AsyncError;
use aws_wire::s3::{Condition, Location, S3, S3Error};

/// How long a claim without a request is looked at: another process may be about to send it.
const HELD: Duration = Duration::from_secs(10);

/// Pause between two looks at it.
const PAUSE: Duration = Duration::from_secs(2);

/// How often a claim may slip away: each time somebody else has done something to it.
const TRIES: usize = 20;

/// A claim is a few hundred bytes.
const LONGEST: usize = 64 * 1024;

/// What is in a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    #[serde(flatten)]
    state: State,
    /// Digest of the key.
    key: String,
    /// Digest of what is asked for.
    work: String,
    /// Which attempt at the work this is, counted from 1.
    attempt: u32,
    /// A number that one process has thrown for itself.
    by: String,
}

/// How far the work is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum State {
    /// About to be sent.
    Claimed,
    /// Sent, and taken.
    Sent(Sent),
    /// Not sent: it may be tried again.
    Refused,
}

/// Whose work it is.
pub(super) enum Taken {
    /// Ours to send.
    Ours(Held),
    /// Sent by somebody else.
    Theirs(Sent),
}

/// A claim that is ours.
pub(super) struct Held {
    pub(super) attempt: u32,
    etag: Option<String>,
}

/// What a claim that is there leads to.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// It is ours, for this attempt: the answer to our own put was lost.
    Ours(u32),
    /// It is free to be claimed again, as this attempt.
    Free(u32),
    /// It was sent: wait for it, unless it has failed and is to be done again as this attempt.
    Sent(Sent, u32),
    /// Somebody else has claimed it and not sent yet.
    Held,
    /// It belongs to another key.
    Foreign,
    /// It is this key's, and stands for another request.
    Other,
}

impl Claim {
    fn decide(self, key: &str, work: &str, by: &str) -> Decision {
        if self.key != key {
            return Decision::Foreign;
        }
        match self.state {
            // Nothing was sent for the key yet, so that a request that was wrong may be mended.
            State::Refused => Decision::Free(self.attempt),
            State::Claimed | State::Sent(_) if self.work != work => Decision::Other,
            State::Claimed if self.by == by => Decision::Ours(self.attempt),
            State::Claimed => Decision::Held,
            State::Sent(sent) => Decision::Sent(sent, self.attempt.saturating_add(1)),
        }
    }
}

/// The claim of one piece of work.
pub(super) struct Claims<'a> {
    s3: &'a S3<'a>,
    at: Location,
    key: String,
    work: String,
    /// Whether it is done again where it has failed.
    rerun: bool,
    by: String,
}

impl<'a> Claims<'a> {
    /// `key` and `work` are the digests of the key and of what is asked for.
    pub(super) fn new(s3: &'a S3<'a>, at: Location, key: String, work: String, rerun: bool) -> Self {
        Self { s3, at, key, work, rerun, by: format!("{:016x}", fastrand::u64(..)) }
    }

    /// Digest of the key.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Where the claim is.
    pub(super) fn at(&self) -> &Location {
        &self.at
    }

    /// Takes the work, or finds that it was taken. `trace` is kept to what there may be of ours.
    pub(super) async fn take(
        &self,
        endpoint: &str,
        trace: &Cell<Trace>,
        ctx: &Context,
    ) -> Result<Taken, AsyncError> {
        let claim = || self.at.to_string();
        let mut held_until = None;
        let mut unclear = None;
        for _ in 0..TRIES {
            if ctx.is_cancelled() {
                if unclear.is_some() {
                    self.undo().await;
                }
                return Err(AsyncError::interrupted(endpoint, false, true, ctx));
            }
            let (decision, etag, hidden) = match self.read().await {
                Ok((claim, etag)) => (claim.decide(&self.key, &self.work, &self.by), etag, false),
                Err(AsyncError::Claim { source: S3Error::Missing(_), .. }) => {
                    (Decision::Free(1), None, false)
                }
                Err(AsyncError::Claim { source: S3Error::Hidden { .. }, .. }) => {
                    (Decision::Free(1), None, true)
                }
                Err(error) => return Err(error),
            };
            let attempt = match decision {
                Decision::Foreign => return Err(AsyncError::ForeignClaim { claim: claim() }),
                Decision::Other => return Err(AsyncError::OtherWork { claim: claim() }),
                Decision::Ours(attempt) => return Ok(Taken::Ours(Held { attempt, etag })),
                Decision::Free(attempt) => attempt,
                Decision::Sent(sent, next) if self.rerun && self.has_failed(&sent).await? => next,
                Decision::Sent(sent, _) => return Ok(Taken::Theirs(sent)),
                Decision::Held => {
                    trace.set(Trace::Nothing);
                    let until = *held_until.get_or_insert_with(|| Instant::now() + HELD);
                    if Instant::now() >= until {
                        return Err(AsyncError::Held { endpoint: endpoint.to_owned(), claim: claim() });
                    }
                    tracing::info!(claim = %self.at, "another process has claimed this work; looking again");
                    pause_or_signal(ctx).await;
                    if Instant::now() >= ctx.deadline() {
                        return Err(AsyncError::StillHeld { claim: claim(), timeout: ctx.elapsed() });
                    }
                    continue;
                }
            };
            let condition = etag.map_or(Condition::Absent, Condition::Unchanged);
            trace.set(Trace::Claim);
            match self.put(State::Claimed, attempt, &condition).await {
                Ok(etag) => return Ok(Taken::Ours(Held { attempt, etag })),
                Err(S3Error::Lost(_)) if hidden => return Err(AsyncError::HiddenClaim { claim: claim() }),
                // Somebody else was faster: look at what they have made of it.
                Err(S3Error::Lost(_)) => {
                    trace.set(Trace::Nothing);
                    unclear = None;
                }
                // It may be there all the same.
                Err(S3Error::Call(error)) if error.effect() == Effect::MayHaveStarted && !hidden => {
                    tracing::warn!("{error}; looking whether the claim was put");
                    unclear = Some(error);
                    pause_or_signal(ctx).await;
                }
                Err(source) => return Err(self.failed("put", source)),
            }
        }
        Err(match unclear {
            // Nobody else was seen.
            Some(error) => self.failed("put", error.into()),
            None => AsyncError::Held { endpoint: endpoint.to_owned(), claim: claim() },
        })
    }

    /// Notes that the request was taken, and where its answer will be.
    pub(super) async fn note_sent(&self, held: &Held, sent: &Sent) -> Result<(), S3Error> {
        self.put(State::Sent(sent.clone()), held.attempt, &Condition::Always).await.map(drop)
    }

    /// Notes that nothing was sent, so that the next process may.
    pub(super) async fn give_back(&self, held: &Held) {
        let condition = held.etag.clone().map_or(Condition::Always, Condition::Unchanged);
        if let Err(error) = self.put(State::Refused, held.attempt, &condition).await {
            tracing::warn!(
                claim = %self.at,
                "nothing was sent, but the claim could not be given back; delete it before trying again: {error}"
            );
        }
    }

    /// Gives back a claim whose put got no answer, if it is there: who is left with it would have to ask a person.
    async fn undo(&self) {
        if let Ok((claim, etag)) = self.read().await
            && let Decision::Ours(attempt) = claim.decide(&self.key, &self.work, &self.by)
        {
            self.give_back(&Held { attempt, etag }).await;
        }
    }

    async fn read(&self) -> Result<(Claim, Option<String>), AsyncError> {
        let mut object = self.s3.get(&self.at).await.map_err(|source| self.failed("read", source))?;
        let bytes = object.beginning(LONGEST).await.map_err(|source| self.failed("read", source.into()))?;
        let claim = serde_json::from_slice(&bytes)
            .map_err(|_| AsyncError::BadClaim { claim: self.at.to_string() })?;
        Ok((claim, object.etag))
    }

    async fn put(
        &self,
        state: State,
        attempt: u32,
        condition: &Condition,
    ) -> Result<Option<String>, S3Error> {
        let (key, work, by) = (self.key.clone(), self.work.clone(), self.by.clone());
        let claim = Claim { state, key, work, attempt, by };
        let put = self.s3.put(&self.at, "application/json", job_runtime::json(&claim), condition).await?;
        Ok(put.etag)
    }

    /// Whether there is a failure object of an earlier request.
    async fn has_failed(&self, sent: &Sent) -> Result<bool, AsyncError> {
        let Some(at) = sent.failure_location.as_deref().and_then(|at| Location::parse(at).ok()) else {
            return Ok(false);
        };
        match self.s3.get(&at).await {
            Ok(_) => Ok(true),
            Err(S3Error::Missing(_) | S3Error::Hidden { .. }) => Ok(false),
            Err(source) => Err(AsyncError::Claim { what: "looked behind", claim: at.to_string(), source }),
        }
    }

    fn failed(&self, what: &'static str, source: S3Error) -> AsyncError {
        AsyncError::Claim { what, claim: self.at.to_string(), source }
    }
}

/// The time between two looks, as far as there is any left.
async fn pause_or_signal(ctx: &Context) {
    tokio::select! {
        () = sleep_until(ctx.deadline().min(Instant::now() + PAUSE)) => {}
        () = ctx.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent() -> Sent {
        Sent {
            inference_id: Some("i".to_owned()),
            output_location: "s3://b/o".to_owned(),
            failure_location: None,
            at: Some(1),
        }
    }

    fn claim(state: State) -> Claim {
        Claim { state, key: "k".to_owned(), work: "w".to_owned(), attempt: 2, by: "me".to_owned() }
    }

    #[test]
    fn what_a_claim_leads_to() {
        for (state, key, work, by, expected) in [
            (State::Claimed, "k", "w", "me", Decision::Ours(2)),
            (State::Claimed, "k", "w", "you", Decision::Held),
            (State::Refused, "k", "w", "you", Decision::Free(2)),
            (State::Sent(sent()), "k", "w", "you", Decision::Sent(sent(), 3)),
            (State::Sent(sent()), "other", "w", "me", Decision::Foreign),
            (State::Claimed, "other", "other", "me", Decision::Foreign),
            (State::Claimed, "k", "other", "you", Decision::Other),
            (State::Sent(sent()), "k", "other", "you", Decision::Other),
            (State::Refused, "k", "other", "you", Decision::Free(2)),
        ] {
            assert_eq!(claim(state).decide(key, work, by), expected);
        }
    }

    #[test]
    fn its_form_lasts() {
        let written = serde_json::to_string(&claim(State::Sent(sent()))).unwrap();
        assert_eq!(
            written,
            r#"{"state":"sent","inference_id":"i","output_location":"s3://b/o","failure_location":null,"sent_at":1,"key":"k","work":"w","attempt":2,"by":"me"}"#
        );
        for state in [State::Claimed, State::Refused, State::Sent(sent())] {
            let written = serde_json::to_string(&claim(state.clone())).unwrap();
            assert_eq!(serde_json::from_str::<Claim>(&written).unwrap(), claim(state));
        }
    }
}
