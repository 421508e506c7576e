//! Endpoints as a world describes them, and the courses that their inferences take.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use crate::Error;
use crate::crypto::from_base64;
use crate::s3::location;

/// An endpoint that serves a model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Its account.
    pub account: String,
    /// Its region; the world's where it names none.
    pub region: Option<String>,
    /// Its name.
    pub name: String,
    /// It is asynchronous, and puts what it has to say here. No other endpoint takes `InvokeEndpointAsync`, and
    /// this one takes nothing else.
    #[serde(rename = "async")]
    pub asynchronous: Option<AsyncOutput>,
    /// The first request takes the first course and so on; the last course repeats. None: an echo.
    #[serde(default)]
    pub courses: Vec<EndpointCourse>,
}

/// Where an asynchronous endpoint puts its answers, as `s3://bucket/prefix`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AsyncOutput {
    /// Inferences.
    pub output: String,
    /// Failures; without it nobody ever hears of them.
    pub failure: Option<String>,
}

/// What happens to a request for an inference. Without a body of its own it is an echo.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointCourse {
    /// How long an asynchronous request waits in the queue.
    #[serde(default, with = "humantime_serde")]
    pub queued: Duration,
    /// How long the model takes.
    #[serde(default, with = "humantime_serde")]
    pub after: Duration,
    /// The answer, as text.
    pub body: Option<String>,
    /// The answer, as bytes in base64.
    pub body_base64: Option<String>,
    /// The answer's type; that of the request where it is not set.
    pub content_type: Option<String>,
    /// The model fails.
    pub model_error: Option<ModelFailure>,
    /// The model is not there yet: the request does not reach it.
    #[serde(default)]
    pub not_ready: bool,
    /// The pieces of the answer, instead of a body: a stream for those who ask for one, joined for all others.
    #[serde(default)]
    pub chunks: Vec<String>,
    /// Time from one piece of a stream to the next.
    #[serde(default, with = "humantime_serde")]
    pub every: Duration,
    /// The stream ends in this error.
    pub stream_error: Option<ModelStreamError>,
    /// The stream ends with the connection.
    #[serde(default)]
    pub cut: bool,
}

/// How a model's container fails.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ModelFailure {
    /// HTTP status of the container; 0 for one that did not answer in time.
    pub status: u16,
    /// What the container answered.
    pub message: String,
}

/// How a stream breaks off.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ModelStreamError {
    /// `ModelInvocationTimeExceeded` or `StreamBroken`.
    pub code: String,
    /// Text.
    pub message: String,
}

impl Endpoint {
    /// The course of the `index`-th request, counted from 0.
    pub(crate) fn course(&self, index: usize) -> EndpointCourse {
        self.courses.get(index).or_else(|| self.courses.last()).cloned().unwrap_or_default()
    }

    /// Does it hold together?
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |text: &str| Err(Error::World(format!("endpoint {}: {text}", self.name)));
        if let Some(AsyncOutput { output, failure }) = &self.asynchronous
            && [Some(output), failure.as_ref()].into_iter().flatten().any(|uri| location(uri).is_none())
        {
            return wrong("output and failure are of the form s3://bucket/prefix");
        }
        for course in &self.courses {
            if course.body.is_some() && course.body_base64.is_some() {
                return wrong("a course has one body");
            }
            if course.body_base64.as_deref().is_some_and(|text| from_base64(text).is_none()) {
                return wrong("a body is not base64");
            }
        }
        Ok(())
    }
}

impl EndpointCourse {
    /// What the model answers, if that is not what it was asked.
    pub(crate) fn answer(&self) -> Option<Bytes> {
        if !self.chunks.is_empty() {
            return Some(self.chunks.concat().into());
        }
        let bytes = self.body_base64.as_deref().and_then(from_base64).map(Bytes::from);
        bytes.or_else(|| self.body.clone().map(Bytes::from))
    }
}
