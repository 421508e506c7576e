//! AWS Glue: jobs and their runs (awsJson1.1, `AWSGlue.*`).

mod job;
mod request;
mod run;
mod store;

use serde::Deserialize;
use serde_json::{Value, json};

pub use job::{Course, GlueWorld, Job, LogLine, Step};
pub(crate) use request::StartJobRun;
pub(crate) use run::JobRun;
pub use store::Run;
pub(crate) use store::{Glue, KnownJob};

use self::request::{identifier, members};
use self::run::Additions;
use self::store::Place;
use crate::clock::epoch_seconds;
use crate::cloud::Cloud;
use crate::refusal::{Constraints, Refusal};
use crate::service::Request;

/// What this service can do.
pub(crate) const OPERATIONS: &[&str] =
    &["BatchStopJobRun", "GetJob", "GetJobRun", "GetJobRuns", "StartJobRun"];

/// Answers one authenticated request.
pub(crate) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    match request.operation {
        "StartJobRun" => start_job_run(cloud, request),
        "GetJobRun" => get_job_run(cloud, request),
        "GetJobRuns" => get_job_runs(cloud, request),
        "BatchStopJobRun" => batch_stop_job_run(cloud, request),
        "GetJob" => get_job(cloud, request),
        _ => Err(request.unknown_operation()),
    }
}

fn start_job_run(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let start = StartJobRun::read(request.parameters)?;
    let name = start.job_name.clone().unwrap_or_default();
    let place = authorize(request, &name)?;
    let mut glue = cloud.glue();
    let mut logs = cloud.logs();
    let busy = glue.busy(place.0, request.now);
    if glue.settings.account_run_limit.is_some_and(|limit| busy >= limit) {
        let text = "Failed to start job run due to exceeding the account's limit of concurrent job runs";
        return Err(Refusal::new(400, "ResourceNumberLimitExceededException", text));
    }
    let known = glue
        .job_mut(place)
        .ok_or_else(|| not_found("Failed to start job run due to missing metadata".into()))?;
    let id = known.start(start, &mut logs, request.now)?;
    Ok(json!({ "JobRunId": id }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetJobRun {
    job_name: Option<String>,
    run_id: Option<String>,
}

fn get_job_run(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let GetJobRun { job_name, run_id } = members(request.parameters)?;
    let mut constraints = Constraints::default();
    let name = required(&mut constraints, "jobName", job_name);
    let id = required(&mut constraints, "runId", run_id);
    constraints.finish("ValidationException")?;
    let place = authorize(request, &name)?;
    let mut glue = cloud.glue();
    let additions = Additions::of(&glue.settings);
    let known = settled(cloud, &mut glue, place, request)?;
    let run = known.run(&id).ok_or_else(|| not_found(format!("Job Run {id} not found")))?;
    Ok(json!({ "JobRun": run.describe(&known.job, additions, request.now) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetJobRuns {
    job_name: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

fn get_job_runs(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let GetJobRuns { job_name, next_token, max_results } = members(request.parameters)?;
    let mut constraints = Constraints::default();
    let name = required(&mut constraints, "jobName", job_name);
    if let Some(max_results) = max_results {
        constraints.range("maxResults", max_results, 1, 200);
    }
    constraints.finish("ValidationException")?;
    let place = authorize(request, &name)?;
    let mut glue = cloud.glue();
    let (cap, lag, additions) =
        (glue.settings.page_size, glue.settings.list_lag, Additions::of(&glue.settings));
    let page = max_results.and_then(|max| usize::try_from(max).ok()).map_or(cap, |max| max.min(cap)).max(1);
    let known = settled(cloud, &mut glue, place, request)?;
    // A page's token is the id of its last run.
    let newest_first = known.runs.iter().rev();
    let mut listed: Vec<_> = newest_first.filter(|run| run.created + lag <= request.now).collect();
    if let Some(token) = next_token.filter(|token| !token.is_empty()) {
        let last = listed.iter().position(|run| run.id == token);
        let last = last.ok_or_else(|| Refusal::new(400, "InvalidInputException", "Invalid next token"))?;
        listed.drain(..=last);
    }
    let rest = listed.split_off(page.min(listed.len()));
    let runs: Vec<Value> =
        listed.iter().map(|run| run.describe(&known.job, additions, request.now)).collect();
    let mut answer = json!({ "JobRuns": runs });
    if let (false, Some(last)) = (rest.is_empty(), listed.last()) {
        answer["NextToken"] = json!(last.id);
    }
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchStopJobRun {
    job_name: Option<String>,
    job_run_ids: Option<Vec<String>>,
}

fn batch_stop_job_run(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let BatchStopJobRun { job_name, job_run_ids } = members(request.parameters)?;
    let mut constraints = Constraints::default();
    let name = required(&mut constraints, "jobName", job_name);
    constraints.present("jobRunIds", job_run_ids.as_ref());
    let ids = job_run_ids.unwrap_or_default();
    constraints.count("jobRunIds", ids.len(), 1, 25);
    constraints.finish("ValidationException")?;
    let place = authorize(request, &name)?;
    let mut glue = cloud.glue();
    let mut logs = cloud.logs();
    let (mut stopped, mut errors) = (Vec::new(), Vec::new());
    let mut known = glue.job_mut(place);
    for id in ids {
        let outcome = match &mut known {
            Some(known) => known.stop(&id, &mut logs, request.now),
            None => Err(("EntityNotFoundException", format!("Job {name} not found"))),
        };
        let subject = json!({ "JobName": name, "JobRunId": id });
        match outcome {
            Ok(()) => stopped.push(subject),
            Err((code, message)) => {
                let mut error = subject;
                error["ErrorDetail"] = json!({ "ErrorCode": code, "ErrorMessage": message });
                errors.push(error);
            }
        }
    }
    Ok(json!({ "SuccessfulSubmissions": stopped, "Errors": errors }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetJob {
    job_name: Option<String>,
}

fn get_job(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let GetJob { job_name } = members(request.parameters)?;
    let mut constraints = Constraints::default();
    let name = required(&mut constraints, "jobName", job_name);
    constraints.finish("ValidationException")?;
    let place = authorize(request, &name)?;
    let mut glue = cloud.glue();
    let KnownJob { job, created, .. } = settled(cloud, &mut glue, place, request)?;
    Ok(json!({ "Job": {
        "Name": job.name,
        "JobMode": "SCRIPT",
        "Role": job.role,
        "CreatedOn": epoch_seconds(*created),
        "LastModifiedOn": epoch_seconds(*created),
        "ExecutionProperty": { "MaxConcurrentRuns": job.max_concurrent_runs },
        "Command": { "Name": job.command, "ScriptLocation": job.script_location, "PythonVersion": "3" },
        "DefaultArguments": job.default_arguments,
        "MaxRetries": 0,
        "Timeout": job.timeout_minutes,
        "WorkerType": job.worker_type,
        "NumberOfWorkers": job.number_of_workers,
        "GlueVersion": job.glue_version,
        "ExecutionClass": "STANDARD",
    } }))
}

fn required(constraints: &mut Constraints, member: &str, value: Option<String>) -> String {
    constraints.present(member, value.as_ref());
    let value = value.unwrap_or_default();
    if !value.is_empty() {
        identifier(constraints, member, &value);
    }
    value
}

/// The place of a job in the caller's account, if the caller may do this to it.
fn authorize<'a>(request: &'a Request<'_>, name: &'a str) -> Result<Place<'a>, Refusal> {
    let caller = request.caller()?;
    let (partition, region, account) = (caller.partition(), request.region, &caller.account);
    request.authorize(&format!("arn:{partition}:glue:{region}:{account}:job/{name}"))?;
    Ok((account, region, name))
}

/// The job, after queueing runs have been given the places that are free by now.
fn settled<'a>(
    cloud: &Cloud,
    glue: &'a mut Glue,
    place: Place<'_>,
    request: &Request<'_>,
) -> Result<&'a KnownJob, Refusal> {
    let known = glue.job_mut(place).ok_or_else(|| not_found(format!("Job {} not found", place.2)))?;
    known.settle(&mut cloud.logs(), request.now);
    Ok(known)
}

fn not_found(text: String) -> Refusal {
    Refusal::new(400, "EntityNotFoundException", text)
}
