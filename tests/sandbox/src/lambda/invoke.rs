//! `Invoke` and `InvokeWithResponseStream`.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::durable::Execution;
use super::outcome::Outcome;
use super::store::{Invocation, InvocationKind, KnownFunction};
use super::target::Target;
use super::{FUNCTION_ERROR, action, find, invalid};
use crate::answer::{Answer, Content, Ready};
use crate::cloud::Cloud;
use crate::crypto::{from_base64, uuid};
use crate::eventstream;
use crate::refusal::{Constraints, Refusal};
use crate::rest::members;
use crate::service::Request;

/// Largest payloads of those who wait for the answer, and of events.
const LARGEST: usize = 6_291_456;
const LARGEST_EVENT: usize = 1_048_576;
const LONGEST_CLIENT_CONTEXT: usize = 3583;
const LOG_RESULT: &str = "x-amz-log-result";
const EXECUTED_VERSION: &str = "x-amz-executed-version";
const DURABLE_ARN: &str = "x-amz-durable-execution-arn";

/// The members of both operations but for the payload.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    function_name: String,
    qualifier: Option<String>,
    invocation_type: Option<String>,
    log_type: Option<String>,
    client_context: Option<String>,
    tenant_id: Option<String>,
    durable_execution_name: Option<String>,
}

/// What is asked for, judged as far as the function does not matter.
struct Wish {
    target: Target,
    /// None: only to be judged.
    kind: Option<InvocationKind>,
    tail: bool,
    client_context: Option<String>,
    tenant: Option<String>,
    durable_name: Option<String>,
    payload: Bytes,
}

impl Wish {
    fn read(request: &Request<'_>) -> Result<Self, Refusal> {
        let members: Members = members(request.parameters)?;
        let streams = request.operation == "InvokeWithResponseStream";
        let mut constraints = Constraints::default();
        let wanted = members.invocation_type.as_deref().unwrap_or("RequestResponse");
        let types: &[&str] =
            if streams { &["RequestResponse", "DryRun"] } else { &["Event", "RequestResponse", "DryRun"] };
        constraints.one_of("invocationType", wanted, types);
        let log_type = members.log_type.as_deref().unwrap_or("None");
        constraints.one_of("logType", log_type, &["None", "Tail"]);
        if let Some(name) = &members.durable_execution_name {
            constraints.length("durableExecutionName", name, 1, 64, false);
            constraints.pattern("durableExecutionName", name, "[a-zA-Z0-9-_]+", |character| {
                character.is_ascii_alphanumeric() || "-_".contains(character)
            });
        }
        if let Some(tenant) = &members.tenant_id {
            constraints.length("tenantId", tenant, 1, 256, false);
            constraints.pattern("tenantId", tenant, r"[a-zA-Z0-9\._:\/=+\-@ ]+", |character| {
                character.is_ascii_alphanumeric() || "._:/=+-@ ".contains(character)
            });
        }
        let kind = match wanted {
            "DryRun" => None,
            "Event" => Some(InvocationKind::Event),
            _ if streams => Some(InvocationKind::Stream),
            _ => Some(InvocationKind::RequestResponse),
        };
        let caller = (request.caller()?, request.region);
        let (name, qualifier) = (&members.function_name, members.qualifier.as_deref());
        let target = Target::read(&mut constraints, name, qualifier, caller)?;
        let payload = request.incoming.body.clone();
        check_size(kind, payload.len())?;
        Ok(Self {
            target,
            kind,
            tail: log_type == "Tail",
            client_context: members.client_context,
            tenant: members.tenant_id,
            durable_name: members.durable_execution_name,
            payload,
        })
    }

    /// The checks that come after the function has been found.
    fn check(&self, known: &KnownFunction) -> Result<Option<Value>, Refusal> {
        let function = &known.function;
        match (function.tenants, &self.tenant) {
            (true, None) => {
                return Err(invalid(
                    "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your \
                     request and try again.",
                ));
            }
            (false, Some(_)) => {
                return Err(invalid(
                    "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your \
                     request and try again.",
                ));
            }
            _ => {}
        }
        if function.durable && self.target.qualifier.is_none() {
            return Err(invalid("You cannot invoke a durable function using an unqualified ARN."));
        }
        if !function.durable && self.durable_name.is_some() {
            // Lambda's own words are not documented.
            return Err(invalid(
                "A durable execution name was given, but the invoked function is not durable.",
            ));
        }
        if !self.payload.is_empty()
            && let Err(error) = serde_json::from_slice::<IgnoredAny>(&self.payload)
        {
            return Err(content(format!(
                "Could not parse request body into json: Could not parse payload into json: {error}"
            )));
        }
        self.client_context.as_deref().map(read_context).transpose()
    }
}

fn check_size(kind: Option<InvocationKind>, size: usize) -> Result<(), Refusal> {
    if kind == Some(InvocationKind::Event) && size > LARGEST_EVENT {
        let text = format!(
            "{size} byte payload is too large for the Event invocation type (limit {LARGEST_EVENT} bytes)"
        );
        return Err(Refusal::new(413, "RequestTooLargeException", text));
    }
    if size > LARGEST {
        // Said by what stands in front of Lambda, under a name that is not in the model.
        let text = format!("Request must be smaller than {LARGEST} bytes for the InvokeFunction operation");
        return Err(Refusal::new(413, "RequestEntityTooLargeException", text));
    }
    Ok(())
}

fn read_context(encoded: &str) -> Result<Value, Refusal> {
    if encoded.len() > LONGEST_CLIENT_CONTEXT {
        return Err(content(format!(
            "Client context must be no longer than {LONGEST_CLIENT_CONTEXT} bytes."
        )));
    }
    let decoded = from_base64(encoded).and_then(|json| serde_json::from_slice(&json).ok());
    let object = decoded.filter(Value::is_object);
    object.ok_or_else(|| content("Client context must be a valid Base64-encoded JSON object.".into()))
}

fn content(text: String) -> Refusal {
    Refusal::new(400, "InvalidRequestContentException", text)
}

/// Answers both operations.
pub(super) fn invoke(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    let wish = Wish::read(request)?;
    request.authorize_as(&action(request), &wish.target.arn())?;
    let mut lambda = cloud.lambda();
    let (known, version) = find(&mut lambda, &wish.target, request)?;
    let client_context = wish.check(known)?;
    let Some(kind) = wish.kind else { return Ok(Answer::empty(204)) };
    let running = wish.durable_name.as_deref().and_then(|name| known.execution(name));
    if let Some(execution) = running {
        if execution.payload != wish.payload {
            let name = &execution.name;
            let text = format!("Durable execution with name {name} already exists with a different payload");
            return Err(Refusal::new(409, "DurableExecutionAlreadyStartedException", text));
        }
        return Ok(attached(execution, kind, None));
    }
    if kind != InvocationKind::Event && !known.has_room(request.now) {
        return Err(Refusal::new(429, "TooManyRequestsException", "Rate Exceeded.")
            .member("Reason", "ReservedFunctionConcurrentInvocationLimitExceeded"));
    }
    let mut invocation = Invocation {
        request_id: request.id.into(),
        kind,
        payload: String::new(),
        payload_length: 0,
        payload_sha256: None,
        qualifier: wish.target.qualifier.clone(),
        client_context: client_context.filter(|_| kind != InvocationKind::Event),
        tenant: wish.tenant,
        durable_name: wish.durable_name.clone(),
        at: cloud.clock.elapsed(),
    };
    invocation.keep(&wish.payload);
    let course = known.begin(invocation, request.now);
    let outcome = Outcome::of(&course, &wish.payload, request.id);
    let tail = wish.tail.then(|| outcome.tail(request.id, &version, course.after));
    let ends = request.now + course.after;
    if kind == InvocationKind::Stream {
        let parts = outcome.stream(&course, tail);
        let answer = Answer {
            content: Content::Parts(parts),
            ready: Ready::At(ends),
            ..Answer::new(eventstream::CONTENT_TYPE, "")
        };
        return Ok(answer.header(EXECUTED_VERSION, version));
    }
    let outcome = outcome.whole();
    if known.function.durable {
        let name = wish.durable_name.unwrap_or_else(uuid);
        let execution = Execution {
            arn: format!("{}:{version}/durable-execution/{name}/{}", known.arn(), uuid()),
            name,
            function_arn: wish.target.arn(),
            version,
            payload: wish.payload,
            begun: request.now,
            ends,
            outcome,
            stopped: None,
        };
        let answer = attached(&execution, kind, tail);
        known.add_execution(execution);
        return Ok(answer);
    }
    if kind == InvocationKind::Event {
        return Ok(Answer::empty(202));
    }
    let content = outcome.content(&course);
    let ready = if course.after.is_zero() { Ready::Now } else { Ready::At(ends) };
    let answer = Answer { content, ready, ..Answer::new("application/json", "") };
    Ok(with_outcome(answer, &outcome, version, tail))
}

/// The answer of one who has started an execution or comes back to it.
fn attached(execution: &Execution, kind: InvocationKind, tail: Option<String>) -> Answer {
    if kind == InvocationKind::Event {
        return Answer::empty(202).header(DURABLE_ARN, &execution.arn);
    }
    let ready = Ready::Ended(execution.arn.clone());
    let answer = Answer::new("application/json", execution.outcome.payload.clone()).ready(ready);
    let answer = answer.header(DURABLE_ARN, &execution.arn);
    with_outcome(answer, &execution.outcome, execution.version.clone(), tail)
}

fn with_outcome(answer: Answer, outcome: &Outcome, version: String, tail: Option<String>) -> Answer {
    let mut answer = answer.header(EXECUTED_VERSION, version);
    if let Some(error) = &outcome.error {
        answer = answer.header(FUNCTION_ERROR, error);
    }
    if let Some(tail) = tail {
        answer = answer.header(LOG_RESULT, tail);
    }
    answer
}
