//! The options, and the [`Request`] they make.

mod dags;
mod rest;
mod trigger;

use clap::{Args, Subcommand};
use job_runtime::{Options, OutputArgs};

use self::dags::DagsArgs;
use self::rest::RestArgs;
use self::trigger::TriggerArgs;
use crate::job::{Request, Task, Work};

/// Options of mwaa-token.
#[derive(Debug, Args)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
pub struct Cli {
    #[command(subcommand)]
    work: WorkArgs,

    /// Name of the environment; all sub-commands but environments need it
    #[arg(
        long,
        env = "MWAA_ENVIRONMENT_NAME",
        value_name = "NAME",
        value_parser = environment_name,
        global = true,
        help_heading = "MWAA environment"
    )]
    environment_name: Option<String>,

    #[command(flatten)]
    output: OutputArgs,
}

/// What there is to do.
#[derive(Debug, Subcommand)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
enum WorkArgs {
    /// Print a token for Airflow's command line, good for 60 seconds; as text the token alone
    #[command(after_help = "\
Examples:
  mwaa-token cli --environment-name data --output text")]
    Cli,
    /// Print a login, good for 60 seconds: token and address to open; as text the address alone
    #[command(after_help = "\
Examples:
  mwaa-token web --environment-name data --output text")]
    Web,
    /// List the names of the environments
    #[command(after_help = "\
Examples:
  mwaa-token environments --region us-east-2 --output text")]
    Environments,
    /// Print an environment: status, version of Airflow, web server, DAG folder
    #[command(after_help = "\
Examples:
  mwaa-token describe --environment-name data")]
    Describe,
    /// Run a command of Airflow's own command line and print what it prints
    #[command(after_help = "\
Examples:
  mwaa-token run --environment-name data -- dags list -o json")]
    Run(RunArgs),
    /// Send a request to Airflow's REST API and print the answer
    #[command(after_help = "\
Examples:
  mwaa-token rest --environment-name data GET /dags --query limit=5
  mwaa-token rest --environment-name data PATCH /dags/nightly '{\"is_paused\": false}'")]
    Rest(RestArgs),
    /// Start a run of a DAG, wait for its end and print it
    #[command(after_help = "\
Examples:
  mwaa-token trigger --environment-name data nightly --conf '{\"day\": \"2026-01-31\"}' --timeout 2h")]
    Trigger(TriggerArgs),
    /// List, upload and delete files in the environment's DAG folder
    #[command(subcommand)]
    Dags(DagsArgs),
}

#[derive(Debug, Args)]
#[group(skip)]
struct RunArgs {
    /// A command of Airflow, without "airflow" in front
    ///
    /// Several arguments are quoted as they are given; a single one is the whole command.
    #[arg(last = true, required = true, env = "MWAA_COMMAND", value_name = "COMMAND")]
    command: Vec<String>,
}

impl Options for Cli {
    type Request = Request;

    fn begins_work(command: &str) -> bool {
        command == "trigger"
    }

    fn into_request(self) -> Result<Request, String> {
        let Self { work, environment_name, output } = self;
        let task = match work {
            WorkArgs::Environments => return Ok(Request { work: Work::Environments, output: output.output }),
            WorkArgs::Cli => Task::CliToken,
            WorkArgs::Web => Task::WebLogin,
            WorkArgs::Describe => Task::Describe,
            WorkArgs::Run(args) => Task::Run(args.into_command()?),
            WorkArgs::Rest(args) => Task::Rest(args.into_ask()),
            WorkArgs::Trigger(args) => Task::Trigger(args.into_trigger()),
            WorkArgs::Dags(args) => Task::Dags(args.into_dags()?),
        };
        let name = environment_name
            .ok_or("--environment-name is missing: the name of an environment, as the sub-command environments lists them")?;
        Ok(Request { work: Work::In(name, task), output: output.output })
    }
}

impl RunArgs {
    fn into_command(self) -> Result<String, String> {
        let text = match self.command.as_slice() {
            [text] => text.trim().to_owned(),
            words => shlex::try_join(words.iter().map(String::as_str))
                .map_err(|_| "the Airflow command holds a NUL character".to_owned())?,
        };
        let text = text.strip_prefix("airflow ").map_or(text.as_str(), str::trim_start);
        if text.is_empty() { Err("the Airflow command is empty".to_owned()) } else { Ok(text.to_owned()) }
    }
}

/// As the service's model has it.
fn environment_name(text: &str) -> Result<String, &'static str> {
    let fits = (1..=80).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(
            "the name of an environment begins with a letter and has up to 80 letters, digits, dashes and underscores",
        )
    }
}

#[cfg(test)]
mod tests;
