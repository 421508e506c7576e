//! Training jobs, and where each of them stands at a moment.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::SageMakerWorld;
use super::course::{TrainingCourse, TrainingStep};
use crate::clock::{Clock, epoch_seconds};
use crate::logs::Logs;

/// Statuses that a job does not leave.
const TERMINAL: &[&str] = &["Completed", "Failed", "Stopped"];
/// Secondary statuses before the instances are the job's, which are not paid for.
const BEFORE: &[&str] = &["Starting", "Pending", "LaunchingMLInstances", "PreparingTrainingStack"];
/// Where all training jobs write their logs.
const LOG_GROUP: &str = "/aws/sagemaker/TrainingJobs";

/// A training job as tests see it.
#[derive(Clone, Debug, Serialize)]
pub struct TrainingJob {
    /// Its name.
    pub name: String,
    /// Its account.
    pub account: String,
    /// `TrainingJobStatus` now.
    pub status: String,
    /// `SecondaryStatus` now.
    pub secondary_status: String,
    /// The `CreateTrainingJob` request, as it came.
    pub request: Value,
    /// When it was created, since the sandbox's start.
    #[serde(with = "humantime_serde")]
    pub created: Duration,
    /// A stop took effect.
    pub was_stopped: bool,
}

/// A training job and all it needs to know where it stands at any time.
#[derive(Debug)]
pub(crate) struct KnownJob {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) request: Value,
    created: OffsetDateTime,
    stopped: Option<OffsetDateTime>,
    course: TrainingCourse,
}

/// A secondary status that a job has been in.
#[derive(Clone, Debug)]
struct Transition {
    status: String,
    secondary: String,
    message: String,
    since: OffsetDateTime,
}

impl KnownJob {
    /// What it has been through by now.
    fn transitions(&self, stop_delay: Duration, now: OffsetDateTime) -> Vec<Transition> {
        let own_end = self.stopped.map_or(now, |stopped| stopped.min(now));
        let own = self.course.steps.iter().map(|step| (self.created + step.after, step));
        let stop = |status: &str, message: &str| TrainingStep::new(status, status, message, Duration::ZERO);
        let (stopping, stopped) =
            (stop("Stopping", "Stopping the training job"), stop("Stopped", "Training job stopped"));
        let ending = self.stopped.into_iter().flat_map(|at| [(at, &stopping), (at + stop_delay, &stopped)]);
        let mut seen: Vec<Transition> = Vec::new();
        for (since, step) in own.filter(|(at, _)| *at <= own_end).chain(ending).filter(|(at, _)| *at <= now) {
            match seen.last_mut() {
                // A new message is no transition.
                Some(last) if last.secondary == step.secondary => {
                    last.status.clone_from(&step.status);
                    last.message.clone_from(&step.message);
                }
                _ => seen.push(Transition {
                    status: step.status.clone(),
                    secondary: step.secondary.clone(),
                    message: step.message.clone(),
                    since,
                }),
            }
        }
        seen
    }

    /// `TrainingJobStatus` and `SecondaryStatus` now.
    fn standing(&self, stop_delay: Duration, now: OffsetDateTime) -> (String, String) {
        let last = self.transitions(stop_delay, now).pop();
        last.map_or(("InProgress".into(), "Starting".into()), |last| (last.status, last.secondary))
    }

    /// `DescribeTrainingJob`: the request, and what the service adds.
    pub(crate) fn describe(&self, stop_delay: Duration, now: OffsetDateTime) -> Value {
        let mut described = self.request.clone();
        for (member, default) in [
            ("StoppingCondition", json!({ "MaxRuntimeInSeconds": 86_400 })),
            ("EnableNetworkIsolation", json!(false)),
            ("EnableInterContainerTrafficEncryption", json!(false)),
            ("EnableManagedSpotTraining", json!(false)),
        ] {
            if described[member].is_null() {
                described[member] = default;
            }
        }
        for (member, default) in [("KmsKeyId", ""), ("CompressionType", "GZIP")] {
            if described["OutputDataConfig"][member].is_null() {
                described["OutputDataConfig"][member] = json!(default);
            }
        }
        // Only ListTags tells of tags.
        if let Some(members) = described.as_object_mut() {
            members.remove("Tags");
        }
        let transitions = self.transitions(stop_delay, now);
        let (status, secondary) = self.standing(stop_delay, now);
        let ended =
            transitions.last().filter(|last| TERMINAL.contains(&last.status.as_str())).map(|last| last.since);
        let begun =
            transitions.iter().find(|one| !BEFORE.contains(&one.secondary.as_str())).map(|one| one.since);
        let history: Vec<Value> = transitions
            .iter()
            .enumerate()
            .map(|(index, one)| {
                let mut told = json!({
                    "Status": one.secondary,
                    "StartTime": epoch_seconds(one.since),
                    "StatusMessage": one.message,
                });
                if let Some(end) = transitions.get(index + 1).map(|next| next.since).or(ended) {
                    told["EndTime"] = json!(epoch_seconds(end));
                }
                told
            })
            .collect();
        described["TrainingJobArn"] = json!(self.arn);
        described["TrainingJobStatus"] = json!(status);
        described["SecondaryStatus"] = json!(secondary);
        described["SecondaryStatusTransitions"] = json!(history);
        described["CreationTime"] = json!(epoch_seconds(self.created));
        let changed = transitions.last().map_or(self.created, |last| last.since);
        described["LastModifiedTime"] = json!(epoch_seconds(changed));
        described["ProfilingStatus"] = json!("Disabled");
        if let Some(begun) = begun {
            described["TrainingStartTime"] = json!(epoch_seconds(begun));
        }
        if let Some(ended) = ended {
            described["TrainingEndTime"] = json!(epoch_seconds(ended));
            if let Some(begun) = begun {
                let seconds = (ended - begun).whole_seconds().max(1);
                described["TrainingTimeInSeconds"] = json!(seconds);
                described["BillableTimeInSeconds"] = json!(seconds);
            }
        }
        if status == "Completed" {
            let path = described["OutputDataConfig"]["S3OutputPath"].as_str().unwrap_or_default();
            let artifacts = format!("{}/{}/output/model.tar.gz", path.trim_end_matches('/'), self.name);
            described["ModelArtifacts"] = json!({ "S3ModelArtifacts": artifacts });
        }
        let steps = self.course.steps.iter().filter(|step| self.created + step.after <= now);
        if let Some(reason) = steps.filter_map(|step| step.failure_reason.as_ref()).next_back()
            && self.stopped.is_none()
        {
            described["FailureReason"] = json!(reason);
        }
        described
    }

    /// On how many instances it runs.
    fn instances(&self) -> u64 {
        let resources = &self.request["ResourceConfig"];
        let count = |config: &Value| config["InstanceCount"].as_u64().unwrap_or(0);
        let groups = resources["InstanceGroups"].as_array().map(|groups| groups.iter().map(count).sum());
        groups.unwrap_or_else(|| count(resources)).max(1)
    }

    fn stream(&self, instance: u64) -> String {
        format!("{}/algo-{instance}-{}", self.name, self.created.unix_timestamp())
    }

    fn write_logs(&self, logs: &mut Logs) {
        for instance in 1..=self.instances() {
            let stream = self.stream(instance);
            let written = |line: Option<u64>| line.is_none_or(|line| line == instance);
            for line in self.course.logs.iter().filter(|line| written(line.instance)) {
                for number in 0..line.repeat {
                    let at = self.created + line.after + line.every * number;
                    let text = line.text.replace("{n}", &(number + 1).to_string());
                    logs.write((&self.account, &self.region, LOG_GROUP), &stream, at, text);
                }
            }
        }
    }
}

/// All training jobs, oldest first.
#[derive(Debug)]
pub(crate) struct TrainingJobs {
    jobs: Vec<KnownJob>,
    pub(crate) courses: Vec<TrainingCourse>,
    stop_delay: Duration,
    describe_lag: Duration,
}

impl TrainingJobs {
    pub(crate) fn new(settings: &SageMakerWorld) -> Self {
        Self {
            jobs: Vec::new(),
            courses: settings.training_courses.clone(),
            stop_delay: settings.training_stop_delay,
            describe_lag: settings.training_describe_lag,
        }
    }

    /// The job of a name, which may be in any case: its ARN has it in lower case.
    pub(crate) fn find(&self, account: &str, region: &str, name: &str) -> Option<&KnownJob> {
        self.jobs
            .iter()
            .find(|job| job.account == account && job.region == region && job.name.eq_ignore_ascii_case(name))
    }

    /// The newest job of a name, wherever it lives.
    pub(crate) fn named(&self, name: &str) -> Option<&KnownJob> {
        self.jobs.iter().rfind(|job| job.name == name)
    }

    /// Creates a job; it takes the next course.
    pub(crate) fn create(
        &mut self,
        (account, region, name, arn): (&str, &str, &str, &str),
        request: Value,
        logs: &mut Logs,
        now: OffsetDateTime,
    ) {
        let course = self.courses.get(self.jobs.len()).or_else(|| self.courses.last());
        let job = KnownJob {
            account: account.into(),
            region: region.into(),
            name: name.into(),
            arn: arn.into(),
            request,
            created: now,
            stopped: None,
            course: course.cloned().unwrap_or_else(TrainingCourse::documented),
        };
        job.write_logs(logs);
        self.jobs.push(job);
    }

    /// The description of a job, once it is visible.
    pub(crate) fn describe(&self, job: &KnownJob, now: OffsetDateTime) -> Option<Value> {
        (job.created + self.describe_lag <= now).then(|| job.describe(self.stop_delay, now))
    }

    /// Stops a job that is in progress; gives the status of one that is not.
    pub(crate) fn stop(&mut self, arn: &str, logs: &mut Logs, now: OffsetDateTime) -> Result<(), String> {
        let Some(job) = self.jobs.iter_mut().find(|job| job.arn == arn) else { return Ok(()) };
        let (status, _) = job.standing(self.stop_delay, now);
        if status != "InProgress" {
            return Err(status);
        }
        job.stopped = Some(now);
        for instance in 1..=job.instances() {
            logs.cut((&job.account, &job.region, LOG_GROUP), &job.stream(instance), now);
        }
        Ok(())
    }

    /// The jobs as tests see them.
    pub(crate) fn list(&self, clock: &Clock) -> Vec<TrainingJob> {
        let view = |job: &KnownJob| {
            let (status, secondary_status) = job.standing(self.stop_delay, clock.now());
            TrainingJob {
                name: job.name.clone(),
                account: job.account.clone(),
                status,
                secondary_status,
                request: job.request.clone(),
                created: clock.offset(job.created),
                was_stopped: job.stopped.is_some(),
            }
        };
        self.jobs.iter().map(view).collect()
    }
}
