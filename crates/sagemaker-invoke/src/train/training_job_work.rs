//! A training job as remote work: how a job of a key is found, started, described and stopped.
//!
//! `SageMaker` takes the name of a training job once. The name is made of the key and the number of the attempt, so
//! that a start without a clear response is sent again: it is refused where the first one was carried out.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::time::{Duration, SystemTime};

use job_runtime::remote::{
    Attempt, Comparison, Earlier, Found, Links, Lookup, PollPolicy, Polled, Recovery, RemoteWork, StartError,
    Started, Status, Step, StopKind,
};
use job_runtime::{CallError, Context, Ended, Place, Verdict};
use serde_json::Value;

use super::name::Name;
use super::seen::{self, Seen, Transition};
use super::{Jobs, Spec, is_not_found, logs};

/// By how many seconds the service's clock may be behind ours.
const CLOCK_SKEW: f64 = 300.0;

/// How many attempts of a key are looked for at most; the engine starts fewer.
const MOST_ATTEMPTS: u32 = 200;

/// What identifies a job.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct JobId {
    pub(super) name: String,
    pub(super) arn: Option<String>,
    /// Which attempt of the key it is, counted from 1.
    number: u32,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A training job, to be started.
pub(super) struct TrainingJobWork<'a> {
    jobs: &'a Jobs<'a>,
    spec: &'a Spec,
    name: &'a Name,
    /// Show the job's logs.
    logs: bool,
    ctx: &'a Context,
    place: Place,
    /// When this process began, in seconds since 1970.
    begun: f64,
    logged: RefCell<Vec<Transition>>,
    /// Whether the last describe has shown a success.
    succeeded: Cell<bool>,
}

impl<'a> TrainingJobWork<'a> {
    pub(super) fn new(
        jobs: &'a Jobs<'a>,
        spec: &'a Spec,
        name: &'a Name,
        logs: bool,
        ctx: &'a Context,
    ) -> Self {
        let (place, begun) = (ctx.place(), now(ctx));
        Self {
            jobs,
            spec,
            name,
            logs,
            ctx,
            place,
            begun,
            logged: RefCell::default(),
            succeeded: Cell::default(),
        }
    }

    /// The job of an attempt, if there is one.
    async fn earlier(&self, number: u32) -> Result<Option<(Earlier<JobId>, Value)>, CallError> {
        let name = self.name.numbered(number);
        let Some(shown) = self.jobs.find(&name).await? else { return Ok(None) };
        let job = Seen::new(&name, &shown);
        let same = match self.spec.difference(&shown) {
            Some(path) => Comparison::Differs(vec![path]),
            None => Comparison::Same,
        };
        let verdict = job.verdict();
        let id = JobId { name, arn: job.arn, number };
        Ok(Some((Earlier { id, verdict, same, stopped_by_key: false }, shown)))
    }

    /// The job of the typed name, if this process has started it.
    async fn own(&self) -> Result<Option<Earlier<JobId>>, CallError> {
        let found = self.earlier(1).await?;
        Ok(found.filter(|(job, shown)| is_own(job, shown, self.begun)).map(|(job, _)| job))
    }
}

/// Whether a process that began at `begun` (in seconds since 1970) can have started the job. The user typed the name,
/// so that it says nothing about who did.
fn is_own(job: &Earlier<JobId>, shown: &Value, begun: f64) -> bool {
    let created = shown.get("CreationTime").and_then(Value::as_f64).unwrap_or_default();
    job.same == Comparison::Same && created >= begun - CLOCK_SKEW
}

/// Seconds since 1970, by the clock that requests are signed with.
fn now(ctx: &Context) -> f64 {
    let now = ctx.sdk_config().time_source().map(|clock| clock.now());
    let since = now.and_then(|now| now.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.unwrap_or_default().as_secs_f64()
}

impl RemoteWork for TrainingJobWork<'_> {
    type Id = JobId;
    type Snapshot = Seen;

    const NOUN: &'static str = "training job";
    const SERVICE: &'static str = "SageMaker";
    const POLL: PollPolicy = PollPolicy {
        // A job takes some minutes to begin.
        first: Duration::from_secs(15),
        hold: Duration::ZERO,
        // Nothing promises that a job is visible as soon as it was started.
        visible_within: Duration::from_secs(30),
    };
    const STOP: StopKind = StopKind::Guarded;

    fn title(&self) -> String {
        format!("training job {} ({})", self.name.numbered(1), self.place)
    }

    /// Nothing is stored: `DescribeTrainingJob` shows the whole specification.
    fn identity(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Found<JobId>, CallError> {
        if lookup.key.is_none() {
            return Ok(Found::Attempts(self.own().await?.into_iter().collect()));
        }
        let mut found = Vec::new();
        for number in 1..=MOST_ATTEMPTS {
            let Some((job, _)) = self.earlier(number).await? else { break };
            // Only an attempt that has failed is followed by another one.
            let is_last = matches!(job.verdict, Verdict::Pending | Verdict::Succeeded);
            found.push(job);
            if is_last {
                break;
            }
        }
        found.reverse();
        Ok(Found::Attempts(found))
    }

    async fn send(&self, attempt: &Attempt<'_, JobId>) -> Result<Started<JobId, Seen>, StartError> {
        let number = attempt.after.map_or(1, |failed| failed.number + 1);
        let name = self.name.numbered(number);
        match self.jobs.create(self.spec.named(&name)).await {
            Ok(arn) => Ok(Started::Running(JobId { name, arn, number })),
            Err(error) => Err(match error.code() {
                _ if is_taken(&error) => StartError::Exists(error),
                // The quota counts the instances that are in use; a quota of zero is raised by a person.
                Some("ResourceLimitExceeded") if !is_zero_quota(&error) => StartError::Busy(error),
                _ => error.into(),
            }),
        }
    }

    fn recovery(&self) -> Recovery {
        Recovery::Resend
    }

    async fn describe(&self, id: &JobId, _: Option<Duration>) -> Result<Polled<Seen>, CallError> {
        match self.jobs.describe(&id.name).await {
            Ok(shown) => Ok(Polled::Seen(Seen::new(&id.name, &shown))),
            Err(error) if is_not_found(&error) => Ok(Polled::NotVisible(Some(error))),
            Err(error) => Err(error),
        }
    }

    async fn stop(&self, id: &JobId) -> Result<(), CallError> {
        self.jobs.stop(&id.name).await
    }

    fn status(&self, job: &Seen) -> Status {
        let verdict = seen::judge(&job.status, &job.secondary_status);
        let state = if verdict.is_some() { job.state() } else { &job.status };
        Status { state: state.to_owned(), detail: None, verdict, stopped_by_key: false }
    }

    /// Logs each secondary status once; the text of the latest one may change while it lasts.
    fn observe(&self, job: &Seen) {
        self.succeeded.set(job.verdict() == Verdict::Succeeded);
        let mut logged = self.logged.borrow_mut();
        for transition in &job.transitions {
            if !logged.contains(transition) {
                let Transition { status, at, message } = transition;
                let text = if message.is_empty() { status } else { message };
                tracing::info!(secondary_status = status, at, "{text}");
                logged.push(transition.clone());
            }
        }
    }

    async fn accompany<T>(&self, id: &JobId, waiting: impl Future<Output = Ended<T>>) -> Ended<T> {
        if !self.logs {
            return waiting.await;
        }
        Box::pin(logs::beside(waiting, &id.name, &self.succeeded, self.ctx)).await
    }

    fn links(&self, id: Option<&JobId>) -> Links {
        let name = id.map_or_else(|| self.name.numbered(1), |id| id.name.clone());
        let resume = format!(
            "aws sagemaker wait training-job-completed-or-stopped --region {} --training-job-name {name}",
            self.place.region
        );
        Links { console: Some(seen::console(&self.place, &name)), resume: Some(resume) }
    }

    fn hints(&self, step: Step, error: &CallError) -> Vec<String> {
        match (step, error.code()) {
            (Step::Start, _) if is_taken(error) => {
                let console = seen::console(&self.place, &self.name.numbered(1));
                vec![
                    "use another name, or an --idempotency-key, with which the wait for a job of the same \
                     specification is resumed"
                        .to_owned(),
                    format!("see {console}"),
                ]
            }
            (Step::Start, Some("ResourceLimitExceeded")) if is_zero_quota(error) => {
                vec!["request an increase of this service quota".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

/// Whether the name of the start is taken: by the model, and as it was recorded, `ResourceInUse`; with a name that exists,
/// other operations of `SageMaker` end in a `ValidationException`.
fn is_taken(error: &CallError) -> bool {
    match error.code() {
        Some("ResourceInUse") => true,
        Some("ValidationException") => error.message().contains("already existing"),
        _ => false,
    }
}

fn is_zero_quota(error: &CallError) -> bool {
    error.message().contains(" is 0 ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_older_job_of_a_typed_name_is_not_our_own() {
        let id = JobId { name: "churn".to_owned(), arn: None, number: 1 };
        let job = |same| Earlier { id: id.clone(), verdict: Verdict::Pending, same, stopped_by_key: false };
        let differs = || Comparison::Differs(vec!["RoleArn".to_owned()]);
        for (same, created, expected) in [
            (Comparison::Same, json!(1000.5), true),
            (Comparison::Same, json!(701), true),
            (Comparison::Same, json!(699), false),
            (Comparison::Same, json!(null), false),
            (differs(), json!(1001), false),
        ] {
            let shown = json!({ "CreationTime": created });
            assert_eq!(is_own(&job(same), &shown, 1000.0), expected, "{created}");
        }
    }
}
