//! `trigger`: starts a run of a DAG once, waits for its end and says how it ended.

mod begin;
mod by_cli;
mod by_rest;
pub(crate) mod channel;
pub(crate) mod run;

use std::time::Duration;

use job_runtime::{Context, Ended, Exit, Judged, OnTerminate, Output, Place, Remote, Report, Verdict, json};
use serde::Serialize;
use tokio::time::{Instant, timeout, timeout_at};

use self::begin::{Begun, begin};
use self::channel::{Channel, Wanted, Ways};
use self::run::{Outcome, Run, Task};
use crate::environment::{Environment, Usable};
use crate::error::Error;
use crate::job::ANSWER_LIMIT;
use crate::mwaa::Mwaa;

/// First interval between two looks at the run. `InvokeRestApi` takes ten calls a second of all its users.
const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// For how long a run that was just started may be unknown.
const VISIBLE_WITHIN: Duration = Duration::from_secs(30);

/// The state that is told of a run that was started and cannot be seen yet. In no form that Airflow's own states have.
const NOT_VISIBLE: &str = "not yet visible";

/// How long after a signal the run may be stopped. The runtime gives the whole end four seconds.
const STOP_LIMIT: Duration = Duration::from_millis(3500);

/// How long it may take to learn which tasks have failed: they are an addition, not the result.
const TASKS_LIMIT: Duration = Duration::from_secs(30);

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Trigger {
    pub(crate) wanted: Wanted,
    /// The only way to take.
    pub(crate) channel: Option<Channel>,
    /// Start a run of a paused DAG, too.
    pub(crate) allow_paused: bool,
}

/// A run, and who asks where for it: all that is shown.
struct Seen<'a> {
    environment: &'a str,
    place: Place,
    adopted: bool,
    url: String,
    output: Output,
}

/// What the wait has come to.
enum Over {
    Ended(Run),
    /// It was there and is not any more.
    Gone,
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
    let begun = begin(&ways, trigger, ctx).await?;
    let dag = trigger.wanted.dag_id.as_str();
    let place = ctx.place();
    let host = environment.web_server_host.as_deref();
    let url = run::address(host, ways.generation, dag, &begun.id, mwaa.name, &place);
    ctx.remember(Remote { id: begun.id.clone(), state: None, console: Some(url.clone()) });
    let seen = Seen { environment: mwaa.name, place, adopted: begun.adopted, url, output };
    // A failure of the key's earlier run is told even so: one look at it, and the wait is over.
    let failed = matches!(begun.verdict, Verdict::Failed | Verdict::Stopped);
    if ctx.no_wait() && !failed {
        return Ok(Report::ok(seen.started(dag, &begun, ways.taken())));
    }
    // A signal during the start may have used up the patience with its answer.
    let used_up = if ctx.is_cancelled() { ANSWER_LIMIT } else { Duration::ZERO };
    match wait(&ways, dag, &begun, ctx).await {
        Ended::Done(Over::Ended(run)) => {
            let tasks = failed_tasks(&ways, &run).await;
            Ok(seen.report(&run, &tasks, ways.taken()))
        }
        Ended::Done(Over::Gone) => Err(Error::Gone { dag: dag.to_owned(), id: begun.id }),
        Ended::Deadline(state) => Err(Error::Deadline {
            id: begun.id,
            state: state.filter(|state| state != NOT_VISIBLE),
            timeout: ctx.elapsed(),
        }),
        Ended::Cancelled(exit) => {
            let by = Instant::now() + STOP_LIMIT.saturating_sub(used_up);
            Err(Error::Interrupted { exit, what: end_or_leave(&ways, dag, &begun.id, by, ctx).await })
        }
        Ended::Lost(source) => Err(Error::lost(begun.id, seen.url, &ways, source)),
    }
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

/// Looks at the run until it has ended.
async fn wait(ways: &Ways<'_>, dag: &str, begun: &Begun, ctx: &Context) -> Ended<Over> {
    let mut visible_by = Instant::now() + if begun.adopted { Duration::ZERO } else { VISIBLE_WITHIN };
    // Boxed: the futures of SDK calls are large.
    Box::pin(ctx.poll(POLL_INTERVAL, async || {
        let pending = |state: String, detail| Ok(Judged::Pending { state, detail });
        let Some(run) = ways.look(dag, &begun.id).await? else {
            return if Instant::now() < visible_by {
                pending(NOT_VISIBLE.to_owned(), None)
            } else {
                Ok(Judged::Done(Over::Gone))
            };
        };
        visible_by = Instant::now();
        match run::judge(&run.state) {
            Some(Verdict::Succeeded | Verdict::Failed | Verdict::Stopped) => {
                ctx.ended_in(&run.state);
                Ok(Judged::Done(Over::Ended(run)))
            }
            Some(Verdict::Pending) => pending(run.state, None),
            None => {
                let detail = "a state that this version does not know, taken for pending".to_owned();
                pending(run.state, Some(detail))
            }
        }
    }))
    .await
}

/// The tasks that made a run fail, where they are told.
async fn failed_tasks(ways: &Ways<'_>, run: &Run) -> Vec<Task> {
    if run.verdict() == Verdict::Succeeded {
        return Vec::new();
    }
    match timeout(TASKS_LIMIT, ways.failed_tasks(&run.dag_id, &run.id)).await {
        Ok(Ok(tasks)) => tasks,
        Ok(Err(error)) => {
            tracing::warn!("which tasks have failed could not be learnt: {error}");
            Vec::new()
        }
        Err(_) => {
            tracing::warn!("which tasks have failed was not told in time");
            Vec::new()
        }
    }
}

/// What becomes of the run after a signal.
async fn end_or_leave(ways: &Ways<'_>, dag: &str, id: &str, by: Instant, ctx: &Context) -> String {
    match ctx.on_terminate() {
        OnTerminate::Detach if ctx.key().is_some() => {
            format!("run {id} goes on; the next process with the same key takes over")
        }
        OnTerminate::Detach => format!("run {id} goes on"),
        OnTerminate::Cancel => match timeout_at(by, ways.fail(dag, id)).await {
            Ok(Ok(())) => format!("Airflow has set run {id} to failed, which ends its tasks"),
            Ok(Err(why)) => format!("run {id} goes on, stopping it failed: {why}"),
            Err(_) => format!("run {id} may go on, Airflow did not answer the stop in time"),
        },
    }
}

impl Seen<'_> {
    /// The run as the result.
    fn report(&self, run: &Run, tasks: &[Task], channel: Channel) -> Report {
        let outcome = Outcome {
            run,
            failed_tasks: tasks,
            adopted: self.adopted,
            environment_name: self.environment,
            channel,
            region: &self.place.region,
            account: self.place.account.as_deref(),
            url: &self.url,
        };
        let result = match self.output {
            Output::Json => json(&outcome),
            Output::Text => outcome.text(),
        };
        match run.verdict().exit() {
            Some(Exit::Ok) | None => Report::ok(result),
            Some(exit) => {
                let tasks = tasks.iter().map(Task::name).collect::<Vec<_>>().join(", ");
                let tasks = if tasks.is_empty() { tasks } else { format!(": {tasks}") };
                Report::failed(
                    exit,
                    result,
                    format!("run {} of DAG {} ended {}{tasks}", run.id, run.dag_id, run.state),
                )
            }
        }
    }

    /// What `--no-wait` prints: as text the bare id, for `$(...)`.
    fn started(&self, dag_id: &str, begun: &Begun, channel: Channel) -> String {
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
        match self.output {
            Output::Text => begun.id.clone(),
            Output::Json => json(&Started {
                dag_id,
                dag_run_id: &begun.id,
                adopted: self.adopted,
                environment_name: self.environment,
                channel,
                region: &self.place.region,
                account: self.place.account.as_deref(),
                url: &self.url,
            }),
        }
    }
}
