//! What is told of statements and sessions, their results, and their end before their time.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::result::ResultSet;
use super::store::{KEPT, KnownSession, KnownStatement, Owner, Part, Redshift, Status, Store};
use super::wait::{Kind, Waiting, wait_time};
use super::{accept, answer_json, invalid, no_statement};
use crate::answer::Answer;
use crate::clock::epoch_seconds;
use crate::cloud::Cloud;
use crate::crypto::{base64url, from_base64url};
use crate::refusal::{Constraints, Refusal};
use crate::rest::members;
use crate::service::Request;

/// The most statements or sessions in a page.
const LONGEST_PAGE: i64 = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfStatement {
    id: Option<String>,
    next_token: Option<String>,
}

impl OfStatement {
    fn read(
        request: &Request<'_>,
        constraints: &mut Constraints,
    ) -> Result<(String, Option<String>), Refusal> {
        let Self { id, next_token } = members(request.parameters)?;
        constraints.present("id", id.as_ref());
        let id = id.unwrap_or_default();
        if !id.is_empty() && !is_id(&id) {
            return Err(invalid(
                "id must satisfy regex pattern: ^[a-z0-9]{8}(-[a-z0-9]{4}){3}-[a-z0-9]{12}(:\\d+)?$",
            ));
        }
        Ok((id, next_token.filter(|token| !token.is_empty())))
    }
}

fn is_id(text: &str) -> bool {
    let (id, part) = text.split_once(':').unwrap_or((text, "1"));
    let lengths: Vec<usize> = id.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12]
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && part.len() <= 2
        && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// The caller's statement of an id, and the part of it that is meant.
pub(super) fn find<'a>(
    redshift: &Redshift,
    store: &'a mut Store,
    id: &str,
    owner: &Owner,
) -> Result<(&'a mut KnownStatement, Option<usize>), Refusal> {
    let (statement, number) = id.split_once(':').map_or((id, None), |(id, number)| (id, Some(number)));
    let known = store.statement(statement).ok_or_else(|| no_statement(id))?;
    if known.owner.account != owner.account || known.owner.region != owner.region {
        return Err(no_statement(id));
    }
    if !redshift.may(owner, &known.owner) {
        // What the service says where no policy speaks of owners is not documented.
        let text = format!(
            "User: {} is not authorized to access the statement {statement}, which another identity has run",
            owner.arn
        );
        return Err(Refusal::new(400, "AccessDeniedException", text));
    }
    let Some(number) = number else { return Ok((known, None)) };
    let part = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let part = part.filter(|part| known.wish.batch && *part < known.parts.len());
    part.map(|part| (known, Some(part))).ok_or_else(|| no_statement(id))
}

/// `DescribeStatement`.
pub(super) fn describe_statement(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    let redshift = cloud.redshift();
    let mut constraints = Constraints::default();
    let (id, _) = OfStatement::read(request, &mut constraints)?;
    let wait = wait_time(redshift, request, &mut constraints)?;
    constraints.finish("ValidationException")?;
    request.authorize("*")?;
    if let Some(wait) = wait {
        return Ok(Waiting::new(redshift, &id, request, wait, Kind::Description)?.answer(request));
    }
    let owner = Owner::of(request.caller()?, request.region);
    Ok(accept(&describe(redshift, &id, &owner)?))
}

/// What is told of a statement, or of a part of it.
pub(super) fn describe(redshift: &Redshift, id: &str, owner: &Owner) -> Result<Value, Refusal> {
    let mut store = redshift.store();
    let (known, part) = find(redshift, &mut store, id, owner)?;
    let mut told = json!({
        "Id": id,
        "Status": known.told(),
        "CreatedAt": epoch_seconds(known.created),
        "UpdatedAt": epoch_seconds(known.updated),
        "Database": known.target.database,
        "RedshiftPid": known.pid,
        "ResultFormat": known.wish.format,
    });
    let optional = [
        ("ClusterIdentifier", known.target.cluster()),
        ("WorkgroupName", known.target.workgroup()),
        ("DbUser", known.target.db_user.as_deref()),
        ("SecretArn", known.target.secret.as_deref()),
        ("SessionId", known.session.as_deref()),
        ("ExecutionMode", known.wish.mode.as_deref()),
        // Each part has its own.
        ("Error", known.error.as_deref().filter(|_| part.is_none())),
    ];
    for (member, value) in optional.into_iter().filter(|(_, value)| value.is_some()) {
        told[member] = json!(value);
    }
    if !known.wish.parameters.is_empty() {
        told["QueryParameters"] = parameters(known);
    }
    let Some(members) = told.as_object_mut() else { return Ok(told) };
    match part {
        Some(part) => members.extend(of_part(known, part)),
        None if known.wish.batch => {
            members.insert("HasResultSet".into(), json!(known.has_result()));
            members.insert("Duration".into(), json!(known.duration()));
            members.insert("ResultRows".into(), json!(-1));
            members.insert("ResultSize".into(), json!(-1));
            members.insert("RedshiftQueryId".into(), json!(0));
            let of_part = |part| {
                let mut told = of_part(known, part);
                told.insert("Id".into(), json!(format!("{}:{}", known.id, part + 1)));
                Value::Object(told)
            };
            members.insert("SubStatements".into(), (0..known.parts.len()).map(of_part).collect());
        }
        None => {
            let part = of_part(known, 0);
            for member in ["HasResultSet", "ResultRows", "ResultSize", "RedshiftQueryId", "QueryString"] {
                members.insert(member.into(), part[member].clone());
            }
            members.insert("Duration".into(), json!(known.duration()));
        }
    }
    Ok(told)
}

/// The members that are told of each part.
fn of_part(known: &KnownStatement, index: usize) -> Map<String, Value> {
    let part = &known.parts[index];
    let told = json!({
        "Status": part.status.name(),
        "CreatedAt": epoch_seconds(known.created),
        "UpdatedAt": epoch_seconds(part.updated),
        "QueryString": known.wish.sqls[index],
        "Duration": part.duration(),
        "ResultRows": part.rows.map_or(-1, u64::cast_signed),
        "ResultSize": part.size(),
        "RedshiftQueryId": part.query_id,
        "HasResultSet": part.result.is_some(),
    });
    let Value::Object(mut told) = told else { return Map::new() };
    if let Some(error) = &part.error {
        told.insert("Error".into(), json!(error));
    }
    told
}

fn parameters(known: &KnownStatement) -> Value {
    let parameters = known.wish.parameters.iter();
    parameters.map(|(name, value)| json!({ "name": name, "value": value })).collect()
}

/// `GetStatementResult` and `GetStatementResultV2`.
pub(super) fn get_result(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    let redshift = cloud.redshift();
    let csv = request.operation == "GetStatementResultV2";
    let mut constraints = Constraints::default();
    let (id, token) = OfStatement::read(request, &mut constraints)?;
    let wait = wait_time(redshift, request, &mut constraints)?;
    constraints.finish("ValidationException")?;
    // One action covers both operations.
    request.authorize_as("redshift-data:GetStatementResult", "*")?;
    if let Some(wait) = wait {
        return Ok(Waiting::new(redshift, &id, request, wait, Kind::Page { token, csv })?.answer(request));
    }
    let owner = Owner::of(request.caller()?, request.region);
    page(redshift, &id, &owner, token.as_deref(), csv)
}

/// A page of a result.
pub(super) fn page(
    redshift: &Redshift,
    id: &str,
    owner: &Owner,
    token: Option<&str>,
    csv: bool,
) -> Result<Answer, Refusal> {
    let result = {
        let mut store = redshift.store();
        let (known, part) = find(redshift, &mut store, id, owner)?;
        result(known, part, csv, redshift.clock.now(), id)?
    };
    let page = match token {
        None => 0,
        Some(token) => page_of(id, token).filter(|page| result.has_page(*page)).ok_or_else(|| {
            // The service's own words are not documented.
            invalid("NextToken is not valid for this statement.")
        })?,
    };
    let next = result.has_page(page + 1).then(|| token_of(id, page + 1));
    let body = if csv { result.csv(page, next.as_deref()) } else { result.json(page, next.as_deref()) };
    Ok(answer_json(body))
}

fn result(
    known: &KnownStatement,
    part: Option<usize>,
    csv: bool,
    now: time::OffsetDateTime,
    id: &str,
) -> Result<Arc<ResultSet>, Refusal> {
    let index = match part {
        Some(part) => part,
        None if known.wish.batch => {
            // The service's own words are not documented.
            return Err(invalid(format!(
                "Results of a batch are those of its sub-statements: use an id such as {}:1.",
                known.id
            )));
        }
        None => 0,
    };
    let nothing = "Query does not have result. Please check query status with DescribeStatement.";
    let Part { status, result, ended, .. } = &known.parts[index];
    if !status.is_over() {
        return Err(invalid(nothing));
    }
    let missing = || Refusal::new(400, "ResourceNotFoundException", nothing).member("ResourceId", id);
    let result = result.clone().filter(|_| *status == Status::Finished).ok_or_else(missing)?;
    if ended.is_some_and(|ended| ended + KEPT <= now) {
        return Err(invalid("Query result is not available any more: results are kept for 24 hours."));
    }
    let (own, other) = if csv { ("CSV", "GetStatementResult") } else { ("JSON", "GetStatementResultV2") };
    if known.wish.format != own {
        return Err(invalid(format!(
            "The result format of the statement is {}. Please use {other}.",
            known.wish.format
        )));
    }
    Ok(result)
}

fn token_of(id: &str, page: usize) -> String {
    base64url(format!("{id} {page}").as_bytes())
}

fn page_of(id: &str, token: &str) -> Option<usize> {
    let text = String::from_utf8(from_base64url(token)?).ok()?;
    text.strip_prefix(id)?.strip_prefix(' ')?.parse().ok()
}

/// `CancelStatement`.
pub(super) fn cancel_statement(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    let redshift = cloud.redshift();
    let mut constraints = Constraints::default();
    let (id, _) = OfStatement::read(request, &mut constraints)?;
    constraints.finish("ValidationException")?;
    request.authorize("*")?;
    let owner = Owner::of(request.caller()?, request.region);
    find(redshift, &mut redshift.store(), &id, &owner)?;
    redshift.cancel(&id).map_err(invalid)?;
    Ok(accept(&json!({ "Status": true })))
}

/// The members that choose among statements or sessions.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Choice {
    next_token: Option<String>,
    max_results: Option<i64>,
    statement_name: Option<String>,
    session_id: Option<String>,
    status: Option<String>,
    role_level: Option<bool>,
    database: Option<String>,
    cluster_identifier: Option<String>,
    workgroup_name: Option<String>,
}

impl Choice {
    fn read(request: &Request<'_>, statuses: &[&str]) -> Result<Self, Refusal> {
        let choice: Self = members(request.parameters)?;
        let mut constraints = Constraints::default();
        if let Some(max) = choice.max_results {
            constraints.range("maxResults", max, 0, LONGEST_PAGE);
        }
        if let Some(status) = &choice.status {
            constraints.one_of("status", status, statuses);
        }
        if let Some(name) = &choice.statement_name {
            constraints.length("statementName", name, 0, 2048, false);
        }
        constraints.finish("ValidationException")?;
        request.authorize("*")?;
        if choice.cluster_identifier.is_some() && choice.workgroup_name.is_some() {
            return Err(invalid("ClusterIdentifier and WorkgroupName cannot be specified together."));
        }
        Ok(choice)
    }

    fn is_owner(&self, caller: &Owner, owner: &Owner) -> bool {
        caller.is_same_principal(owner) && (self.role_level != Some(false) || caller.is_same_session(owner))
    }

    /// One page of what was chosen, by their ids, and the token of the next.
    fn page<T>(&self, all: Vec<(String, T)>) -> Result<(Vec<T>, Option<String>), Refusal> {
        let token = self.next_token.as_ref().filter(|token| !token.is_empty());
        let start = match token {
            None => 0,
            Some(token) => {
                let place = all.iter().position(|(id, _)| id == token);
                place.ok_or_else(|| invalid("NextToken is not valid."))?
            }
        };
        let most = self.max_results.filter(|max| *max > 0).unwrap_or(LONGEST_PAGE);
        let most = usize::try_from(most).unwrap_or_default();
        let next = all.get(start + most).map(|(id, _)| id.clone());
        Ok((all.into_iter().skip(start).take(most).map(|(_, one)| one).collect(), next))
    }
}

fn listed(member: &str, page: (Vec<Value>, Option<String>)) -> Answer {
    let mut answer = json!({ member: page.0 });
    if let Some(next) = page.1 {
        answer["NextToken"] = json!(next);
    }
    accept(&answer)
}

/// `ListStatements`: the newest first.
pub(super) fn list_statements(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    let redshift = cloud.redshift();
    let names: Vec<_> = Status::ALL.iter().map(|status| status.name()).chain(["ALL"]).collect();
    let choice = Choice::read(request, &names)?;
    if choice.database.is_some() && choice.cluster_identifier.is_none() && choice.workgroup_name.is_none() {
        return Err(invalid("Database can only be specified with ClusterIdentifier or WorkgroupName."));
    }
    let caller = Owner::of(request.caller()?, request.region);
    let status = choice.status.as_deref().unwrap_or("FINISHED");
    let prefix = choice.statement_name.as_deref().unwrap_or_default();
    let is_chosen = |known: &&KnownStatement| {
        known.created + KEPT > request.now
            && known.created + redshift.settings.list_lag <= request.now
            && choice.is_owner(&caller, &known.owner)
            && (status == "ALL" || status == known.told())
            && known.wish.name.as_deref().unwrap_or_default().starts_with(prefix)
            && known.target.is_at(choice.cluster_identifier.as_deref(), choice.workgroup_name.as_deref())
            && choice.database.as_ref().is_none_or(|database| known.target.database == *database)
    };
    let store = redshift.store();
    let chosen = store.statements.iter().rev().filter(is_chosen);
    let all = chosen.map(|known| (known.id.clone(), of_list(known))).collect();
    Ok(listed("Statements", choice.page(all)?))
}

fn of_list(known: &KnownStatement) -> Value {
    let mut told = json!({
        "Id": known.id,
        "Status": known.told(),
        "CreatedAt": epoch_seconds(known.created),
        "UpdatedAt": epoch_seconds(known.updated),
        "IsBatchStatement": known.wish.batch,
        "ResultFormat": known.wish.format,
    });
    if known.wish.batch {
        told["QueryStrings"] = json!(known.wish.sqls);
    } else {
        told["QueryString"] = json!(known.wish.sqls[0]);
    }
    let optional = [
        ("StatementName", known.wish.name.as_deref()),
        ("SecretArn", known.target.secret.as_deref()),
        ("SessionId", known.session.as_deref()),
    ];
    for (member, value) in optional.into_iter().filter(|(_, value)| value.is_some()) {
        told[member] = json!(value);
    }
    if !known.wish.parameters.is_empty() {
        told["QueryParameters"] = parameters(known);
    }
    told
}

/// `ListSessions`: the newest first.
pub(super) fn list_sessions(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    let redshift = cloud.redshift();
    let choice = Choice::read(request, &["AVAILABLE", "BUSY", "CLOSED"])?;
    let others = [&choice.status, &choice.cluster_identifier, &choice.workgroup_name, &choice.database];
    if choice.session_id.is_some() && others.into_iter().any(Option::is_some) {
        return Err(invalid(
            "SessionId cannot be specified with Status, ClusterIdentifier, WorkgroupName or Database.",
        ));
    }
    let caller = Owner::of(request.caller()?, request.region);
    let has_status = |session: &KnownSession| match (&choice.status, &choice.session_id) {
        (Some(status), _) => session.status() == status,
        (None, Some(_)) => true,
        (None, None) => !session.closed,
    };
    let is_chosen = |session: &&KnownSession| {
        session.created + KEPT > request.now
            && choice.is_owner(&caller, &session.owner)
            && has_status(session)
            && choice.session_id.as_ref().is_none_or(|id| session.id == *id)
            && session.target.is_at(choice.cluster_identifier.as_deref(), choice.workgroup_name.as_deref())
            && choice.database.as_ref().is_none_or(|database| session.target.database == *database)
    };
    let store = redshift.store();
    let chosen = store.sessions.iter().rev().filter(is_chosen);
    let all: Vec<_> = chosen.map(|session| (session.id.clone(), of_session(session))).collect();
    if let Some(id) = choice.session_id.as_ref().filter(|_| all.is_empty()) {
        let missing = Refusal::new(400, "ResourceNotFoundException", "Session does not exist.");
        return Err(missing.member("ResourceId", id.as_str()));
    }
    Ok(listed("Sessions", choice.page(all)?))
}

fn of_session(session: &KnownSession) -> Value {
    let mut told = json!({
        "SessionId": session.id,
        "Status": session.status(),
        "CreatedAt": epoch_seconds(session.created),
        "UpdatedAt": epoch_seconds(session.updated),
        "Database": session.target.database,
        "SessionAliveSeconds": session.keep_alive,
        "SessionTtl": epoch_seconds(session.expires()),
    });
    let optional = [
        ("ClusterIdentifier", session.target.cluster()),
        ("WorkgroupName", session.target.workgroup()),
        ("DbUser", session.target.db_user.as_deref()),
        ("CurrentStatementId", session.statement.as_deref()),
    ];
    for (member, value) in optional.into_iter().filter(|(_, value)| value.is_some()) {
        told[member] = json!(value);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_tokens() {
        let id = "d9b6c0c9-0747-4bf4-b142-e8883122f766";
        assert!(is_id(id) && is_id(&format!("{id}:2")) && !is_id(&format!("{id}:x")) && !is_id("x"));
        assert_eq!(page_of(id, &token_of(id, 7)), Some(7));
        assert_eq!(page_of("other", &token_of(id, 7)), None);
    }
}
