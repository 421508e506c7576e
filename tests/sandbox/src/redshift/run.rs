//! A statement from its submission to its end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use tokio::time::{sleep, timeout};

use super::postgres::{Column, Connection, Trouble};
use super::request::Wish;
use super::result::{Origin, ResultSet, metadata};
use super::sql::Numbered;
use super::store::{KnownStatement, Redshift, Status};

/// The server's code for a statement that was cancelled.
const CANCELLED: &str = "57014";
/// A cancellation that comes before its statement is lost; it is said again after this long.
const SAY_AGAIN: Duration = Duration::from_millis(50);

/// How a statement ends, but well.
enum Stop {
    Failed(String),
    Aborted,
}

/// Runs a statement to its end.
pub(super) async fn run(redshift: Arc<Redshift>, id: String) {
    let one = Running { redshift, id };
    let (status, error) = match one.work().await {
        Ok(()) => (Status::Finished, None),
        Err(Stop::Failed(error)) => (Status::Failed, Some(error)),
        Err(Stop::Aborted) => {
            one.linger().await;
            (Status::Aborted, None)
        }
    };
    one.end(status, error);
}

struct Running {
    redshift: Arc<Redshift>,
    id: String,
}

impl Running {
    /// Looks at the statement or changes it, and tells those who wait for it.
    fn change<T>(&self, change: impl FnOnce(&mut KnownStatement, OffsetDateTime) -> T) -> Option<T> {
        let now = self.redshift.clock.now();
        let changed = self.redshift.store().statement(&self.id).map(|known| change(known, now));
        self.redshift.clock.stir();
        changed
    }

    fn look<T>(&self, look: impl FnOnce(&KnownStatement) -> T) -> Option<T> {
        self.redshift.store().statement(&self.id).map(|known| look(known))
    }

    fn is_cancelled(&self) -> bool {
        self.look(|known| known.cancelled.is_some()).unwrap_or(true)
    }

    /// Waits for a moment, or for the statement to be cancelled.
    async fn pause(&self, until: OffsetDateTime) -> Result<(), Stop> {
        let mut stirred = self.redshift.clock.stirred();
        loop {
            if self.is_cancelled() {
                return Err(Stop::Aborted);
            }
            let left = Duration::try_from(until - self.redshift.clock.now()).unwrap_or_default();
            if left.is_zero() {
                return Ok(());
            }
            // An error would mean that the clock is gone, and with it everything.
            let _ = timeout(left, stirred.changed()).await;
        }
    }

    /// Waits until a cancelled statement may say so.
    async fn linger(&self) {
        let due = self.look(|known| known.cancelled.map(|at| at + known.course.aborted_after)).flatten();
        let mut stirred = self.redshift.clock.stirred();
        while let Some(left) = due.and_then(|due| Duration::try_from(due - self.redshift.clock.now()).ok())
            && !left.is_zero()
        {
            let _ = timeout(left, stirred.changed()).await;
        }
    }

    async fn work(&self) -> Result<(), Stop> {
        let seen = self
            .look(|known| (known.created, known.course.clone(), known.target.clone(), known.session.clone()));
        let Some((created, course, target, session)) = seen else { return Err(Stop::Aborted) };
        self.pause(created + course.picked_after).await?;
        self.change(|known, now| known.enter(Status::Picked, now));
        self.pause(created + course.started_after).await?;
        if let Some(fatal) = target.fatal {
            return Err(Stop::Failed(fatal));
        }
        let held = session
            .and_then(|id| self.redshift.store().session(&id).map(|session| session.connection.clone()));
        let held = held.unwrap_or_default();
        let mut held = held.lock().await;
        let connection = match &mut *held {
            Some(connection) => connection,
            empty => {
                let server = self.redshift.server.as_ref();
                let server = server.ok_or_else(|| Stop::Failed("Connection refused".into()))?;
                let connected = server.connect(&target.database, target.known_database).await;
                empty.insert(connected.map_err(|trouble| Stop::Failed(trouble.to_string()))?)
            }
        };
        let pid = connection.pid;
        self.change(|known, now| {
            known.pid = pid;
            known.enter(Status::Started, now);
        });
        self.pause(self.redshift.clock.now() + course.hold).await?;
        match course.error {
            _ if course.aborted => return Err(Stop::Aborted),
            Some(error) => {
                self.end_part(0, Status::Failed, Some(error.clone()));
                return Err(Stop::Failed(error));
            }
            None => {}
        }
        let Some(wish) = self.look(|known| known.wish.clone()) else { return Err(Stop::Aborted) };
        self.all(connection, &wish).await
    }

    /// Runs all parts in turn.
    async fn all(&self, connection: &mut Connection, wish: &Wish) -> Result<(), Stop> {
        let failed = |trouble: Trouble| Stop::Failed(trouble.to_string());
        if wish.is_transaction() {
            connection.ask("begin", &[]).await.map_err(failed)?;
        }
        let mut first = None;
        for index in 0..wish.sqls.len() {
            let stop = match self.part(connection, wish, index).await {
                Ok(()) => continue,
                Err(Stop::Failed(error)) if wish.batch => {
                    Stop::Failed(format!("Query #{} failed with {error}", index + 1))
                }
                Err(stop) => stop,
            };
            let others = matches!(stop, Stop::Failed(_)) && wish.batch && !wish.is_transaction();
            first.get_or_insert(stop);
            if !others {
                break;
            }
        }
        if wish.is_transaction() {
            let end = if first.is_some() { "rollback" } else { "commit" };
            // What has failed already stays what it is.
            if let Err(trouble) = connection.ask(end, &[]).await
                && first.is_none()
            {
                self.end_part(wish.sqls.len() - 1, Status::Failed, Some(trouble.to_string()));
                first = Some(failed(trouble));
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Runs one part.
    async fn part(&self, connection: &mut Connection, wish: &Wish, index: usize) -> Result<(), Stop> {
        if self.is_cancelled() {
            return Err(Stop::Aborted);
        }
        let query = self.redshift.store().next_query();
        self.change(|known, now| {
            let part = &mut known.parts[index];
            (part.status, part.started, part.updated) = (Status::Started, Some(now), now);
            part.query_id = query;
        });
        let numbered = Numbered::new(&wish.sqls[index]);
        let mut result = ResultSet::new(&self.redshift.settings);
        let outcome = match self.send(connection, wish, &numbered, &mut result).await {
            Ok(tag) => match result.refused {
                None => Ok(tag),
                Some(text) => Err(Stop::Failed(text.into())),
            },
            Err(Trouble::Refused(refused)) if refused.code == CANCELLED && self.is_cancelled() => {
                Err(Stop::Aborted)
            }
            Err(Trouble::Refused(mut refused)) => {
                refused.position = refused.position.map(|position| numbered.position(position));
                Err(Stop::Failed(refused.to_string()))
            }
            Err(trouble) => Err(Stop::Failed(trouble.to_string())),
        };
        match outcome {
            Ok(tag) => {
                // The rows are there; that nobody can tell of their tables is no failure.
                result.metadata = described(connection, &result.columns).await.unwrap_or_default();
                let rows = if result.there { result.rows } else { affected(&tag) };
                self.change(|known, now| {
                    let part = &mut known.parts[index];
                    (part.status, part.ended, part.updated) = (Status::Finished, Some(now), now);
                    part.rows = Some(rows);
                    part.result = result.there.then(|| Arc::new(result));
                });
                Ok(())
            }
            Err(Stop::Failed(error)) => {
                self.end_part(index, Status::Failed, Some(error.clone()));
                Err(Stop::Failed(error))
            }
            Err(Stop::Aborted) => Err(Stop::Aborted),
        }
    }

    /// Has the server run it, and cancels it there when it is cancelled here.
    async fn send(
        &self,
        connection: &mut Connection,
        wish: &Wish,
        numbered: &Numbered,
        result: &mut ResultSet,
    ) -> Result<String, Trouble> {
        let value = |name: &String| {
            wish.parameters.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.as_str())
        };
        let values: Vec<&str> = numbered.names.iter().map(value).collect();
        let canceller = connection.canceller();
        let mut stirred = self.redshift.clock.stirred();
        let mut run = std::pin::pin!(connection.run(&numbered.sql, &values, result));
        let mut told = false;
        loop {
            tokio::select! {
                done = &mut run => return done,
                () = sleep(SAY_AGAIN), if told => canceller.cancel().await,
                _ = stirred.changed(), if !told => {
                    told = self.is_cancelled();
                    if told {
                        canceller.cancel().await;
                    }
                }
            }
        }
    }

    fn end_part(&self, index: usize, status: Status, error: Option<String>) {
        self.change(|known, now| {
            let part = &mut known.parts[index];
            (part.status, part.ended, part.updated, part.error) = (status, Some(now), now, error);
        });
    }

    /// The end: what was not run is not run any more, and the session is free again.
    fn end(&self, status: Status, error: Option<String>) {
        let session = self.change(|known, now| {
            for part in known.parts.iter_mut().filter(|part| !part.status.is_over()) {
                let of_one = status == Status::Failed && part.started.is_some() || known.wish.sqls.len() == 1;
                part.status = if of_one { status } else { Status::Aborted };
                (part.ended, part.updated) = (Some(now), now);
            }
            known.error = error;
            known.enter(status, now);
            known.session.clone()
        });
        if let Some(session) = session.flatten() {
            let now = self.redshift.clock.now();
            let mut store = self.redshift.store();
            if let Some(session) = store.session(&session) {
                (session.statement, session.updated) = (None, now);
            }
        }
        self.redshift.clock.stir();
    }
}

/// The rows that a statement without a result has affected, by what the server calls it in the end.
fn affected(tag: &str) -> u64 {
    tag.rsplit(' ').next().and_then(|last| last.parse().ok()).unwrap_or(0)
}

/// What the catalogue knows of columns.
async fn described(connection: &mut Connection, columns: &[Column]) -> Result<Vec<Value>, Trouble> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let array = |ids: Vec<u32>| {
        let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
        format!("{{{}}}", ids.join(","))
    };
    let kinds = array(columns.iter().map(|column| column.kind).collect());
    let sql = "select t.oid, t.typname from pg_catalog.pg_type t where t.oid = any($1::pg_catalog.oid[])";
    let kinds = connection.ask(sql, &[&kinds]).await?;
    let kinds: HashMap<&str, &str> = kinds.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
    let tables: Vec<u32> = columns.iter().map(|column| column.table).filter(|table| *table != 0).collect();
    let mut origins = HashMap::new();
    if !tables.is_empty() {
        let sql = "select a.attrelid, a.attnum, n.nspname, c.relname, a.attnotnull \
                   from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid \
                   join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                   where a.attrelid = any($1::pg_catalog.oid[]) and a.attnum > 0";
        for row in connection.ask(sql, &[&array(tables)]).await? {
            if let [table, number, schema, name, not_null] = &row[..] {
                let origin =
                    Origin { schema: schema.clone(), table: name.clone(), not_null: Some(not_null == "t") };
                origins.insert((table.clone(), number.clone()), origin);
            }
        }
    }
    let told = columns.iter().map(|column| {
        let kind = kinds.get(column.kind.to_string().as_str()).copied().unwrap_or("unknown");
        let place = (column.table.to_string(), column.attribute.to_string());
        metadata(column, kind, &origins.get(&place).cloned().unwrap_or_default())
    });
    Ok(told.collect())
}
