//! The services: what each is called, how it speaks, who answers.
//!
//! A new service is a file with `OPERATIONS` and `answer`, and a row in every `match` here.

use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;

use crate::answer::Answer;
use crate::cloud::Cloud;
use crate::dispatch::Incoming;
use crate::identity::Caller;
use crate::protocol::Protocol;
use crate::refusal::Refusal;
use crate::rest::Route;
use crate::{
    container, eks, glue, lambda, logs, metadata, mwaa, redshift, s3, sagemaker, secretsmanager,
    stepfunctions, sts,
};

/// A service that the sandbox plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Sts,
    Glue,
    Logs,
    Lambda,
    S3,
    SageMakerRuntime,
    SageMaker,
    RedshiftData,
    StepFunctions,
    SecretsManager,
    Mwaa,
    MwaaWebServer,
    Eks,
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
    pub(crate) const ALL: &[Self] = &[
        Self::Sts,
        Self::Glue,
        Self::Logs,
        Self::Lambda,
        Self::S3,
        Self::SageMakerRuntime,
        Self::SageMaker,
        Self::RedshiftData,
        Self::StepFunctions,
        Self::SecretsManager,
        Self::Mwaa,
        Self::MwaaWebServer,
        Self::Eks,
        Self::ContainerCredentials,
        Self::InstanceMetadata,
    ];

    /// Which service and operation a request means.
    pub(crate) fn route(cloud: &Cloud, incoming: &Incoming) -> Option<(Self, String)> {
        if let Some(header) = incoming.header("x-amz-target") {
            let (prefix, operation) = header.split_once('.')?;
            let speaks = |service: &&Self| matches!(service.protocol(), Protocol::Json { target, .. } if target == prefix);
            return Self::ALL.iter().find(speaks).map(|service| (*service, operation.to_owned()));
        }
        if let Some(operation) = mwaa::web::operation(cloud, incoming) {
            return Some((Self::MwaaWebServer, operation.to_owned()));
        }
        if s3::is_meant(incoming) {
            return Some((Self::S3, s3::operation(incoming).to_owned()));
        }
        if container::is_at(cloud, &incoming.path) {
            return Some((Self::ContainerCredentials, container::OPERATIONS[0].to_owned()));
        }
        if let Some(operation) = metadata::operation(cloud, incoming) {
            return Some((Self::InstanceMetadata, operation.to_owned()));
        }
        if let Some(operation) = mwaa::operation(incoming) {
            return Some((Self::Mwaa, operation.to_owned()));
        }
        for service in Self::ALL {
            if let Some(route) = Route::find(service.routes(), incoming) {
                return Some((*service, route.operation.to_owned()));
            }
        }
        incoming.action().map(|action| (Self::Sts, action))
    }

    /// Its name in faults and records.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Glue => "glue",
            Self::Logs => "logs",
            Self::Lambda => "lambda",
            Self::S3 => "s3",
            Self::SageMakerRuntime => "sagemaker-runtime",
            Self::SageMaker => "sagemaker",
            Self::RedshiftData => "redshift-data",
            Self::StepFunctions => "stepfunctions",
            Self::SecretsManager => "secretsmanager",
            Self::Mwaa => "mwaa",
            Self::MwaaWebServer => "mwaa-web-server",
            Self::Eks => "eks",
            Self::ContainerCredentials => "container-credentials",
            Self::InstanceMetadata => "instance-metadata",
        }
    }

    /// Its name in signatures and in actions.
    pub(crate) fn signing_name(self) -> &'static str {
        match self {
            Self::SageMakerRuntime => "sagemaker",
            Self::Mwaa => "airflow",
            Self::StepFunctions => "states",
            other => other.name(),
        }
    }

    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Sts => Protocol::Query,
            Self::Glue => Protocol::Json { version: "1.1", target: "AWSGlue", message: "Message" },
            Self::Logs => Protocol::Json { version: "1.1", target: "Logs_20140328", message: "message" },
            Self::Lambda => Protocol::Rest { lower: lambda::LOWER_CASE, typed: true },
            Self::S3 => Protocol::S3,
            Self::SageMakerRuntime => Protocol::Rest { lower: &[], typed: false },
            Self::SageMaker => Protocol::Json { version: "1.1", target: "SageMaker", message: "Message" },
            Self::RedshiftData => {
                Protocol::Json { version: "1.1", target: "RedshiftData", message: "Message" }
            }
            Self::StepFunctions => {
                Protocol::Json { version: "1.0", target: "AWSStepFunctions", message: "message" }
            }
            Self::SecretsManager => {
                Protocol::Json { version: "1.1", target: "secretsmanager", message: "Message" }
            }
            Self::Mwaa => Protocol::Rest { lower: mwaa::LOWER_CASE, typed: false },
            Self::MwaaWebServer => Protocol::Document { content_type: "text/html" },
            Self::Eks => Protocol::Rest { lower: eks::LOWER_CASE, typed: false },
            Self::ContainerCredentials => Protocol::Document { content_type: "application/json" },
            Self::InstanceMetadata => Protocol::Document { content_type: "text/plain" },
        }
    }

    fn operations(self) -> &'static [&'static str] {
        match self {
            Self::Sts => sts::OPERATIONS,
            Self::Glue => glue::OPERATIONS,
            Self::Logs => logs::OPERATIONS,
            Self::Lambda => lambda::OPERATIONS,
            Self::S3 => s3::OPERATIONS,
            Self::SageMakerRuntime => sagemaker::runtime::OPERATIONS,
            Self::SageMaker => sagemaker::training::OPERATIONS,
            Self::RedshiftData => redshift::OPERATIONS,
            Self::StepFunctions => stepfunctions::OPERATIONS,
            Self::SecretsManager => secretsmanager::OPERATIONS,
            Self::Mwaa => mwaa::OPERATIONS,
            Self::MwaaWebServer => mwaa::web::OPERATIONS,
            Self::Eks => eks::OPERATIONS,
            Self::ContainerCredentials => container::OPERATIONS,
            Self::InstanceMetadata => metadata::OPERATIONS,
        }
    }

    /// Where its operations are, if not in a header or form.
    fn routes(self) -> &'static [Route] {
        match self {
            Self::Lambda => lambda::ROUTES,
            Self::SageMakerRuntime => sagemaker::ROUTES,
            Self::Eks => eks::ROUTES,
            _ => &[],
        }
    }

    /// The parameters of a request, as JSON.
    pub(crate) fn parameters(self, operation: &str, incoming: &Incoming) -> Result<Value, Refusal> {
        match self.routes().iter().find(|route| route.operation == operation) {
            Some(route) => Ok(route.parameters(incoming)),
            None if self == Self::Mwaa => mwaa::parameters(incoming),
            None if self == Self::MwaaWebServer => Ok(mwaa::web::parameters(incoming)),
            None => self.protocol().parameters(incoming),
        }
    }

    /// Must a request be signed?
    pub(crate) fn is_signed(self, operation: &str) -> bool {
        match self {
            Self::Sts => operation != "AssumeRoleWithWebIdentity",
            Self::MwaaWebServer | Self::ContainerCredentials | Self::InstanceMetadata => false,
            _ => true,
        }
    }

    /// How it says that calls come too fast.
    pub(crate) fn throttled(self) -> Refusal {
        match self {
            Self::Sts => Refusal::new(400, "Throttling", "Rate exceeded"),
            Self::Glue
            | Self::Logs
            | Self::SageMakerRuntime
            | Self::SageMaker
            | Self::SecretsManager
            | Self::StepFunctions => Refusal::at_the_door(400, "ThrottlingException", "Rate exceeded"),
            Self::RedshiftData => redshift::throttled(),
            Self::S3 => s3::slow_down(),
            Self::Eks => Refusal::new(429, "ThrottlingException", "Rate exceeded"),
            Self::Lambda => Refusal::new(429, "TooManyRequestsException", "Rate Exceeded."),
            Self::Mwaa => Refusal::at_the_door(429, "ThrottlingException", "Rate exceeded"),
            Self::MwaaWebServer | Self::ContainerCredentials | Self::InstanceMetadata => {
                Refusal::new(429, "TooManyRequests", "Too many requests")
            }
        }
    }

    /// Does the work.
    pub(crate) fn answer(self, cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
        let accept = |body| self.protocol().accept(body);
        match self {
            Self::Sts => sts::answer(cloud, request).map(accept),
            Self::Glue => glue::answer(cloud, request).map(|value| accept(value.to_string())),
            Self::Logs => logs::answer(cloud, request).map(|value| accept(value.to_string())),
            Self::Lambda => lambda::answer(cloud, request),
            Self::S3 => s3::answer(cloud, request),
            Self::SageMakerRuntime => sagemaker::runtime::answer(cloud, request),
            Self::SageMaker => {
                sagemaker::training::answer(cloud, request).map(|value| accept(value.to_string()))
            }
            Self::RedshiftData => redshift::answer(cloud, request),
            Self::StepFunctions => stepfunctions::answer(cloud, request),
            Self::SecretsManager => {
                secretsmanager::answer(cloud, request).map(|value| accept(value.to_string()))
            }
            Self::Mwaa => mwaa::answer(cloud, request),
            Self::MwaaWebServer => mwaa::web::answer(cloud, request),
            Self::Eks => eks::answer(cloud, request).map(|value| accept(value.to_string())),
            Self::ContainerCredentials => container::answer(cloud, request).map(accept),
            Self::InstanceMetadata => metadata::answer(cloud, request).map(accept),
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
        self.authorize_as(&format!("{}:{}", self.service.signing_name(), self.operation), resource)
    }

    /// May the caller do this on a resource? For operations that go by the name of another action.
    pub(crate) fn authorize_as(&self, action: &str, resource: &str) -> Result<(), Refusal> {
        let caller = self.caller()?;
        match caller.lacks(action, resource) {
            None => Ok(()),
            Some(reason) => Err(self.service.protocol().denied(caller, action, resource, reason)),
        }
    }

    pub(crate) fn unknown_operation(&self) -> Refusal {
        self.service.protocol().unknown_operation(self.operation)
    }
}
