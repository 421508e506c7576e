//! `trigger`: starts a run of a DAG once, waits for its end and reports it.

mod by_cli;
mod by_rest;
pub(crate) mod channel;
mod dag_run;
pub(crate) mod run;

use std::cell::RefCell;
use std::time::Duration;

use job_runtime::remote::{self, BegunOf, EndingOf, Outcome};
use job_runtime::{Context, Exit, Output, Report, Verdict, json};
use serde::Serialize;
use tokio::time::{sleep, timeout_at};

use self::channel::{Channel, Wanted, Ways};
use self::dag_run::DagRun;
use self::run::{Run, Shown, Task};
use crate::environment::{Environment, Usable};
use crate::error::Error;
use crate::mwaa::Mwaa;

/// How long it may take to learn which tasks have failed: they are an addition, not the result.
const TASKS_LIMIT: Duration = Duration::from_secs(30);

/// The same after a signal.
const LAST_TASKS_LIMIT: Duration = Duration::from_millis(500);

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Trigger {
    pub(crate) wanted: Wanted,
    /// The only way to take.
    pub(crate) channel: Option<Channel>,
    /// Start a run of a paused DAG, too.
    pub(crate) allow_paused: bool,
}

/// Does what is asked for.
///
/// # Errors
/// Everything that leaves no ended run to report. A run that failed is a report.
pub(crate) async fn trigger(
    mwaa: Mwaa<'_>,
    trigger: &Trigger,
    output: Output,
    ctx: &Context,
) -> Result<Report, Error> {
    let looked = timeout_at(ctx.deadline(), Box::pin(usable(&mwaa, ctx))).await;
    let environment = looked.map_err(|_| Error::TooLong)??;
    let ways = Ways::new(mwaa, &environment, trigger.channel, ctx);
    let place = ctx.place();
    let host = environment.web_server_host.as_deref();
    let work = DagRun { ways: &ways, trigger, place: &place, host, asked_for: RefCell::default() };
    Ok(match remote::run(&work, ctx).await? {
        Outcome::Ended(ending) => {
            let tasks = failed_tasks(&ways, &ending.snapshot, ctx).await;
            report(&work, &ending, &tasks, output)
        }
        Outcome::Started(begun) => Report::ok(started(&work, &begun, output)),
    })
}

/// The environment, unless nothing can be started in it.
async fn usable(mwaa: &Mwaa<'_>, ctx: &Context) -> Result<Environment, Error> {
    let environment = mwaa.describe().await.map_err(|source| Error::environment(mwaa.name, ctx, source))?;
    let Environment { name, status, .. } = &environment;
    match environment.usable() {
        Some(Usable::Yes) => {}
        Some(Usable::Perhaps) => {
            tracing::warn!("environment {name} is {status}: it may be unavailable for a while");
        }
        None => tracing::warn!("environment {name} is {status}, which this version does not know"),
        Some(usable @ (Usable::NotYet | Usable::Never)) => {
            return Err(Error::Unusable {
                name: name.clone(),
                status: status.clone(),
                later: usable == Usable::NotYet,
            });
        }
    }
    Ok(environment)
}

/// The tasks that made a run fail, where they are told.
async fn failed_tasks(ways: &Ways<'_>, run: &Run, ctx: &Context) -> Vec<Task> {
    if run.verdict() == Verdict::Succeeded {
        return Vec::new();
    }
    let told = tokio::select! {
        told = ways.failed_tasks(&run.dag_id, &run.id) => Some(told),
        () = sleep(TASKS_LIMIT) => None,
        _ = ctx.out_of_patience(LAST_TASKS_LIMIT) => None,
    };
    match told {
        Some(Ok(tasks)) => tasks,
        Some(Err(error)) => {
            tracing::warn!("which tasks have failed could not be learnt: {error}");
            Vec::new()
        }
        None => {
            tracing::warn!("which tasks have failed was not told in time");
            Vec::new()
        }
    }
}

/// The run as the result.
fn report(work: &DagRun<'_>, ending: &EndingOf<DagRun<'_>>, tasks: &[Task], output: Output) -> Report {
    let run = &ending.snapshot;
    let shown = Shown {
        run,
        failed_tasks: tasks,
        adopted: ending.resumed,
        environment_name: work.ways.mwaa.name,
        channel: work.ways.taken(),
        region: &work.place.region,
        account: work.place.account.as_deref(),
        url: &work.url(&run.id),
    };
    let result = match output {
        Output::Json => json(&shown),
        Output::Text => shown.text(),
    };
    match ending.exit() {
        Exit::Ok => Report::ok(result),
        exit => {
            let tasks = tasks.iter().map(Task::name).collect::<Vec<_>>().join(", ");
            let tasks = if tasks.is_empty() { tasks } else { format!(": {tasks}") };
            let error = format!("run {} of DAG {} ended {}{tasks}", run.id, run.dag_id, run.state);
            Report::failed(exit, result, error)
        }
    }
}

/// What `--no-wait` prints: as text the bare id, for `$(...)`.
fn started(work: &DagRun<'_>, begun: &BegunOf<DagRun<'_>>, output: Output) -> String {
    #[derive(Serialize)]
    struct Started<'a> {
        dag_id: &'a str,
        dag_run_id: &'a str,
        adopted: bool,
        environment_name: &'a str,
        channel: Channel,
        region: &'a str,
        account: Option<&'a str>,
        url: &'a str,
    }
    match output {
        Output::Text => begun.id.clone(),
        Output::Json => json(&Started {
            dag_id: &work.trigger.wanted.dag_id,
            dag_run_id: &begun.id,
            adopted: begun.resumed,
            environment_name: work.ways.mwaa.name,
            channel: work.ways.taken(),
            region: &work.place.region,
            account: work.place.account.as_deref(),
            url: &work.url(&begun.id),
        }),
    }
}
