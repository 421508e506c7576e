//! All endpoints, with what has been asked of them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Serialize, Serializer};

use super::SageMakerWorld;
use super::endpoint::{Endpoint, EndpointCourse};
use super::job::TrainingJobs;
use crate::crypto::base64;
use crate::world::World;

/// A request that reached a model (or the queue in front of it), as tests see it.
#[derive(Clone, Debug, Serialize)]
pub struct Inference {
    /// Id of the request.
    pub request_id: String,
    /// `InvokeEndpoint`, `InvokeEndpointAsync` or `InvokeEndpointWithResponseStream`.
    pub operation: String,
    /// What was sent, all of it; in base64 where this is JSON.
    #[serde(serialize_with = "in_base64")]
    pub body: Bytes,
    /// All other members that were given (`ContentType`, `CustomAttributes`, …), by their names in the model.
    pub options: BTreeMap<String, String>,
    /// Where the answer to an asynchronous request appears.
    pub output_location: Option<String>,
    /// When, since the sandbox's start.
    #[serde(with = "humantime_serde")]
    pub at: Duration,
}

/// An endpoint, with what has been asked of it.
#[derive(Debug)]
pub(crate) struct KnownEndpoint {
    pub(crate) endpoint: Endpoint,
    region: String,
    /// All that reached the model, oldest first.
    pub(crate) inferences: Vec<Inference>,
    /// Courses begun, those that did not reach the model too.
    begun: usize,
}

impl KnownEndpoint {
    /// The next request's course.
    pub(crate) fn begin(&mut self) -> EndpointCourse {
        self.begun += 1;
        self.endpoint.course(self.begun - 1)
    }
}

/// The state of `SageMaker`.
#[derive(Debug)]
pub(crate) struct SageMaker {
    pub(crate) endpoints: Vec<KnownEndpoint>,
    pub(crate) training: TrainingJobs,
}

impl SageMaker {
    pub(crate) fn new(settings: &SageMakerWorld, world: &World) -> Self {
        let known = |endpoint: &Endpoint| KnownEndpoint {
            region: endpoint.region.clone().unwrap_or_else(|| world.region.clone()),
            endpoint: endpoint.clone(),
            inferences: Vec::new(),
            begun: 0,
        };
        Self {
            endpoints: settings.endpoints.iter().map(known).collect(),
            training: TrainingJobs::new(settings),
        }
    }

    /// The endpoint of a name, which may be in any case.
    pub(crate) fn endpoint(&mut self, account: &str, region: &str, name: &str) -> Option<&mut KnownEndpoint> {
        self.endpoints.iter_mut().find(|known| {
            let Endpoint { account: home, name: known_name, .. } = &known.endpoint;
            home == account && known.region == region && known_name.eq_ignore_ascii_case(name)
        })
    }

    /// The first endpoint of a name, wherever it lives.
    pub(crate) fn named(&mut self, name: &str) -> Option<&mut KnownEndpoint> {
        self.endpoints.iter_mut().find(|known| known.endpoint.name == name)
    }
}

fn in_base64<S: Serializer>(data: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&base64(data))
}
