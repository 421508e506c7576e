//! Operations that change something: starts, stops, redrives.

use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::arn::{ExecutionArn, MachineArn};
use super::execution::{Attempt, Standing, Stop};
use super::store::StartWish;
use super::{json_answer, refusal, type_not_supported};
use crate::answer::{Answer, Ready};
use crate::clock::epoch_seconds;
use crate::cloud::Cloud;
use crate::refusal::{Constraints, Refusal};
use crate::rest::members;
use crate::service::Request;

/// The largest input in bytes.
const LARGEST_INPUT: usize = 262_144;
/// How long an execution of an EXPRESS state machine may take.
const LONGEST_EXPRESS: Duration = Duration::from_mins(5);
/// Characters that a name cannot have, besides spaces and control characters.
const NOT_IN_NAMES: &str = "<>{}[]?*\"#%\\^|~`$&,;:/";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    state_machine_arn: Option<String>,
    name: Option<String>,
    input: Option<String>,
    trace_header: Option<String>,
    included_data: Option<String>,
}

impl Start {
    /// What the model says, which is judged before anything else.
    fn read(request: &Request<'_>) -> Result<(Self, MachineArn), Refusal> {
        let start: Self = members(request.parameters)?;
        let mut constraints = Constraints::default();
        super::arn_length(&mut constraints, "stateMachineArn", start.state_machine_arn.as_ref());
        if let Some(name) = &start.name {
            constraints.length("name", name, 1, 80, false);
        }
        if let Some(input) = &start.input {
            constraints.bytes("input", input, LARGEST_INPUT);
        }
        if let Some(header) = &start.trace_header {
            constraints.length("traceHeader", header, 0, 256, false);
            constraints.form("traceHeader", header, r"\p{ASCII}*", header.is_ascii());
        }
        super::included_data(&mut constraints, start.included_data.as_deref());
        constraints.finish("ValidationException")?;
        let arn = start.state_machine_arn.as_deref().unwrap_or_default();
        let arn = MachineArn::authorized(request, arn)?;
        Ok((start, arn))
    }

    /// Name and input, which are judged once it is clear that the state machine exists.
    fn wish(self, qualifier: Option<String>) -> Result<StartWish, Refusal> {
        let bad = |character: char| {
            character.is_whitespace() || character.is_control() || NOT_IN_NAMES.contains(character)
        };
        if let Some(name) = self.name.as_ref().filter(|name| name.contains(bad)) {
            return Err(refusal("InvalidName", format!("Invalid Name: '{name}'")));
        }
        let input = self.input.unwrap_or_else(|| "{}".into());
        if let Err(error) = serde_json::from_str::<IgnoredAny>(&input) {
            let reason = if input.is_empty() { "Invalid execution input.".into() } else { error.to_string() };
            let text = format!("Invalid State Machine Execution Input: '{reason}'");
            return Err(refusal("InvalidExecutionInput", text));
        }
        Ok(StartWish { name: self.name, input, trace_header: self.trace_header, qualifier })
    }
}

fn deleting(arn: &MachineArn) -> Refusal {
    refusal("StateMachineDeleting", format!("State Machine is being deleted: '{}'", arn.text))
}

/// `StartExecution`. The same name and input as those of an open execution return it; a closed one, or another input,
/// is refused. The inputs are compared as text: whether the service compares them as JSON is not documented.
pub(super) fn start(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    let (start, arn) = Start::read(request)?;
    let now = request.now;
    let mut state = cloud.stepfunctions();
    let kept = state.settings.history_kept;
    let full = state.is_full(&arn.account, &arn.region, now);
    let known = state.find(&arn)?;
    let wish = start.wish(arn.qualifier.clone())?;
    if known.machine.deleting {
        return Err(deleting(&arn));
    }
    let express = known.is_express();
    let existing = wish.name.as_deref().filter(|_| !express);
    if let Some(index) = existing.and_then(|name| known.execution(name, kept, now)) {
        let execution = &known.executions[index];
        if execution.standing(now).is_closed() || execution.input != wish.input {
            let text = format!("Execution Already Exists: '{}'", execution.arn);
            return Err(refusal("ExecutionAlreadyExists", text));
        }
        return Ok(started(&execution.arn, epoch_seconds(execution.started())));
    }
    if full && !express {
        let text = "The maximum number of running executions has been reached";
        return Err(refusal("ExecutionLimitExceeded", text.into()));
    }
    let execution = known.start(wish, now);
    Ok(started(&execution.arn, epoch_seconds(execution.started())))
}

fn started(arn: &str, date: f64) -> Answer {
    json_answer(&json!({ "executionArn": arn, "startDate": date }))
}

/// `StartSyncExecution`: the response comes when the execution has ended, with status 200 whatever its end.
pub(super) fn start_sync(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    let (start, arn) = Start::read(request)?;
    let with_data = start.included_data.as_deref() != Some("METADATA_ONLY");
    let mut state = cloud.stepfunctions();
    let known = state.find(&arn)?;
    if !known.is_express() {
        return Err(type_not_supported());
    }
    let wish = start.wish(arn.qualifier.clone())?;
    if known.machine.deleting {
        return Err(deleting(&arn));
    }
    let machine_arn = arn.text;
    let execution = known.start(wish, request.now);
    let attempt = &execution.attempts[0];
    let limit = attempt.at + LONGEST_EXPRESS;
    let mut end = attempt.standing(&execution.input, limit);
    if !end.is_closed() {
        let error = Some("States.Timeout".into());
        end = Standing { status: "TIMED_OUT".into(), since: limit, error, cause: None, output: None };
    }
    let took = (end.since - attempt.at).whole_milliseconds();
    let mut told = json!({
        "executionArn": execution.arn,
        "stateMachineArn": machine_arn,
        "name": execution.name,
        "startDate": epoch_seconds(attempt.at),
        "status": end.status,
        "inputDetails": { "included": with_data },
        "outputDetails": { "included": with_data },
        // Rounded up to 100 ms.
        "billingDetails": { "billedMemoryUsedInMB": 64, "billedDurationInMilliseconds": (took / 100 + 1) * 100 },
    });
    if with_data {
        told["input"] = json!(execution.input);
    }
    if let Some(header) = &execution.trace_header {
        told["traceHeader"] = json!(header);
    }
    end.end_members(with_data, &mut told);
    Ok(json_answer(&told).ready(Ready::At(end.since)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StopExecution {
    execution_arn: Option<String>,
    error: Option<String>,
    cause: Option<String>,
}

/// `StopExecution`. An execution that has ended stays as it is. The response to such a stop is not documented: here it is
/// 200 with the time of the end.
pub(super) fn stop(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let StopExecution { execution_arn, error, cause } = members(request.parameters)?;
    let mut constraints = Constraints::default();
    super::arn_length(&mut constraints, "executionArn", execution_arn.as_ref());
    for (member, value, longest) in [("error", &error, 256), ("cause", &cause, 32_768)] {
        if let Some(value) = value {
            constraints.length(member, value, 0, longest, true);
        }
    }
    constraints.finish("ValidationException")?;
    let arn = ExecutionArn::authorized(request, &execution_arn.unwrap_or_default())?;
    let mut state = cloud.stepfunctions();
    let (known, index) = state.execution(&arn, request.now)?;
    let at = known.executions[index].stop(Stop { at: request.now, error, cause });
    Ok(json!({ "stopDate": epoch_seconds(at) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedriveExecution {
    execution_arn: Option<String>,
    client_token: Option<String>,
}

/// `RedriveExecution`. A client token that redrove the execution before returns that redrive.
pub(super) fn redrive(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let RedriveExecution { execution_arn, client_token } = members(request.parameters)?;
    let mut constraints = Constraints::default();
    super::arn_length(&mut constraints, "executionArn", execution_arn.as_ref());
    if let Some(token) = &client_token {
        constraints.length("clientToken", token, 1, 64, false);
        constraints.pattern("clientToken", token, "[!-~]+", |character| character.is_ascii_graphic());
    }
    constraints.finish("ValidationException")?;
    let arn = ExecutionArn::authorized(request, &execution_arn.unwrap_or_default())?;
    let now = request.now;
    let mut state = cloud.stepfunctions();
    let full = state.is_full(&arn.account, &arn.region, now);
    let (known, index) = state.execution(&arn, now)?;
    let earlier = client_token.as_ref().and_then(|token| known.executions[index].redriven_by(token, now));
    if let Some(at) = earlier {
        return Ok(json!({ "redriveDate": epoch_seconds(at) }));
    }
    if let Some(reason) = known.executions[index].not_redrivable(now) {
        return Err(refusal("ExecutionNotRedrivable", reason));
    }
    if full {
        let text = "The maximum number of running executions has been reached";
        return Err(refusal("ExecutionLimitExceeded", text.into()));
    }
    let attempt = Attempt::new(now, known.next_script());
    known.executions[index].redrive(attempt, client_token);
    Ok(json!({ "redriveDate": epoch_seconds(now) }))
}
