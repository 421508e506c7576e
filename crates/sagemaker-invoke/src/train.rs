//! Trains a model: begins a training job or takes one over, waits for its end and says how it ended.

mod begin;
mod check;
mod compare;
mod logs;
mod name;
mod once;
mod seen;
mod spec;

use std::time::Duration;

use job_runtime::{
    CallError, Context, Ended, Exit, Judged, OnTerminate, Output, Place, Remote, Report, Verdict, json,
};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use self::begin::{ANSWER_LIMIT, Begun};
use self::name::Name;
use self::seen::{Outcome, Seen, Transition};
pub(crate) use self::spec::Spec;
use crate::error::{Error, Interrupted, TrainError};
use crate::sagemaker::SageMaker;

/// First interval between two looks at the job; a job takes some minutes to begin.
const POLL_INTERVAL: Duration = Duration::from_secs(15);

/// For how long a job that was just started may be unknown to `DescribeTrainingJob`.
const VISIBLE_WITHIN: Duration = Duration::from_secs(30);

/// The state that is told of a job that was started and cannot be seen yet. In no form that the service's own have.
const NOT_VISIBLE: &str = "not yet visible";

/// How long after a signal the job may be stopped and looked at. The runtime gives the whole end four seconds.
const STOP_LIMIT: Duration = Duration::from_millis(3500);

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) spec: Spec,
    /// The name that was given beside the specification.
    pub(crate) job_name: Option<String>,
    /// Show the job's logs.
    pub(crate) logs: bool,
}

/// A job that is over, and how this program ends after it.
#[derive(Debug, PartialEq)]
pub(crate) struct Over {
    job: Seen,
    exit: Exit,
}

/// The training jobs of an account and region.
#[derive(Debug)]
pub(crate) struct Jobs<'a> {
    api: SageMaker<'a>,
}

impl Jobs<'_> {
    /// What `SageMaker` shows of a job.
    async fn describe(&self, name: &str) -> Result<Value, CallError> {
        let shown = self.api.describe_training_job(name).await;
        shown.map_err(|error| CallError::new("sagemaker:DescribeTrainingJob", &error))
    }

    /// As [`describe`](Self::describe); `None` if there is no such job.
    async fn find(&self, name: &str) -> Result<Option<Value>, CallError> {
        match self.describe(name).await {
            Ok(shown) => Ok(Some(shown)),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn stop(&self, name: &str) -> Result<(), CallError> {
        let answer = self.api.stop_training_job(name).await;
        answer.map_err(|error| CallError::new("sagemaker:StopTrainingJob", &error))
    }
}

/// `DescribeTrainingJob` says in its model that it answers `ResourceNotFound`, and answers the other, in these words; of
/// models and endpoints `SageMaker` says that it could not find them, and so does moto of training jobs.
fn is_not_found(error: &CallError) -> bool {
    match error.code() {
        Some("ResourceNotFound") => true,
        Some("ValidationException") => {
            let message = error.message().to_ascii_lowercase();
            message.contains("not found") || message.contains("could not find")
        }
        _ => false,
    }
}

/// Does what is asked for.
///
/// # Errors
/// Everything that leaves no ended job to report. A job that failed is a report.
pub(crate) async fn execute(request: &Request, output: Output, ctx: &Context) -> Result<Report, Error> {
    let jobs = Jobs { api: SageMaker::new(ctx.sdk_config()) };
    let place = ctx.place();
    let name = Name::new(request.job_name.as_deref(), &request.spec, ctx.key());
    let name = name.ok_or_else(|| Error::Input { problem: NAMELESS.to_owned() })?;
    if ctx.check() {
        return Ok(check::check(&jobs, &name, request, output, ctx).await);
    }
    let begun = begin::begin(&jobs, &request.spec, &name, &place, ctx).await?;
    let console = seen::console(&place, &begun.name);
    ctx.remember(Remote { id: begun.name.clone(), state: None, console: Some(console.clone()) });
    // A failure of the key's earlier job is told even so: one look at it, and the wait is over.
    let failed = matches!(begun.verdict, Verdict::Failed | Verdict::Stopped);
    if ctx.no_wait() && !failed {
        return Ok(Report::ok(started(&begun, &console, output, &place)));
    }
    // A signal during the start may have used up the patience with its answer.
    let used_up = if ctx.is_cancelled() { ANSWER_LIMIT } else { Duration::ZERO };
    let report = |over: &Over| report(over, begun.adopted, &console, output, &place);
    let ended = match wait(&jobs, &begun, request.logs, ctx).await {
        Ended::Done(over) => return Ok(report(&over)),
        Ended::Deadline(state) => TrainError::Deadline {
            name: begun.name,
            state: state.filter(|state| state != NOT_VISIBLE),
            timeout: ctx.elapsed(),
        },
        Ended::Cancelled(exit) => {
            let by = Instant::now() + STOP_LIMIT.saturating_sub(used_up);
            match ctx.on_terminate() {
                OnTerminate::Detach => Interrupted { exit, what: left(&begun.name, ctx) }.into(),
                OnTerminate::Cancel => match stop(&jobs, &begun.name, by, ctx).await {
                    Ok(over) => return Ok(report(&over)),
                    Err(what) => Interrupted { exit, what }.into(),
                },
            }
        }
        Ended::Lost(source) if is_not_found(&source) => {
            TrainError::NoSuchJob { name: begun.name, place, source }
        }
        Ended::Lost(source) => TrainError::Lost { name: begun.name, console, source },
    };
    Err(ended.into())
}

/// What is said of a job without any name.
pub(crate) const NAMELESS: &str = "the job has no name: give TrainingJobName in the specification, --job-name, or an --idempotency-key to make it of";

/// Looks at the job until it has ended, with its logs beside.
async fn wait(jobs: &Jobs<'_>, begun: &Begun, logs: bool, ctx: &Context) -> Ended<Over> {
    let name = begun.name.as_str();
    // Nothing promises that a job can be seen as soon as it was started.
    let visible_by = Instant::now() + if begun.adopted { Duration::ZERO } else { VISIBLE_WITHIN };
    let mut told: Vec<Transition> = Vec::new();
    // Boxed, here and below: the futures of calls are large, and would be carried in every frame above.
    let waiting = Box::pin(ctx.poll(POLL_INTERVAL, async || {
        let shown = match jobs.describe(name).await {
            Err(error) if is_not_found(&error) && Instant::now() < visible_by => {
                return Ok(Judged::Pending {
                    state: NOT_VISIBLE.to_owned(),
                    detail: Some(error.to_string()),
                });
            }
            shown => shown?,
        };
        let job = Seen::new(name, &shown);
        for step in &job.transitions {
            tell(step, &mut told);
        }
        let judged = judge(job);
        if let Judged::Done(Over { job, .. }) = &judged {
            ctx.ended_in(job.state());
        }
        Ok(judged)
    }));
    if logs { Box::pin(logs::beside(waiting, name, ctx)).await } else { waiting.await }
}

/// Logs a step on the job's way, once; the text of the latest one may change while it lasts.
fn tell(step: &Transition, told: &mut Vec<Transition>) {
    if told.contains(step) {
        return;
    }
    let Transition { status, at, message } = step;
    tracing::info!(secondary_status = status, at, "{}", if message.is_empty() { status } else { message });
    told.push(step.clone());
}

/// Pending or over. A state that is not known goes into the log with the remark that it is not.
fn judge(job: Seen) -> Judged<Over> {
    match seen::judge(&job.status, &job.secondary_status).map(Verdict::exit) {
        Some(Some(exit)) => Judged::Done(Over { job, exit }),
        Some(None) => Judged::Pending { state: job.state().to_owned(), detail: None },
        None => {
            let detail =
                format!("status {}, which this version does not know, taken for pending", job.status);
            Judged::Pending { state: job.state().to_owned(), detail: Some(detail) }
        }
    }
}

/// What becomes of a job that is left for the next process.
fn left(name: &str, ctx: &Context) -> String {
    match ctx.key() {
        Some(_) => format!("training job {name} goes on; the next process with the same key takes over"),
        None => format!("training job {name} goes on; `aws sagemaker describe-training-job` shows it"),
    }
}

/// Asks `SageMaker` to stop the job, and says what became of that. A job that had ended by itself is the result.
async fn stop(jobs: &Jobs<'_>, name: &str, by: Instant, ctx: &Context) -> Result<Over, String> {
    let look = async {
        let judged = judge(Seen::new(name, &jobs.describe(name).await?));
        if let Judged::Done(Over { job, .. }) = &judged {
            ctx.ended_in(job.state());
        }
        Ok(judged)
    };
    let work = format!("training job {name}");
    let ask = async || jobs.stop(name).await;
    Box::pin(ctx.stop("SageMaker", &work, by, ask, look, |over| over.exit)).await
}

/// The job as the result.
fn report(over: &Over, adopted: bool, console: &str, output: Output, place: &Place) -> Report {
    let Over { job, exit } = over;
    let outcome = Outcome {
        job,
        adopted,
        region: &place.region,
        account: place.account.as_deref(),
        console_url: console,
    };
    let result = match output {
        Output::Json => json(&outcome),
        Output::Text => outcome.text(),
    };
    if *exit == Exit::Ok {
        return Report::ok(result);
    }
    let fine = (job.secondary_status != job.status).then(|| format!(" ({})", job.secondary_status));
    let reason = job.failure_reason.as_deref().map(|reason| format!(": {}", reason.trim()));
    let (fine, reason) = (fine.unwrap_or_default(), reason.unwrap_or_default());
    Report::failed(*exit, result, format!("training job {} ended {}{fine}{reason}", job.name, job.status))
}

/// What `--no-wait` prints: as text the bare name, for `$(...)`.
fn started(begun: &Begun, console_url: &str, output: Output, place: &Place) -> String {
    #[derive(Serialize)]
    struct Started<'a> {
        training_job_name: &'a str,
        training_job_arn: Option<&'a str>,
        adopted: bool,
        region: &'a str,
        account: Option<&'a str>,
        console_url: &'a str,
    }
    match output {
        Output::Text => begun.name.clone(),
        Output::Json => json(&Started {
            training_job_name: &begun.name,
            training_job_arn: begun.arn.as_deref(),
            adopted: begun.adopted,
            region: &place.region,
            account: place.account.as_deref(),
            console_url,
        }),
    }
}
