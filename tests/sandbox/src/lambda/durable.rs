//! Durable executions: started once by their name, looked up, listed, stopped.

use bytes::Bytes;
use http::{HeaderValue, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::outcome::Outcome;
use super::target::Target;
use super::{FUNCTION_ERROR, find, not_found};
use crate::answer::{Answer, Content};
use crate::clock::{epoch_seconds, from_iso};
use crate::cloud::Cloud;
use crate::refusal::{Constraints, Refusal};
use crate::rest::{members, number};
use crate::service::Request;

const STATUSES: &[&str] =
    &["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED", "DELETING", "PAUSING", "PAUSED"];
const ARN_PATTERN: &str = r"arn:([a-zA-Z0-9-]+):lambda:([a-zA-Z0-9-]+):(\d{12}):function:([a-zA-Z0-9_-]+):(\$LATEST(?:\.PUBLISHED)?|[0-9]+)/durable-execution/([a-zA-Z0-9_-]+)/([a-zA-Z0-9_-]+)";
/// Executions of a page where the caller asks for no number.
const PAGE: usize = 100;

/// A durable execution. It runs its course whether anybody waits for it or not.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) arn: String,
    pub(crate) name: String,
    /// ARN of the function, with the qualifier it was invoked by.
    pub(crate) function_arn: String,
    pub(crate) version: String,
    pub(crate) payload: Bytes,
    pub(crate) begun: OffsetDateTime,
    /// When it ends of itself.
    pub(crate) ends: OffsetDateTime,
    pub(crate) outcome: Outcome,
    /// When it was stopped before that, and why.
    pub(crate) stopped: Option<(OffsetDateTime, Value)>,
}

impl Execution {
    /// When it ends, as it looks now.
    pub(crate) fn end(&self) -> OffsetDateTime {
        self.stopped.as_ref().map_or(self.ends, |(at, _)| *at)
    }

    pub(crate) fn status(&self, now: OffsetDateTime) -> &'static str {
        match &self.stopped {
            Some(_) => "STOPPED",
            None if now < self.ends => "RUNNING",
            None => self.outcome.status,
        }
    }

    /// Puts the end of the execution into the answer of one who waited for it. What Lambda tells one whose
    /// execution was stopped is not documented; this is how it tells of every other end that is not a success.
    pub(crate) fn conclude(&self, response: &mut Response<Content>) {
        let Some((_, error)) = &self.stopped else { return };
        let or = |member: &str, default: &str| error[member].as_str().unwrap_or(default).to_owned();
        let told = json!({
            "errorType": or("ErrorType", "DurableExecutionStopped"),
            "errorMessage": or("ErrorMessage", "The durable execution was stopped"),
        });
        *response.body_mut() = Content::Whole(told.to_string().into());
        response.headers_mut().insert(FUNCTION_ERROR, HeaderValue::from_static("Unhandled"));
    }

    fn summary(&self, now: OffsetDateTime) -> Value {
        let mut summary = json!({
            "DurableExecutionArn": self.arn,
            "DurableExecutionName": self.name,
            "FunctionArn": self.function_arn,
            "Status": self.status(now),
            "StartTimestamp": epoch_seconds(self.begun),
        });
        if self.end() <= now {
            summary["EndTimestamp"] = json!(epoch_seconds(self.end()));
        }
        summary
    }

    fn describe(&self, now: OffsetDateTime, with_data: bool) -> Value {
        let mut described = self.summary(now);
        described["Version"] = json!(self.version);
        described["ExecutionDataIncluded"] = json!(with_data);
        if with_data {
            let text = |data: &Bytes| String::from_utf8_lossy(data).into_owned();
            described["InputPayload"] = json!(text(&self.payload));
            match self.status(now) {
                "RUNNING" => {}
                "SUCCEEDED" => described["Result"] = json!(text(&self.outcome.payload)),
                "STOPPED" => described["Error"] = self.stopped.as_ref().map_or(json!({}), |(_, e)| e.clone()),
                _ => described["Error"] = self.outcome.durable_error(),
            }
        }
        described
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    durable_execution_arn: String,
    include_execution_data: Option<String>,
}

impl Named {
    fn read(request: &Request<'_>) -> Result<Self, Refusal> {
        let named: Self = members(request.parameters)?;
        let arn = &named.durable_execution_arn;
        let mut constraints = Constraints::default();
        constraints.length("durableExecutionArn", arn, 1, 1024, false);
        let execution = arn.split_once("/durable-execution/").map(|(_, tail)| tail.split('/').count());
        let is = arn.starts_with("arn:") && arn.contains(":function:") && execution == Some(2);
        constraints.form("durableExecutionArn", arn, ARN_PATTERN, is);
        constraints.finish("ValidationException")?;
        request.authorize(arn)?;
        Ok(named)
    }

    /// The wording is not documented.
    fn unknown(&self) -> Refusal {
        not_found(format!("Durable execution not found: {}", self.durable_execution_arn))
    }
}

pub(super) fn get(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let named = Named::read(request)?;
    let lambda = cloud.lambda();
    let execution = lambda.execution(&named.durable_execution_arn).ok_or_else(|| named.unknown())?;
    let with_data = named.include_execution_data.as_deref() != Some("false");
    Ok(execution.describe(request.now, with_data))
}

/// Stops an execution; one that has ended stays as it is, and tells when that was.
pub(super) fn stop(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    let named = Named::read(request)?;
    let body = &request.incoming.body;
    let error: Value = match serde_json::from_slice(body) {
        Ok(error @ Value::Object(_)) => error,
        _ if body.is_empty() => json!({}),
        _ => {
            return Err(Refusal::at_the_door(
                400,
                "SerializationException",
                "Could not parse request body into json",
            ));
        }
    };
    let mut lambda = cloud.lambda();
    let execution = lambda.execution_mut(&named.durable_execution_arn).ok_or_else(|| named.unknown())?;
    if execution.status(request.now) == "RUNNING" {
        execution.stopped = Some((request.now, error));
    }
    let at = execution.end();
    drop(lambda);
    cloud.clock.stir();
    Ok(super::json_answer(&json!({ "StopTimestamp": epoch_seconds(at) })))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    function_name: String,
    qualifier: Option<String>,
    durable_execution_name: Option<String>,
    #[serde(default)]
    statuses: Vec<String>,
    started_after: Option<String>,
    started_before: Option<String>,
    reverse_order: Option<String>,
    marker: Option<String>,
    max_items: Option<String>,
}

pub(super) fn list(cloud: &Cloud, request: &Request<'_>) -> Result<Value, Refusal> {
    let list: List = members(request.parameters)?;
    let max_items = number("MaxItems", list.max_items.as_deref())?;
    let mut constraints = Constraints::default();
    for status in &list.statuses {
        constraints.one_of("statuses", status, STATUSES);
    }
    if let Some(max) = max_items {
        constraints.range("maxItems", max, 0, 1000);
    }
    let (name, qualifier) = (&list.function_name, list.qualifier.as_deref());
    let target = Target::read(&mut constraints, name, qualifier, (request.caller()?, request.region))?;
    request.authorize(&target.function_arn())?;
    let moment = |text: &Option<String>| {
        let unreadable = || Refusal::at_the_door(400, "SerializationException", "Unparseable timestamp");
        text.as_deref().map(|text| from_iso(text).ok_or_else(unreadable)).transpose()
    };
    let (after, before) = (moment(&list.started_after)?, moment(&list.started_before)?);
    let mut lambda = cloud.lambda();
    let lag = lambda.list_lag;
    let (known, version) = find(&mut lambda, &target, request)?;
    let any_version = target.qualifier.is_none();
    let mut found: Vec<_> = known.executions.iter().collect();
    found.retain(|execution| {
        let named = list.durable_execution_name.as_ref().is_none_or(|name| *name == execution.name);
        let status = execution.status(request.now);
        named
            && execution.begun + lag <= request.now
            && (any_version || execution.version == version)
            && (list.statuses.is_empty() || list.statuses.iter().any(|wanted| wanted == status))
            && after.is_none_or(|after| execution.begun > after)
            && before.is_none_or(|before| execution.begun < before)
    });
    // Newest first, unless the other way is wanted.
    if list.reverse_order.as_deref() != Some("true") {
        found.reverse();
    }
    let skipped = list.marker.as_deref().map_or(Ok(0), str::parse::<usize>);
    let skipped = skipped.map_err(|_| super::invalid("Invalid marker"))?.min(found.len());
    let page = max_items.and_then(|max| usize::try_from(max).ok()).filter(|max| *max > 0).unwrap_or(PAGE);
    let page = &found[skipped..(skipped + page).min(found.len())];
    let executions: Vec<Value> = page.iter().map(|execution| execution.summary(request.now)).collect();
    let mut answer = json!({ "DurableExecutions": executions });
    if skipped + page.len() < found.len() {
        answer["NextMarker"] = json!((skipped + page.len()).to_string());
    }
    Ok(answer)
}
