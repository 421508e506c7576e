//! The events of an execution, made of its scripts.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::execution::{Attempt, KnownExecution};
use super::world::ExecutionStep;
use crate::clock::epoch_seconds;

/// The state that an execution is in.
struct OpenState {
    name: String,
    task: Option<String>,
}

impl OpenState {
    fn kind(&self) -> &'static str {
        if self.task.is_some() { "Task" } else { "Pass" }
    }

    /// `resourceType` and `resource` of the task, with further members.
    fn details(&self, more: Value) -> Value {
        let (resource_type, resource) =
            self.task.as_deref().and_then(|task| task.split_once(':')).unwrap_or(("lambda", "invoke"));
        let mut details = json!({ "resourceType": resource_type, "resource": resource });
        if let (Some(details), Value::Object(more)) = (details.as_object_mut(), more) {
            details.extend(more);
        }
        details
    }
}

struct History<'a> {
    execution: &'a KnownExecution,
    events: Vec<Value>,
    open: Option<OpenState>,
}

/// All events so far, oldest first.
pub(super) fn events(execution: &KnownExecution, role: &str, now: OffsetDateTime) -> Vec<Value> {
    let mut history = History { execution, events: Vec::new(), open: None };
    for (index, attempt) in execution.attempts.iter().enumerate().filter(|(_, attempt)| attempt.at <= now) {
        if index == 0 {
            let mut details = json!({ "roleArn": role });
            history.data(&mut details, "input", &execution.input);
            let qualifiers = [
                ("stateMachineVersionArn", &execution.version_arn),
                ("stateMachineAliasArn", &execution.alias_arn),
            ];
            for (member, value) in qualifiers.into_iter().filter(|(_, value)| value.is_some()) {
                details[member] = json!(value);
            }
            history.add(attempt.at, "ExecutionStarted", Some(("executionStartedEventDetails", details)));
        } else {
            let details = json!({ "redriveCount": index });
            history.add(attempt.at, "ExecutionRedriven", Some(("executionRedrivenEventDetails", details)));
        }
        history.attempt(attempt, now);
    }
    history.events
}

impl History<'_> {
    fn add(&mut self, at: OffsetDateTime, kind: &str, details: Option<(&str, Value)>) {
        let id = self.events.len() + 1;
        // The first state does not name the start as its previous event.
        let previous = if id > 2 { id - 1 } else { 0 };
        let mut event = json!({
            "timestamp": epoch_seconds(at), "type": kind, "id": id, "previousEventId": previous,
        });
        if let Some((member, details)) = details {
            event[member] = details;
        }
        self.events.push(event);
    }

    #[expect(clippy::unused_self, reason = "reads as a part of an event")]
    fn data(&self, details: &mut Value, member: &str, data: &str) {
        details[member] = json!(data);
        details[format!("{member}Details")] = json!({ "truncated": false });
    }

    fn attempt(&mut self, attempt: &Attempt, now: OffsetDateTime) {
        let stop = attempt.stopped.as_ref().filter(|stop| stop.at <= now);
        let until = stop.map_or(now, |stop| stop.at);
        for step in &attempt.script.steps {
            let at = attempt.at + step.after;
            if at > until {
                break;
            }
            if let Some(state) = &step.state
                && self.open.as_ref().is_none_or(|open| open.name != *state)
            {
                self.exit(at);
                self.enter(at, state, step.task.clone());
            }
            if self.end(at, step) {
                return;
            }
        }
        if let Some(stop) = stop {
            self.open = None;
            let details = failure(stop.error.as_ref(), stop.cause.as_ref());
            self.add(stop.at, "ExecutionAborted", Some(("executionAbortedEventDetails", details)));
        }
    }

    fn enter(&mut self, at: OffsetDateTime, name: &str, task: Option<String>) {
        let open = OpenState { name: name.into(), task };
        let mut details = json!({ "name": name });
        let input = &self.execution.input;
        self.data(&mut details, "input", input);
        let kind = format!("{}StateEntered", open.kind());
        self.add(at, &kind, Some(("stateEnteredEventDetails", details)));
        if open.task.is_some() {
            let region = self.execution.arn.split(':').nth(3).unwrap_or_default();
            let scheduled = open.details(json!({ "region": region, "parameters": "{}" }));
            let started = open.details(json!({}));
            self.add(at, "TaskScheduled", Some(("taskScheduledEventDetails", scheduled)));
            self.add(at, "TaskStarted", Some(("taskStartedEventDetails", started)));
        }
        self.open = Some(open);
    }

    /// The state has done its work.
    fn exit(&mut self, at: OffsetDateTime) {
        let Some(open) = self.open.take() else { return };
        if open.task.is_some() {
            let mut details = open.details(json!({}));
            self.data(&mut details, "output", "{}");
            self.add(at, "TaskSucceeded", Some(("taskSucceededEventDetails", details)));
        }
        let mut details = json!({ "name": open.name });
        self.data(&mut details, "output", "{}");
        let kind = format!("{}StateExited", open.kind());
        self.add(at, &kind, Some(("stateExitedEventDetails", details)));
    }

    /// The events of an end, if the step is one.
    fn end(&mut self, at: OffsetDateTime, step: &ExecutionStep) -> bool {
        let failure = failure(step.error.as_ref(), step.cause.as_ref());
        match step.status.as_str() {
            "SUCCEEDED" => {
                self.exit(at);
                let mut details = json!({});
                let output = step.output.as_ref().unwrap_or(&self.execution.input);
                self.data(&mut details, "output", output);
                self.add(at, "ExecutionSucceeded", Some(("executionSucceededEventDetails", details)));
            }
            "FAILED" => {
                if let Some(open) = self.open.take().filter(|open| open.task.is_some()) {
                    let details = open.details(failure.clone());
                    self.add(at, "TaskFailed", Some(("taskFailedEventDetails", details)));
                }
                self.add(at, "ExecutionFailed", Some(("executionFailedEventDetails", failure)));
            }
            "TIMED_OUT" => {
                self.add(at, "ExecutionTimedOut", Some(("executionTimedOutEventDetails", failure)));
            }
            "ABORTED" => self.add(at, "ExecutionAborted", Some(("executionAbortedEventDetails", failure))),
            _ => return false,
        }
        self.open = None;
        true
    }
}

fn failure(error: Option<&String>, cause: Option<&String>) -> Value {
    let mut details = json!({});
    for (member, value) in [("error", error), ("cause", cause)] {
        if let Some(value) = value {
            details[member] = json!(value);
        }
    }
    details
}
