//! The options, and the [`Request`] they make.

#![allow(
    clippy::doc_markdown,
    reason = "the doc comments of options are help texts, where backticks would show"
)]

mod connect;
mod proxy;
mod query;

use std::ffi::OsString;

use clap::{Args, Subcommand, ValueEnum};
use job_runtime::{Credentials, Options, Output, env};

use self::connect::ConnectArgs;
use self::proxy::ProxyArgs;
use self::query::QueryArgs;
use crate::connection::Auth;
use crate::exec::{Exec, PasswordBy};
use crate::{Request, Work};

/// Options of rds-connect.
#[derive(Debug, Args)]
#[group(skip)]
#[command(after_help = "\
Examples:
  Every stage of the way to the database and the login, timed:
    rds-connect --host mydb.cluster-abc.us-east-2.rds.amazonaws.com --user app --iam --output text

  With a password of Secrets Manager, which names host and user as well:
    rds-connect --secret-id prod/orders --database orders")]
pub struct Cli {
    #[command(subcommand)]
    work: Option<WorkArgs>,

    #[command(flatten)]
    connect: ConnectArgs,

    /// Form of the result on stdout
    ///
    /// check: json (default) or text. token: text (default; the token alone) or json. query: json (default; one object),
    /// jsonl (a row a line), csv (what psql --csv prints), table or none.
    #[arg(long, env = env::OUTPUT, value_name = "FORMAT", global = true, help_heading = "Output")]
    output: Option<Format>,
}

/// The forms of all sub-commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object
    Json,
    /// A JSON object for each row
    Jsonl,
    /// Comma-separated values with a header
    Csv,
    /// Rows under each other, for people
    Table,
    /// Text for people
    Text,
    /// Nothing
    None,
}

impl Format {
    /// The form of facts.
    fn facts(chosen: Option<Self>, default: Output) -> Result<Output, String> {
        match chosen {
            None => Ok(default),
            Some(Self::Json) => Ok(Output::Json),
            Some(Self::Text) => Ok(Output::Text),
            Some(Self::Jsonl | Self::Csv | Self::Table | Self::None) => {
                Err("--output jsonl, csv, table and none are for the rows of query".to_owned())
            }
        }
    }

    /// The form of rows.
    fn rows(chosen: Option<Self>) -> sql_text::Format {
        match chosen {
            None | Some(Self::Json) => sql_text::Format::Json,
            Some(Self::Jsonl) => sql_text::Format::Jsonl,
            Some(Self::Csv) => sql_text::Format::Csv,
            Some(Self::Table | Self::Text) => sql_text::Format::Table,
            Some(Self::None) => sql_text::Format::None,
        }
    }
}

/// What there is to do.
#[derive(Debug, Subcommand)]
enum WorkArgs {
    /// Go through every stage from the name to a first query, timed; what is done where no sub-command is named
    #[command(after_help = "\
Examples:
  rds-connect check --host mydb.cluster-abc.us-east-2.rds.amazonaws.com --user app --iam --output text")]
    Check,
    /// Print an IAM token, as "aws rds generate-db-auth-token" does
    #[command(after_help = "\
Examples:
  rds-connect token --host mydb.cluster-abc.us-east-2.rds.amazonaws.com --user app")]
    Token,
    /// Run SQL, statement after statement, and print its rows
    ///
    /// The first that fails ends the run with exit code 10. SIGTERM, SIGINT and the end of --timeout cancel the statement
    /// that runs. The exit code is 143, 130 or 79 only while nothing can be committed (also with --single-transaction and
    /// --read-only), else 10, or 80 where a commit cannot be excluded.
    #[command(after_help = "\
Examples:
  Rows for a program or a spreadsheet:
    rds-connect query --secret-id prod/orders --sql 'select * from orders' --output csv

  All or nothing, with a value that is no part of the SQL:
    rds-connect query --host db.example.com --user app --iam --single-transaction \\
      --sql 'delete from orders where day = :day' --parameter day=2026-01-31")]
    Query(Box<QueryArgs>),
    /// Run a program with libpq's variables set: PGHOST, PGPORT, PGUSER, PGDATABASE, PGSSLMODE, PGPASSWORD or PGPASSFILE, …
    ///
    /// Variables that would lead elsewhere (PGSERVICE, PGHOSTADDR) and AWS access keys are removed from its environment.
    /// Signals are passed on to it, and its exit code is the run's; --timeout counts until it is started, and no longer.
    /// Of several hosts it gets the first. An IAM token is good for 15 minutes: a program that connects later needs the
    /// proxy.
    #[command(after_help = "\
Examples:
  rds-connect exec --host db.example.com --user app --iam --database sales -- psql -f nightly.sql")]
    Exec(ExecArgs),
    /// Take connections on this machine, each with a connection of its own to the database and a fresh token
    ///
    /// Runs until it is told to end, or is idle for as long as --exit-when-idle says; --timeout does not count.
    #[command(after_help = "\
Examples:
  On 127.0.0.1:5432, for programs that know no tokens:
    rds-connect proxy --host db.example.com --user app --iam --health-listen 127.0.0.1:8080
    psql -h 127.0.0.1 sales")]
    Proxy(ProxyArgs),
}

#[derive(Debug, Args)]
#[group(skip)]
struct ExecArgs {
    /// How the program gets the password
    ///
    /// A file is read only by libpq and what understands PGPASSFILE; a variable is inherited by every process that the
    /// program starts. A password of several lines is always in the variable; auto puts one of more than 250 bytes there, such
    /// as a token, because libpq before PostgreSQL 14 cuts longer lines.
    #[arg(
        long,
        env = "RDS_EXEC_PASSWORD_BY",
        value_name = "WAY",
        default_value = "auto",
        help_heading = "Program"
    )]
    password_by: PasswordBy,

    /// Leave AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN in the program's environment
    #[arg(long, env = "RDS_EXEC_KEEP_AWS_CREDENTIALS", help_heading = "Program")]
    keep_aws_credentials: bool,

    /// Program and its arguments, after --
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Options for Cli {
    type Request = Request;

    fn begins_work(_: &str) -> bool {
        false
    }

    fn into_request(self) -> Result<Request, String> {
        let Self { work, connect, output } = self;
        let work = work.unwrap_or(WorkArgs::Check);
        let is_token = matches!(work, WorkArgs::Token);
        let connection = connect.into_connection(is_token)?;
        let work = match work {
            WorkArgs::Check => Work::Check(Format::facts(output, Output::Json)?),
            WorkArgs::Token => Work::Token(Format::facts(output, Output::Text)?),
            WorkArgs::Query(args) => Work::Query(Box::new(args.into_query(Format::rows(output))?)),
            WorkArgs::Exec(ExecArgs { command, password_by, keep_aws_credentials }) => {
                Work::Exec(Exec { command, password_by, keep_aws_credentials })
            }
            WorkArgs::Proxy(args) => Work::Proxy(Box::new(args.into_proxy()?)),
        };
        Ok(Request { connection, work })
    }

    fn credentials(request: &Request) -> Credentials {
        match request.connection.auth {
            Auth::Iam(_) | Auth::Secret(_) => Credentials::Walked,
            Auth::Folder { .. } | Auth::PasswordFile(_) | Auth::Password(_) => Credentials::None,
        }
    }
}
