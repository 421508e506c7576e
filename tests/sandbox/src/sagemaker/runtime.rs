//! `SageMaker` runtime: inferences at endpoints (restJson1).

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::asynchronous;
use super::endpoint::{EndpointCourse, ModelFailure};
use super::members::Options;
use super::store::{Inference, KnownEndpoint};
use crate::answer::{Answer, Content, Parts, Ready};
use crate::clock::iso;
use crate::cloud::Cloud;
use crate::crypto::uuid;
use crate::eventstream;
use crate::refusal::Refusal;
use crate::service::Request;

/// What this service can do.
pub(crate) const OPERATIONS: &[&str] =
    &["InvokeEndpoint", "InvokeEndpointAsync", "InvokeEndpointWithResponseStream"];

/// How long a model may take for those who wait.
const LONGEST: Duration = Duration::from_mins(1);
const CUSTOM_ATTRIBUTES: &str = "x-amzn-sagemaker-custom-attributes";

/// Answers one authenticated request.
pub(crate) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    let body = &request.incoming.body;
    let options = Options::read(request.operation, request.parameters, body.len())?;
    let name = options.get("EndpointName").unwrap_or_default();
    let caller = request.caller()?;
    let (partition, region, account) = (caller.partition(), request.region, caller.account.as_str());
    // An endpoint's ARN has its name in lower case.
    request.authorize(&format!(
        "arn:{partition}:sagemaker:{region}:{account}:endpoint/{}",
        name.to_lowercase()
    ))?;
    let mut sagemaker = cloud.sagemaker();
    let known = sagemaker
        .endpoint(account, region, name)
        .ok_or_else(|| invalid(format!("Endpoint {name} of account {account} not found.")))?;
    // The wording of these two is not documented.
    match (request.operation, &known.endpoint.asynchronous) {
        ("InvokeEndpointAsync", Some(output)) => {
            let output = output.clone();
            asynchronous::invoke(cloud, request, known, options, &output)
        }
        ("InvokeEndpointAsync", None) => Err(invalid(format!(
            "Endpoint {name} of account {account} does not support asynchronous inference."
        ))),
        (_, Some(_)) => Err(invalid(format!(
            "Endpoint {name} of account {account} supports asynchronous inference only. Use InvokeEndpointAsync."
        ))),
        _ => synchronous(cloud, request, known, options),
    }
}

fn synchronous(
    cloud: &Cloud,
    request: &Request<'_>,
    known: &mut KnownEndpoint,
    options: Options,
) -> Result<Answer, Refusal> {
    let course = known.begin();
    if course.not_ready {
        let text = "The model is not ready for inference. Wait and try your request again.";
        return Err(Refusal::new(429, "ModelNotReadyException", text));
    }
    let variant = options.get("TargetVariant").unwrap_or("AllTraffic").to_owned();
    let content_type = course.content_type.as_deref().or_else(|| options.get("ContentType"));
    let content_type = content_type.unwrap_or("application/octet-stream").to_owned();
    let (attributes, session) = (options.get("CustomAttributes"), options.get("SessionId"));
    let mut headers: Vec<(&str, String)> = vec![("x-amzn-invoked-production-variant", variant)];
    headers.extend(attributes.map(|attributes| (CUSTOM_ATTRIBUTES, attributes.to_owned())));
    if session == Some("NEW_SESSION") {
        let expires = iso(request.now + Duration::from_hours(1));
        headers.push(("x-amzn-sagemaker-new-session-id", format!("{}; Expires={expires}", uuid())));
    }
    known.inferences.push(inference(cloud, request, options, None));
    let ready = Ready::At(request.now + course.after.min(LONGEST));
    let late = (course.after > LONGEST).then(ModelFailure::late);
    if let Some(failure) = late.as_ref().or(course.model_error.as_ref()) {
        let refusal = model_error(failure, &known.endpoint.name, request)?;
        return Ok(request.service.protocol().refuse(&refusal, request.id).ready(ready));
    }
    let mut answer = if request.operation == "InvokeEndpointWithResponseStream" {
        let parts = stream(&course, &request.incoming.body);
        let answer = Answer::new(eventstream::CONTENT_TYPE, "");
        Answer { content: Content::Parts(parts), ..answer }
            .header("x-amzn-sagemaker-content-type", content_type)
    } else {
        Answer::new(content_type, course.answer().unwrap_or_else(|| request.incoming.body.clone()))
    };
    for (name, value) in headers {
        answer = answer.header(name, value);
    }
    Ok(if course.after.is_zero() { answer } else { answer.ready(ready) })
}

/// The record of a request.
pub(super) fn inference(
    cloud: &Cloud,
    request: &Request<'_>,
    options: Options,
    output_location: Option<String>,
) -> Inference {
    Inference {
        request_id: request.id.into(),
        operation: request.operation.into(),
        body: request.incoming.body.clone(),
        options: options.all,
        output_location,
        at: cloud.clock.elapsed(),
    }
}

impl ModelFailure {
    /// A container that did not answer in time.
    pub(super) fn late() -> Self {
        let message = "Your invocation timed out while waiting for a response from container primary. Review the \
                       latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again.";
        Self { status: 0, message: message.into() }
    }

    /// What the service makes of it.
    pub(super) fn text(&self, endpoint: &str, region: &str, account: &str) -> String {
        let Self { status, message } = self;
        let side = if (400..500).contains(status) { "client" } else { "server" };
        format!(
            "Received {side} error ({status}) from primary with message \"{message}\". See \
             https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group=\
             /aws/sagemaker/Endpoints/{endpoint} in account {account} for more information."
        )
    }
}

fn model_error(failure: &ModelFailure, endpoint: &str, request: &Request<'_>) -> Result<Refusal, Refusal> {
    let caller = request.caller()?;
    let (partition, region, account) = (caller.partition(), request.region, &caller.account);
    let side = if (400..500).contains(&failure.status) { "CLIENT_ERROR" } else { "INTERNAL_FAILURE" };
    let log =
        format!("arn:{partition}:logs:{region}:{account}:log-group:/aws/sagemaker/Endpoints/{endpoint}");
    Ok(Refusal::new(424, "ModelError", failure.text(endpoint, region, account))
        .member("ErrorCode", format!("{side}_FROM_MODEL"))
        .member("OriginalStatusCode", failure.status)
        .member("OriginalMessage", failure.message.as_str())
        .member("LogStreamArn", log))
}

/// The answer as a stream of events.
fn stream(course: &EndpointCourse, asked: &Bytes) -> Parts {
    let part = |data: &[u8]| eventstream::event("PayloadPart", "application/octet-stream", data);
    let mut parts: Vec<(Duration, Bytes)> = match &course.chunks[..] {
        [] => vec![(Duration::ZERO, part(&course.answer().unwrap_or_else(|| asked.clone())))],
        chunks => chunks.iter().map(|text| (course.every, part(text.as_bytes()))).collect(),
    };
    if let Some((wait, _)) = parts.first_mut() {
        *wait = Duration::ZERO;
    }
    if let Some(error) = &course.stream_error {
        let told = json!({ "Message": error.message, "ErrorCode": error.code });
        parts.push((course.every, eventstream::exception("ModelStreamError", told.to_string().as_bytes())));
    }
    Parts { parts, cut: course.cut }
}

pub(super) fn invalid(text: String) -> Refusal {
    Refusal::new(400, "ValidationError", text)
}
