//! Operations that change nothing: descriptions, lists, histories.

use serde::Deserialize;
use serde_json::{Value, json};

use super::arn::{ExecutionArn, MachineArn};
use super::{history, refusal, type_not_supported};
use crate::clock::epoch_seconds;
use crate::cloud::Cloud;
use crate::refusal::{Constraints, Refusal};
use crate::rest::members;
use crate::service::Request;

const STATUSES: &[&str] = &["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Describe {
    execution_arn: Option<String>,
    state_machine_arn: Option<String>,
    included_data: Option<String>,
}

/// `DescribeExecution`.
pub(super) fn execution(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let Describe { execution_arn, included_data, .. } = members(request.parameters)?;
    let mut constraints = Constraints::default();
    super::arn_length(&mut constraints, "executionArn", execution_arn.as_ref());
    let with_data = super::included_data(&mut constraints, included_data.as_deref());
    constraints.finish("ValidationException")?;
    let arn = ExecutionArn::authorized(request, &execution_arn.unwrap_or_default())?;
    let mut state = cloud.stepfunctions();
    let lag = state.settings.describe_lag;
    let (known, index) = state.execution(&arn, request.now)?;
    let seen = known.executions[index].behind(lag, request.now).ok_or_else(|| arn.unknown())?;
    Ok(seen.describe(with_data, request.now))
}

/// `DescribeStateMachine`.
pub(super) fn state_machine(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let Describe { state_machine_arn, included_data, .. } = members(request.parameters)?;
    let mut constraints = Constraints::default();
    super::arn_length(&mut constraints, "stateMachineArn", state_machine_arn.as_ref());
    super::included_data(&mut constraints, included_data.as_deref());
    constraints.finish("ValidationException")?;
    let arn = MachineArn::authorized(request, &state_machine_arn.unwrap_or_default())?;
    let mut state = cloud.stepfunctions();
    let known = state.find(&arn)?;
    let machine = &known.machine;
    Ok(json!({
        "stateMachineArn": arn.text,
        "name": machine.name,
        "status": if machine.deleting { "DELETING" } else { "ACTIVE" },
        "definition": r#"{"StartAt":"Work","States":{"Work":{"Type":"Pass","End":true}}}"#,
        "roleArn": machine.role,
        "type": machine.kind,
        "creationDate": epoch_seconds(known.created),
        "loggingConfiguration": { "level": "OFF", "includeExecutionData": false },
        "tracingConfiguration": { "enabled": false },
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    state_machine_arn: Option<String>,
    status_filter: Option<String>,
    redrive_filter: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// `ListExecutions`: the newest first.
pub(super) fn executions(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let list: List = members(request.parameters)?;
    let mut constraints = Constraints::default();
    super::arn_length(&mut constraints, "stateMachineArn", list.state_machine_arn.as_ref());
    if let Some(status) = &list.status_filter {
        constraints.one_of("statusFilter", status, STATUSES);
    }
    if let Some(filter) = &list.redrive_filter {
        constraints.one_of("redriveFilter", filter, &["REDRIVEN", "NOT_REDRIVEN"]);
    }
    constraints.range("maxResults", list.max_results.unwrap_or(0), 0, 1000);
    constraints.finish("ValidationException")?;
    let arn = MachineArn::authorized(request, list.state_machine_arn.as_deref().unwrap_or_default())?;
    let now = request.now;
    let mut state = cloud.stepfunctions();
    let (lag, kept, page) = (state.settings.list_lag, state.settings.history_kept, state.settings.page_size);
    let known = state.find(&arn)?;
    if known.is_express() {
        return Err(type_not_supported());
    }
    let mut listed: Vec<Value> = Vec::new();
    for execution in known.executions.iter().rev().filter(|execution| execution.started() + lag <= now) {
        let standing = execution.standing(now);
        let redriven = execution.attempts.len() > 1;
        let wanted = list.status_filter.as_ref().is_none_or(|status| *status == standing.status)
            && list.redrive_filter.as_ref().is_none_or(|filter| (filter == "REDRIVEN") == redriven)
            && (!standing.is_closed() || standing.since + kept > now)
            && arn.qualifier.as_ref().is_none_or(|_| {
                [&execution.version_arn, &execution.alias_arn].contains(&&Some(arn.text.clone()))
            });
        if wanted {
            listed.push(execution.summary(now));
        }
    }
    let (page, next) = paged(listed, list.max_results, page, list.next_token.as_deref())?;
    let mut answer = json!({ "executions": page });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetHistory {
    execution_arn: Option<String>,
    max_results: Option<i64>,
    reverse_order: Option<bool>,
    next_token: Option<String>,
    include_execution_data: Option<bool>,
}

/// `GetExecutionHistory`.
pub(super) fn history(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let ask: GetHistory = members(request.parameters)?;
    let mut constraints = Constraints::default();
    super::arn_length(&mut constraints, "executionArn", ask.execution_arn.as_ref());
    constraints.range("maxResults", ask.max_results.unwrap_or(0), 0, 1000);
    constraints.finish("ValidationException")?;
    let arn = ExecutionArn::authorized(request, ask.execution_arn.as_deref().unwrap_or_default())?;
    let mut state = cloud.stepfunctions();
    let page = state.settings.page_size;
    let (known, index) = state.execution(&arn, request.now)?;
    let mut events = history::events(&known.executions[index], &known.machine.role, request.now);
    if ask.reverse_order == Some(true) {
        events.reverse();
    }
    if ask.include_execution_data == Some(false) {
        let details =
            events.iter_mut().filter_map(Value::as_object_mut).flat_map(serde_json::Map::values_mut);
        for details in details.filter_map(Value::as_object_mut) {
            details.retain(|name, _| !["input", "output"].contains(&name.as_str()));
        }
    }
    let (page, next) = paged(events, ask.max_results, page, ask.next_token.as_deref())?;
    let mut answer = json!({ "events": page });
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    Ok(answer)
}

/// A page, and the token of the next one: how many members come before it.
fn paged(
    all: Vec<Value>,
    max_results: Option<i64>,
    default: usize,
    token: Option<&str>,
) -> Result<(Vec<Value>, Option<String>), Refusal> {
    let before = token.map_or(Ok(0), str::parse::<usize>);
    let before = before.map_err(|_| refusal("InvalidToken", "Invalid Token: 'Invalid token'".into()))?;
    let most =
        max_results.and_then(|max| usize::try_from(max).ok()).filter(|max| *max > 0).unwrap_or(default);
    let next = (before + most < all.len()).then(|| (before + most).to_string());
    Ok((all.into_iter().skip(before).take(most).collect(), next))
}
