//! Amazon `SageMaker`: inferences at endpoints (the runtime service), and training jobs.

mod asynchronous;
mod course;
mod endpoint;
mod job;
mod members;
pub(crate) mod runtime;
mod store;
pub(crate) mod training;

use std::time::Duration;

use serde::Deserialize;

pub use course::{TrainingCourse, TrainingLog, TrainingStep};
pub use endpoint::{AsyncOutput, Endpoint, EndpointCourse, ModelFailure, ModelStreamError};
pub use job::TrainingJob;
pub(crate) use members::ROUTES;
pub use store::Inference;
pub(crate) use store::SageMaker;

/// Everything about `SageMaker` in a world.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SageMakerWorld {
    /// The endpoints.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// The first training job takes the first course and so on; the last course repeats. None: three seconds from
    /// Starting to Completed.
    #[serde(default)]
    pub training_courses: Vec<TrainingCourse>,
    /// How long a training job is Stopping before it is Stopped.
    #[serde(default = "default_stop_delay", with = "humantime_serde")]
    pub training_stop_delay: Duration,
    /// `DescribeTrainingJob` does not find a new training job for this long; its name is taken at once.
    #[serde(default, with = "humantime_serde")]
    pub training_describe_lag: Duration,
}

impl Default for SageMakerWorld {
    fn default() -> Self {
        let (endpoints, training_courses) = (Vec::new(), Vec::new());
        let (training_stop_delay, training_describe_lag) = (default_stop_delay(), Duration::ZERO);
        Self { endpoints, training_courses, training_stop_delay, training_describe_lag }
    }
}

fn default_stop_delay() -> Duration {
    Duration::from_millis(300)
}

/// Letters and digits, with dashes between them: how everything here is named.
pub(crate) fn is_dashed(text: &str) -> bool {
    let edge = |character: Option<char>| character.is_some_and(|character| character.is_ascii_alphanumeric());
    edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|character| character.is_ascii_alphanumeric() || character == '-')
}
