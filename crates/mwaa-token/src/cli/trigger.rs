//! Options of `trigger`.

use clap::{Args, ValueEnum};
use job_runtime::input;
use serde_json::Value;

use super::rest::object;
use crate::trigger::Trigger;
use crate::trigger::channel::{self, Wanted};

/// Airflow keeps a configuration in a row of its database.
const CONF_LIMIT: usize = 1024 * 1024;

#[derive(Debug, Args)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
#[command(next_help_heading = "DAG run")]
pub(super) struct TriggerArgs {
    /// Id of the DAG
    #[arg(env = "MWAA_DAG_ID", value_name = "DAG", value_parser = dag_id)]
    dag: String,

    /// Configuration of the run, a JSON object
    ///
    /// Airflow shows it to whoever may look at the run: pass no secrets, pass the name of a secret. file://FILE is read as by
    /// the AWS CLI.
    #[arg(long, env = "MWAA_CONF", value_name = "JSON", value_parser = input::value(CONF_LIMIT, conf))]
    conf: Option<Value>,

    /// A file with the configuration; "-" is standard input
    #[arg(
        long,
        env = "MWAA_CONF_FILE",
        value_name = "FILE",
        value_parser = input::file(CONF_LIMIT, conf),
        conflicts_with = "conf"
    )]
    conf_file: Option<Value>,

    /// Logical date of the run (RFC 3339); Airflow allows one run of a date
    #[arg(long, env = "MWAA_LOGICAL_DATE", value_name = "TIME", value_parser = date)]
    logical_date: Option<String>,

    /// Start a run of a paused DAG too: it stays queued until somebody unpauses that
    #[arg(long, env = "MWAA_ALLOW_PAUSED")]
    allow_paused: bool,

    /// The only way to speak to Airflow: by InvokeRestApi, or by its command line on the web server
    ///
    /// Without it the first, and the second where that is not allowed.
    #[arg(long, env = "MWAA_CHANNEL", value_name = "CHANNEL")]
    channel: Option<Channel>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Channel {
    Rest,
    Cli,
}

impl TriggerArgs {
    pub(super) fn into_trigger(self) -> Trigger {
        let Self { dag, conf, conf_file, logical_date, allow_paused, channel } = self;
        let wanted = Wanted { dag_id: dag, conf: conf.or(conf_file), logical_date };
        let channel = channel.map(|channel| match channel {
            Channel::Rest => channel::Channel::Rest,
            Channel::Cli => channel::Channel::Cli,
        });
        Trigger { wanted, channel, allow_paused }
    }
}

/// As Airflow has it; an id stands in paths as it is.
fn dag_id(text: &str) -> Result<String, &'static str> {
    let fits = (1..=250).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        && !text.chars().all(|c| c == '.')
        && !text.starts_with('-');
    if fits {
        Ok(text.to_owned())
    } else {
        Err("the id of a DAG has up to 250 letters, digits, dashes, dots and underscores")
    }
}

fn conf(bytes: &[u8]) -> Result<Value, String> {
    input::utf_8(bytes)
        .and_then(object)
        .map(Value::Object)
        .map_err(|problem| format!("the configuration is not a JSON object: {problem}"))
}

/// Airflow reads it; only what could not be one is refused here.
fn date(text: &str) -> Result<String, &'static str> {
    let (date, time) = text.split_once('T').ok_or("a time is written 2026-01-31T06:00:00Z")?;
    let zoned = time.ends_with('Z') || time.contains(['+', '-']);
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_digit() || "-:.+Z".contains(c));
    if date.len() == 10 && zoned && plain(date) && plain(time) {
        Ok(text.to_owned())
    } else {
        Err("a time is written 2026-01-31T06:00:00Z")
    }
}
