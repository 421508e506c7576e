//! An answer before it goes onto the wire: what it holds, and when it may go.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use time::OffsetDateTime;

use crate::cloud::Cloud;
use crate::lambda::Execution;
use crate::refusal::Refusal;
use crate::service::{Request, Service};

/// An answer, but for the headers that all answers have.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// None where there is no body.
    pub(crate) content_type: Option<String>,
    /// Headers of this answer alone.
    pub(crate) headers: Vec<(Cow<'static, str>, String)>,
    pub(crate) content: Content,
    /// AWS error code.
    pub(crate) error: Option<String>,
    pub(crate) ready: Ready,
}

impl Answer {
    /// A good answer with a body.
    pub(crate) fn new(content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            content_type: Some(content_type.into()),
            content: Content::Whole(body.into()),
            ..Self::empty(200)
        }
    }

    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            content_type: None,
            headers: Vec::new(),
            content: Content::Whole(Bytes::new()),
            error: None,
            ready: Ready::Now,
        }
    }

    /// An answer that only its time decides.
    pub(crate) fn later(request: &Request<'_>, answer: Arc<dyn Later>) -> Self {
        let due = Due { service: request.service, request_id: request.id.into(), answer };
        Self::empty(200).ready(Ready::Later(due))
    }

    /// The same with another status.
    #[must_use]
    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The same with one more header.
    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same at another time.
    #[must_use]
    pub(crate) fn ready(self, ready: Ready) -> Self {
        Self { ready, ..self }
    }
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Whole(Bytes),
    /// Sent part by part, its length unknown beforehand.
    Parts(Parts),
}

/// A body that comes over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    /// Each with the time to wait before it.
    pub(crate) parts: Vec<(Duration, Bytes)>,
    /// Ends with the connection instead of properly.
    pub(crate) cut: bool,
}

#[cfg(test)]
impl Content {
    /// All bytes, whenever they come.
    pub(crate) fn bytes(&self) -> Bytes {
        match self {
            Self::Whole(data) => data.clone(),
            Self::Parts(parts) => {
                parts.parts.iter().flat_map(|(_, data)| data.iter().copied()).collect::<Vec<u8>>().into()
            }
        }
    }
}

/// When an answer may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    Now,
    /// At a moment of the sandbox's clock.
    At(OffsetDateTime),
    /// When a durable execution has ended, which decides what the answer is.
    Ended(String),
    /// When it has come about.
    Later(Due),
}

/// An answer that comes about in its own time.
pub(crate) trait Later: fmt::Debug + Send + Sync {
    /// How long it is until then, at the most; whoever shortens it stirs the clock.
    fn left(&self) -> Duration;
    /// The answer, when there is nothing left.
    fn conclude(&self) -> Result<Answer, Refusal>;
}

/// An answer to come, and the request it is for.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    service: Service,
    request_id: String,
    answer: Arc<dyn Later>,
}

impl Due {
    fn conclude(&self, cloud: &Cloud, response: &mut Response<Content>) {
        let answer = self
            .answer
            .conclude()
            .unwrap_or_else(|refusal| self.service.protocol().refuse(&refusal, &self.request_id));
        cloud.record().conclude(&self.request_id, answer.status, answer.error.as_deref());
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
        let mut set = |name: &'static str, value: Option<String>| {
            if let Some(value) = value.and_then(|value| value.parse().ok()) {
                response.headers_mut().insert(name, value);
            }
        };
        set("content-type", answer.content_type);
        set("x-amzn-errortype", answer.error);
        *response.body_mut() = answer.content;
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.request_id == other.request_id
    }
}

impl Eq for Due {}

impl Ready {
    /// How long it is until then, as it looks now.
    pub(crate) fn left(&self, cloud: &Cloud) -> Duration {
        let due = match self {
            Self::Now => None,
            Self::At(moment) => Some(*moment),
            Self::Ended(execution) => cloud.lambda().execution(execution).map(Execution::end),
            Self::Later(due) => return due.answer.left(),
        };
        // Negative ones, of moments past, are none.
        due.and_then(|due| (due - cloud.clock.now()).try_into().ok()).unwrap_or_default()
    }

    /// Waits until the answer may be sent, which can come nearer at any time.
    pub(crate) async fn wait(&self, cloud: &Cloud) {
        let mut stirred = cloud.clock.stirred();
        loop {
            let left = self.left(cloud);
            if left.is_zero() {
                return;
            }
            // An error would mean that the clock is gone, and with it everything.
            let _ = tokio::time::timeout(left, stirred.changed()).await;
        }
    }

    /// Puts into the answer what only its time has decided.
    pub(crate) fn conclude(&self, cloud: &Cloud, response: &mut Response<Content>) {
        // A fault's garbage stays what it is.
        if let Self::Later(due) = self
            && *response.body() == Content::Whole(Bytes::new())
        {
            due.conclude(cloud, response);
        }
        if let Self::Ended(execution) = self
            && let Some(execution) = cloud.lambda().execution(execution)
        {
            execution.conclude(response);
        }
    }
}
