//! A training job as `DescribeTrainingJob` shows it: what its state means and how it is shown.

use aws_smithy_types::DateTime;
use job_runtime::{Place, Verdict, aligned, rfc3339};
use serde::Serialize;
use serde_json::Value;

/// Judges a `TrainingJobStatus` and its `SecondaryStatus`; `None` for one that this program does not know.
///
/// A job that ran into its own limits is `Stopped`, but nobody stopped it: it did not do what it should.
pub(crate) fn judge(status: &str, secondary: &str) -> Option<Verdict> {
    match (status, secondary) {
        ("InProgress" | "Stopping" | "Deleting", _) => Some(Verdict::Pending),
        ("Completed", _) => Some(Verdict::Succeeded),
        ("Failed", _) | ("Stopped", "MaxRuntimeExceeded" | "MaxWaitTimeExceeded") => Some(Verdict::Failed),
        ("Stopped", _) => Some(Verdict::Stopped),
        _ => None,
    }
}

/// A training job. Its hyperparameters and environment are left out on purpose: they are nobody else's business.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Seen {
    #[serde(rename = "training_job_name")]
    pub(crate) name: String,
    #[serde(rename = "training_job_arn")]
    pub(crate) arn: Option<String>,
    /// `TrainingJobStatus`.
    pub(crate) status: String,
    /// `SecondaryStatus`.
    pub(crate) secondary_status: String,
    /// RFC 3339, as all times.
    pub(crate) created_at: Option<String>,
    pub(crate) started_at: Option<String>,
    pub(crate) ended_at: Option<String>,
    pub(crate) last_modified_at: Option<String>,
    pub(crate) training_seconds: Option<i64>,
    pub(crate) billable_seconds: Option<i64>,
    /// Where the model is, in S3.
    pub(crate) model_artifacts: Option<String>,
    pub(crate) failure_reason: Option<String>,
    #[serde(skip)]
    pub(crate) transitions: Vec<Transition>,
}

/// A step on the job's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transition {
    pub(crate) status: String,
    pub(crate) at: Option<String>,
    pub(crate) message: String,
}

impl Seen {
    /// What is of use here of an answer of `DescribeTrainingJob`.
    pub(crate) fn new(name: &str, shown: &Value) -> Self {
        let text = |name: &str| shown.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| shown.get(name).and_then(Value::as_i64);
        let at = |name: &str| time(shown.get(name)?);
        let artifacts = shown.pointer("/ModelArtifacts/S3ModelArtifacts").and_then(Value::as_str);
        let transitions = shown.get("SecondaryStatusTransitions").and_then(Value::as_array);
        Self {
            name: text("TrainingJobName").unwrap_or_else(|| name.to_owned()),
            arn: text("TrainingJobArn"),
            status: text("TrainingJobStatus").unwrap_or_default(),
            secondary_status: text("SecondaryStatus").unwrap_or_default(),
            created_at: at("CreationTime"),
            started_at: at("TrainingStartTime"),
            ended_at: at("TrainingEndTime"),
            last_modified_at: at("LastModifiedTime"),
            training_seconds: number("TrainingTimeInSeconds"),
            billable_seconds: number("BillableTimeInSeconds"),
            model_artifacts: artifacts.filter(|place| !place.is_empty()).map(str::to_owned),
            failure_reason: text("FailureReason").filter(|reason| !reason.is_empty()),
            transitions: transitions.into_iter().flatten().map(Transition::new).collect(),
        }
    }

    /// What the job's state means, where a state that is not known is pending.
    pub(crate) fn verdict(&self) -> Verdict {
        judge(&self.status, &self.secondary_status).unwrap_or(Verdict::Pending)
    }

    /// The state in one word: the finer one, where there is one.
    pub(crate) fn state(&self) -> &str {
        if self.secondary_status.is_empty() { &self.status } else { &self.secondary_status }
    }
}

impl Transition {
    fn new(shown: &Value) -> Self {
        let text = |name: &str| shown.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let at = shown.get("StartTime").and_then(time);
        Self { status: text("Status"), at, message: text("StatusMessage") }
    }
}

/// The service sends a time as seconds since 1970, a floating-point number.
fn time(seconds: &Value) -> Option<String> {
    rfc3339(DateTime::from_secs_f64(seconds.as_f64()?))
}

/// Address of the job in the AWS console.
pub(crate) fn console(place: &Place, name: &str) -> String {
    let (region, domain) = (&place.region, place.console_domain());
    format!("https://{region}.console.{domain}/sagemaker/home?region={region}#/jobs/{name}")
}

/// The result on stdout: the job, and how this program came to it.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome<'a> {
    #[serde(flatten)]
    pub(crate) job: &'a Seen,
    /// The job was started by an earlier process, or by an earlier request of this one.
    pub(crate) adopted: bool,
    pub(crate) region: &'a str,
    /// Account of the job, where known.
    pub(crate) account: Option<&'a str>,
    pub(crate) console_url: &'a str,
}

impl Outcome<'_> {
    /// A few aligned lines for people; what is not known is left out.
    pub(crate) fn text(&self) -> String {
        let Seen { training_seconds, billable_seconds, .. } = self.job;
        let seconds = |seconds: &Option<i64>| seconds.map(|seconds| seconds.to_string());
        let (training, billable) = (seconds(training_seconds), seconds(billable_seconds));
        let lines = [
            ("job", Some(self.job.name.as_str())),
            ("arn", self.job.arn.as_deref()),
            ("status", Some(self.job.status.as_str())),
            ("secondary status", Some(self.job.secondary_status.as_str())),
            ("failure reason", self.job.failure_reason.as_deref()),
            ("created", self.job.created_at.as_deref()),
            ("started", self.job.started_at.as_deref()),
            ("ended", self.job.ended_at.as_deref()),
            ("training seconds", training.as_deref()),
            ("billable seconds", billable.as_deref()),
            ("model artifacts", self.job.model_artifacts.as_deref()),
            ("adopted", self.adopted.then_some("yes")),
            ("region", Some(self.region)),
            ("account", self.account),
            ("console", Some(self.console_url)),
        ];
        aligned(lines.iter().filter_map(|(name, value)| Some((*name, (*value)?))))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_state_has_a_verdict() {
        for (status, secondary, verdict) in [
            ("InProgress", "Starting", Some(Verdict::Pending)),
            ("InProgress", "Training", Some(Verdict::Pending)),
            ("InProgress", "Interrupted", Some(Verdict::Pending)),
            ("Stopping", "Stopping", Some(Verdict::Pending)),
            ("Deleting", "Stopped", Some(Verdict::Pending)),
            ("Completed", "Completed", Some(Verdict::Succeeded)),
            ("Failed", "Failed", Some(Verdict::Failed)),
            ("Stopped", "Stopped", Some(Verdict::Stopped)),
            ("Stopped", "MaxRuntimeExceeded", Some(Verdict::Failed)),
            ("Stopped", "MaxWaitTimeExceeded", Some(Verdict::Failed)),
            ("Hibernating", "Training", None),
            ("", "", None),
        ] {
            assert_eq!(judge(status, secondary), verdict, "{status} {secondary}");
        }
    }

    fn job() -> Seen {
        Seen::new(
            "t",
            &json!({
                "TrainingJobName": "train-1",
                "TrainingJobStatus": "Completed",
                "SecondaryStatus": "Completed",
                "CreationTime": 1_772_330_400.626_1,
                "TrainingTimeInSeconds": 61,
                "ModelArtifacts": {"S3ModelArtifacts": "s3://b/m.tar.gz"},
                "HyperParameters": {"password": "s3cret"},
                "SecondaryStatusTransitions": [
                    {"Status": "Starting", "StartTime": 1_772_330_400, "StatusMessage": "Preparing"},
                    {"Status": "Training"},
                ],
            }),
        )
    }

    #[test]
    fn what_is_read_of_an_answer() {
        let job = job();
        assert_eq!(job.created_at.as_deref(), Some("2026-03-01T02:00:00.626Z"));
        let (at, message) = (Some("2026-03-01T02:00:00Z".to_owned()), "Preparing".to_owned());
        assert_eq!(job.transitions[0], Transition { status: "Starting".to_owned(), at, message });
        assert_eq!(job.transitions.len(), 2);
        assert_eq!((job.verdict(), job.state()), (Verdict::Succeeded, "Completed"));
    }

    #[test]
    fn json_always_has_the_same_keys_and_text_what_is_known() {
        let outcome = |job| Outcome {
            job,
            adopted: true,
            region: "us-east-2",
            account: None,
            console_url: "https://c",
        };
        let keys = |job| {
            serde_json::to_value(outcome(job))
                .unwrap()
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        let empty = Seen::default();
        let job = job();
        assert_eq!(keys(&job), keys(&empty));
        let shown = serde_json::to_string(&outcome(&job)).unwrap();
        assert!(!shown.contains("s3cret") && shown.contains(r#""billable_seconds":null"#), "{shown}");
        let expected = "\
job               train-1
status            Completed
secondary status  Completed
created           2026-03-01T02:00:00.626Z
training seconds  61
model artifacts   s3://b/m.tar.gz
adopted           yes
region            us-east-2
console           https://c";
        assert_eq!(outcome(&job).text(), expected);
    }

    #[test]
    fn console_addresses() {
        let place = Place { region: "us-east-2".to_owned(), account: None };
        let expected =
            "https://us-east-2.console.aws.amazon.com/sagemaker/home?region=us-east-2#/jobs/train-1";
        assert_eq!(console(&place, "train-1"), expected);
    }
}
