//! Options of `trigger`.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::rest::object;
use crate::trigger::Trigger;
use crate::trigger::channel::{self, Wanted};

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
    /// Airflow shows it to whoever may look at the run: pass no secrets, pass the name of a secret.
    #[arg(long, env = "MWAA_CONF", value_name = "JSON", value_parser = conf)]
    conf: Option<Value>,

    /// A file with the configuration; "-" is standard input
    #[arg(
        long,
        env = "MWAA_CONF_FILE",
        value_name = "FILE",
        value_parser = conf_file,
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

fn conf(text: &str) -> Result<Value, String> {
    object(text)
        .map(Value::Object)
        .map_err(|problem| format!("the configuration is no JSON object: {problem}"))
}

fn conf_file(path: &str) -> Result<Value, String> {
    /// Airflow keeps it in a row of its database.
    const LIMIT: usize = 1024 * 1024;
    conf(&job_runtime::input::text(path, LIMIT)?)
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
