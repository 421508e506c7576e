//! The options of `run`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use job_runtime::{duration, input};
use sql_text::Sources;

use super::connect::ConnectArgs;
use super::show::ShowArgs;
use crate::connection;
use crate::run::Run;
use crate::sql::{self, Parameter};

/// `StatementName` takes 2048 characters, of which a key needs seventeen.
const LONGEST_NAME: usize = 2048 - 17;

/// `SessionKeepAliveSeconds`.
const LONGEST_KEEP_ALIVE: i32 = 24 * 60 * 60;

/// More than the Data API takes of parameters: a file that is longer is not meant.
const LONGEST_PARAMETERS: usize = 1024 * 1024;

/// Options of `run`.
#[derive(Debug, Args)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
#[command(next_help_heading = "SQL")]
pub(super) struct RunArgs {
    #[command(flatten)]
    sources: Sources<SqlArgs>,

    /// A value for :NAME in the SQL; repeatable
    ///
    /// It stands for a value, never for a name. Whoever may look at the statement sees it: pass no secrets.
    #[arg(
        long,
        env = "REDSHIFT_PARAMETER",
        value_name = "NAME=VALUE",
        value_parser = sql::parameter,
        allow_hyphen_values = true,
        help_heading = "SQL"
    )]
    parameter: Vec<Parameter>,

    /// Values as a JSON object of strings
    #[arg(
        long,
        env = "REDSHIFT_PARAMETERS",
        value_name = "JSON",
        value_parser = input::value(LONGEST_PARAMETERS, parameters),
        help_heading = "SQL"
    )]
    parameters: Option<Parameters>,

    /// How a batch is run: as one transaction, or each statement committed by itself
    #[arg(
        long,
        env = "REDSHIFT_EXECUTION_MODE",
        value_name = "MODE",
        default_value = "TRANSACTION",
        ignore_case = true,
        help_heading = "SQL"
    )]
    execution_mode: Mode,

    /// Name of the statement; with a key a digest of the work is put behind it
    #[arg(
        long,
        env = "REDSHIFT_STATEMENT_NAME",
        value_name = "NAME",
        value_parser = statement_name,
        help_heading = "SQL"
    )]
    statement_name: Option<String>,

    /// Send an event to EventBridge when the statement has ended
    #[arg(long, env = "REDSHIFT_WITH_EVENT", help_heading = "SQL")]
    with_event: bool,

    #[command(flatten)]
    connect: ConnectArgs,

    /// A session that was kept alive, in place of cluster or workgroup, database and user
    #[arg(
        long,
        env = "REDSHIFT_SESSION_ID",
        value_name = "ID",
        value_parser = connection::session,
        help_heading = "Connection"
    )]
    session_id: Option<String>,

    /// Keep the session alive for so long after the statement: whole seconds, up to 24h
    ///
    /// Its id is in the result, as session_id.
    #[arg(
        long,
        env = "REDSHIFT_SESSION_KEEP_ALIVE",
        value_name = "DURATION",
        value_parser = keep_alive,
        help_heading = "Connection"
    )]
    session_keep_alive: Option<i32>,

    #[command(flatten)]
    show: ShowArgs,
}

/// The modes of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    #[value(name = "TRANSACTION")]
    Transaction,
    #[value(name = "AUTO_COMMIT")]
    AutoCommit,
}

/// Parameters by name.
#[derive(Debug, Clone)]
struct Parameters(Vec<Parameter>);

impl RunArgs {
    /// Reads what the options name, and checks what the service would refuse.
    pub(super) fn into_run(self) -> Result<(Run, ShowArgs), String> {
        let connection = self.connect.in_session(self.session_id)?;
        if self.sources.list.is_empty() {
            return Err("there is nothing to run: give --sql, --sql-file or --sql-dir".to_owned());
        }
        let statements = sql::read(&self.sources.list)?;
        let mut parameters = self.parameters.map(|parameters| parameters.0).unwrap_or_default();
        parameters.extend(self.parameter);
        sql::check(&statements, &parameters)?;
        let run = Run {
            connection,
            statements,
            parameters,
            auto_commit: self.execution_mode == Mode::AutoCommit,
            statement_name: self.statement_name,
            with_event: self.with_event,
            keep_alive: self.session_keep_alive,
        };
        Ok((run, self.show))
    }
}

/// The options that SQL comes from.
#[derive(Debug, Args)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
#[command(next_help_heading = "SQL")]
struct SqlArgs {
    /// SQL to run: a statement, or several with semicolons between them; repeatable
    ///
    /// Several statements are one batch, in the order of these three options on the command line. file://FILE is read as
    /// by the AWS CLI.
    #[arg(
        long,
        env = "REDSHIFT_SQL",
        value_name = "SQL",
        value_parser = sql_text::sql_value(sql::LONGEST_FILE),
        allow_hyphen_values = true
    )]
    sql: Vec<String>,

    /// A file with SQL; "-" is standard input; repeatable
    #[arg(long, env = "REDSHIFT_SQL_FILE", value_name = "FILE")]
    sql_file: Vec<String>,

    /// A directory with files of SQL, such as a mounted ConfigMap, in the order of their names; repeatable
    #[arg(long, env = "REDSHIFT_SQL_DIR", value_name = "DIR")]
    sql_dir: Vec<PathBuf>,
}

/// A JSON object of strings. No error quotes a value, which may be private.
fn parameters(bytes: &[u8]) -> Result<Parameters, String> {
    let text = input::utf_8(bytes)?;
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).map_err(|error| {
        format!(
            "it should be a JSON object such as {{\"day\": \"2026-01-31\"}}: {}",
            input::json_fault(&error)
        )
    })?;
    let named = object.into_iter().map(|(name, value)| match value {
        serde_json::Value::String(value) => sql::named(&name, &value),
        _ => Err(format!("the value of {name} is no string, but the Data API takes strings only")),
    });
    named.collect::<Result<_, _>>().map(Parameters)
}

/// `StatementName`.
pub(super) fn statement_name(text: &str) -> Result<String, String> {
    match text.chars().count() {
        0 => Err("it is empty".to_owned()),
        1..=LONGEST_NAME => Ok(text.to_owned()),
        length => Err(format!("it has {length} characters, {LONGEST_NAME} are allowed")),
    }
}

fn keep_alive(text: &str) -> Result<i32, String> {
    let duration = duration::parse(text).map_err(|error| error.to_string())?;
    if duration.subsec_nanos() != 0 {
        return Err("the Data API counts in whole seconds".to_owned());
    }
    let seconds = i32::try_from(duration.as_secs()).ok().filter(|seconds| *seconds <= LONGEST_KEEP_ALIVE);
    seconds.ok_or_else(|| "it should be 24h at most".to_owned())
}
