//! AWS Step Functions: executions of state machines (awsJson1.0, `AWSStepFunctions.*`).
//!
//! Texts and forms of responses are those that `LocalStack`'s snapshots have recorded of AWS, where they have them.

mod arn;
mod execution;
mod history;
mod read;
mod start;
mod store;
mod world;

use serde_json::Value;

pub(crate) use self::execution::Stop;
pub use self::store::MachineExecution;
pub(crate) use self::store::{KnownMachine, StartWish, StepFunctions};
pub use self::world::{ExecutionScript, ExecutionStep, StateMachine, StateMachineType, StepFunctionsWorld};
use crate::answer::Answer;
use crate::cloud::Cloud;
use crate::refusal::{Constraints, Refusal};
use crate::service::Request;

/// What this service can do.
pub(crate) const OPERATIONS: &[&str] = &[
    "DescribeExecution",
    "DescribeStateMachine",
    "GetExecutionHistory",
    "ListExecutions",
    "RedriveExecution",
    "StartExecution",
    "StartSyncExecution",
    "StopExecution",
];

/// Answers one authenticated request.
pub(crate) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    if !is_at_its_host(request) {
        return Err(request.unknown_operation());
    }
    let answer = match request.operation {
        "StartExecution" => return start::start(cloud, request),
        "StartSyncExecution" => return start::start_sync(cloud, request),
        "StopExecution" => start::stop(cloud, request),
        "RedriveExecution" => start::redrive(cloud, request),
        "DescribeExecution" => read::execution(cloud, request),
        "DescribeStateMachine" => read::state_machine(cloud, request),
        "ListExecutions" => read::executions(cloud, request),
        "GetExecutionHistory" => read::history(cloud, request),
        _ => Err(request.unknown_operation()),
    };
    answer.map(|value| json_answer(&value))
}

/// `StartSyncExecution` has an endpoint of its own, `sync-states`, which has no other operation. What AWS says to an
/// operation at the other endpoint is not documented.
fn is_at_its_host(request: &Request<'_>) -> bool {
    let host = request.incoming.header("host").unwrap_or_default();
    let is_sync = host.starts_with("sync-");
    !(is_sync || host.starts_with("states")) || is_sync == (request.operation == "StartSyncExecution")
}

fn json_answer(value: &Value) -> Answer {
    Answer::new("application/x-amz-json-1.0", value.to_string())
}

fn refusal(code: &str, text: String) -> Refusal {
    Refusal::new(400, code, text)
}

fn type_not_supported() -> Refusal {
    let text = "This operation is not supported by this type of state machine";
    refusal("StateMachineTypeNotSupported", text.into())
}

/// An ARN must be there, in the length of the model.
fn arn_length(constraints: &mut Constraints, member: &str, arn: Option<&String>) {
    constraints.present(member, arn);
    if let Some(arn) = arn {
        constraints.length(member, arn, 1, 256, false);
    }
}

/// Whether the caller wants the data, too.
fn included_data(constraints: &mut Constraints, included: Option<&str>) -> bool {
    if let Some(included) = included {
        constraints.one_of("includedData", included, &["ALL_DATA", "METADATA_ONLY"]);
    }
    included != Some("METADATA_ONLY")
}
