//! What is asked for, and the way from there to a result: begin, remember, wait, report.

use std::time::Duration;

use aws_sdk_glue::Client;
use job_runtime::{Context, Ended, Exit, Judged, OnTerminate, Output, Place, Remote, Report, Verdict, json};
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::arguments::Arguments;
use crate::begin::{ANSWER_LIMIT, Begun, begin};
use crate::check::check;
use crate::error::{Error, is_not_found};
use crate::glue::Job;
use crate::logs;
use crate::run::{self, Outcome, Run};

/// First interval between two looks at the run; a Glue run takes a minute at the very least.
const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// For how long a run that was just started may be unknown to `GetJobRun`.
const VISIBLE_WITHIN: Duration = Duration::from_secs(30);

/// The state that is told of a run that was started and cannot be seen yet. In no form that Glue's own states have.
const NOT_VISIBLE: &str = "not yet visible";

/// How long after a signal the run may be stopped and looked at. The runtime gives the whole end four seconds.
const STOP_LIMIT: Duration = Duration::from_millis(3500);

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Name of the job.
    pub(crate) job_name: String,
    /// Which run of it.
    pub(crate) work: Work,
    /// Show the run's logs.
    pub(crate) logs: bool,
    /// Form of the result.
    pub(crate) output: Output,
}

/// Which run it is about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    /// A new one.
    Start(Box<Start>),
    /// The one with this id.
    Attach(String),
}

/// What goes into `StartJobRun`, and how long to try.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Start {
    /// Arguments of the run.
    pub(crate) arguments: Arguments,
    /// `WorkerType`.
    pub(crate) worker_type: Option<String>,
    /// `NumberOfWorkers`.
    pub(crate) number_of_workers: Option<i32>,
    /// `MaxCapacity`, in DPUs.
    pub(crate) max_capacity: Option<f64>,
    /// `Timeout`, in minutes.
    pub(crate) timeout_minutes: Option<i32>,
    /// `SecurityConfiguration`.
    pub(crate) security_configuration: Option<String>,
    /// `ExecutionClass`: FLEX or STANDARD; without it the job's own.
    pub(crate) flex: Option<bool>,
    /// `NotifyDelayAfter`, in minutes.
    pub(crate) notify_delay_minutes: Option<i32>,
    /// `JobRunQueuingEnabled`.
    pub(crate) queuing: bool,
    /// `ExecutionRoleSessionPolicy`, in JSON.
    pub(crate) role_session_policy: Option<String>,
    /// `JobRunId`: the run to retry.
    pub(crate) retry_run: Option<String>,
    /// How long to try while as many runs as the job allows are going.
    pub(crate) wait_for_slot: Option<Duration>,
}

/// A run that is over, and how this program ends after it.
#[derive(Debug, PartialEq)]
pub(crate) struct Over {
    pub(crate) run: Run,
    pub(crate) exit: Exit,
}

/// Does what is asked for.
///
/// # Errors
/// Everything that leaves no ended run to report. A run that failed is a report.
pub(crate) async fn execute(client: &Client, request: &Request, ctx: &Context) -> Result<Report, Error> {
    let job = Job { client, name: &request.job_name };
    let place = ctx.place();
    if ctx.check() {
        return Ok(check(&job, request, ctx).await);
    }
    let begun = match &request.work {
        Work::Attach(run_id) => Begun { run_id: run_id.clone(), adopted: true, verdict: Verdict::Pending },
        Work::Start(start) => begin(&job, start, &place, ctx).await?,
    };
    let console = run::console(&place, job.name, Some(&begun.run_id));
    ctx.remember(Remote { id: begun.run_id.clone(), state: None, console: Some(console.clone()) });
    // A failure of the key's earlier run is told even so: one look at it, and the wait is over.
    let failed = matches!(begun.verdict, Verdict::Failed | Verdict::Stopped);
    if ctx.no_wait() && !failed {
        return Ok(Report::ok(started(&begun, &console, request, &place)));
    }
    // A signal during the start may have used up the patience with its answer.
    let used_up = if ctx.is_cancelled() { ANSWER_LIMIT } else { Duration::ZERO };
    let report = |over: &Over| report(over, begun.adopted, &console, request.output, &place);
    match wait(&job, &begun, request.logs, ctx).await {
        Ended::Done(over) => Ok(report(&over)),
        Ended::Deadline(state) => Err(Error::Deadline {
            run_id: begun.run_id,
            state: state.filter(|state| state != NOT_VISIBLE),
            timeout: ctx.elapsed(),
        }),
        Ended::Cancelled(exit) => {
            let by = Instant::now() + STOP_LIMIT.saturating_sub(used_up);
            match ctx.on_terminate() {
                OnTerminate::Detach => {
                    Err(Error::Interrupted { exit, what: left(&begun.run_id, &request.work, ctx) })
                }
                OnTerminate::Cancel => match stop(&job, &begun.run_id, by, ctx).await {
                    Ok(over) => Ok(report(&over)),
                    Err(what) => Err(Error::Interrupted { exit, what }),
                },
            }
        }
        Ended::Lost(source) => Err(Error::lost(job.name, begun.run_id, &place, source)),
    }
}

/// Looks at the run until it has ended, with its logs beside.
async fn wait(job: &Job<'_>, begun: &Begun, logs: bool, ctx: &Context) -> Ended<Over> {
    let run_id = begun.run_id.as_str();
    // Nothing promises that a run can be seen as soon as its id is known.
    let visible_by = Instant::now() + if begun.adopted { Duration::ZERO } else { VISIBLE_WITHIN };
    let (log_group, seen) = oneshot::channel();
    let mut log_group = Some(log_group);
    // Boxed, here and below: the futures of SDK calls are large, and would be carried in every frame above.
    let waiting = Box::pin(ctx.poll(POLL_INTERVAL, async || {
        let run = match job.look(run_id).await {
            Err(error) if is_not_found(&error) && Instant::now() < visible_by => {
                return Ok(Judged::Pending {
                    state: NOT_VISIBLE.to_owned(),
                    detail: Some(error.to_string()),
                });
            }
            looked => looked?,
        };
        if let Some(log_group) = log_group.take() {
            // Nobody listens without --logs.
            let _ = log_group.send(run.log_group.clone());
        }
        let judged = judge(run);
        if let Judged::Done(Over { run, .. }) = &judged {
            ctx.ended_in(&run.state);
        }
        Ok(judged)
    }));
    if logs { Box::pin(logs::beside(waiting, run_id, seen, ctx)).await } else { waiting.await }
}

/// Pending or over. A state that is not known goes into the log with the remark that it is not.
fn judge(run: Run) -> Judged<Over> {
    let exit = match run::judge(&run.state) {
        Some(Verdict::Succeeded) => Exit::Ok,
        Some(Verdict::Failed) => Exit::Failed,
        Some(Verdict::Stopped) => Exit::Stopped,
        Some(Verdict::Pending) => return Judged::Pending { state: run.state, detail: run.state_detail },
        None => {
            let detail = "a state that this version does not know, taken for pending".to_owned();
            return Judged::Pending { state: run.state, detail: Some(detail) };
        }
    };
    Judged::Done(Over { run, exit })
}

/// What becomes of a run that is left for the next process.
fn left(run_id: &str, work: &Work, ctx: &Context) -> String {
    match work {
        Work::Start(_) if ctx.key().is_some() => {
            format!("run {run_id} goes on; the next process with the same key takes over")
        }
        Work::Start(_) | Work::Attach(_) => format!("run {run_id} goes on; --attach {run_id} takes over"),
    }
}

/// Asks Glue to stop the run, and says what became of that. A run that had ended by itself is the result.
async fn stop(job: &Job<'_>, run_id: &str, by: Instant, ctx: &Context) -> Result<Over, String> {
    let look = async {
        let judged = judge(job.look(run_id).await?);
        if let Judged::Done(Over { run, .. }) = &judged {
            ctx.ended_in(&run.state);
        }
        Ok(judged)
    };
    ctx.stop("Glue", &format!("run {run_id}"), by, async || job.stop(run_id).await, look, |over| over.exit)
        .await
}

/// The run as the result.
fn report(over: &Over, adopted: bool, console: &str, output: Output, place: &Place) -> Report {
    let Over { run, exit } = over;
    let outcome = Outcome {
        run,
        adopted,
        region: &place.region,
        account: place.account.as_deref(),
        console_url: console,
    };
    let result = match output {
        Output::Json => json(&outcome),
        Output::Text => outcome.text(),
    };
    let error = (*exit != Exit::Ok).then(|| {
        let reason = run.error.as_deref().or(run.state_detail.as_deref());
        let reason = reason.map(|reason| format!(": {}", reason.trim())).unwrap_or_default();
        format!("run {} of job {} ended {}{reason}", run.id, run.job_name, run.state)
    });
    match error {
        Some(error) => Report::failed(*exit, result, error),
        None => Report::ok(result),
    }
}

/// What `--no-wait` prints: as text the bare id, for `$(...)`.
fn started(begun: &Begun, console_url: &str, request: &Request, place: &Place) -> String {
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
        Output::Text => begun.run_id.clone(),
        Output::Json => json(&Started {
            job_name: &request.job_name,
            run_id: &begun.run_id,
            adopted: begun.adopted,
            region: &place.region,
            account: place.account.as_deref(),
            console_url,
        }),
    }
}
