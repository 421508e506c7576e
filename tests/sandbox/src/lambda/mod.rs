//! AWS Lambda: invocations and durable executions (restJson1).

mod durable;
mod function;
mod invoke;
mod outcome;
mod store;
mod target;

use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) use durable::Execution;
pub use function::{Function, FunctionAnswer, FunctionCourse, FunctionFailure, LambdaWorld, StreamError};
pub use store::{Invocation, InvocationKind};
pub(crate) use store::{KnownFunction, Lambda};

use self::target::Target;
use crate::answer::Answer;
use crate::cloud::Cloud;
use crate::refusal::{Constraints, Refusal};
use crate::rest::Place::{Header, List, Query};
use crate::rest::{Place, Route, members};
use crate::service::Request;

/// What this service can do.
pub(crate) const OPERATIONS: &[&str] = &[
    "GetDurableExecution",
    "GetFunctionConfiguration",
    "Invoke",
    "InvokeWithResponseStream",
    "ListDurableExecutionsByFunction",
    "StopDurableExecution",
];

/// Errors whose text stands in `message`; in all others it is `Message`.
pub(crate) const LOWER_CASE: &[&str] = &[
    "CodeArtifactUserDeletedException",
    "CodeArtifactUserFailedException",
    "CodeArtifactUserPendingException",
    "InvalidParameterValueException",
    "InvalidRequestContentException",
    "ModeNotSupportedException",
    "RequestEntityTooLargeException",
    "RequestTooLargeException",
    "ResourceConflictException",
    "ResourceNotReadyException",
    "RuntimeAliasDeletedException",
    "RuntimeVersionDeletedException",
    "SerializedRequestEntityTooLargeException",
    "TooManyRequestsException",
    "UnsupportedMediaTypeException",
    "ValidationException",
];

const QUALIFIER: (&str, Place) = ("Qualifier", Query("Qualifier"));
const INVOCATION_TYPE: (&str, Place) = ("InvocationType", Header("x-amz-invocation-type"));
const LOG_TYPE: (&str, Place) = ("LogType", Header("x-amz-log-type"));
const CLIENT_CONTEXT: (&str, Place) = ("ClientContext", Header("x-amz-client-context"));
const TENANT_ID: (&str, Place) = ("TenantId", Header("x-amz-tenant-id"));
const FUNCTION_ERROR: &str = "x-amz-function-error";

pub(crate) const ROUTES: &[Route] = &[
    Route {
        operation: "Invoke",
        method: "POST",
        path: "/2015-03-31/functions/*/invocations",
        label: "FunctionName",
        members: &[
            INVOCATION_TYPE,
            LOG_TYPE,
            CLIENT_CONTEXT,
            TENANT_ID,
            ("DurableExecutionName", Header("x-amz-durable-execution-name")),
            QUALIFIER,
        ],
        body: Some("Payload"),
    },
    Route {
        operation: "InvokeWithResponseStream",
        method: "POST",
        path: "/2021-11-15/functions/*/response-streaming-invocations",
        label: "FunctionName",
        members: &[INVOCATION_TYPE, LOG_TYPE, CLIENT_CONTEXT, TENANT_ID, QUALIFIER],
        body: Some("Payload"),
    },
    Route {
        operation: "GetDurableExecution",
        method: "GET",
        path: "/2025-12-01/durable-executions/*",
        label: "DurableExecutionArn",
        members: &[("IncludeExecutionData", Query("IncludeExecutionData"))],
        body: None,
    },
    Route {
        operation: "StopDurableExecution",
        method: "POST",
        path: "/2025-12-01/durable-executions/*/stop",
        label: "DurableExecutionArn",
        members: &[],
        body: Some("Error"),
    },
    Route {
        operation: "ListDurableExecutionsByFunction",
        method: "GET",
        path: "/2025-12-01/functions/*/durable-executions",
        label: "FunctionName",
        members: &[
            QUALIFIER,
            ("DurableExecutionName", Query("DurableExecutionName")),
            ("Statuses", List("Statuses")),
            ("StartedAfter", Query("StartedAfter")),
            ("StartedBefore", Query("StartedBefore")),
            ("ReverseOrder", Query("ReverseOrder")),
            ("Marker", Query("Marker")),
            ("MaxItems", Query("MaxItems")),
        ],
        body: None,
    },
    Route {
        operation: "GetFunctionConfiguration",
        method: "GET",
        path: "/2015-03-31/functions/*/configuration",
        label: "FunctionName",
        members: &[QUALIFIER],
        body: None,
    },
];

/// Answers one authenticated request.
pub(crate) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    match request.operation {
        "Invoke" | "InvokeWithResponseStream" => invoke::invoke(cloud, request),
        "GetDurableExecution" => durable::get(cloud, request).map(|value| json_answer(&value)),
        "ListDurableExecutionsByFunction" => durable::list(cloud, request).map(|value| json_answer(&value)),
        "StopDurableExecution" => durable::stop(cloud, request),
        "GetFunctionConfiguration" => configuration(cloud, request).map(|value| json_answer(&value)),
        _ => Err(request.unknown_operation()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    function_name: String,
    qualifier: Option<String>,
}

fn configuration(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let Named { function_name, qualifier } = members(request.parameters)?;
    let caller = (request.caller()?, request.region);
    let target = Target::read(&mut Constraints::default(), &function_name, qualifier.as_deref(), caller)?;
    request.authorize(&target.arn())?;
    let mut lambda = cloud.lambda();
    let (known, version) = find(&mut lambda, &target, request)?;
    let mut configuration = json!({
        "FunctionName": target.name,
        "FunctionArn": target.arn(),
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Timeout": 3,
        "MemorySize": 128,
        "Version": version,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
    });
    if known.function.durable {
        configuration["DurableConfig"] = json!({ "ExecutionTimeout": 86_400, "RetentionPeriodInDays": 14 });
    }
    if known.function.tenants {
        configuration["TenancyConfig"] = json!({ "TenantIsolationMode": "PER_TENANT" });
    }
    Ok(configuration)
}

/// The function that is meant and the version of it, if the function lets the caller's account in.
fn find<'a>(
    lambda: &'a mut Lambda,
    target: &Target,
    request: &Request<'_>,
) -> Result<(&'a mut KnownFunction, String), Refusal> {
    let caller = request.caller()?;
    let known = lambda.find(target);
    if target.account != caller.account
        && !known.as_ref().is_some_and(|known| known.function.allow_accounts.contains(&caller.account))
    {
        let (protocol, action) = (request.service.protocol(), action(request));
        return Err(protocol.denied(caller, &action, &target.arn(), "resource-based"));
    }
    let missing = || not_found(format!("Function not found: {}", target.arn()));
    let known = known.ok_or_else(missing)?;
    let version = known.function.version(target.qualifier.as_deref()).ok_or_else(missing)?.to_owned();
    Ok((known, version))
}

/// The action that an operation needs.
fn action(request: &Request<'_>) -> String {
    match request.operation {
        "Invoke" | "InvokeWithResponseStream" => "lambda:InvokeFunction".into(),
        operation => format!("lambda:{operation}"),
    }
}

fn json_answer(value: &Value) -> Answer {
    Answer::new("application/json", value.to_string())
}

fn not_found(text: String) -> Refusal {
    Refusal::new(404, "ResourceNotFoundException", text)
}

fn invalid(text: &str) -> Refusal {
    Refusal::new(400, "InvalidParameterValueException", text)
}
