//! The courses that training jobs take.

use std::time::Duration;

use serde::Deserialize;

/// What happens to a training job, on the wall clock.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingCourse {
    /// Statuses in order of time; the last one stays.
    pub steps: Vec<TrainingStep>,
    /// What the job writes to its logs.
    #[serde(default)]
    pub logs: Vec<TrainingLog>,
}

/// A status that a training job gets into.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingStep {
    /// `TrainingJobStatus`; may be one that AWS does not know (yet).
    #[serde(default = "default_status")]
    pub status: String,
    /// `SecondaryStatus`.
    pub secondary: String,
    /// `StatusMessage` of the transition.
    #[serde(default)]
    pub message: String,
    /// When, counted from the creation of the job.
    #[serde(default, with = "humantime_serde")]
    pub after: Duration,
    /// `FailureReason` from here on.
    pub failure_reason: Option<String>,
}

/// One line (or many like it) in the log streams of a job's instances.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingLog {
    /// Which instance writes it, counted from 1; all of them where none is named.
    pub instance: Option<u64>,
    /// When, counted from the creation of the job.
    #[serde(default, with = "humantime_serde")]
    pub after: Duration,
    /// The line; `{n}` becomes its number, counted from 1.
    pub text: String,
    /// How often.
    #[serde(default = "default_repeat")]
    pub repeat: u32,
    /// Time from one to the next.
    #[serde(default, with = "humantime_serde")]
    pub every: Duration,
}

impl TrainingStep {
    /// A step of a job that goes on or ends in this status.
    pub fn new(status: &str, secondary: &str, message: &str, after: Duration) -> Self {
        let (status, secondary, message) = (status.into(), secondary.into(), message.into());
        Self { status, secondary, message, after, failure_reason: None }
    }
}

impl TrainingCourse {
    /// The course of a job where the world has none.
    pub(crate) fn documented() -> Self {
        let step = |status, secondary, message, millis| {
            TrainingStep::new(status, secondary, message, Duration::from_millis(millis))
        };
        let training = "Training image download completed. Training in progress.";
        Self {
            steps: vec![
                step("InProgress", "Starting", "Preparing the instances for training", 0),
                step("InProgress", "Downloading", "Downloading the training image", 500),
                step("InProgress", "Training", training, 1000),
                step("InProgress", "Uploading", "Uploading generated training model", 2500),
                step("Completed", "Completed", "Training job completed", 3000),
            ],
            logs: Vec::new(),
        }
    }
}

fn default_status() -> String {
    "InProgress".into()
}

fn default_repeat() -> u32 {
    1
}
