//! `ExecuteStatement` and `BatchExecuteStatement`: their parameters, judged, and what comes of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::sql::Numbered;
use super::store::{KnownSession, KnownStatement, Owner, Redshift};
use super::target::{Given, Target};
use super::wait::{Kind, Waiting, wait_time};
use super::{accept, invalid, run};
use crate::answer::Answer;
use crate::clock::epoch_seconds;
use crate::cloud::Cloud;
use crate::crypto::uuid;
use crate::refusal::{Constraints, Refusal};
use crate::rest::members;
use crate::service::Request;

/// The longest SQL, in bytes.
const LONGEST: usize = 100 << 10;
const MOST: usize = 40;

/// The members of both operations, but for those of the target.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    sql: Option<String>,
    sqls: Option<Vec<String>>,
    parameters: Option<Vec<Parameter>>,
    statement_name: Option<String>,
    with_event: Option<bool>,
    client_token: Option<String>,
    result_format: Option<String>,
    session_keep_alive_seconds: Option<i64>,
    execution_mode: Option<String>,
}

#[derive(Deserialize)]
struct Parameter {
    name: String,
    value: String,
}

/// What is to be run.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) batch: bool,
    pub(super) sqls: Vec<String>,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) name: Option<String>,
    pub(super) with_event: bool,
    pub(super) client_token: Option<String>,
    /// `JSON` or `CSV`.
    pub(super) format: String,
    pub(super) mode: Option<String>,
    keep_alive: Option<u32>,
}

impl Wish {
    fn read(request: &Request<'_>, constraints: &mut Constraints) -> Result<Self, Refusal> {
        let batch = request.operation == "BatchExecuteStatement";
        let given: Members = members(request.parameters)?;
        let sqls = if batch {
            constraints.present("sqls", given.sqls.as_ref());
            given.sqls
        } else {
            constraints.present("sql", given.sql.as_ref());
            given.sql.map(|sql| vec![sql])
        };
        if let Some(sqls) = sqls.as_ref().filter(|_| batch) {
            constraints.count("sqls", sqls.len(), 1, MOST);
        }
        if let Some(name) = &given.statement_name {
            constraints.length("statementName", name, 0, 2048, false);
        }
        if let Some(token) = &given.client_token {
            constraints.length("clientToken", token, 1, 64, false);
        }
        if let Some(parameters) = &given.parameters {
            constraints.count("parameters", parameters.len(), 1, usize::MAX);
            for (number, parameter) in (1..).zip(parameters) {
                let member = format!("parameters.{number}.member");
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                constraints.length(&format!("{member}.name"), &parameter.name, 1, usize::MAX, false);
                constraints.pattern(&format!("{member}.name"), &parameter.name, "[0-9a-zA-Z_]+", is_name);
                constraints.length(&format!("{member}.value"), &parameter.value, 1, usize::MAX, true);
            }
        }
        let format = given.result_format.unwrap_or_else(|| "JSON".into());
        constraints.one_of("resultFormat", &format, &["JSON", "CSV"]);
        if let Some(mode) = &given.execution_mode {
            constraints.one_of("executionMode", mode, &["TRANSACTION", "AUTO_COMMIT"]);
        }
        if let Some(seconds) = given.session_keep_alive_seconds {
            constraints.range("sessionKeepAliveSeconds", seconds, 0, 86_400);
        }
        Ok(Self {
            batch,
            sqls: sqls.unwrap_or_default(),
            parameters: given.parameters.into_iter().flatten().map(|one| (one.name, one.value)).collect(),
            name: given.statement_name,
            with_event: given.with_event.unwrap_or(false),
            client_token: given.client_token,
            format,
            mode: given.execution_mode.filter(|_| batch),
            keep_alive: given.session_keep_alive_seconds.and_then(|seconds| seconds.try_into().ok()),
        })
    }

    /// Is the SQL short enough, and do its parameters fit it?
    fn check(&self) -> Result<(), Refusal> {
        if self.sqls.iter().any(|sql| sql.len() > LONGEST) {
            return Err(invalid("Cannot process query string larger than 100kB"));
        }
        let mut given = BTreeSet::new();
        for (name, _) in &self.parameters {
            if !given.insert(name.as_str()) {
                return Err(invalid(format!("Parameters list contains duplicate parameters: [{name}]")));
            }
        }
        let numbered: Vec<_> = self.sqls.iter().map(|sql| Numbered::new(sql)).collect();
        let used: BTreeSet<_> = numbered.iter().flat_map(|sql| &sql.names).map(String::as_str).collect();
        if let Some(name) = used.difference(&given).next() {
            return Err(invalid(format!("Parameters list is missing the parameter: [{name}]")));
        }
        match given.difference(&used).next() {
            Some(name) => Err(invalid(format!("Parameters list contains unused parameters: [{name}]"))),
            None => Ok(()),
        }
    }

    /// Does all of it count, or nothing?
    pub(super) fn is_transaction(&self) -> bool {
        self.batch && self.mode.as_deref() != Some("AUTO_COMMIT")
    }
}

/// Answers both operations.
pub(super) fn execute(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    let redshift = cloud.redshift();
    let mut constraints = Constraints::default();
    let given = Given::read(request, &mut constraints)?;
    let wish = Wish::read(request, &mut constraints)?;
    let wait = wait_time(redshift, request, &mut constraints)?;
    constraints.finish("ValidationException")?;
    let owner = Owner::of(request.caller()?, request.region);
    let session = Target::session(&given)?;
    let target = match session {
        Some(session) => {
            let target = of_session(redshift, session, &owner)?;
            request.authorize(target.arn())?;
            target
        }
        None => Target::find(redshift, request, &given)?,
    };
    wish.check()?;
    if redshift.server.is_none() {
        let text = "No database behind this endpoint: the world has no key `postgres` in [redshift]";
        return Err(Refusal::new(500, "DatabaseConnectionException", text));
    }
    let id = match known(redshift, &wish, &owner, request)? {
        Some(id) => id,
        None => begin(redshift, request, (owner, wish, target, session))?,
    };
    if let Some(wait) = wait {
        let waiting = Waiting::new(redshift, &id, request, wait, Kind::Submission)?;
        return Ok(waiting.answer(request));
    }
    let mut store = redshift.store();
    let known = store.statement(&id).ok_or_else(|| super::no_statement(&id))?;
    Ok(accept(&submitted(known)))
}

/// The statement that was sent before with the same client token.
fn known(
    redshift: &Redshift,
    wish: &Wish,
    owner: &Owner,
    request: &Request<'_>,
) -> Result<Option<String>, Refusal> {
    let Some(token) = &wish.client_token else { return Ok(None) };
    match redshift.store().known(owner, token, request.now) {
        Some((before, id)) if *before == essence(request) => Ok(Some(id)),
        // The service's own words are not documented.
        Some(_) => Err(invalid("The client token was used before with other request parameters.")),
        None => Ok(None),
    }
}

/// What of a request makes it another one.
fn essence(request: &Request<'_>) -> Value {
    let mut essence = request.parameters.clone();
    if let Some(members) = essence.as_object_mut() {
        members.remove("WaitTimeSeconds");
        members.insert("Operation".into(), request.operation.into());
    }
    essence
}

fn of_session(redshift: &Redshift, id: &str, owner: &Owner) -> Result<Target, Refusal> {
    let mut store = redshift.store();
    let session = store.session(id).filter(|session| redshift.may(owner, &session.owner));
    let missing =
        || Refusal::new(400, "ResourceNotFoundException", "Session does not exist.").member("ResourceId", id);
    let session = session.ok_or_else(missing)?;
    // The service's own words for either are not documented.
    match session.status() {
        "AVAILABLE" => Ok(session.target.clone()),
        status => Err(invalid(format!("Session {id} is not available. Current status: {status}"))),
    }
}

fn begin(
    redshift: &Arc<Redshift>,
    request: &Request<'_>,
    (owner, wish, target, session): (Owner, Wish, Target, Option<&str>),
) -> Result<String, Refusal> {
    let now = request.now;
    let mut store = redshift.store();
    if store.active(&target) >= redshift.settings.active_limit {
        let limit = redshift.settings.active_limit;
        let text = format!("Active statements exceeded the allowed quota ({limit}).");
        return Err(Refusal::new(400, "ActiveStatementsExceededException", text));
    }
    let keep_alive = wish.keep_alive;
    let session = match (session, keep_alive) {
        (Some(id), _) => Some(id.to_owned()),
        (None, Some(1..)) => {
            if store.open_sessions(&target) >= redshift.settings.session_limit {
                let limit = redshift.settings.session_limit;
                let text = format!("Active sessions exceeded the allowed quota ({limit}).");
                return Err(Refusal::new(400, "ActiveSessionsExceededException", text));
            }
            Some(open(&mut store.sessions, &owner, &target, now))
        }
        _ => None,
    };
    let course = redshift.settings.course(wish.name.as_deref(), &wish.sqls);
    let token = wish.client_token.clone();
    let id = store.submit(owner.clone(), wish, target, session.clone(), course, now).id.clone();
    if let Some(token) = token {
        store.remember(&owner, &token, essence(request), &id, now);
    }
    if let Some(session) = session.and_then(|id| store.session(&id)) {
        (session.statement, session.updated) = (Some(id.clone()), now);
        session.keep_alive = keep_alive.unwrap_or(session.keep_alive);
    }
    drop(store);
    tokio::spawn(run::run(redshift.clone(), id.clone()));
    Ok(id)
}

fn open(sessions: &mut Vec<KnownSession>, owner: &Owner, target: &Target, now: OffsetDateTime) -> String {
    let id = uuid();
    sessions.push(KnownSession {
        id: id.clone(),
        owner: owner.clone(),
        target: target.clone(),
        keep_alive: 0,
        created: now,
        updated: now,
        statement: None,
        closed: false,
        connection: Arc::default(),
    });
    id
}

/// What is told of a statement when it is sent.
pub(super) fn submitted(known: &KnownStatement) -> Value {
    let mut answer = json!({
        "Id": known.id,
        "CreatedAt": epoch_seconds(known.created),
        "Database": known.target.database,
    });
    let told = [
        ("ClusterIdentifier", known.target.cluster()),
        ("WorkgroupName", known.target.workgroup()),
        ("DbUser", known.target.db_user.as_deref()),
        ("SecretArn", known.target.secret.as_deref()),
        ("SessionId", known.session.as_deref()),
    ];
    for (member, value) in told.into_iter().filter(|(_, value)| value.is_some()) {
        answer[member] = json!(value);
    }
    answer
}
