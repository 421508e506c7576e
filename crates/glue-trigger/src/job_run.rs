//! A job run as remote work: how a run of a key is found, started, described and stopped.
//!
//! `StartJobRun` has no client token, and a run has no name or tag of ours. What a run does keep is its arguments: the
//! key goes in there as [`MARKER`], and the user's script sees it as one more argument. A scan of the job's newest runs
//! for the marker shows whether the work was started before.
//!
//! What this cannot prevent: two processes that scan at the same time, find nothing and both send; or a process that
//! scans before `GetJobRuns` shows what the one before it has started. Where the job allows one run at a time
//! (`MaxConcurrentRuns`, 1 unless set), Glue refuses the second start, and its process then finds the first one's run.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use job_runtime::remote::{
    Attempt, Earlier, Fingerprint, Found, Links, Lookup, PollPolicy, Polled, Recovery, RemoteWork,
    StartError, Started, Status, Step, StopKind,
};
use job_runtime::{CallError, Context, Ended, Place, Verdict, json};
use tokio::sync::watch;

use crate::arguments::Arguments;
use crate::glue::{self, Job};
use crate::logs;
use crate::request::Start;
use crate::run::{self, Run};

/// The argument that carries the key.
pub(crate) const MARKER: &str = "--glue-trigger-key";

/// The value of [`MARKER`] without the fingerprint: the key, and the run to retry. A retry is other work than the run
/// that it retries.
fn marker(key: &str, retry_run: Option<&str>) -> String {
    match retry_run {
        Some(run_id) => format!("{key}/retry-of/{run_id}"),
        None => key.to_owned(),
    }
}

/// The value of [`MARKER`].
fn marker_value(key: &str, retry_run: Option<&str>, fingerprint: &Fingerprint) -> String {
    format!("{}@{}", marker(key, retry_run), fingerprint.text())
}

/// The fingerprint in a marker's value, empty if it has none; `None` if the value belongs to another key.
fn read_marker<'a>(value: &'a str, marker: &str) -> Option<&'a str> {
    match value.strip_prefix(marker)? {
        "" => Some(""),
        rest => rest.strip_prefix('@').filter(|fingerprint| !fingerprint.contains('@')),
    }
}

/// One run of a job, to be started or attached to.
pub(crate) struct JobRun<'a> {
    job: Job<'a>,
    /// What to start; the default for a run that is attached to.
    start: &'a Start,
    place: Place,
    ctx: &'a Context,
    /// Show the run's logs.
    logs: bool,
    /// The arguments to send but for the marker: those of the run to retry, then the user's.
    arguments: RefCell<Arguments>,
    /// Where the logs are, once a describe has shown it.
    log_group: watch::Sender<Option<String>>,
    /// Whether the last describe has shown a success.
    succeeded: Cell<bool>,
}

impl<'a> JobRun<'a> {
    pub(crate) fn new(job: Job<'a>, start: &'a Start, logs: bool, ctx: &'a Context) -> Self {
        Self {
            job,
            start,
            place: ctx.place(),
            ctx,
            logs,
            arguments: RefCell::default(),
            log_group: watch::Sender::new(None),
            succeeded: Cell::new(false),
        }
    }
}

impl RemoteWork for JobRun<'_> {
    type Id = String;
    type Snapshot = Run;

    const NOUN: &'static str = "job run";
    const SERVICE: &'static str = "Glue";
    const POLL: PollPolicy = PollPolicy {
        // A run takes a minute at the very least.
        first: Duration::from_secs(10),
        hold: Duration::ZERO,
        // Nothing promises that a run is visible as soon as its id is known.
        visible_within: Duration::from_secs(30),
    };
    const STOP: StopKind = StopKind::Guarded;

    fn title(&self) -> String {
        format!("run of job {} ({})", self.job.name, self.place)
    }

    fn identity(&self) -> Vec<(&'static str, String)> {
        let policy = self.start.role_session_policy.clone().unwrap_or_default();
        vec![("arguments", json(&self.start.arguments)), ("role session policy", policy)]
    }

    async fn find(&self, lookup: &Lookup<'_>) -> Result<Found<String>, CallError> {
        let Some(key) = lookup.key else { return Ok(Found::Attempts(Vec::new())) };
        let marker = marker(key, self.start.retry_run.as_deref());
        let runs = self.job.scan(|value| read_marker(value, &marker).is_some()).await?;
        let attempts = runs.into_iter().map(|found| Earlier {
            id: found.id,
            verdict: found.verdict,
            same: lookup.fingerprint.compare(read_marker(&found.marker, &marker)),
            stopped_by_key: false,
        });
        Ok(Found::Attempts(attempts.collect()))
    }

    /// Whether Glue itself hands a retry the arguments of the earlier run is not documented, and a marker alone would
    /// take their place if it does so only where none are given.
    async fn prepare(&self, _: &Attempt<'_, String>) -> Result<(), StartError> {
        let mut arguments = match &self.start.retry_run {
            Some(run_id) => {
                let reading = self.ctx.look_up(async || self.job.arguments_of(run_id).await);
                reading.await.map_err(StartError::Refused)?
            }
            None => Arguments::new(),
        };
        arguments.remove(MARKER);
        arguments.extend(self.start.arguments.clone());
        self.arguments.replace(arguments);
        Ok(())
    }

    async fn send(&self, attempt: &Attempt<'_, String>) -> Result<Started<String, Run>, StartError> {
        let mut arguments = self.arguments.borrow().clone();
        let retry_run = self.start.retry_run.as_deref();
        let marker = attempt.key.map(|key| marker_value(key, retry_run, attempt.fingerprint));
        arguments.extend(marker.map(|marker| (MARKER.to_owned(), marker)));
        match self.job.start(self.start, &arguments).await {
            Ok(Some(run_id)) => Ok(Started::Running(run_id)),
            Ok(None) => {
                Err(StartError::Unclear(CallError::unusable(glue::START, "the response has no run id")))
            }
            Err(error) => Err(match error.code() {
                Some("ConcurrentRunsExceededException") => StartError::Busy(error),
                // Glue does not know either.
                Some("OperationTimeoutException" | "InternalServiceException") => StartError::Unclear(error),
                _ => error.into(),
            }),
        }
    }

    fn recovery(&self) -> Recovery {
        Recovery::Find
    }

    async fn describe(&self, id: &String, _: Option<Duration>) -> Result<Polled<Run>, CallError> {
        match self.job.run(id).await {
            Ok(run) => Ok(Polled::Seen(run)),
            Err(error) if glue::is_not_found(&error) => Ok(Polled::NotVisible(Some(error))),
            Err(error) => Err(error),
        }
    }

    async fn stop(&self, id: &String) -> Result<(), CallError> {
        self.job.stop(id).await
    }

    fn status(&self, run: &Run) -> Status {
        Status {
            state: run.state.clone(),
            detail: run.state_detail.clone(),
            verdict: run::judge(&run.state),
            stopped_by_key: false,
        }
    }

    fn observe(&self, run: &Run) {
        self.succeeded.set(run::judge(&run.state) == Some(Verdict::Succeeded));
        self.log_group.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert_with(|| run.log_group.clone());
            first
        });
    }

    async fn accompany<T>(&self, id: &String, waiting: impl Future<Output = Ended<T>>) -> Ended<T> {
        if !self.logs {
            return waiting.await;
        }
        Box::pin(logs::beside(waiting, id, self.log_group.subscribe(), &self.succeeded, self.ctx)).await
    }

    fn slot_wait(&self) -> Duration {
        self.start.wait_for_slot.unwrap_or_default()
    }

    fn links(&self, id: Option<&String>) -> Links {
        Links {
            console: Some(run::console(&self.place, self.job.name, id.map(String::as_str))),
            resume: id.map(|id| format!("glue-trigger --job-name {} --attach {id}", self.job.name)),
        }
    }

    fn hints(&self, step: Step, error: &CallError) -> Vec<String> {
        let (job, place) = (self.job.name, &self.place);
        // Of a start the code alone says too little: the run to retry or a security configuration may be missing.
        let names_job = match error.operation() {
            glue::LIST => true,
            glue::START => error.message().contains(&format!("Job {job} ")),
            _ => false,
        };
        if glue::is_not_found(error) && names_job {
            return vec![format!(
                "there is no Glue job {job} in {place}: check --job-name, --region and the role"
            )];
        }
        match (step, error.code()) {
            (Step::Start, Some("ConcurrentRunsExceededException")) => {
                vec!["--wait-for-slot says how long to wait for another run to end".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What one process writes and the next one reads: public interface.
    #[test]
    fn golden_markers() {
        let fingerprint = Fingerprint::new(
            "uid-1",
            &[("arguments", "{}".to_owned()), ("role session policy", String::new())],
        );
        assert_eq!(marker_value("uid-1", None, &fingerprint), "uid-1@a6urg52yjxai");
        assert_eq!(marker_value("uid-1", Some("jr_7"), &fingerprint), "uid-1/retry-of/jr_7@a6urg52yjxai");
    }

    #[test]
    fn markers_of_other_keys_are_not_taken_for_ours() {
        for (value, expected) in [
            ("k", Some("")),
            ("k@abc234", Some("abc234")),
            ("k2", None),
            ("k2@abc234", None),
            ("k/retry-of/jr_1@abc234", None),
            ("k@x@abc234", None),
            ("", None),
        ] {
            assert_eq!(read_marker(value, "k"), expected, "{value}");
        }
        assert_eq!(read_marker("k@x@abc234", "k@x"), Some("abc234"));
    }
}
