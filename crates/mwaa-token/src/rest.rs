//! `rest`: one request to Airflow's REST API.

use job_runtime::{Context, Effect, Exit, Report, json};
use serde_json::Value;

use crate::error::Error;
use crate::job::ANSWER_LIMIT;
use crate::mwaa::{Ask, Method, Mwaa};

/// Sends the request and prints what Airflow answers, an error as well.
pub(crate) async fn rest(mwaa: &Mwaa<'_>, ask: &Ask, ctx: &Context) -> Result<Report, Error> {
    let answer = tokio::select! {
        answer = Box::pin(mwaa.invoke(ask, ctx)) => answer,
        _ = ctx.out_of_patience(ANSWER_LIMIT) => {
            let what = "the request may have reached Airflow";
            // A read does no harm when it is repeated.
            let read = ask.method == Method::Get;
            return Err(if read { ctx.interrupted(what) } else { ctx.interrupted_call(what) }.into());
        }
    };
    let answer = answer.map_err(|source| match source.effect() {
        Effect::MayHaveStarted if ask.method != Method::Get => Error::RestUnknown { source },
        _ => Error::environment(mwaa.name, ctx, source),
    })?;
    let shown = match &answer.body {
        Value::Null => String::new(),
        body => json(body),
    };
    if (200..300).contains(&answer.status) {
        return Ok(Report::ok(shown));
    }
    let error = answer.error();
    let exit = match error.effect() {
        Effect::MayHaveStarted if ask.method != Method::Get => Exit::Unknown,
        _ => error.exit(),
    };
    Ok(Report::failed(exit, shown, error.to_string()))
}
