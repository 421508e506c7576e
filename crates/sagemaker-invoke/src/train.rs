//! Trains a model: starts a training job, waits for its end and reports how it ended.

mod check;
mod compare;
mod logs;
mod name;
mod seen;
mod spec;
mod training_job_work;

use job_runtime::remote::{self, BegunOf, EndingOf};
use job_runtime::{CallError, Context, Exit, Output, Place, Report, json};
use serde::Serialize;
use serde_json::Value;

use self::name::Name;
use self::seen::Outcome;
pub(crate) use self::spec::Spec;
use self::training_job_work::TrainingJobWork;
use crate::error::Error;
use crate::sagemaker::SageMaker;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) spec: Spec,
    /// The name that was given beside the specification.
    pub(crate) job_name: Option<String>,
    /// Show the job's logs.
    pub(crate) logs: bool,
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

    /// Sends the start, once; returns the ARN of the job, if the response has it.
    async fn create(&self, spec: String) -> Result<Option<String>, CallError> {
        let response = self.api.create_training_job(spec).await;
        response.map_err(|error| CallError::new("sagemaker:CreateTrainingJob", &error))
    }

    /// Asks `SageMaker` to stop a job, once.
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
    let work = TrainingJobWork::new(&jobs, &request.spec, &name, request.logs, ctx);
    Ok(match remote::run(&work, ctx).await? {
        remote::Outcome::Ended(ending) => report(&ending, output, &place),
        remote::Outcome::Started(begun) => Report::ok(started(&begun, output, &place)),
    })
}

/// What is said of a job without any name.
pub(crate) const NAMELESS: &str = "the job has no name: give TrainingJobName in the specification, --job-name, or an --idempotency-key to make it of";

/// The job as the result.
fn report(ending: &EndingOf<TrainingJobWork<'_>>, output: Output, place: &Place) -> Report {
    let job = &ending.snapshot;
    let outcome = Outcome {
        job,
        adopted: ending.resumed,
        region: &place.region,
        account: place.account.as_deref(),
        console_url: &seen::console(place, &job.name),
    };
    let result = match output {
        Output::Json => json(&outcome),
        Output::Text => outcome.text(),
    };
    match ending.exit() {
        Exit::Ok => Report::ok(result),
        exit => {
            let fine = (job.secondary_status != job.status).then(|| format!(" ({})", job.secondary_status));
            let reason = job.failure_reason.as_deref().map(|reason| format!(": {}", reason.trim()));
            let (fine, reason) = (fine.unwrap_or_default(), reason.unwrap_or_default());
            let error = format!("training job {} ended {}{fine}{reason}", job.name, job.status);
            Report::failed(exit, result, error)
        }
    }
}

/// What `--no-wait` prints: as text the bare name, for `$(...)`.
fn started(begun: &BegunOf<TrainingJobWork<'_>>, output: Output, place: &Place) -> String {
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
        Output::Text => begun.id.name.clone(),
        Output::Json => json(&Started {
            training_job_name: &begun.id.name,
            training_job_arn: begun.id.arn.as_deref(),
            adopted: begun.resumed,
            region: &place.region,
            account: place.account.as_deref(),
            console_url: &seen::console(place, &begun.id.name),
        }),
    }
}
