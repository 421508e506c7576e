//! The beginning of a job: one for a key, however often it is tried.
//!
//! `SageMaker` takes the name of a training job once, so that a name which the key makes is all that is needed: to
//! send a start again is safe, and what it finds in its way is the work.

use std::cell::Cell;
use std::time::{Duration, SystemTime};

use job_runtime::{CallError, Context, Effect, OnPriorFailure, Place, Verdict};
use serde_json::Value;
use tokio::time::{sleep, timeout_at};

use super::name::Name;
use super::once::{Asked, Decision, decide};
use super::seen::{self, Seen};
use super::{Jobs, Spec};
use crate::error::TrainError;

/// Pauses before each look for a job that may just have been started.
const SETTLING: [Duration; 3] = [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(4)];

/// How often a start is sent whose answer is lost.
const SENDS: usize = 3;

/// How many jobs of one key may end badly.
const MOST_ATTEMPTS: u32 = 50;

/// How long what is in flight may take once a signal has come; it leaves time to stop the job before the runtime ends
/// everything, four seconds after the signal.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_millis(1500);

/// The job to wait for.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) name: String,
    pub(crate) arn: Option<String>,
    /// Found, not started.
    pub(crate) adopted: bool,
    /// What its state meant when it was found.
    pub(crate) verdict: Verdict,
}

/// Starts a job, or finds the one that was started for the same key.
///
/// After a signal it ends within [`ANSWER_LIMIT`], whatever it is waiting for.
pub(crate) async fn begin(
    jobs: &Jobs<'_>,
    spec: &Spec,
    name: &Name,
    place: &Place,
    ctx: &Context,
) -> Result<Begun, TrainError> {
    let keyed = ctx.key().is_some();
    let rerun = keyed && ctx.on_prior_failure() == OnPriorFailure::Rerun;
    let asked = Asked { keyed, rerun, since: now(ctx) };
    let start = Start { jobs, spec, place, ctx, asked, may_have_started: Cell::new(false) };
    tokio::select! {
        begun = Box::pin(start.find_or_start(name)) => begun,
        exit = ctx.out_of_patience(ANSWER_LIMIT) => {
            Err(TrainError::interrupted(&name.numbered(1), exit, start.may_have_started.get()))
        }
    }
}

/// Seconds since 1970, by the clock that requests are signed with.
fn now(ctx: &Context) -> f64 {
    let now = ctx.sdk_config().time_source().map(|clock| clock.now());
    let since = now.and_then(|now| now.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.unwrap_or_default().as_secs_f64()
}

/// A start on its way.
struct Start<'a> {
    jobs: &'a Jobs<'a>,
    spec: &'a Spec,
    place: &'a Place,
    ctx: &'a Context,
    asked: Asked,
    /// Whether there is a start that has no clear answer.
    may_have_started: Cell<bool>,
}

/// What a start has led to.
enum Sent {
    /// A new job, with this ARN.
    Started(Option<String>),
    /// A job of that name is there.
    Found(Value),
}

impl Start<'_> {
    async fn find_or_start(&self, name: &Name) -> Result<Begun, TrainError> {
        for n in 1..=MOST_ATTEMPTS {
            let name = name.numbered(n);
            let earlier = if self.asked.keyed { self.earlier(&name).await? } else { None };
            let shown = match earlier {
                Some(shown) => shown,
                None => match self.send(&name).await? {
                    Sent::Started(arn) => {
                        return Ok(Begun { name, arn, adopted: false, verdict: Verdict::Pending });
                    }
                    Sent::Found(shown) => shown,
                },
            };
            let console = seen::console(self.place, &name);
            match decide(self.spec, &shown, self.asked) {
                Decision::Adopt(verdict) => return Ok(adopt(name, &shown, verdict)),
                Decision::Foreign(path) => return Err(TrainError::Foreign { name, path, console }),
                Decision::Taken => return Err(TrainError::NameTaken { name, console }),
                Decision::Again => {
                    tracing::info!(job = name, "an earlier job of this key has ended badly; trying the next");
                }
            }
        }
        Err(TrainError::Exhausted { attempts: MOST_ATTEMPTS, name: name.numbered(MOST_ATTEMPTS) })
    }

    /// The key's job of an earlier process.
    async fn earlier(&self, name: &str) -> Result<Option<Value>, TrainError> {
        let found = timeout_at(self.ctx.deadline(), self.jobs.find(name)).await;
        found.map_err(|_| TrainError::LookupTimeout)?.map_err(|source| TrainError::Lookup { source })
    }

    /// Starts a job of this name. Where the answer is lost, and no job of the name is to be seen, it is sent again:
    /// the name makes that safe.
    async fn send(&self, name: &str) -> Result<Sent, TrainError> {
        let mut unclear = None;
        for _ in 0..SENDS {
            if let Some(exit) = self.ctx.interruption() {
                return Err(TrainError::interrupted(name, exit, unclear.is_some()));
            }
            self.may_have_started.set(true);
            let create = async || self.jobs.api.create_training_job(self.spec.named(name)).await;
            let error = match self.ctx.start("sagemaker:CreateTrainingJob", create).await {
                Ok(arn) => return Ok(Sent::Started(arn)),
                Err(error) => error,
            };
            let taken = error.code() == Some("ResourceInUse");
            match error.effect() {
                // Nothing else was sent that could have been this job.
                Effect::Refused if taken && !self.asked.keyed && unclear.is_none() => {
                    let console = seen::console(self.place, name);
                    return Err(TrainError::NameTaken { name: name.to_owned(), console });
                }
                Effect::NotStarted | Effect::Refused if !taken && unclear.is_none() => {
                    self.may_have_started.set(false);
                    let place = self.place.clone();
                    return Err(TrainError::NotStarted { name: name.to_owned(), place, source: error });
                }
                Effect::NotStarted | Effect::Refused if !taken => {
                    return Err(self.unsettled(name, unclear.unwrap_or(error)));
                }
                Effect::MayHaveStarted | Effect::NotStarted | Effect::Refused => {}
            }
            tracing::warn!("{error}; looking whether there is a job {name}");
            match timeout_at(self.ctx.deadline(), self.settled(name)).await {
                Ok(Ok(Some(shown))) => return Ok(Sent::Found(shown)),
                Ok(Ok(None)) => unclear = Some(error),
                Ok(Err(error)) => return Err(self.unsettled(name, error)),
                Err(_) => return Err(self.unsettled(name, error)),
            }
        }
        match unclear {
            Some(source) => Err(self.unsettled(name, source)),
            None => Err(TrainError::LookupTimeout),
        }
    }

    /// Looks until a job that was just started would be seen. A signal makes the next look the last.
    async fn settled(&self, name: &str) -> Result<Option<Value>, CallError> {
        for wait in SETTLING {
            tokio::select! {
                () = sleep(wait) => {}
                () = self.ctx.cancelled() => {}
            }
            let found = self.jobs.find(name).await?;
            if found.is_some() || self.ctx.is_cancelled() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn unsettled(&self, name: &str, source: CallError) -> TrainError {
        match (self.ctx.interruption(), self.asked.keyed) {
            (Some(exit), _) => TrainError::interrupted(name, exit, true),
            (None, true) => TrainError::Unsettled { name: name.to_owned(), source },
            (None, false) => {
                let console = seen::console(self.place, name);
                TrainError::Unknown { name: name.to_owned(), console, source }
            }
        }
    }
}

fn adopt(name: String, shown: &Value, verdict: Verdict) -> Begun {
    match verdict {
        Verdict::Pending => tracing::info!(job = name, "the job goes on; taking over the wait"),
        Verdict::Succeeded => tracing::info!(job = name, "already done: the job has completed"),
        Verdict::Failed | Verdict::Stopped => {
            tracing::info!(job = name, "the job has ended badly; --on-prior-failure rerun starts again");
        }
    }
    Begun { arn: Seen::new(&name, shown).arn, name, adopted: true, verdict }
}
