//! One execution: where it stands at a moment, and how it is described.

use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::world::ExecutionScript;
use crate::clock::epoch_seconds;

/// Statuses of a closed execution.
const CLOSED: &[&str] = &["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"];
/// How long after its end an execution can be redriven.
const REDRIVABLE: Duration = Duration::from_hours(14 * 24);
/// How many client tokens of redrives are remembered, and for how long.
const TOKENS: usize = 10;
const TOKEN_LIFE: Duration = Duration::from_mins(15);

/// An execution of a STANDARD state machine.
#[derive(Clone, Debug)]
pub(crate) struct KnownExecution {
    pub(crate) arn: String,
    pub(crate) machine_arn: String,
    pub(crate) version_arn: Option<String>,
    pub(crate) alias_arn: Option<String>,
    pub(crate) name: String,
    pub(crate) input: String,
    pub(crate) trace_header: Option<String>,
    /// The start, then each redrive.
    pub(crate) attempts: Vec<Attempt>,
    /// Client tokens of redrives, with the redrive that each stands for.
    tokens: Vec<(String, OffsetDateTime)>,
}

/// A start or a redrive, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) at: OffsetDateTime,
    pub(crate) script: ExecutionScript,
    pub(crate) stopped: Option<Stop>,
}

/// A stop that took effect.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) at: OffsetDateTime,
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<String>,
}

/// Where an execution stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Standing {
    pub(crate) status: String,
    /// Since when.
    pub(crate) since: OffsetDateTime,
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) output: Option<String>,
}

impl Standing {
    pub(crate) fn is_closed(&self) -> bool {
        CLOSED.contains(&self.status.as_str())
    }

    /// The members that tell of its end, for a description.
    pub(crate) fn end_members(&self, with_data: bool, described: &mut Value) {
        if self.is_closed() {
            described["stopDate"] = json!(epoch_seconds(self.since));
        }
        if self.status == "SUCCEEDED" {
            described["outputDetails"] = json!({ "included": with_data });
        }
        let members = [("output", &self.output), ("error", &self.error), ("cause", &self.cause)];
        for (member, value) in members.into_iter().filter(|(_, value)| with_data && value.is_some()) {
            described[member] = json!(value);
        }
    }
}

impl Attempt {
    pub(crate) fn new(at: OffsetDateTime, script: ExecutionScript) -> Self {
        Self { at, script, stopped: None }
    }

    pub(crate) fn standing(&self, input: &str, now: OffsetDateTime) -> Standing {
        if let Some(stop) = self.stopped.as_ref().filter(|stop| stop.at <= now) {
            let (error, cause) = (stop.error.clone(), stop.cause.clone());
            return Standing { status: "ABORTED".into(), since: stop.at, error, cause, output: None };
        }
        let mut standing =
            Standing { status: "RUNNING".into(), since: self.at, error: None, cause: None, output: None };
        for step in self.script.steps.iter().filter(|step| self.at + step.after <= now) {
            let output = step.output.clone().unwrap_or_else(|| input.into());
            standing = Standing {
                status: step.status.clone(),
                since: self.at + step.after,
                error: step.error.clone(),
                cause: step.cause.clone(),
                output: (step.status == "SUCCEEDED").then_some(output),
            };
            if standing.is_closed() {
                break;
            }
        }
        standing
    }
}

impl KnownExecution {
    pub(crate) fn new(
        arn: String,
        machine_arn: String,
        (name, input): (String, String),
        attempt: Attempt,
    ) -> Self {
        Self {
            arn,
            machine_arn,
            version_arn: None,
            alias_arn: None,
            name,
            input,
            trace_header: None,
            attempts: vec![attempt],
            tokens: Vec::new(),
        }
    }

    pub(crate) fn started(&self) -> OffsetDateTime {
        self.attempts[0].at
    }

    fn last(&self) -> &Attempt {
        &self.attempts[self.attempts.len() - 1]
    }

    pub(crate) fn standing(&self, now: OffsetDateTime) -> Standing {
        self.last().standing(&self.input, now)
    }

    /// As it was so long ago, as far as starts, stops and redrives are concerned; `None` before its start.
    pub(crate) fn behind(&self, lag: Duration, now: OffsetDateTime) -> Option<Self> {
        let mut seen = self.clone();
        seen.attempts.retain(|attempt| attempt.at + lag <= now);
        for attempt in &mut seen.attempts {
            attempt.stopped = attempt.stopped.take().filter(|stop| stop.at + lag <= now);
        }
        (!seen.attempts.is_empty()).then_some(seen)
    }

    /// Stops it, if it is open; tells when it ended.
    pub(crate) fn stop(&mut self, stop: Stop) -> OffsetDateTime {
        let standing = self.standing(stop.at);
        if standing.is_closed() {
            return standing.since;
        }
        let at = stop.at;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.stopped = Some(stop);
        }
        at
    }

    /// Why it cannot be redriven now.
    pub(crate) fn not_redrivable(&self, now: OffsetDateTime) -> Option<String> {
        let standing = self.standing(now);
        let status = &standing.status;
        if !standing.is_closed() || status == "SUCCEEDED" {
            return Some(format!("Execution is {status} and cannot be redriven"));
        }
        (standing.since + REDRIVABLE < now).then(|| "Execution redrivable period exceeded".into())
    }

    /// The redrive that a client token stands for.
    pub(crate) fn redriven_by(&self, token: &str, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let remembered = self.tokens.iter().rev().take(TOKENS).filter(|(_, at)| *at + TOKEN_LIFE > now);
        remembered.into_iter().find(|(known, _)| known == token).map(|(_, at)| *at)
    }

    /// Goes on from the state that failed.
    pub(crate) fn redrive(&mut self, attempt: Attempt, token: Option<String>) {
        self.tokens.extend(token.map(|token| (token, attempt.at)));
        self.attempts.push(attempt);
    }

    /// Stops that took effect.
    pub(crate) fn stops(&self) -> usize {
        self.attempts.iter().filter(|attempt| attempt.stopped.is_some()).count()
    }

    /// `ExecutionListItem` of the model.
    pub(crate) fn summary(&self, now: OffsetDateTime) -> Value {
        let standing = self.standing(now);
        let mut summary = json!({
            "executionArn": self.arn,
            "stateMachineArn": self.machine_arn,
            "name": self.name,
            "status": standing.status,
            "startDate": epoch_seconds(self.started()),
            "redriveCount": self.attempts.len() - 1,
        });
        if standing.is_closed() {
            summary["stopDate"] = json!(epoch_seconds(standing.since));
        }
        if self.attempts.len() > 1 {
            summary["redriveDate"] = json!(epoch_seconds(self.last().at));
        }
        let optional =
            [("stateMachineVersionArn", &self.version_arn), ("stateMachineAliasArn", &self.alias_arn)];
        for (member, value) in optional.into_iter().filter(|(_, value)| value.is_some()) {
            summary[member] = json!(value);
        }
        summary
    }

    /// `DescribeExecution`.
    pub(crate) fn describe(&self, with_data: bool, now: OffsetDateTime) -> Value {
        let mut described = self.summary(now);
        described["inputDetails"] = json!({ "included": with_data });
        if with_data {
            described["input"] = json!(self.input);
        }
        self.standing(now).end_members(with_data, &mut described);
        match self.not_redrivable(now) {
            None => described["redriveStatus"] = json!("REDRIVABLE"),
            Some(reason) => {
                described["redriveStatus"] = json!("NOT_REDRIVABLE");
                described["redriveStatusReason"] = json!(reason);
            }
        }
        if let Some(header) = &self.trace_header {
            described["traceHeader"] = json!(header);
        }
        described
    }
}
