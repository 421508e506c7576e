//! What is asked for, and who does it.

use std::time::Duration;

use aws_sdk_mwaa::Client;
use job_runtime::{Context, Output, Report, aligned, json};
use serde::Serialize;
use tokio::time::timeout_at;

use crate::check::check;
use crate::dags::{Dags, dags};
use crate::environment::Environment;
use crate::error::Error;
use crate::mwaa::{Ask, Method, Mwaa, environments};
use crate::trigger::{Trigger, trigger};
use crate::{command, rest, tokens};

/// How long after a signal the answer of a call is waited for that has changed something. It leaves time to stop a run
/// before the runtime ends everything, four seconds after the signal.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_millis(1500);

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    /// What to do.
    pub(crate) work: Work,
    /// Form of the result.
    pub(crate) output: Output,
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    /// List the environments.
    Environments,
    /// Something in the environment of this name.
    In(String, Task),
}

/// What there is to do in an environment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Task {
    CliToken,
    WebLogin,
    Describe,
    /// Run a command of Airflow.
    Run(String),
    /// Send a request to Airflow.
    Rest(Ask),
    /// Start a run of a DAG and wait for it.
    Trigger(Trigger),
    /// Look after the DAG folder.
    Dags(Dags),
}

impl Task {
    /// Whether something may go on without us: then the end of the wait is told together with what is known of it.
    fn starts(&self) -> bool {
        match self {
            Self::Run(_) | Self::Trigger(_) => true,
            Self::Rest(ask) => ask.method != Method::Get,
            Self::CliToken | Self::WebLogin | Self::Describe | Self::Dags(_) => false,
        }
    }
}

/// Does what is asked for, within `--timeout`.
///
/// # Errors
/// Everything that leaves no result.
pub(crate) async fn execute(client: &Client, request: &Request, ctx: &Context) -> Result<Report, Error> {
    if ctx.check() {
        let checked = Box::pin(check(client, request, ctx));
        return timeout_at(ctx.deadline(), checked).await.map_err(|_| Error::TooLong);
    }
    let done = Box::pin(carry_out(client, request, ctx));
    match &request.work {
        Work::In(_, task) if task.starts() => done.await,
        Work::In(..) | Work::Environments => {
            timeout_at(ctx.deadline(), done).await.map_err(|_| Error::TooLong)?
        }
    }
}

async fn carry_out(client: &Client, request: &Request, ctx: &Context) -> Result<Report, Error> {
    let output = request.output;
    let (name, task) = match &request.work {
        Work::Environments => return list(client, output, ctx).await,
        Work::In(name, task) => (name.as_str(), task),
    };
    let mwaa = Mwaa { client, name };
    // Boxed: the futures of SDK calls are large.
    match task {
        Task::CliToken => Box::pin(tokens::cli(&mwaa, output, ctx)).await,
        Task::WebLogin => Box::pin(tokens::web(&mwaa, output, ctx)).await,
        Task::Describe => Box::pin(describe(&mwaa, output, ctx)).await,
        Task::Run(text) => Box::pin(command::run(&mwaa, text, ctx)).await,
        Task::Rest(ask) => Box::pin(rest::rest(&mwaa, ask, ctx)).await,
        Task::Trigger(wanted) => Box::pin(trigger(mwaa, wanted, output, ctx)).await,
        Task::Dags(work) => Box::pin(dags(&mwaa, work, output, ctx)).await,
    }
}

async fn list(client: &Client, output: Output, ctx: &Context) -> Result<Report, Error> {
    #[derive(Serialize)]
    struct Listed<'a> {
        environments: &'a [String],
        region: &'a str,
        account: Option<&'a str>,
    }
    let names = environments(client).await.map_err(Error::Call)?;
    let place = ctx.place();
    Ok(Report::ok(match output {
        Output::Text => names.join("\n"),
        Output::Json => {
            json(&Listed { environments: &names, region: &place.region, account: place.account.as_deref() })
        }
    }))
}

async fn describe(mwaa: &Mwaa<'_>, output: Output, ctx: &Context) -> Result<Report, Error> {
    #[derive(Serialize)]
    struct Described<'a> {
        #[serde(flatten)]
        environment: &'a Environment,
        region: &'a str,
        account: Option<&'a str>,
        console_url: &'a str,
    }
    let environment = mwaa.describe().await.map_err(|source| Error::environment(mwaa.name, ctx, source))?;
    let place = ctx.place();
    let console_url = Environment::console(mwaa.name, &place);
    Ok(Report::ok(match output {
        Output::Text => {
            let mut lines = environment.lines();
            lines.push(("console", console_url));
            aligned(lines.iter().map(|(name, value)| (*name, value.as_str())))
        }
        Output::Json => json(&Described {
            environment: &environment,
            region: &place.region,
            account: place.account.as_deref(),
            console_url: &console_url,
        }),
    }))
}
