//! From what is asked for to the report.

use aws_sdk_glue::Client;
use job_runtime::remote::{self, BegunOf, EndingOf, Outcome, RemoteError};
use job_runtime::{Context, Exit, Output, Place, Report, json};
use serde::Serialize;

use crate::check::check;
use crate::glue::Job;
use crate::job_run::JobRun;
use crate::request::{Request, Start, Work};
use crate::run::{self, Shown};

/// Does what is asked for.
///
/// # Errors
/// Everything that leaves no ended run to report. A run that failed is a report.
pub(crate) async fn execute(
    client: &Client,
    request: &Request,
    ctx: &Context,
) -> Result<Report, RemoteError> {
    let job = Job { client, name: &request.job_name };
    if ctx.check() {
        return Ok(check(&job, request, ctx).await);
    }
    let outcome = match &request.work {
        Work::Start(start) => remote::run(&JobRun::new(job, start, request.logs, ctx), ctx).await?,
        Work::Attach(run_id) => {
            let start = Start::default();
            let run = JobRun::new(job, &start, request.logs, ctx);
            remote::attach(&run, run_id.clone(), ctx).await?
        }
    };
    let place = ctx.place();
    Ok(match outcome {
        Outcome::Ended(ending) => report(&ending, request.output, &place),
        Outcome::Started(begun) => Report::ok(started(&begun, request, &place)),
    })
}

/// The run as the result.
fn report(ending: &EndingOf<JobRun<'_>>, output: Output, place: &Place) -> Report {
    let run = &ending.snapshot;
    let shown = Shown {
        run,
        adopted: ending.resumed,
        region: &place.region,
        account: place.account.as_deref(),
        console_url: &run::console(place, &run.job_name, Some(&run.id)),
    };
    let result = match output {
        Output::Json => json(&shown),
        Output::Text => shown.text(),
    };
    match ending.exit() {
        Exit::Ok => Report::ok(result),
        exit => {
            let reason = run.error.as_deref().or(run.state_detail.as_deref());
            let reason = reason.map(|reason| format!(": {}", reason.trim())).unwrap_or_default();
            let error = format!("run {} of job {} ended {}{reason}", run.id, run.job_name, run.state);
            Report::failed(exit, result, error)
        }
    }
}

/// What `--no-wait` prints: as text the bare id, for `$(...)`.
fn started(begun: &BegunOf<JobRun<'_>>, request: &Request, place: &Place) -> String {
    #[derive(Serialize)]
    struct Started<'a> {
        job_name: &'a str,
        run_id: &'a str,
        adopted: bool,
        region: &'a str,
        account: Option<&'a str>,
        console_url: &'a str,
    }
    match request.output {
        Output::Text => begun.id.clone(),
        Output::Json => json(&Started {
            job_name: &request.job_name,
            run_id: &begun.id,
            adopted: begun.resumed,
            region: &place.region,
            account: place.account.as_deref(),
            console_url: &run::console(place, &request.job_name, Some(&begun.id)),
        }),
    }
}
