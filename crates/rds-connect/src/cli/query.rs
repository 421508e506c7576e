//! The options of `query`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use job_runtime::{Expect, duration, input, size};
use serde_json::value::RawValue;
use sql_text::{Dialect, Fault, Form, Format, RowCount, Sources, null};

use crate::query::{self, Parameter, Query, Show};

/// What is longer is no file of SQL, but data.
const LONGEST_FILE: usize = 64 * 1024 * 1024;

/// The longest value that a file has for a parameter.
const LONGEST_VALUE: usize = 16 * 1024 * 1024;

/// Options of `query`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(next_help_heading = "SQL")]
pub(super) struct QueryArgs {
    #[command(flatten)]
    sources: Sources<SqlArgs>,

    /// A value for :NAME in the SQL; repeatable
    ///
    /// The server gets it apart from the statement, so that nothing in it can be taken for SQL. Where no value can stand,
    /// :'NAME' puts it there as a literal and :"NAME" as a name in quotes, as psql does: PASSWORD :'pw'. Other processes
    /// see the command line: give what is private by --parameter-file.
    #[arg(
        long,
        env = "RDS_PARAMETER",
        value_name = "NAME=VALUE",
        value_parser = parameter,
        allow_hyphen_values = true,
        help_heading = "SQL"
    )]
    parameter: Vec<Parameter>,

    /// Values as a JSON object: texts, numbers, true, false, null
    #[arg(long, env = "RDS_PARAMETERS", value_name = "JSON", value_parser = input::value(LONGEST_VALUE, parameters), help_heading = "SQL")]
    parameters: Option<Parameters>,

    /// A file with the value for :NAME, such as that of a mounted secret; a line end at its end does not count; repeatable
    #[arg(long, env = "RDS_PARAMETER_FILE", value_name = "NAME=FILE", value_parser = parameter_file, help_heading = "SQL")]
    parameter_file: Vec<Parameter>,

    /// Run all statements as one transaction: all or nothing
    ///
    /// Else each is committed by itself, unless the SQL says BEGIN.
    #[arg(long, env = "RDS_SINGLE_TRANSACTION", help_heading = "SQL")]
    single_transaction: bool,

    /// Let the server refuse whatever writes (default_transaction_read_only)
    ///
    /// A guard against mistakes: SQL that wants to can switch it off.
    #[arg(long, env = "RDS_READ_ONLY", help_heading = "SQL")]
    read_only: bool,

    /// Let the server end a statement that takes longer (statement_timeout)
    #[arg(
        long,
        env = "RDS_STATEMENT_TIMEOUT",
        value_name = "DURATION",
        value_parser = statement_timeout,
        help_heading = "SQL"
    )]
    statement_timeout: Option<Duration>,

    /// What NULL looks like in csv [default: nothing] and table [default: NULL]
    ///
    /// A text that looks the same is quoted in csv: without this option an empty text is "".
    #[arg(
        long,
        env = "RDS_NULL",
        value_name = "TEXT",
        value_parser = null,
        allow_hyphen_values = true,
        help_heading = "Result"
    )]
    null: Option<String>,

    /// A file for the result; stdout then tells about the statements
    #[arg(long, env = "RDS_OUTPUT_FILE", value_name = "FILE", value_parser = job_runtime::file::destination, help_heading = "Result")]
    output_file: Option<PathBuf>,

    /// The largest row that is read; a larger one ends the run
    ///
    /// A row is held in memory. The process needs about 8Mi, and three times this size, for rows that are mostly text.
    #[arg(
        long,
        env = "RDS_MAX_ROW_SIZE",
        value_name = "SIZE",
        default_value = "16Mi",
        value_parser = size::parse,
        help_heading = "Result"
    )]
    max_row_size: usize,

    /// End with exit code 10 unless there are so many rows: 5, 1.., ..10 or 1..10
    ///
    /// The rows that are returned, by all statements; where none returns any, the rows that are affected.
    #[arg(long, env = "RDS_EXPECT_ROWS", value_name = "COUNT", help_heading = "Result")]
    expect_rows: Option<RowCount>,

    /// End with exit code 10 unless this JMESPath expression is true of the result in JSON
    ///
    /// Of what --output json prints, 10 MiB at most; the rows are in results[0], results[1], ….
    #[arg(long, env = "RDS_EXPECT", value_name = "JMESPATH", help_heading = "Result")]
    expect: Option<Expect>,
}

impl QueryArgs {
    /// Reads what the options name, and checks what can be checked without the server.
    pub(super) fn into_query(self, format: Format) -> Result<Query, String> {
        if self.sources.list.is_empty() {
            return Err("there is nothing to run: give --sql, --sql-file or --sql-dir".to_owned());
        }
        let statements = sql_text::read(&self.sources.list, Dialect::PostgreSql, LONGEST_FILE).map_err(
            |fault| match fault {
                Fault::Psql { .. } => format!("{fault}: `rds-connect exec -- psql -f FILE` runs such a file"),
                Fault::Unreadable(_) | Fault::Unended { .. } => fault.to_string(),
            },
        )?;
        if statements.is_empty() {
            return Err("there is no SQL statement in what was given".to_owned());
        }
        if let Some(odd) = statements.iter().find(|statement| statement.sql.contains('\0')) {
            return Err(format!(
                "the statement in {} has a zero byte in it, which SQL has no place for",
                odd.origin
            ));
        }
        let mut parameters = self.parameters.map(|parameters| parameters.0).unwrap_or_default();
        parameters.extend(self.parameter);
        parameters.extend(self.parameter_file);
        query::check(&statements, &parameters)?;
        let form = format.form(self.null, self.output_file.is_some())?;
        if form == Form::Json
            && let Some(copy) = statements.iter().find(|statement| query::copies_out(&statement.sql))
        {
            return Err(format!(
                "COPY … TO STDOUT in {} has no place in a document of JSON: --output csv or none, or select the rows",
                copy.origin
            ));
        }
        Ok(Query {
            statements,
            parameters,
            single_transaction: self.single_transaction,
            read_only: self.read_only,
            statement_timeout: self.statement_timeout,
            max_row_size: self.max_row_size,
            show: Show {
                form,
                output_file: self.output_file,
                expect_rows: self.expect_rows,
                expect: self.expect,
            },
        })
    }
}

/// The options that SQL comes from.
#[derive(Debug, Args)]
#[group(skip)]
struct SqlArgs {
    /// SQL to run: a statement, or several with semicolons between them; repeatable
    ///
    /// All are run on one connection, in the order of these three options on the command line, up to the first that fails.
    /// Unlike several statements in one psql -c, each is committed by itself unless --single-transaction is given.
    #[arg(
        short = 'c',
        long,
        alias = "command",
        env = "RDS_SQL",
        value_name = "SQL",
        value_parser = sql_text::sql_value(LONGEST_FILE),
        allow_hyphen_values = true,
        help_heading = "SQL"
    )]
    sql: Vec<String>,

    /// A file with SQL, of 64 MiB at most; "-" is standard input; repeatable
    ///
    /// Commands of psql (\copy, \i, \set) and the data of COPY … FROM STDIN are no SQL: "rds-connect exec -- psql -f FILE"
    /// runs those.
    #[arg(
        short = 'f',
        long,
        alias = "file",
        env = "RDS_SQL_FILE",
        value_name = "FILE",
        help_heading = "SQL"
    )]
    sql_file: Vec<String>,

    /// A directory with files of SQL, such as a mounted ConfigMap, in the order of their names; repeatable
    #[arg(long, env = "RDS_SQL_DIR", value_name = "DIR", help_heading = "SQL")]
    sql_dir: Vec<PathBuf>,
}

fn parameter(text: &str) -> Result<Parameter, String> {
    let (name, value) = text.split_once('=').ok_or("it should have the form NAME=VALUE")?;
    Parameter::new(name, Some(value.to_owned()))
}

fn parameter_file(text: &str) -> Result<Parameter, String> {
    let (name, path) = text.split_once('=').ok_or("it should have the form NAME=FILE")?;
    let value =
        input::text(path, LONGEST_VALUE).map_err(|error| format!("could not read {path}: {error}"))?;
    let value =
        value.strip_suffix('\n').map_or(value.as_str(), |value| value.strip_suffix('\r').unwrap_or(value));
    Parameter::new(name, Some(value.to_owned()))
}

/// Parameters by name.
#[derive(Debug, Clone)]
struct Parameters(Vec<Parameter>);

/// A JSON object of values. No error quotes one, which may be private.
fn parameters(bytes: &[u8]) -> Result<Parameters, String> {
    let text = input::utf_8(bytes)?;
    let object: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(|error| {
        format!(
            "it should be a JSON object such as {{\"day\": \"2026-01-31\"}}: {}",
            input::json_fault(&error)
        )
    })?;
    let named = object.into_iter().map(|(name, value)| {
        let value = match value.get() {
            "null" => None,
            // As it is written: PostgreSQL reads numbers and truth as JSON has them, and the rest as jsonb.
            json => Some(serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned())),
        };
        Parameter::new(&name, value)
    });
    named.collect::<Result<_, _>>().map(Parameters)
}

/// In milliseconds it has to fit into four bytes.
fn statement_timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration::parse_positive(text).map_err(|error| error.to_string())?;
    match i32::try_from(timeout.as_millis()) {
        Ok(_) => Ok(timeout),
        Err(_) => Err("the server takes 24 days at most".to_owned()),
    }
}
