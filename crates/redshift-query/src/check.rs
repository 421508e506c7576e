//! `--check`: what can be known without starting anything.

use job_runtime::{Check, Context, Exit, OnTerminate, Output, Report, Survey};
use sql_text::Form;

use crate::redshift::{BATCH, CANCEL, DATABASES, DESCRIBE, EXECUTE, Filter, LIST, RESULT, Service};
use crate::{Request, Work};

/// An id that no statement has: asking for it tells "not allowed" from "not there".
const NO_STATEMENT: &str = "00000000-0000-0000-0000-000000000000";

/// Looks at everything that `request` would need.
pub(crate) async fn check(service: &Service<'_>, request: &Request, ctx: &Context) -> Report {
    let mut survey = Survey::new(("target", &request.work.to_string()), ctx);
    match &request.work {
        Work::Run(run) => {
            survey.extend([statements(service, ctx.key().is_some()).await]);
            survey.extend([described(service, None).await, fetched(service).await]);
            // A session has a connection of its own, which no list can use.
            if run.connection.session.is_none() {
                survey.extend([connected(service, request).await]);
            }
            survey.extend([Check::untold(if run.statements.len() == 1 { EXECUTE } else { BATCH })]);
            if ctx.on_terminate() == OnTerminate::Cancel {
                survey.extend([Check::untold(CANCEL)]);
            }
        }
        Work::Result(id) => {
            survey.extend([described(service, Some(id)).await, fetched(service).await]);
        }
        Work::Cancel(id) => survey.extend([described(service, Some(id)).await, Check::untold(CANCEL)]),
        Work::List(_) => survey.extend([statements(service, true).await]),
        Work::Catalog(_) => survey.extend([connected(service, request).await]),
    }
    let output = match request.show.form {
        Form::Table { .. } => Output::Text,
        Form::Json | Form::Jsonl | Form::Csv { .. } | Form::Nothing => Output::Json,
    };
    survey.report(output)
}

/// A start with a key looks for earlier statements first.
async fn statements(service: &Service<'_>, needed: bool) -> Check {
    let filter = Filter { prefix: Some("redshift-query.".to_owned()), status: None, all_sessions: true };
    match service.statements(&filter, 1, None).await {
        Ok(_) => Check::ok(LIST, "statements can be listed"),
        Err(error) if error.exit() == Exit::Denied && !needed => {
            Check::warning(LIST, format!("only a start with a key needs it: {error}"))
        }
        Err(error) => Check::failed(LIST, &error),
    }
}

/// Needed to wait.
async fn described(service: &Service<'_>, id: Option<&str>) -> Check {
    match service.describe(id.unwrap_or(NO_STATEMENT), None).await {
        Ok(statement) => {
            Check::ok(DESCRIBE, format!("statement {} is {}", statement.whole.id, statement.whole.status))
        }
        // The made-up id was looked for and not found, which takes the permission to look.
        Err(error) if id.is_none() && error.exit() == Exit::Rejected => {
            Check::ok(DESCRIBE, "statements can be looked at")
        }
        Err(error) => Check::failed(DESCRIBE, &error),
    }
}

/// Needed to have a result.
async fn fetched(service: &Service<'_>) -> Check {
    match service.page(NO_STATEMENT, None).await {
        Err(error) if error.exit() != Exit::Rejected => Check::failed(RESULT, &error),
        _ => Check::ok(RESULT, "results can be read"),
    }
}

/// The one call that connects to the database and starts nothing. It also takes what the credentials of the database
/// take: `redshift:GetClusterCredentials` and their like, or the secret.
async fn connected(service: &Service<'_>, request: &Request) -> Check {
    let Some(connection) = request.work.connection() else { return Check::untold(DATABASES) };
    let needed = matches!(request.work, Work::Catalog(_));
    match service.databases(connection, 1, None).await {
        Ok(_) => Check::ok(DATABASES, format!("{connection}: the database can be reached")),
        Err(error) if error.exit() == Exit::Denied && !needed && error.message().contains(DATABASES) => {
            let detail = format!(
                "only this check needs it, so it is not known whether the database can be reached: {error}"
            );
            Check::warning(DATABASES, detail)
        }
        Err(error) => Check::failed(DATABASES, &error),
    }
}
