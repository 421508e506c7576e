//! What databases hold, as the server's own catalogue tells it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::postgres::{Connection, Trouble};
use super::result::{is_signed, is_text, sizes, type_name};
use super::store::Redshift;
use super::target::{Given, Target};
use super::{accept, invalid};
use crate::answer::{Answer, Later};
use crate::cloud::Cloud;
use crate::refusal::{Constraints, Refusal};
use crate::rest::members;
use crate::service::Request;

/// The most that a page holds.
const LONGEST_PAGE: i64 = 1000;
/// Nobody waits longer than this for the catalogue.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    database: Option<String>,
    schema: Option<String>,
    table: Option<String>,
    schema_pattern: Option<String>,
    table_pattern: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

/// What is asked.
#[derive(Debug)]
enum Question {
    Databases(Vec<String>),
    Schemas { schema: String },
    Tables { schema: String, table: String },
    Columns { schema: Option<String>, table: Option<String> },
}

/// Answers all operations that ask the catalogue.
pub(super) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    let redshift = cloud.redshift();
    let mut constraints = Constraints::default();
    let given = Given::read(request, &mut constraints)?;
    let asked: Members = members(request.parameters)?;
    if request.operation != "ListDatabases" {
        constraints.present("database", asked.database.as_ref());
    }
    if let Some(max) = asked.max_results {
        constraints.range("maxResults", max, 0, LONGEST_PAGE);
    }
    constraints.finish("ValidationException")?;
    let target = Target::find(redshift, request, &given)?;
    let pattern = |pattern: Option<String>| pattern.filter(|text| !text.is_empty()).unwrap_or("%".into());
    let question = match request.operation {
        "ListDatabases" => Question::Databases(target.databases.clone()),
        "ListSchemas" => Question::Schemas { schema: pattern(asked.schema_pattern) },
        "ListTables" => {
            Question::Tables { schema: pattern(asked.schema_pattern), table: pattern(asked.table_pattern) }
        }
        _ => Question::Columns { schema: asked.schema, table: asked.table },
    };
    if redshift.server.is_none() {
        return Err(disconnected("the world has no key `postgres` in [redshift]"));
    }
    let most = asked.max_results.filter(|max| *max > 0).unwrap_or(LONGEST_PAGE);
    let token = asked.next_token.filter(|token| !token.is_empty());
    let start =
        token.map(|token| token.parse().map_err(|_| invalid("NextToken is not valid."))).transpose()?;
    let asking = Asking {
        question,
        // Tables of another database than the one connected to are asked for there.
        database: asked.database.unwrap_or_else(|| target.database.clone()),
        target,
        start: start.unwrap_or(0),
        most: usize::try_from(most).unwrap_or_default(),
    };
    let pending = Arc::new(Pending { redshift: redshift.clone(), answer: Mutex::default() });
    let told = pending.clone();
    tokio::spawn(async move {
        let answer = asking.ask(&told.redshift).await;
        *told.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        told.redshift.clock.stir();
    });
    Ok(Answer::later(request, pending))
}

/// An answer that the server has yet to give.
#[derive(Debug)]
struct Pending {
    redshift: Arc<Redshift>,
    answer: Mutex<Option<Result<Value, Refusal>>>,
}

impl Later for Pending {
    fn left(&self) -> Duration {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        if answer.is_some() { Duration::ZERO } else { PATIENCE }
    }

    fn conclude(&self) -> Result<Answer, Refusal> {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let late = || Err(disconnected("no answer"));
        answer.unwrap_or_else(late).map(|value| accept(&value))
    }
}

/// A question for the catalogue.
struct Asking {
    question: Question,
    target: Target,
    database: String,
    start: usize,
    most: usize,
}

impl Asking {
    async fn ask(&self, redshift: &Redshift) -> Result<Value, Refusal> {
        if let Some(fatal) = &self.target.fatal {
            return Err(disconnected(fatal));
        }
        let server = redshift.server.as_ref().ok_or_else(|| disconnected("no server"))?;
        let known = self.target.databases.contains(&self.database);
        let connected = server.connect(&self.database, known).await;
        let mut connection = connected.map_err(|trouble| disconnected(&trouble.to_string()))?;
        let rows = self.rows(&mut connection).await;
        rows.map_err(|trouble| invalid(trouble.to_string()))
    }

    async fn rows(&self, connection: &mut Connection) -> Result<Value, Trouble> {
        let user_tables = "not c.relispartition and c.relkind in ('r', 'p', 'v', 'm', 'f') \
                           and not pg_catalog.pg_is_other_temp_schema(n.oid)";
        Ok(match &self.question {
            Question::Databases(databases) => {
                let mut names = databases.clone();
                names.sort();
                self.page("Databases", names.into_iter().map(Value::from).collect())
            }
            Question::Schemas { schema } => {
                let sql = "select n.nspname from pg_catalog.pg_namespace n where n.nspname like $1 \
                           and n.nspname !~ '^pg_(toast|temp)' order by 1";
                let rows = connection.ask(sql, &[schema]).await?;
                self.page("Schemas", rows.into_iter().map(|row| json!(row[0])).collect())
            }
            Question::Tables { schema, table } => {
                let sql = format!(
                    "select n.nspname, c.relname, case when n.nspname in ('pg_catalog', 'information_schema') \
                     then 'SYSTEM ' || case when c.relkind = 'v' then 'VIEW' else 'TABLE' end \
                     when c.relkind in ('v', 'm') then 'VIEW' when c.relpersistence = 't' then 'LOCAL TEMPORARY' \
                     else 'TABLE' end from pg_catalog.pg_class c \
                     join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                     where {user_tables} and n.nspname like $1 and c.relname like $2 order by 1, 2"
                );
                let rows = connection.ask(&sql, &[schema, table]).await?;
                let told = |row: Vec<String>| json!({ "schema": row[0], "name": row[1], "type": row[2] });
                self.page("Tables", rows.into_iter().map(told).collect())
            }
            Question::Columns { schema, table } => {
                let sql = format!(
                    "select n.nspname, c.relname, a.attname, t.typname, t.oid, a.atttypmod, a.attnotnull, \
                     pg_catalog.pg_get_expr(d.adbin, d.adrelid) from pg_catalog.pg_class c \
                     join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
                     join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped \
                     join pg_catalog.pg_type t on t.oid = a.atttypid \
                     left join pg_catalog.pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum \
                     where {user_tables} and ($1 = '' or n.nspname = $1) and ($2 = '' or c.relname = $2) \
                     order by 1, 2, a.attnum"
                );
                let named = |name: &Option<String>| name.clone().unwrap_or_default();
                let rows = connection.ask(&sql, &[&named(schema), &named(table)]).await?;
                let columns = rows.iter().map(|row| column(row)).collect();
                let mut page = self.page("ColumnList", columns);
                if let Some(table) = table {
                    page["TableName"] = json!(table);
                }
                page
            }
        })
    }

    fn page(&self, member: &str, all: Vec<Value>) -> Value {
        let next = (all.len() > self.start + self.most).then_some(self.start + self.most);
        let page: Vec<Value> = all.into_iter().skip(self.start).take(self.most).collect();
        let mut told = json!({ member: page });
        if let Some(next) = next {
            told["NextToken"] = json!(next.to_string());
        }
        told
    }
}

fn column(row: &[String]) -> Value {
    let number = |at: usize| row[at].parse::<i64>().unwrap_or_default();
    let kind = u32::try_from(number(4)).unwrap_or_default();
    let modifier = i32::try_from(number(5)).unwrap_or_default();
    let (precision, scale) = sizes(kind, modifier);
    let mut told = json!({
        "name": row[2],
        "typeName": type_name(&row[3]),
        "precision": precision,
        "scale": scale,
        "length": precision,
        "nullable": i32::from(row[6] != "t"),
        "isSigned": is_signed(kind),
        "isCaseSensitive": is_text(kind),
        "isCurrency": false,
        "schemaName": row[0],
        "tableName": row[1],
    });
    if !row[7].is_empty() {
        told["columnDefault"] = json!(row[7]);
    }
    told
}

fn disconnected(text: &str) -> Refusal {
    Refusal::new(500, "DatabaseConnectionException", format!("Connection to the database failed: {text}"))
}
