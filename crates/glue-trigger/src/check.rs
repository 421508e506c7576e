//! `--check`: what can be known without starting anything.

use cloudwatch_tail::Access;
use job_runtime::{CallError, Context, Exit, OnTerminate, Output, Report};
use serde::Serialize;

use crate::glue::Job;
use crate::job::{Request, Work, json};
use crate::logs;
use crate::run::{DEFAULT_LOG_GROUP, Place, aligned};

/// An id that no run has: asking for it tells "not allowed" from "not there".
const NO_RUN: &str = "jr_glue-trigger-check";

/// Everything that was looked at.
#[derive(Debug, Serialize)]
struct Survey<'a> {
    job_name: &'a str,
    region: &'a str,
    account: Option<&'a str>,
    checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    /// An IAM action, or `credentials`.
    name: &'static str,
    result: Finding,
    detail: String,
    #[serde(skip)]
    exit: Exit,
}

/// What a look showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Finding {
    /// As it should be.
    Ok,
    /// Not as it should be, but the job can do without.
    Warning,
    /// The job would fail on it.
    Failed,
    /// Cannot be known without doing it.
    NotChecked,
}

impl Check {
    fn new(name: &'static str, result: Finding, detail: impl Into<String>) -> Self {
        Self { name, result, detail: detail.into(), exit: Exit::Ok }
    }

    fn failed(name: &'static str, error: &CallError) -> Self {
        Self { exit: error.exit(), ..Self::new(name, Finding::Failed, error.to_string()) }
    }
}

/// Looks at everything that `request` would need.
pub(crate) async fn check(job: &Job<'_>, request: &Request, place: &Place, ctx: &Context) -> Report {
    let keyed = matches!(request.work, Work::Start(_)) && ctx.key().is_some();
    let mut checks = vec![credentials(ctx), runs(job, keyed).await];
    checks.extend(run(job, &request.work, ctx).await);
    if request.logs {
        checks.extend(run_logs(ctx).await);
    }
    let untold = "cannot be checked without doing it";
    if let Work::Start(_) = request.work {
        checks.push(Check::new("glue:StartJobRun", Finding::NotChecked, untold));
    }
    if ctx.on_terminate() == OnTerminate::Cancel {
        checks.push(Check::new("glue:BatchStopJobRun", Finding::NotChecked, untold));
    }

    let account = place.account.as_deref();
    report(&Survey { job_name: job.name, region: &place.region, account, checks }, request.output)
}

/// The chain has been walked before: this is only reached if it led somewhere.
fn credentials(ctx: &Context) -> Check {
    let caller = ctx.identity().arn.as_deref().unwrap_or("an identity that was not asked for its name");
    Check::new("credentials", Finding::Ok, format!("{caller}, by {}", ctx.chain()))
}

/// Tells whether the job exists; to look for earlier runs, a start with a key needs the permission as well.
async fn runs(job: &Job<'_>, keyed: bool) -> Check {
    const NAME: &str = "glue:GetJobRuns";
    match job.list().await {
        Ok(()) => Check::new(NAME, Finding::Ok, "the job exists and its runs can be listed"),
        Err(error) if error.exit() == Exit::Denied && !keyed => {
            let detail =
                format!("only this check needs it, so it is not known whether the job exists: {error}");
            Check::new(NAME, Finding::Warning, detail)
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
    Some(match job.look(id).await {
        Ok(run) => Check::new(NAME, Finding::Ok, format!("run {id} is {}", run.state)),
        // The made-up id was looked for and not found, which takes the permission to look.
        Err(error) if named.is_none() && error.exit() == Exit::Rejected => {
            Check::new(NAME, Finding::Ok, "runs can be looked at")
        }
        Err(error) => Check::failed(NAME, &error),
    })
}

/// Logs never fail a job, so nothing here fails the check.
async fn run_logs(ctx: &Context) -> Vec<Check> {
    const NAME: &str = "logs:GetLogEvents";
    let tail = logs::open(DEFAULT_LOG_GROUP, NO_RUN, ctx);
    let found = tail.access().await.into_iter().map(|(group, access)| match access {
        Access::Allowed => Check::new(NAME, Finding::Ok, format!("{group} can be read")),
        Access::Refused(text) => {
            Check::new(NAME, Finding::Warning, format!("{group} cannot be read: {text}"))
        }
        Access::Unknown(text) => {
            Check::new(NAME, Finding::Warning, format!("{group} was not reached: {text}"))
        }
    });
    found.collect()
}

/// The result; the exit is that of the worst finding: one that no retry helps, then the one with the higher code.
fn report(survey: &Survey<'_>, output: Output) -> Report {
    let result = match output {
        Output::Json => json(survey),
        Output::Text => {
            let lines: Vec<(String, &str)> = survey
                .checks
                .iter()
                .map(|check| {
                    let found = match check.result {
                        Finding::Ok => "ok",
                        Finding::Warning => "warning",
                        Finding::Failed => "failed",
                        Finding::NotChecked => "not checked",
                    };
                    (format!("{found:11}  {}", check.name), check.detail.as_str())
                })
                .collect();
            aligned(lines.iter().map(|(name, detail)| (name.as_str(), *detail)))
        }
    };
    let worst = survey.checks.iter().max_by_key(|check| (check.exit.fails_job(), check.exit.code()));
    match worst.filter(|check| check.exit != Exit::Ok) {
        Some(worst) => Report::failed(worst.exit, result, format!("check failed: {}", worst.detail)),
        None => Report::ok(result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides() {
        let cases: [(&[Exit], Exit); 5] = [
            (&[Exit::Ok, Exit::Ok], Exit::Ok),
            (&[Exit::Ok, Exit::Denied, Exit::Ok], Exit::Denied),
            (&[Exit::Unavailable, Exit::Rejected], Exit::Rejected),
            (&[Exit::Denied, Exit::Rejected], Exit::Denied),
            (&[Exit::Unavailable], Exit::Unavailable),
        ];
        for (exits, expected) in cases {
            let checks = exits.iter().map(|exit| {
                let check = Check::new("glue:GetJobRuns", Finding::Ok, "");
                Check { exit: *exit, ..check }
            });
            let checks =
                Survey { job_name: "etl", region: "us-east-2", account: None, checks: checks.collect() };
            assert_eq!(report(&checks, Output::Json).exit, expected, "{exits:?}");
        }
    }

    #[test]
    fn text_has_a_line_for_each() {
        let checks = vec![
            Check::new("credentials", Finding::Ok, "arn"),
            Check::new("glue:GetJobRuns", Finding::Warning, "refused"),
            Check::new("glue:StartJobRun", Finding::NotChecked, "not without doing it"),
        ];
        let checks = Survey { job_name: "etl", region: "us-east-2", account: None, checks };
        let expected = "\
ok           credentials       arn
warning      glue:GetJobRuns   refused
not checked  glue:StartJobRun  not without doing it";
        assert_eq!(report(&checks, Output::Text).result, expected);
    }
}
