//! `--check`: what can be known without starting anything.

use cloudwatch_tail::Access;
use job_runtime::{Check, Context, Exit, OnTerminate, Report, Survey};

use crate::glue::Job;
use crate::logs;
use crate::request::{Request, Work};
use crate::run::DEFAULT_LOG_GROUP;

/// An id that no run has: asking for it tells "not allowed" from "not there".
const NO_RUN: &str = "jr_glue-trigger-check";

/// Looks at everything that `request` would need.
pub(crate) async fn check(job: &Job<'_>, request: &Request, ctx: &Context) -> Report {
    let keyed = matches!(request.work, Work::Start(_)) && ctx.key().is_some();
    let mut survey = Survey::new(("job_name", job.name), ctx);
    survey.extend([runs(job, keyed).await]);
    survey.extend(run(job, &request.work, ctx).await);
    if request.logs {
        survey.extend(run_logs(ctx).await);
    }
    if let Work::Start(_) = request.work {
        survey.extend([Check::untold("glue:StartJobRun")]);
    }
    if request.work.on_terminate(ctx) == OnTerminate::Cancel {
        survey.extend([Check::untold("glue:BatchStopJobRun")]);
    }
    survey.report(request.output)
}

/// Tells whether the job exists; to look for earlier runs, a start with a key needs the permission as well.
async fn runs(job: &Job<'_>, keyed: bool) -> Check {
    const NAME: &str = "glue:GetJobRuns";
    match job.list().await {
        Ok(()) => Check::ok(NAME, "the job exists and its runs can be listed"),
        Err(error) if error.exit() == Exit::Denied && !keyed => {
            let detail =
                format!("only this check needs it, so it is not known whether the job exists: {error}");
            Check::warning(NAME, detail)
        }
        Err(error) => Check::failed(NAME, &error),
    }
}

/// Needed to wait, and to learn the arguments of a run to retry.
async fn run(job: &Job<'_>, work: &Work, ctx: &Context) -> Option<Check> {
    const NAME: &str = "glue:GetJobRun";
    let named = match work {
        Work::Attach(run_id) => Some(run_id.as_str()),
        Work::Start(start) => start.retry_run.as_deref(),
    };
    let id = match named {
        Some(run_id) => run_id,
        None if ctx.no_wait() => return None,
        None => NO_RUN,
    };
    Some(match job.run(id).await {
        Ok(run) => Check::ok(NAME, format!("run {id} is {}", run.state)),
        // The made-up id was looked for and not found, which takes the permission to look.
        Err(error) if named.is_none() && error.exit() == Exit::Rejected => {
            Check::ok(NAME, "runs can be looked at")
        }
        Err(error) => Check::failed(NAME, &error),
    })
}

/// Logs never fail a job, so nothing here fails the check.
async fn run_logs(ctx: &Context) -> Vec<Check> {
    const NAME: &str = "logs:GetLogEvents";
    let tail = logs::open(DEFAULT_LOG_GROUP, NO_RUN, ctx);
    let found = tail.access().await.into_iter().map(|(group, access)| match access {
        Access::Allowed => Check::ok(NAME, format!("{group} can be read")),
        Access::Refused(text) => Check::warning(NAME, format!("{group} cannot be read: {text}")),
        Access::Unknown(text) => Check::warning(NAME, format!("{group} was not reached: {text}")),
    });
    found.collect()
}
