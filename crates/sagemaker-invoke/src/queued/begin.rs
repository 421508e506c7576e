//! The start: a request is sent once, or the one that was sent for the same key is found.

use std::cell::Cell;
use std::pin::pin;

use job_runtime::{CallError, Context, Effect, Place};
use tokio::time::{Instant, sleep_until};

use super::claim::{Claims, Held, Taken};
use super::send::{self, Endpoint};
use super::{Call, Sent};
use crate::endpoint::PATIENCE;
use crate::error::AsyncError;
use aws_wire::s3::Location;

/// The request to wait for.
pub(super) struct Begun {
    pub(super) sent: Sent,
    /// Found, not sent.
    pub(super) adopted: bool,
}

/// What there may be of ours, outside of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trace {
    Nothing,
    Claim,
    Request,
}

/// Sends the request, or finds the one that was sent for the same key, until `--timeout` is over or a signal comes.
pub(super) async fn begin(
    call: &Call,
    claims: Option<&Claims<'_>>,
    place: &Place,
    ctx: &Context,
) -> Result<Begun, AsyncError> {
    let start = Start { call, claims, place, ctx, trace: Cell::new(Trace::Nothing) };
    let mut patience = pin!(ctx.out_of_patience(PATIENCE));
    let (begun, held) = tokio::select! {
        biased;
        begun = Box::pin(start.begin()) => begun?,
        _ = &mut patience => return Err(start.interrupted()),
        () = start.overdue() => return Err(start.late()),
    };
    if let Some((claims, held)) = claims.zip(held) {
        let problem = tokio::select! {
            biased;
            noted = claims.note_sent(&held, &begun.sent) => noted.err().map(|error| error.to_string()),
            _ = &mut patience => Some("it took too long after a signal".to_owned()),
            () = start.overdue() => Some("it took longer than --timeout".to_owned()),
        };
        if let Some(problem) = problem {
            // The wait goes on: only the next process has to ask a person.
            tracing::warn!(
                claim = %claims.at(),
                "the request was sent, but that could not be noted, so that another process of this key will not \
                 know of it: {problem}"
            );
        }
    }
    Ok(begun)
}

/// One request on its way.
struct Start<'a> {
    call: &'a Call,
    /// Where there is a key.
    claims: Option<&'a Claims<'a>>,
    place: &'a Place,
    ctx: &'a Context,
    trace: Cell<Trace>,
}

impl Start<'_> {
    async fn begin(&self) -> Result<(Begun, Option<Held>), AsyncError> {
        let Some(claims) = self.claims else {
            let sent = self.send(self.call).await?;
            return Ok((Begun { sent, adopted: false }, None));
        };
        let held = match claims.take(&self.call.endpoint_name, &self.trace, self.ctx).await? {
            Taken::Theirs(sent) => {
                let output = &sent.output_location;
                tracing::info!(output, "the request of this key was sent; taking over the wait");
                return Ok((Begun { sent, adopted: true }, None));
            }
            Taken::Ours(held) => held,
        };
        match self.send(&self.call.of_key(claims.key(), held.attempt)).await {
            Ok(sent) => Ok((Begun { sent, adopted: false }, Some(held))),
            Err(error) => {
                if self.trace.get() != Trace::Request {
                    claims.give_back(&held).await;
                }
                Err(error)
            }
        }
    }

    /// Sends the request, once.
    async fn send(&self, call: &Call) -> Result<Sent, AsyncError> {
        let endpoint = Endpoint::new(call, self.ctx);
        if self.ctx.is_cancelled() {
            return Err(self.interrupted());
        }
        if Instant::now() >= self.ctx.deadline() {
            return Err(self.not_sent(None));
        }
        let before = self.trace.replace(Trace::Request);
        let answer = self.ctx.start(send::INVOKE, async || endpoint.send().await).await;
        let source = match answer {
            Ok(Some(sent)) => return Ok(sent),
            Ok(None) => CallError::unusable(send::INVOKE, "it was answered without a place in S3"),
            Err(error) if error.effect() == Effect::MayHaveStarted => error,
            Err(source) => {
                self.trace.set(before);
                return Err(AsyncError::NotSent { endpoint: self.name(), place: self.place.clone(), source });
            }
        };
        Err(AsyncError::Unclear { endpoint: self.name(), claim: self.claim(), source })
    }

    /// Ends when `--timeout` is over. Where there may be something of ours, its answer has a little more time: it is
    /// what tells whether there is.
    async fn overdue(&self) {
        let deadline = self.ctx.deadline();
        sleep_until(deadline).await;
        if self.trace.get() != Trace::Nothing {
            sleep_until(deadline + PATIENCE).await;
        }
    }

    /// The end of a start that took too long.
    fn late(&self) -> AsyncError {
        match self.trace.get() {
            Trace::Nothing => self.not_sent(None),
            Trace::Claim => self.not_sent(self.claim()),
            Trace::Request => {
                AsyncError::Silent { endpoint: self.name(), claim: self.claim(), timeout: self.ctx.elapsed() }
            }
        }
    }

    fn not_sent(&self, left: Option<String>) -> AsyncError {
        AsyncError::Late { endpoint: self.name(), left, timeout: self.ctx.elapsed() }
    }

    fn interrupted(&self) -> AsyncError {
        let may_have_started = self.trace.get() == Trace::Request;
        AsyncError::interrupted(&self.call.endpoint_name, may_have_started, self.claims.is_some(), self.ctx)
    }

    fn name(&self) -> String {
        self.call.endpoint_name.clone()
    }

    fn claim(&self) -> Option<String> {
        self.claims.map(Claims::at).map(Location::to_string)
    }
}
