//! The services: what each is called, how it speaks, who answers.
//!
//! A new service is a file with `OPERATIONS` and `answer`, and a row in every `match` here.

use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;

use crate::cloud::Cloud;
use crate::dispatch::Incoming;
use crate::identity::Caller;
use crate::protocol::Protocol;
use crate::refusal::Refusal;
use crate::{container, glue, logs, metadata, sts};

/// A service that the sandbox plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Sts,
    Glue,
    Logs,
    ContainerCredentials,
    InstanceMetadata,
}

/// One operation that the sandbox plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// Service in lower case, as faults and records name it.
    pub service: &'static str,
    /// Operation, as the service names it.
    pub name: &'static str,
}

/// Everything the sandbox plays.
pub fn operations() -> Vec<Operation> {
    let of = |service: &Service| {
        let service = *service;
        service.operations().iter().map(move |name| Operation { service: service.name(), name })
    };
    Service::ALL.iter().flat_map(of).collect()
}

impl Service {
    pub(crate) const ALL: &[Self] =
        &[Self::Sts, Self::Glue, Self::Logs, Self::ContainerCredentials, Self::InstanceMetadata];

    /// Its name in faults and records; for AWS services also the name in signatures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Glue => "glue",
            Self::Logs => "logs",
            Self::ContainerCredentials => "container-credentials",
            Self::InstanceMetadata => "instance-metadata",
        }
    }

    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Sts => Protocol::Query,
            Self::Glue => Protocol::Json { target: "AWSGlue", message: "Message" },
            Self::Logs => Protocol::Json { target: "Logs_20140328", message: "message" },
            Self::ContainerCredentials => Protocol::Document { content_type: "application/json" },
            Self::InstanceMetadata => Protocol::Document { content_type: "text/plain" },
        }
    }

    fn operations(self) -> &'static [&'static str] {
        match self {
            Self::Sts => sts::OPERATIONS,
            Self::Glue => glue::OPERATIONS,
            Self::Logs => logs::OPERATIONS,
            Self::ContainerCredentials => container::OPERATIONS,
            Self::InstanceMetadata => metadata::OPERATIONS,
        }
    }

    /// Must a request be signed?
    pub(crate) fn is_signed(self, operation: &str) -> bool {
        match self {
            Self::Sts => operation != "AssumeRoleWithWebIdentity",
            Self::Glue | Self::Logs => true,
            Self::ContainerCredentials | Self::InstanceMetadata => false,
        }
    }

    /// How it says that calls come too fast.
    pub(crate) fn throttled(self) -> Refusal {
        match self {
            Self::Sts => Refusal::new(400, "Throttling", "Rate exceeded"),
            Self::Glue | Self::Logs => Refusal::at_the_door(400, "ThrottlingException", "Rate exceeded"),
            Self::ContainerCredentials | Self::InstanceMetadata => {
                Refusal::new(429, "TooManyRequests", "Too many requests")
            }
        }
    }

    /// Does the work; gives the body of the answer.
    pub(crate) fn answer(self, cloud: &Cloud, request: &Request<'_>) -> Result<String, Refusal> {
        match self {
            Self::Sts => sts::answer(cloud, request),
            Self::Glue => glue::answer(cloud, request).map(|value| value.to_string()),
            Self::Logs => logs::answer(cloud, request).map(|value| value.to_string()),
            Self::ContainerCredentials => container::answer(cloud, request),
            Self::InstanceMetadata => metadata::answer(cloud, request),
        }
    }
}

/// An authentic request, ready to be worked on.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) service: Service,
    pub(crate) operation: &'a str,
    pub(crate) parameters: &'a Value,
    pub(crate) caller: Option<Arc<Caller>>,
    /// The region it was signed for, else the one in the host name, else empty.
    pub(crate) region: &'a str,
    /// Id of the request, which the answer carries.
    pub(crate) id: &'a str,
    pub(crate) now: OffsetDateTime,
    pub(crate) incoming: &'a Incoming,
}

impl Request<'_> {
    /// Who signed it.
    pub(crate) fn caller(&self) -> Result<&Caller, Refusal> {
        self.caller.as_deref().ok_or_else(|| self.service.protocol().unsigned())
    }

    /// May the caller do this operation on a resource?
    pub(crate) fn authorize(&self, resource: &str) -> Result<(), Refusal> {
        let action = format!("{}:{}", self.service.name(), self.operation);
        match self.caller()?.denied(&action, resource) {
            None => Ok(()),
            Some(text) => Err(Refusal::new(400, "AccessDeniedException", text)),
        }
    }

    pub(crate) fn unknown_operation(&self) -> Refusal {
        self.service.protocol().unknown_operation(self.operation)
    }
}
