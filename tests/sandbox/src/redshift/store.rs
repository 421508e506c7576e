//! All statements and sessions, and where each of them stands.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::postgres::{Connection, Server};
use super::request::Wish;
use super::result::ResultSet;
use super::target::Target;
use super::world::{RedshiftWorld, StatementCourse, StatementOwner};
use crate::clock::Clock;
use crate::crypto::uuid;
use crate::identity::Caller;

/// How long results are kept, and statements listed.
pub(super) const KEPT: Duration = Duration::from_hours(24);
/// How long a client token means the same request.
const TOKEN_KEPT: Duration = Duration::from_hours(8);
/// The longest life of a session.
const SESSION_LIFE: Duration = Duration::from_hours(24);

/// Where a statement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Status {
    Submitted,
    Picked,
    Started,
    Finished,
    Failed,
    Aborted,
}

impl Status {
    pub(super) const ALL: [Self; 6] =
        [Self::Submitted, Self::Picked, Self::Started, Self::Finished, Self::Failed, Self::Aborted];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::Picked => "PICKED",
            Self::Started => "STARTED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Aborted => "ABORTED",
        }
    }

    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Aborted)
    }
}

/// Whose something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) principal: String,
    pub(super) user_id: String,
    pub(super) arn: String,
}

impl Owner {
    pub(super) fn of(caller: &Caller, region: &str) -> Self {
        Self {
            account: caller.account.clone(),
            region: region.into(),
            principal: caller.principal.clone(),
            user_id: caller.user_id.clone(),
            arn: caller.arn.clone(),
        }
    }

    /// Is it the same user or role?
    pub(super) fn is_same_principal(&self, other: &Self) -> bool {
        self.principal == other.principal && self.region == other.region
    }

    /// Is it the same session of it too?
    pub(super) fn is_same_session(&self, other: &Self) -> bool {
        self.user_id == other.user_id && self.region == other.region
    }
}

/// One SQL statement of those that were sent together.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) status: Status,
    pub(super) error: Option<String>,
    pub(super) started: Option<OffsetDateTime>,
    pub(super) updated: OffsetDateTime,
    pub(super) ended: Option<OffsetDateTime>,
    /// Rows returned or affected.
    pub(super) rows: Option<u64>,
    pub(super) result: Option<Arc<ResultSet>>,
    pub(super) query_id: i64,
}

impl Part {
    fn new(now: OffsetDateTime) -> Self {
        let (started, ended, rows, result) = (None, None, None, None);
        let status = Status::Submitted;
        Self { status, error: None, started, updated: now, ended, rows, result, query_id: 0 }
    }

    /// Nanoseconds from start to end.
    pub(super) fn duration(&self) -> i64 {
        duration(self.started, self.ended)
    }

    pub(super) fn size(&self) -> i64 {
        let size = self.result.as_ref().map_or(0, |result| result.size);
        if self.ended.is_some() { size.cast_signed() } else { -1 }
    }
}

fn duration(started: Option<OffsetDateTime>, ended: Option<OffsetDateTime>) -> i64 {
    let passed = started.zip(ended).map(|(started, ended)| (ended - started).whole_nanoseconds());
    passed.and_then(|nanos| nanos.try_into().ok()).unwrap_or(-1)
}

/// A statement, or some that were sent together.
#[derive(Debug)]
pub(super) struct KnownStatement {
    pub(super) id: String,
    pub(super) owner: Owner,
    pub(super) wish: Wish,
    pub(super) target: Target,
    pub(super) session: Option<String>,
    pub(super) course: StatementCourse,
    pub(super) created: OffsetDateTime,
    pub(super) updated: OffsetDateTime,
    pub(super) started: Option<OffsetDateTime>,
    pub(super) ended: Option<OffsetDateTime>,
    pub(super) status: Status,
    pub(super) error: Option<String>,
    pub(super) pid: i32,
    pub(super) parts: Vec<Part>,
    pub(super) cancelled: Option<OffsetDateTime>,
    /// Requests that wait for its end.
    pub(super) waiting: Vec<Weak<()>>,
}

impl KnownStatement {
    /// Its status, as the service tells it.
    pub(super) fn told(&self) -> &str {
        match &self.course.started_as {
            Some(other) if self.status == Status::Started => other,
            _ => self.status.name(),
        }
    }

    pub(super) fn duration(&self) -> i64 {
        duration(self.started, self.ended)
    }

    /// Has any part of it rows?
    pub(super) fn has_result(&self) -> bool {
        self.parts.iter().any(|part| part.result.is_some())
    }

    pub(super) fn enter(&mut self, status: Status, now: OffsetDateTime) {
        (self.status, self.updated) = (status, now);
        if status == Status::Started {
            self.started = Some(now);
        }
        if status.is_over() {
            self.ended = Some(now);
        }
    }
}

/// A session that outlives its statements.
#[derive(Debug)]
pub(super) struct KnownSession {
    pub(super) id: String,
    pub(super) owner: Owner,
    pub(super) target: Target,
    pub(super) keep_alive: u32,
    pub(super) created: OffsetDateTime,
    pub(super) updated: OffsetDateTime,
    /// The statement that it runs.
    pub(super) statement: Option<String>,
    pub(super) closed: bool,
    pub(super) connection: Arc<tokio::sync::Mutex<Option<Connection>>>,
}

impl KnownSession {
    pub(super) fn status(&self) -> &'static str {
        match (self.closed, &self.statement) {
            (true, _) => "CLOSED",
            (false, Some(_)) => "BUSY",
            (false, None) => "AVAILABLE",
        }
    }

    /// When it closes, if nothing more is done with it.
    pub(super) fn expires(&self) -> OffsetDateTime {
        (self.updated + Duration::from_secs(self.keep_alive.into())).min(self.created + SESSION_LIFE)
    }

    pub(super) fn close(&mut self, now: OffsetDateTime) {
        (self.closed, self.updated, self.statement) = (true, now, None);
        // The connection ends with its last holder, and with it what was temporary.
        self.connection = Arc::default();
    }
}

/// What a client token stands for.
#[derive(Debug)]
struct Token {
    owner: Owner,
    text: String,
    request: Value,
    statement: String,
    since: OffsetDateTime,
}

/// All there is.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// In the order in which they were sent.
    pub(super) statements: Vec<KnownStatement>,
    by_id: HashMap<String, usize>,
    pub(super) sessions: Vec<KnownSession>,
    tokens: Vec<Token>,
    queries: i64,
}

impl Store {
    /// The statement of an id, without the number of a part.
    pub(super) fn statement(&mut self, id: &str) -> Option<&mut KnownStatement> {
        let index = *self.by_id.get(id)?;
        self.statements.get_mut(index)
    }

    pub(super) fn session(&mut self, id: &str) -> Option<&mut KnownSession> {
        self.sessions.iter_mut().find(|session| session.id == id)
    }

    /// The statement that a client token stands for, with the request that was sent with it.
    pub(super) fn known(
        &mut self,
        owner: &Owner,
        token: &str,
        now: OffsetDateTime,
    ) -> Option<(&Value, String)> {
        self.tokens.retain(|known| known.since + TOKEN_KEPT > now);
        let mut known = self.tokens.iter();
        let known = known.find(|known| known.text == token && known.owner.is_same_principal(owner))?;
        Some((&known.request, known.statement.clone()))
    }

    pub(super) fn remember(
        &mut self,
        owner: &Owner,
        token: &str,
        request: Value,
        id: &str,
        now: OffsetDateTime,
    ) {
        let (owner, text, statement) = (owner.clone(), token.to_owned(), id.to_owned());
        self.tokens.push(Token { owner, text, request, statement, since: now });
    }

    /// How many statements a cluster or workgroup has under way.
    pub(super) fn active(&self, target: &Target) -> usize {
        let under_way = self.statements.iter().filter(|known| !known.status.is_over());
        under_way.filter(|known| known.target.is_same_place(target)).count()
    }

    /// How many sessions are open on a cluster or workgroup.
    pub(super) fn open_sessions(&self, target: &Target) -> usize {
        let open = self.sessions.iter().filter(|session| !session.closed);
        open.filter(|session| session.target.is_same_place(target)).count()
    }

    /// Closes the sessions whose time has come.
    pub(super) fn settle(&mut self, now: OffsetDateTime) {
        for session in &mut self.sessions {
            let expires = session.expires();
            if !session.closed && session.statement.is_none() && expires <= now {
                session.close(expires);
            }
        }
    }

    /// Takes a statement in.
    pub(super) fn submit(
        &mut self,
        owner: Owner,
        wish: Wish,
        target: Target,
        session: Option<String>,
        course: StatementCourse,
        now: OffsetDateTime,
    ) -> &KnownStatement {
        let parts = wish.sqls.iter().map(|_| Part::new(now)).collect();
        let id = uuid();
        self.by_id.insert(id.clone(), self.statements.len());
        self.statements.push(KnownStatement {
            id,
            owner,
            wish,
            target,
            session,
            course,
            created: now,
            updated: now,
            started: None,
            ended: None,
            status: Status::Submitted,
            error: None,
            pid: 0,
            parts,
            cancelled: None,
            waiting: Vec::new(),
        });
        &self.statements[self.statements.len() - 1]
    }

    /// The number of the next query.
    pub(super) fn next_query(&mut self) -> i64 {
        self.queries += 1;
        1000 + self.queries
    }
}

/// A statement as tests see it.
#[derive(Clone, Debug, Serialize)]
pub struct Statement {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// The SQL; more than one where it was sent with `BatchExecuteStatement`.
    pub sqls: Vec<String>,
    /// Parameters by name.
    pub parameters: BTreeMap<String, String>,
    /// It was sent with `BatchExecuteStatement`.
    pub batch: bool,
    /// `TRANSACTION` or `AUTO_COMMIT`, where a batch was sent with one.
    pub execution_mode: Option<String>,
    /// `JSON` or `CSV`.
    pub result_format: String,
    /// An event was asked for.
    pub with_event: bool,
    /// Where it stands.
    pub status: String,
    /// Why it failed.
    pub error: Option<String>,
    /// The token it was sent with.
    pub client_token: Option<String>,
    /// ARN of the user or role session that sent it.
    pub owner: String,
    /// Its session, where it has one that outlives it.
    pub session: Option<String>,
    /// Its cluster.
    pub cluster: Option<String>,
    /// Its workgroup, as it was named.
    pub workgroup: Option<String>,
    /// Its database.
    pub database: String,
    /// Its database user.
    pub db_user: Option<String>,
    /// The secret it was sent with.
    pub secret: Option<String>,
    /// When, since the sandbox's start.
    #[serde(with = "humantime_serde")]
    pub created: Duration,
    /// It was cancelled before its end.
    pub cancelled: bool,
}

/// The state of the Data API, for those who ask and for the statements that run.
#[derive(Debug)]
pub(crate) struct Redshift {
    pub(super) settings: RedshiftWorld,
    pub(super) server: Option<Server>,
    pub(super) clock: Arc<Clock>,
    store: Mutex<Store>,
}

impl Redshift {
    pub(crate) fn new(settings: &RedshiftWorld, clock: Arc<Clock>) -> Self {
        let server = settings.postgres.as_deref().and_then(Server::read);
        Self { settings: settings.clone(), server, clock, store: Mutex::default() }
    }

    /// All statements and sessions as they are now. Held only while nothing else is.
    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.settle(self.clock.now());
        store
    }

    /// May this owner see and stop what is that owner's?
    pub(super) fn may(&self, caller: &Owner, owner: &Owner) -> bool {
        match self.settings.owner {
            StatementOwner::Principal => caller.is_same_principal(owner),
            StatementOwner::Session => caller.is_same_session(owner),
        }
    }

    /// Has a statement end before its time, or tells why it cannot.
    pub(crate) fn cancel(&self, id: &str) -> Result<(), String> {
        let mut store = self.store();
        let known = store.statement(id.split(':').next().unwrap_or(id));
        let known = known.ok_or_else(|| "Query does not exist.".to_owned())?;
        if known.status.is_over() {
            let status = known.status.name();
            return Err(format!("Could not cancel a query that is already in {status} state with ID: {id}"));
        }
        known.cancelled.get_or_insert(self.clock.now());
        drop(store);
        self.clock.stir();
        Ok(())
    }

    /// The statements as tests see them, in the order in which they were sent.
    pub(crate) fn list(&self) -> Vec<Statement> {
        let view = |known: &KnownStatement| Statement {
            id: known.id.clone(),
            name: known.wish.name.clone(),
            sqls: known.wish.sqls.clone(),
            parameters: known.wish.parameters.iter().cloned().collect(),
            batch: known.wish.batch,
            execution_mode: known.wish.mode.clone(),
            result_format: known.wish.format.clone(),
            with_event: known.wish.with_event,
            status: known.told().into(),
            error: known.error.clone(),
            client_token: known.wish.client_token.clone(),
            owner: known.owner.arn.clone(),
            session: known.session.clone(),
            cluster: known.target.cluster().map(str::to_owned),
            workgroup: known.target.workgroup().map(str::to_owned),
            database: known.target.database.clone(),
            db_user: known.target.db_user.clone(),
            secret: known.target.secret.clone(),
            created: self.clock.offset(known.created),
            cancelled: known.cancelled.is_some(),
        };
        self.store().statements.iter().map(view).collect()
    }
}
