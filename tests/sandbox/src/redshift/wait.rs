//! Requests that wait for the end of a statement.

use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::describe::{describe, find, page};
use super::request::submitted;
use super::store::{Owner, Redshift};
use super::{accept, invalid, no_statement};
use crate::answer::{Answer, Later};
use crate::refusal::{Constraints, Refusal};
use crate::rest::members;
use crate::service::Request;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    wait_time_seconds: Option<i64>,
}

/// How long a request wants to wait.
pub(super) fn wait_time(
    redshift: &Redshift,
    request: &Request<'_>,
    constraints: &mut Constraints,
) -> Result<Option<Duration>, Refusal> {
    let Members { wait_time_seconds: Some(seconds) } = members(request.parameters)? else { return Ok(None) };
    if redshift.settings.long_poll_ignored {
        return Ok(None);
    }
    if redshift.settings.no_long_poll {
        // The service's own words are not documented.
        return Err(invalid("Unknown parameter in input: \"WaitTimeSeconds\""));
    }
    constraints.range("waitTimeSeconds", seconds, 1, 30);
    Ok(seconds.try_into().ok().map(Duration::from_secs))
}

/// What is told in the end.
#[derive(Debug)]
pub(super) enum Kind {
    Submission,
    Description,
    Page { token: Option<String>, csv: bool },
}

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    redshift: Arc<Redshift>,
    /// With the number of a part, where it is for one.
    id: String,
    owner: Owner,
    until: OffsetDateTime,
    kind: Kind,
    /// Counts those that wait.
    _ticket: Arc<()>,
}

impl Waiting {
    pub(super) fn new(
        redshift: &Arc<Redshift>,
        id: &str,
        request: &Request<'_>,
        time: Duration,
        kind: Kind,
    ) -> Result<Self, Refusal> {
        let owner = Owner::of(request.caller()?, request.region);
        let ticket = Arc::new(());
        let mut store = redshift.store();
        let (known, _) = find(redshift, &mut store, id, &owner)?;
        known.waiting.retain(|ticket| ticket.strong_count() > 0);
        if redshift.settings.waiting_limit.is_some_and(|limit| known.waiting.len() >= limit) {
            let text = "The number of active requests with WaitTimeSeconds for the same SQL statement exceeds the limit.";
            return Err(Refusal::new(400, "ActiveWaitingRequestsExceededException", text));
        }
        let waits: Weak<()> = Arc::downgrade(&ticket);
        known.waiting.push(waits);
        drop(store);
        let (redshift, id) = (redshift.clone(), id.to_owned());
        Ok(Self { redshift, id, owner, until: request.now + time, kind, _ticket: ticket })
    }

    pub(super) fn answer(self, request: &Request<'_>) -> Answer {
        Answer::later(request, Arc::new(self))
    }
}

impl Later for Waiting {
    fn left(&self) -> Duration {
        let mut store = self.redshift.store();
        let over = match find(&self.redshift, &mut store, &self.id, &self.owner) {
            Ok((known, Some(part))) => known.status.is_over() || known.parts[part].status.is_over(),
            Ok((known, None)) => known.status.is_over(),
            Err(_) => true,
        };
        if over {
            return Duration::ZERO;
        }
        (self.until - self.redshift.clock.now()).try_into().unwrap_or_default()
    }

    fn conclude(&self) -> Result<Answer, Refusal> {
        match &self.kind {
            Kind::Submission => {
                let mut store = self.redshift.store();
                let known = store.statement(&self.id).ok_or_else(|| no_statement(&self.id))?;
                let mut answer = submitted(known);
                answer["Status"] = json!(known.told());
                if known.pid != 0 {
                    answer["RedshiftPid"] = json!(known.pid);
                }
                if known.status.is_over() {
                    answer["HasResultSet"] = Value::Bool(known.has_result());
                }
                Ok(accept(&answer))
            }
            Kind::Description => Ok(accept(&describe(&self.redshift, &self.id, &self.owner)?)),
            Kind::Page { token, csv } => page(&self.redshift, &self.id, &self.owner, token.as_deref(), *csv),
        }
    }
}
