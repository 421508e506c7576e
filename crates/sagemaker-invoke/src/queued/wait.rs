//! The wait for an answer: nothing but an object in S3 says that there is one.

use std::cell::Cell;
use std::time::Duration;

use job_runtime::{CallError, Context, Ended, Judged};
use tokio::time::Instant;

use super::{Call, Sent};
use crate::error::{AsyncError, beginning};
use aws_wire::s3::{Location, Object, S3, S3Error};

/// First interval between two looks.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// What a request may wait for its turn, and a model take, where nobody says (`InvokeEndpointAsync` in the API
/// reference).
const REQUEST_TTL: i32 = 21_600;
const INVOCATION_TIMEOUT: i32 = 900;

/// An object that is older than the request by more than this is the answer to another one.
const ROUNDING: Duration = Duration::from_secs(5);

/// What has come.
pub(super) enum Arrived {
    /// The model's answer.
    Answer(Object),
    /// What the model failed with, and where that is.
    Failure(Object, Location),
    /// Nothing, and nothing can be looked for.
    Nothing(S3Error),
}

/// A look at the places of one request.
pub(super) struct Watch<'a> {
    s3: &'a S3<'a>,
    ctx: &'a Context,
    output: Location,
    failure: Option<Location>,
    sent_at: Option<i64>,
    begun: Instant,
    /// Whether an object of another request may be in the place of the answer, because the user has named it.
    fresh: bool,
    /// Looks that were refused without a word on what is missing, and all looks.
    hidden: Cell<u32>,
    looks: Cell<u32>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        s3: &'a S3<'a>,
        sent: &Sent,
        fresh: bool,
        ctx: &'a Context,
    ) -> Result<Self, Box<AsyncError>> {
        let parse = |at: &str| {
            Location::parse(at).map_err(|_| Box::new(AsyncError::OddLocation { location: at.to_owned() }))
        };
        Ok(Self {
            s3,
            ctx,
            output: parse(&sent.output_location)?,
            failure: sent.failure_location.as_deref().map(parse).transpose()?,
            sent_at: sent.at,
            begun: Instant::now(),
            fresh,
            hidden: Cell::new(0),
            looks: Cell::new(0),
        })
    }

    /// Waits until there is an answer, or what stands for it.
    pub(super) async fn wait(&self) -> Ended<Arrived> {
        self.ctx
            .poll(POLL_INTERVAL, async || {
                self.looks.set(self.looks.get() + 1);
                let arrived = match self.look(&self.output).await {
                    Ok(Some(answer)) => Arrived::Answer(answer),
                    Ok(None) => match &self.failure {
                        None => return Ok(pending()),
                        Some(at) => match self.look(at).await {
                            Ok(Some(failure)) => Arrived::Failure(failure, at.clone()),
                            Ok(None) => return Ok(pending()),
                            Err(S3Error::Call(error)) => return Err(error),
                            Err(other) => Arrived::Nothing(other),
                        },
                    },
                    Err(S3Error::Call(error)) => return Err(error),
                    Err(other) => Arrived::Nothing(other),
                };
                self.ctx.ended_in(match arrived {
                    Arrived::Answer(_) => "answered",
                    Arrived::Failure(..) => "failed",
                    Arrived::Nothing(_) => "lost",
                });
                Ok(Judged::Done(arrived))
            })
            .await
    }

    /// The object, if it is there and of this request.
    async fn look(&self, at: &Location) -> Result<Option<Object>, S3Error> {
        match self.s3.get(at).await {
            Ok(object)
                if self.fresh && object.age.is_some_and(|age| age > self.begun.elapsed() + ROUNDING) =>
            {
                tracing::debug!(%at, "there is an older object of this name; waiting for a new one");
                Ok(None)
            }
            Ok(object) => Ok(Some(object)),
            Err(S3Error::Missing(_)) => Ok(None),
            Err(S3Error::Hidden { source }) => {
                if self.hidden.get() == 0 {
                    tracing::warn!(
                        "cannot tell whether {at} is there yet or may not be read, waiting on: {source}; with \
                         s3:ListBucket on the bucket S3 would tell, and to read it takes s3:GetObject"
                    );
                }
                self.hidden.set(self.hidden.get() + 1);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What is said at the end of the wait.
    pub(super) fn deadline(&self, call: &Call) -> AsyncError {
        let life = i64::from(call.request_ttl.unwrap_or(REQUEST_TTL))
            + i64::from(call.invocation_timeout.unwrap_or(INVOCATION_TIMEOUT));
        let now = super::send::now(self.ctx);
        let age = now.zip(self.sent_at).map_or(0, |(now, sent)| now - sent);
        AsyncError::Deadline {
            location: self.output.to_string(),
            timeout: self.ctx.elapsed(),
            hint: hint(
                self.looks.get() > 0 && self.hidden.get() >= self.looks.get(),
                self.failure.is_none() && age > life,
            ),
        }
    }

    /// The end of a wait that can no longer look.
    pub(super) fn lost(&self, source: S3Error) -> AsyncError {
        AsyncError::Lost { location: self.output.to_string(), source }
    }

    /// What the model failed with.
    pub(super) async fn failed(&self, call: &Call, mut object: Object, at: Location) -> AsyncError {
        // A little more than is shown, so that it is seen to be cut.
        let text = object.beginning(4096).await;
        let text = text.map_or_else(
            |error: CallError| format!("what it failed with could not be read: {error}"),
            |bytes| beginning(String::from_utf8_lossy(&bytes).trim()),
        );
        AsyncError::Failed { endpoint: call.endpoint_name.clone(), location: at.to_string(), text }
    }
}

fn pending() -> Judged<Arrived> {
    Judged::Pending { state: "waiting for the answer".to_owned(), detail: None }
}

/// What may have become of a request without an answer.
fn hint(hidden: bool, expired: bool) -> &'static str {
    match (hidden, expired) {
        (true, _) => {
            "; every look was refused without saying whether it is there: give this role s3:GetObject on it, and \
             s3:ListBucket on its bucket to be told"
        }
        (false, true) => {
            "; the request has outlived its time (--request-ttl and --invocation-timeout), and without a failure \
             path at the endpoint (S3FailurePath) nothing tells of one that was dropped: it probably was"
        }
        (false, false) => "; it may still come",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints() {
        assert!(hint(true, true).contains("s3:GetObject"));
        assert!(hint(false, true).contains("probably was"));
        assert!(hint(false, false).contains("still come"));
    }
}
