//! An answer before it goes onto the wire: what it holds, and when it may go.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use time::OffsetDateTime;

use crate::cloud::Cloud;
use crate::lambda::Execution;

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
}

impl Ready {
    /// How long it is until then, as it looks now.
    pub(crate) fn left(&self, cloud: &Cloud) -> Duration {
        let due = match self {
            Self::Now => None,
            Self::At(moment) => Some(*moment),
            Self::Ended(execution) => cloud.lambda().execution(execution).map(Execution::end),
        };
        // Negative ones, of moments past, are none.
        due.and_then(|due| (due - cloud.clock.now()).try_into().ok()).unwrap_or_default()
    }

    /// Puts into the answer what only its time has decided.
    pub(crate) fn conclude(&self, cloud: &Cloud, response: &mut Response<Content>) {
        if let Self::Ended(execution) = self
            && let Some(execution) = cloud.lambda().execution(execution)
        {
            execution.conclude(response);
        }
    }
}
