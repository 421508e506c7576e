//! Amazon `SageMaker`: inferences at endpoints (the runtime service), and training jobs.

mod asynchronous;
mod endpoint;
mod members;
pub(crate) mod runtime;
mod store;

use serde::Deserialize;

pub use endpoint::{AsyncOutput, Endpoint, EndpointCourse, ModelFailure, ModelStreamError};
pub(crate) use members::ROUTES;
pub use store::Inference;
pub(crate) use store::SageMaker;

/// Everything about `SageMaker` in a world.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SageMakerWorld {
    /// The endpoints.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
}

/// Letters and digits, with dashes between them: how everything here is named.
pub(crate) fn is_dashed(text: &str) -> bool {
    let edge = |character: Option<char>| character.is_some_and(|character| character.is_ascii_alphanumeric());
    edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.chars().all(|character| character.is_ascii_alphanumeric() || character == '-')
}
