//! `--check` of `train`: what can be known without starting a job.

use cloudwatch_tail::Access;
use job_runtime::{Check, Context, OnTerminate, Output, Report, Survey};

use super::name::Name;
use super::{Jobs, Request, is_not_found, logs};

/// A name that no job has: asking for it tells "not allowed" from "not there".
const NO_JOB: &str = "sagemaker-invoke-check";

/// Looks at everything that `request` would need.
pub(super) async fn check(
    jobs: &Jobs<'_>,
    name: &Name,
    request: &Request,
    output: Output,
    ctx: &Context,
) -> Report {
    let mut survey = Survey::new(("training_job_name", &name.numbered(1)), ctx);
    survey.extend([describe(jobs).await]);
    if request.logs {
        survey.extend(job_logs(ctx).await);
    }
    survey.extend([Check::untold("sagemaker:CreateTrainingJob"), Check::untold("iam:PassRole")]);
    if ctx.on_terminate() == OnTerminate::Cancel {
        survey.extend([Check::untold("sagemaker:StopTrainingJob")]);
    }
    survey.report(output)
}

/// Needed to wait, and with a key to look for its earlier job.
async fn describe(jobs: &Jobs<'_>) -> Check {
    const NAME: &str = "sagemaker:DescribeTrainingJob";
    match jobs.describe(NO_JOB).await {
        Ok(_) => Check::ok(NAME, "jobs can be looked at"),
        // The made-up name was looked for and not found, which takes the permission to look.
        Err(error) if is_not_found(&error) => Check::ok(NAME, "jobs can be looked at"),
        Err(error) => Check::failed(NAME, &error),
    }
}

/// Logs never fail a job, so nothing here fails the check.
async fn job_logs(ctx: &Context) -> Vec<Check> {
    let tail = logs::open(NO_JOB, ctx);
    let found = tail.rights().await.into_iter().map(|(action, group, access)| match access {
        Access::Allowed => Check::ok(action, format!("{group} can be read")),
        Access::Refused(text) => Check::warning(action, format!("{group} cannot be read: {text}")),
        Access::Unknown(text) => Check::warning(action, format!("{group} was not reached: {text}")),
    });
    found.collect()
}
