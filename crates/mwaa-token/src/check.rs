//! `--check`: what can be known without starting anything.

use aws_sdk_mwaa::Client;
use aws_wire::s3::S3;
use job_runtime::{Check, Context, Exit, Failure as _, Report, Survey};

use crate::dags::{self, Dags};
use crate::environment::{Environment, Usable};
use crate::job::{Request, Task, Work};
use crate::mwaa::{Ask, INVOKE, Mwaa, environments};
use crate::trigger::Trigger;
use crate::trigger::channel::{Channel, Ways};

const GET: &str = "airflow:GetEnvironment";
const CLI_TOKEN: &str = "airflow:CreateCliToken";
const WEB_TOKEN: &str = "airflow:CreateWebLoginToken";

/// Looks at everything that `request` would need.
pub(crate) async fn check(client: &Client, request: &Request, ctx: &Context) -> Report {
    let (name, task) = match &request.work {
        Work::Environments => {
            let mut survey = Survey::new(("environments", "all"), ctx);
            survey.extend([match environments(client).await {
                Ok(names) => Check::ok("airflow:ListEnvironments", format!("{} environments", names.len())),
                Err(error) => Check::failed("airflow:ListEnvironments", &error),
            }]);
            return survey.report(request.output);
        }
        Work::In(name, task) => (name.as_str(), task),
    };
    let mwaa = Mwaa { client, name };
    let mut survey = Survey::new(("environment_name", name), ctx);
    let described = mwaa.describe().await;
    survey.extend([environment(&described, task)]);
    let environment = described.ok();
    match task {
        Task::Describe => {}
        Task::CliToken => survey.extend([cli_token(&mwaa).await]),
        Task::WebLogin => survey.extend([web_token(&mwaa).await]),
        Task::Run(_) => survey.extend([cli_token(&mwaa).await, Check::untold("the Airflow command")]),
        Task::Rest(_) => survey.extend([rest(&mwaa, ctx).await, Check::untold("the request")]),
        Task::Trigger(wanted) => survey.extend(trigger(mwaa, wanted, environment.as_ref(), ctx).await),
        Task::Dags(work) => survey.extend(folder(&mwaa, work, ctx).await),
    }
    survey.report(request.output)
}

/// Some do without; for the others its state counts.
fn environment(described: &Result<Environment, job_runtime::CallError>, task: &Task) -> Check {
    let needed = matches!(task, Task::Describe | Task::Trigger(_) | Task::Dags(_));
    match described {
        Err(error) if error.exit() == Exit::Denied && !needed => {
            Check::warning(GET, format!("only this check needs it: {error}"))
        }
        Err(error) => Check::failed(GET, error),
        Ok(environment) => {
            let detail = format!(
                "{} is {}, Airflow {}",
                environment.name,
                environment.status,
                environment.airflow_version.as_deref().unwrap_or("of an unknown version")
            );
            match environment.usable() {
                Some(Usable::Yes) => Check::ok(GET, detail),
                _ => Check::warning(GET, detail),
            }
        }
    }
}

/// A token that nobody uses does nothing.
async fn cli_token(mwaa: &Mwaa<'_>) -> Check {
    match mwaa.cli_token().await {
        Ok(_) => Check::ok(CLI_TOKEN, "a token can be made"),
        Err(error) => Check::failed(CLI_TOKEN, &error),
    }
}

async fn web_token(mwaa: &Mwaa<'_>) -> Check {
    match mwaa.web_token().await {
        Ok(_) => Check::ok(WEB_TOKEN, "a token can be made"),
        Err(error) => Check::failed(WEB_TOKEN, &error),
    }
}

/// Airflow's version is for everybody to read.
async fn rest(mwaa: &Mwaa<'_>, ctx: &Context) -> Check {
    match mwaa.invoke(&Ask::get("/version"), ctx).await.and_then(crate::mwaa::Answer::good) {
        Ok(_) => Check::ok(INVOKE, "Airflow answers"),
        Err(error) => Check::failed(INVOKE, &error),
    }
}

/// Whether the DAG is there and runs, by the way that would be taken.
async fn trigger(
    mwaa: Mwaa<'_>,
    trigger: &Trigger,
    environment: Option<&Environment>,
    ctx: &Context,
) -> Vec<Check> {
    let Some(environment) = environment else { return Vec::new() };
    let ways = Ways::new(mwaa, environment, trigger.channel, ctx);
    let told = ways.is_paused(&trigger.wanted.dag_id).await;
    let name = match ways.taken() {
        Channel::Rest => INVOKE,
        Channel::Cli => CLI_TOKEN,
    };
    let mut checks = Vec::new();
    if let Some(why) = ways.left() {
        checks.push(Check::warning(INVOKE, format!("Airflow's command line would take its place: {why}")));
    }
    checks.push(match told {
        Ok(Some(true)) => Check::warning(name, "the DAG is paused"),
        Ok(Some(false)) => Check::ok(name, "the DAG is there and not paused"),
        Ok(None) => Check::warning(name, "Airflow does not tell whether the DAG is paused"),
        Err(error) => Check::failed(name, &error),
    });
    checks.push(Check::untold("the start of a run"));
    checks
}

async fn folder(mwaa: &Mwaa<'_>, work: &Dags, ctx: &Context) -> Vec<Check> {
    const LIST: &str = "s3:ListBucket";
    let listed = match dags::folder(mwaa, ctx).await {
        Ok(folder) => {
            S3::new(ctx.sdk_config()).list(&folder.join("")).await.map(|files| (folder, files.len()))
        }
        // Told already.
        Err(_) => return Vec::new(),
    };
    let needed = matches!(work, Dags::List(_));
    let found = match listed {
        Ok((folder, files)) => Check::ok(LIST, format!("{folder} has {files} files")),
        Err(error) if error.exit() == Exit::Denied && !needed => {
            Check::warning(LIST, format!("only this check needs it: {error}"))
        }
        Err(aws_wire::s3::S3Error::Call(error)) => Check::failed(LIST, &error),
        Err(error) => Check::warning(LIST, error.to_string()),
    };
    let untold = match work {
        Dags::List(_) => None,
        Dags::Upload(_) => Some(Check::untold("s3:PutObject")),
        Dags::Delete(_) => Some(Check::untold("s3:DeleteObject")),
    };
    [found].into_iter().chain(untold).collect()
}
