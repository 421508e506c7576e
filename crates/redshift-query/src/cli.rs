//! The options, and the [`Request`] they make.

mod connect;
mod misplaced;
mod run;
mod show;

use clap::{Args, Subcommand, ValueEnum};
use job_runtime::{Options, env};
use sql_text::Format;

use self::connect::{CatalogArgs, ConnectArgs};
use self::misplaced::Misplaced;
use self::run::RunArgs;
use self::show::ShowArgs;
use crate::listing::List;
use crate::redshift::{Catalog, Filter, What};
use crate::{Request, Work, connection};

/// Options of redshift-query.
#[derive(Debug, Args)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
#[command(after_help = "\
Examples:
  A query of a serverless workgroup, as a table:
    redshift-query --workgroup-name analytics --database sales --output table \\
      --sql 'select count(*) from orders'

  The steps of a ConfigMap in one transaction, as a user of a cluster:
    redshift-query --cluster-identifier analytics --database sales --db-user etl --sql-dir sql

  A value that is no part of the SQL:
    redshift-query --workgroup-name analytics --database sales --sql 'delete from t where day = :day' \\
      --parameter day=2026-01-31")]
pub struct Cli {
    // First: it looks at what the others take.
    #[command(flatten)]
    misplaced: Misplaced,

    #[command(subcommand)]
    work: Option<WorkArgs>,

    // Those of `run`, which need not be named.
    #[command(flatten)]
    run: RunArgs,

    /// Form of the result on stdout
    ///
    /// json is one object, jsonl a row a line, csv what psql --csv prints, table is for people, none is nothing.
    #[arg(
        long,
        env = env::OUTPUT,
        value_name = "FORMAT",
        default_value = "json",
        global = true,
        help_heading = "Output"
    )]
    output: Format,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
enum WorkArgs {
    /// Run SQL, wait for its end and print its result; what is done where no sub-command is named
    #[command(after_help = "\
Examples:
  A query of a serverless workgroup, as a table:
    redshift-query run --workgroup-name analytics --database sales --output table \\
      --sql 'select count(*) from orders'

  The steps of a ConfigMap in one transaction, as a user of a cluster:
    redshift-query run --cluster-identifier analytics --database sales --db-user etl --sql-dir sql

  A value that is no part of the SQL:
    redshift-query run --workgroup-name analytics --database sales --sql 'delete from t where day = :day' \\
      --parameter day=2026-01-31")]
    Run(Box<RunArgs>),
    /// Print the result of a statement that was started before; waits where it has not ended
    #[command(after_help = "\
Examples:
  redshift-query result d9b6c0c9-0747-4bf4-b142-e8883122f766 --output csv --output-file orders.csv")]
    Result(ResultArgs),
    /// Cancel a statement that was started before, and wait until it has stopped
    #[command(after_help = "\
Examples:
  redshift-query cancel d9b6c0c9-0747-4bf4-b142-e8883122f766")]
    Cancel(IdArgs),
    /// List the statements of the last day, newest first
    #[command(after_help = "\
Examples:
  redshift-query list --status FAILED --output table")]
    List(ListArgs),
    /// List the databases
    #[command(after_help = "\
Examples:
  redshift-query databases --workgroup-name analytics --database dev --output table")]
    Databases(ConnectArgs),
    /// List the schemas of a database
    #[command(after_help = "\
Examples:
  redshift-query schemas --workgroup-name analytics --database sales --output table")]
    Schemas(SchemasArgs),
    /// List the tables of a database
    #[command(after_help = "\
Examples:
  redshift-query tables --workgroup-name analytics --database sales --schema-pattern public --output table")]
    Tables(TablesArgs),
    /// List the columns of tables
    #[command(after_help = "\
Examples:
  redshift-query describe-table --workgroup-name analytics --database sales --schema public --table orders")]
    DescribeTable(DescribeTableArgs),
}

/// Which statement.
#[derive(Debug, Args)]
#[group(skip)]
struct IdArgs {
    /// Id of the statement; with :N behind it the Nth of a batch
    #[arg(env = "REDSHIFT_STATEMENT_ID", value_name = "ID", value_parser = connection::statement)]
    id: String,
}

#[derive(Debug, Args)]
#[group(skip)]
struct ResultArgs {
    #[command(flatten)]
    id: IdArgs,

    #[command(flatten)]
    show: ShowArgs,
}

#[derive(Debug, Args)]
#[group(skip)]
#[command(next_help_heading = "List")]
struct ListArgs {
    /// Only statements whose names begin with this
    #[arg(long, env = "REDSHIFT_NAME_PREFIX", value_name = "TEXT", value_parser = run::statement_name)]
    name_prefix: Option<String>,

    /// Only statements of this status
    #[arg(long, env = "REDSHIFT_STATUS", value_name = "STATUS", ignore_case = true)]
    status: Option<Status>,

    /// Those of all sessions of the role, and not only of this one
    #[arg(long, env = "REDSHIFT_ALL_SESSIONS")]
    all_sessions: bool,

    /// At most so many
    #[arg(
        long,
        env = "REDSHIFT_LIMIT",
        value_name = "N",
        default_value = "100",
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    limit: u32,
}

/// The statuses of the Data API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Status {
    Submitted,
    Picked,
    Started,
    Finished,
    Aborted,
    Failed,
}

#[derive(Debug, Args)]
#[group(skip)]
struct SchemasArgs {
    #[command(flatten)]
    catalog: CatalogArgs,

    /// Only schemas with such a name; % stands for any text, _ for any character
    #[arg(long, env = "REDSHIFT_SCHEMA_PATTERN", value_name = "PATTERN", help_heading = "List")]
    schema_pattern: Option<String>,
}

#[derive(Debug, Args)]
#[group(skip)]
struct TablesArgs {
    #[command(flatten)]
    schemas: SchemasArgs,

    /// Only tables with such a name; % stands for any text, _ for any character
    #[arg(long, env = "REDSHIFT_TABLE_PATTERN", value_name = "PATTERN", help_heading = "List")]
    table_pattern: Option<String>,
}

#[derive(Debug, Args)]
#[group(skip)]
struct DescribeTableArgs {
    #[command(flatten)]
    catalog: CatalogArgs,

    /// Schema of the table; else tables of every schema
    #[arg(long, env = "REDSHIFT_SCHEMA", value_name = "NAME", help_heading = "List")]
    schema: Option<String>,

    /// Name of the table; else every table
    #[arg(long, env = "REDSHIFT_TABLE", value_name = "NAME", help_heading = "List")]
    table: Option<String>,
}

impl Options for Cli {
    type Request = Request;

    fn begins_work(command: &str) -> bool {
        !matches!(command, "list" | "databases" | "schemas" | "tables" | "describe-table")
    }

    fn into_request(self) -> Result<Request, String> {
        let Self { misplaced, work, run, output } = self;
        misplaced.check()?;
        let work = work.unwrap_or_else(|| WorkArgs::Run(Box::new(run)));
        let list = |catalog: CatalogArgs, what| {
            catalog.into_catalog(what).map(|catalog| Work::Catalog(Box::new(catalog)))
        };
        let (work, show) = match work {
            WorkArgs::Run(args) => {
                let (run, show) = args.into_run()?;
                (Work::Run(Box::new(run)), show)
            }
            WorkArgs::Result(ResultArgs { id, show }) => (Work::Result(id.id), show),
            WorkArgs::Cancel(IdArgs { id }) => (Work::Cancel(id), ShowArgs::default()),
            WorkArgs::List(args) => (Work::List(args.into_list()), ShowArgs::default()),
            WorkArgs::Databases(args) => {
                let connection = args.into_connection()?;
                let catalog = Catalog { connection, connected_database: None, what: What::Databases };
                (Work::Catalog(Box::new(catalog)), ShowArgs::default())
            }
            WorkArgs::Schemas(SchemasArgs { catalog, schema_pattern: pattern }) => {
                (list(catalog, What::Schemas { pattern })?, ShowArgs::default())
            }
            WorkArgs::Tables(TablesArgs { schemas, table_pattern }) => {
                let SchemasArgs { catalog, schema_pattern } = schemas;
                (list(catalog, What::Tables { schema_pattern, table_pattern })?, ShowArgs::default())
            }
            WorkArgs::DescribeTable(DescribeTableArgs { catalog, schema, table }) => {
                (list(catalog, What::Columns { schema, table })?, ShowArgs::default())
            }
        };
        Ok(Request { work, show: show.into_show(output)? })
    }
}

impl ListArgs {
    fn into_list(self) -> List {
        let status = self.status.and_then(|status| Some(status.to_possible_value()?.get_name().to_owned()));
        let filter = Filter { prefix: self.name_prefix, status, all_sessions: self.all_sessions };
        List { filter, limit: usize::try_from(self.limit).unwrap_or(usize::MAX) }
    }
}

#[cfg(test)]
mod tests;
