//! `check`: every stage on the way to a first query, timed.

use std::fmt::Write as _;
use std::time::Duration;

use job_runtime::{Context, Exit, Output, Report, json};
use serde::Serialize;

use crate::connection::Connection;
use crate::error::Error;
use crate::session::{Opener, Session};
use crate::stages::{Failed, Passed, Stage};

/// What the first query asks: who and where the session is.
const WHO: &str = "select 1, current_user, current_database(), pg_catalog.pg_is_in_recovery(), \
    pg_catalog.current_setting('transaction_read_only'), pg_catalog.version()";

/// The query's time limit.
const ANSWER: Duration = Duration::from_secs(30);

/// The result.
#[derive(Debug, Serialize)]
struct Checked {
    host: Option<String>,
    port: Option<u16>,
    address: Option<String>,
    user: Option<String>,
    database: Option<String>,
    sslmode: &'static str,
    tls: Option<Tls>,
    server_version: Option<String>,
    in_recovery: Option<bool>,
    read_only: Option<bool>,
    identity: Option<String>,
    stages: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Tls {
    version: String,
    cipher: String,
    certificate_names: Vec<String>,
    issuer: Option<String>,
}

/// One stage.
#[derive(Debug, Serialize)]
struct Row {
    stage: &'static str,
    result: &'static str,
    milliseconds: Option<f64>,
    detail: String,
    /// What to look at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    look_at: Vec<String>,
}

/// Goes through the stages.
///
/// # Errors
/// What keeps the first stage from being reached: no host, no secret, no token.
pub(crate) async fn check(connection: &Connection, output: Output, ctx: &Context) -> Result<Report, Error> {
    let opener = Opener::new(connection, ctx)?;
    let checked = match opener.open_in_time().await {
        Ok(mut session) => match session.ask(WHO, ANSWER).await {
            Ok(row) => {
                session.way.pass(Stage::Query, row.get(5).cloned().flatten().unwrap_or_default());
                Ok((session, row))
            }
            Err(failed) => Err(Error::stage(failed)),
        },
        Err(error) => Err(error),
    };
    let identity = ctx.identity().arn.clone();
    let blank = |stages| Checked {
        host: connection.hosts.first().map(|host| host.name.clone()),
        port: None,
        address: None,
        user: connection.user.clone(),
        database: connection.database.clone(),
        sslmode: connection.tls.mode.name(),
        tls: None,
        server_version: None,
        in_recovery: None,
        read_only: None,
        identity: identity.clone(),
        stages,
    };
    match checked {
        Ok((session, row)) => {
            let stages = session.way.passed.iter().map(passed).collect();
            Ok(Report::ok(show(&whole(blank(stages), session, &row), output)))
        }
        Err(Error::Stage(failed)) => {
            let text = format!("check failed: {failed}");
            let exit = if failed.exit == Exit::Failed { Exit::Unavailable } else { failed.exit };
            Ok(Report::failed(exit, show(&blank(stages_of(&failed)), output), text))
        }
        Err(error) => Err(error),
    }
}

fn whole(blank: Checked, session: Session, row: &[Option<String>]) -> Checked {
    let text = |index: usize| row.get(index).cloned().flatten();
    Checked {
        host: Some(session.endpoint.host.name),
        port: Some(session.endpoint.port),
        address: Some(session.address.ip().to_string()),
        user: text(1),
        database: text(2),
        tls: session.tls.map(|tls| Tls {
            version: tls.version,
            cipher: tls.cipher,
            certificate_names: tls.names,
            issuer: tls.issuer,
        }),
        server_version: session.greeting.parameter("server_version").map(str::to_owned),
        in_recovery: text(3).map(|text| text == "t"),
        read_only: text(4).map(|text| text == "on"),
        ..blank
    }
}

fn passed(passed: &Passed) -> Row {
    Row {
        stage: passed.stage.name(),
        result: "ok",
        milliseconds: Some((passed.took.as_secs_f64() * 1e5).round() / 100.0),
        detail: passed.detail.clone(),
        look_at: Vec::new(),
    }
}

/// The stages passed, the one that failed, and those that were not reached.
fn stages_of(failed: &Failed) -> Vec<Row> {
    let mut rows: Vec<Row> = failed.passed.iter().map(passed).collect();
    for stage in Stage::ALL {
        if rows.iter().any(|row| row.stage == stage.name()) {
            continue;
        }
        rows.push(if stage == failed.stage {
            Row {
                stage: stage.name(),
                result: "failed",
                milliseconds: None,
                detail: format!("{}: {}", failed.tried, failed.what),
                look_at: failed.advice.clone(),
            }
        } else {
            // A server takes the session and the user at once; where the user is refused, the session was taken.
            let reached = stage == Stage::Startup && failed.stage == Stage::Auth;
            let (result, detail) =
                if reached { ("ok", "the server has answered") } else { ("not reached", "") };
            Row {
                stage: stage.name(),
                result,
                milliseconds: None,
                detail: detail.to_owned(),
                look_at: Vec::new(),
            }
        });
    }
    rows
}

fn show(checked: &Checked, output: Output) -> String {
    match output {
        Output::Json => json(checked),
        Output::Text => {
            let mut text = String::new();
            for Row { stage, result, milliseconds, detail, look_at } in &checked.stages {
                let took = milliseconds.map(|took| format!("{took:.1} ms")).unwrap_or_default();
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{stage:<7}  {result:<11}  {took:>10}  {detail}");
                for advice in look_at {
                    let _ = writeln!(text, "{:33}- {advice}", "");
                }
            }
            text
        }
    }
}
