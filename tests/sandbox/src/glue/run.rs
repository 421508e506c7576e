//! One job run: where it stands at a moment.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::job::{Course, GlueWorld, Job};
use super::request::StartJobRun;
use crate::clock::epoch_seconds;

/// States that a run does not leave.
const TERMINAL: &[&str] = &["SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED", "ERROR", "EXPIRED"];

/// A run and all it needs to know where it stands at any time.
#[derive(Clone, Debug)]
pub(crate) struct JobRun {
    pub(crate) id: String,
    pub(crate) attempt: u32,
    pub(crate) previous: Option<String>,
    pub(crate) request: StartJobRun,
    pub(crate) created: OffsetDateTime,
    /// When its course began; `None` while it queues for a place.
    pub(crate) begun: Option<OffsetDateTime>,
    pub(crate) stopped: Option<OffsetDateTime>,
    pub(crate) course: Course,
}

/// What the service adds to a run when it shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Additions {
    /// The job's default arguments.
    default_arguments: bool,
    /// Workers, capacity, timeout and execution class that the run was started without.
    defaults: bool,
}

impl Additions {
    pub(crate) fn of(settings: &GlueWorld) -> Self {
        Self { default_arguments: settings.merge_default_arguments, defaults: settings.fill_defaults }
    }
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Standing {
    pub(crate) state: String,
    /// Since when.
    pub(crate) since: OffsetDateTime,
    error_message: Option<String>,
    state_detail: Option<String>,
    dpu_seconds: Option<f64>,
}

impl Standing {
    pub(crate) fn is_terminal(&self) -> bool {
        TERMINAL.contains(&self.state.as_str())
    }
}

impl JobRun {
    /// Where the run stands at a moment.
    pub(crate) fn at(&self, job: &Job, now: OffsetDateTime) -> Standing {
        let scripted = self.scripted(self.stopped.map_or(now, |stopped| stopped.min(now)));
        match self.stopped {
            Some(stopped) if now >= stopped => {
                let ended = stopped + job.stop_delay;
                let (state, since) = if now >= ended { ("STOPPED", ended) } else { ("STOPPING", stopped) };
                Standing { state: state.into(), since, ..scripted }
            }
            _ => scripted,
        }
    }

    fn scripted(&self, now: OffsetDateTime) -> Standing {
        let Some(begun) = self.begun else {
            return Standing {
                state: "WAITING".into(),
                since: self.created,
                error_message: None,
                state_detail: Some("Waiting for a concurrent run to finish".into()),
                dpu_seconds: None,
            };
        };
        let mut standing = Standing {
            state: "STARTING".into(),
            since: begun,
            error_message: None,
            state_detail: None,
            dpu_seconds: None,
        };
        for step in self.course.steps.iter().filter(|step| begun + step.after <= now) {
            standing = Standing {
                state: step.state.clone(),
                since: begun + step.after,
                error_message: step.error_message.clone().or(standing.error_message),
                state_detail: step.state_detail.clone().or(standing.state_detail),
                dpu_seconds: step.dpu_seconds.or(standing.dpu_seconds),
            };
        }
        standing
    }

    /// Does it take up a place among the job's concurrent runs?
    pub(crate) fn takes_place(&self, job: &Job, now: OffsetDateTime) -> bool {
        let standing = self.at(job, now);
        self.begun.is_some() && (!standing.is_terminal() || now < standing.since + job.slot_lag)
    }

    /// The `JobRun` structure of the model.
    pub(crate) fn describe(&self, job: &Job, additions: Additions, now: OffsetDateTime) -> Value {
        let standing = self.at(job, now);
        let request = &self.request;
        let mut arguments =
            if additions.default_arguments { job.default_arguments.clone() } else { BTreeMap::new() };
        arguments.extend(request.arguments.clone().unwrap_or_default());
        let capacity = request.max_capacity.or_else(|| request.allocated_capacity.map(whole));
        let mut run = json!({
            "Id": self.id,
            "Attempt": self.attempt,
            "JobName": job.name,
            "JobMode": "SCRIPT",
            "JobRunQueuingEnabled": request.job_run_queuing_enabled.unwrap_or(false),
            "StartedOn": epoch_seconds(self.created),
            "LastModifiedOn": epoch_seconds(standing.since),
            "JobRunState": standing.state,
            "Arguments": arguments,
            "PredecessorRuns": [],
            "ExecutionTime": self.execution_seconds(&standing, now),
            "LogGroupName": job.log_group,
            "GlueVersion": job.glue_version,
        });
        let default = |value: Value| additions.defaults.then_some(value);
        let worker = |value: Value| default(value).filter(|_| capacity.is_none());
        let allocated = request.allocated_capacity.map(|capacity| json!(capacity));
        let class = request.execution_class.as_ref().map(|class| json!(class));
        let worker_type = request.worker_type.as_ref().map(|kind| json!(kind));
        let workers = request.number_of_workers.map(|number| json!(number));
        let optional = [
            ("AllocatedCapacity", allocated.or_else(|| default(json!(job.number_of_workers)))),
            (
                "MaxCapacity",
                capacity.map(|it| json!(it)).or_else(|| default(json!(whole(job.number_of_workers)))),
            ),
            ("Timeout", request.timeout.map(|it| json!(it)).or_else(|| default(json!(job.timeout_minutes)))),
            ("ExecutionClass", class.or_else(|| default(json!("STANDARD")))),
            ("WorkerType", worker_type.or_else(|| worker(json!(job.worker_type)))),
            ("NumberOfWorkers", workers.or_else(|| worker(json!(job.number_of_workers)))),
            ("PreviousRunId", self.previous.as_ref().map(|id| json!(id))),
            ("CompletedOn", standing.is_terminal().then(|| json!(epoch_seconds(standing.since)))),
            ("ErrorMessage", standing.error_message.map(|text| json!(text))),
            ("StateDetail", standing.state_detail.map(|text| json!(text))),
            ("DPUSeconds", standing.dpu_seconds.map(|seconds| json!(seconds))),
            ("SecurityConfiguration", request.security_configuration.as_ref().map(|name| json!(name))),
            ("NotificationProperty", request.notification_property.map(|property| json!(property))),
            ("ExecutionRoleSessionPolicy", request.execution_role_session_policy.as_ref().map(|p| json!(p))),
        ];
        for (member, value) in optional {
            if let Some(value) = value {
                run[member] = value;
            }
        }
        run
    }

    /// Whole seconds of execution: the time since STARTING was left.
    fn execution_seconds(&self, standing: &Standing, now: OffsetDateTime) -> i64 {
        let started = |begun: OffsetDateTime| {
            let step =
                self.course.steps.iter().find(|step| step.state != "STARTING" && step.state != "WAITING");
            begun + step.map_or(std::time::Duration::ZERO, |step| step.after)
        };
        let end = if standing.is_terminal() { standing.since } else { now };
        self.begun.map_or(0, |begun| (end - started(begun)).whole_seconds().max(0))
    }
}

#[expect(clippy::cast_precision_loss, reason = "capacities are small")]
fn whole(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::glue::Step;

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn job(extra: &str) -> Job {
        toml::from_str(&format!("account = '1'\nname = 'j'\n{extra}")).unwrap()
    }

    fn run(steps: Vec<Step>) -> JobRun {
        JobRun {
            id: "jr_1".into(),
            attempt: 0,
            previous: None,
            request: StartJobRun::default(),
            created: START,
            begun: Some(START),
            stopped: None,
            course: Course::new(steps),
        }
    }

    fn steps() -> Vec<Step> {
        let seconds = Duration::from_secs;
        vec![
            Step::new("STARTING", seconds(0)),
            Step::new("RUNNING", seconds(2)),
            Step::new("FAILED", seconds(5)).error("boom"),
        ]
    }

    #[test]
    fn follows_its_course() {
        let (job, run) = (job(""), run(steps()));
        for (second, state) in
            [(0, "STARTING"), (1, "STARTING"), (2, "RUNNING"), (4, "RUNNING"), (5, "FAILED"), (99, "FAILED")]
        {
            assert_eq!(run.at(&job, START + Duration::from_secs(second)).state, state, "second {second}");
        }
        let additions = Additions::of(&GlueWorld::default());
        let described = run.describe(&job, additions, START + Duration::from_secs(9));
        assert_eq!(described["ErrorMessage"], "boom");
        assert_eq!(described["CompletedOn"], 5.0);
        assert_eq!(described["ExecutionTime"], 3);
        assert!(run.describe(&job, additions, START).get("CompletedOn").is_none());
    }

    #[test]
    fn stops_and_frees_its_place_late() {
        let job = job("slot_lag = '2s'\nstop_delay = '1s'");
        let at = |second| START + Duration::from_secs(second);
        let stopped = JobRun { stopped: Some(at(3)), ..run(steps()) };
        for (second, state, takes_place) in [
            (2, "RUNNING", true),
            (3, "STOPPING", true),
            (4, "STOPPED", true),
            (5, "STOPPED", true),
            (6, "STOPPED", false),
        ] {
            assert_eq!(stopped.at(&job, at(second)).state, state, "second {second}");
            assert_eq!(stopped.takes_place(&job, at(second)), takes_place, "second {second}");
        }
        let queued = JobRun { begun: None, ..run(steps()) };
        assert_eq!(queued.at(&job, at(9)).state, "WAITING");
        assert!(!queued.takes_place(&job, at(9)));
    }
}
