//! The calls of the Glue API that this program makes. The SDK's types stop here.

use aws_sdk_glue::Client;
use aws_sdk_glue::config::retry::RetryConfig;
use aws_sdk_glue::types::{ExecutionClass, JobRun, JobRunState, NotificationProperty, WorkerType};
use job_runtime::{CallError, Verdict, rfc3339};

use crate::arguments::Arguments;
use crate::job_run::MARKER;
use crate::request::Start;
use crate::run::{DEFAULT_LOG_GROUP, Run, verdict};

pub(crate) const START: &str = "glue:StartJobRun";
pub(crate) const LIST: &str = "glue:GetJobRuns";
const GET: &str = "glue:GetJobRun";
const STOP: &str = "glue:BatchStopJobRun";

/// Runs asked for in one page; Glue allows 200 at most.
const PAGE: i32 = 200;

/// How many of a job's newest runs are scanned for the marker.
///
/// Five full pages of `GetJobRuns`. A run that was started, then followed by a thousand others of the same job before
/// its key is used again, is not found.
pub(crate) const SCANNED_RUNS: usize = 1000;

/// Pages after which a scan ends even if they were nearly empty, so that it ends at all.
const MOST_PAGES: usize = 50;

/// A run that carries a marker.
#[derive(Debug)]
pub(crate) struct KeyedRun {
    pub(crate) id: String,
    pub(crate) verdict: Verdict,
    /// The marker's value.
    pub(crate) marker: String,
}

/// Glue says the same of jobs and runs.
pub(crate) fn is_not_found(error: &CallError) -> bool {
    error.code() == Some("EntityNotFoundException")
}

/// One job, seen through a client.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) client: &'a Client,
    pub(crate) name: &'a str,
}

impl Job<'_> {
    /// Sends one `StartJobRun`, never twice: the SDK's own resending is off for this call, because a request
    /// that got no answer may have started a run. Returns the id of the run.
    pub(crate) async fn start(
        &self,
        start: &Start,
        arguments: &Arguments,
    ) -> Result<Option<String>, CallError> {
        let arguments = arguments.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let notification = start
            .notify_delay_minutes
            .map(|minutes| NotificationProperty::builder().notify_delay_after(minutes).build());
        let execution_class =
            start.flex.map(|flex| if flex { ExecutionClass::Flex } else { ExecutionClass::Standard });
        let answer = self
            .client
            .start_job_run()
            .job_name(self.name)
            .set_job_run_id(start.retry_run.clone())
            .set_arguments(Some(arguments))
            .set_worker_type(start.worker_type.as_deref().map(WorkerType::from))
            .set_number_of_workers(start.number_of_workers)
            .set_max_capacity(start.max_capacity)
            .set_timeout(start.timeout_minutes)
            .set_security_configuration(start.security_configuration.clone())
            .set_execution_class(execution_class)
            .set_notification_property(notification)
            .set_job_run_queuing_enabled(start.queuing.then_some(true))
            .set_execution_role_session_policy(start.role_session_policy.clone())
            .customize()
            .config_override(aws_sdk_glue::config::Builder::new().retry_config(RetryConfig::disabled()))
            .send()
            .await;
        Ok(answer.map_err(|error| CallError::new(START, &error))?.job_run_id)
    }

    /// Reads a run.
    pub(crate) async fn run(&self, run_id: &str) -> Result<Run, CallError> {
        Ok(self.read(run_id, self.get(run_id).await?))
    }

    /// Reads the arguments that a run was started with.
    pub(crate) async fn arguments_of(&self, run_id: &str) -> Result<Arguments, CallError> {
        Ok(self.get(run_id).await?.arguments.unwrap_or_default().into_iter().collect())
    }

    async fn get(&self, run_id: &str) -> Result<JobRun, CallError> {
        let answer = self.client.get_job_run().job_name(self.name).run_id(run_id).send().await;
        let run = answer.map_err(|error| CallError::new(GET, &error))?.job_run;
        run.ok_or_else(|| CallError::unusable(GET, "the response has no run"))
    }

    /// The runs among the newest [`SCANNED_RUNS`] whose marker `is_ours`, newest first.
    ///
    /// Ends one page after the one with the first of them: runs of one key are neighbours, but a border between
    /// two pages may run between one that has failed and one that is running.
    pub(crate) async fn scan(&self, is_ours: impl Fn(&str) -> bool) -> Result<Vec<KeyedRun>, CallError> {
        let mut next = None;
        let mut seen = 0;
        let mut found: Vec<KeyedRun> = Vec::new();
        for _ in 0..MOST_PAGES {
            let answer = self
                .client
                .get_job_runs()
                .job_name(self.name)
                .max_results(PAGE)
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| CallError::new(LIST, &error))?;
            let beyond = !found.is_empty();
            found.extend(answer.job_runs().iter().filter_map(|run| {
                let marker = run.arguments()?.get(MARKER).filter(|marker| is_ours(marker))?.clone();
                let state = run.job_run_state().map_or("", JobRunState::as_str);
                Some(KeyedRun { id: run.id()?.to_owned(), verdict: verdict(state), marker })
            }));
            seen += answer.job_runs().len();
            next = answer.next_token.filter(|token| !token.is_empty());
            if beyond || next.is_none() || seen >= SCANNED_RUNS {
                return Ok(found);
            }
        }
        tracing::warn!(
            "Glue lists the runs of {} in pages that are nearly empty: only the newest {seen} were scanned",
            self.name
        );
        Ok(found)
    }

    /// Asks Glue to stop a run, once. An answer of HTTP 200 may still hold a refusal.
    pub(crate) async fn stop(&self, run_id: &str) -> Result<(), CallError> {
        let answer = self
            .client
            .batch_stop_job_run()
            .job_name(self.name)
            .job_run_ids(run_id)
            .customize()
            .config_override(aws_sdk_glue::config::Builder::new().retry_config(RetryConfig::disabled()))
            .send()
            .await
            .map_err(|error| CallError::new(STOP, &error))?;
        match answer.errors().first().map(|error| error.error_detail()) {
            None => Ok(()),
            Some(detail) => {
                let part = |text: Option<&str>| text.unwrap_or("?").to_owned();
                let code = part(detail.and_then(|detail| detail.error_code()));
                let message = part(detail.and_then(|detail| detail.error_message()));
                Err(CallError::refused(STOP, &code, message))
            }
        }
    }

    /// Asks for one run, to see whether the job exists and `GetJobRuns` is allowed.
    ///
    /// `GetJob` is the obvious call for the former, but the code that reads its answer, with every node of a
    /// visual job, is a tenth of the binary.
    pub(crate) async fn list(&self) -> Result<(), CallError> {
        let answer = self.client.get_job_runs().job_name(self.name).max_results(1).send().await;
        answer.map(|_| ()).map_err(|error| CallError::new(LIST, &error))
    }

    fn read(&self, id: &str, run: JobRun) -> Run {
        let log_group = run.log_group_name.as_deref().map(|group| group.trim_end_matches('/'));
        Run {
            job_name: run.job_name.unwrap_or_else(|| self.name.to_owned()),
            id: run.id.unwrap_or_else(|| id.to_owned()),
            state: run.job_run_state.map_or_else(String::new, |state| state.as_str().to_owned()),
            attempt: run.attempt,
            previous_run_id: run.previous_run_id,
            started_on: run.started_on.and_then(rfc3339),
            last_modified_on: run.last_modified_on.and_then(rfc3339),
            completed_on: run.completed_on.and_then(rfc3339),
            execution_seconds: run.execution_time,
            dpu_seconds: run.dpu_seconds,
            max_capacity: run.max_capacity,
            worker_type: run.worker_type.map(|kind| kind.as_str().to_owned()),
            number_of_workers: run.number_of_workers,
            glue_version: run.glue_version,
            execution_class: run.execution_class.map(|class| class.as_str().to_owned()),
            error: run.error_message,
            state_detail: run.state_detail,
            log_group: log_group.filter(|group| !group.is_empty()).unwrap_or(DEFAULT_LOG_GROUP).to_owned(),
        }
    }
}
