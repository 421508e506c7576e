//! The web server of an environment: logins, and the command line behind a token.

use serde_json::{Value, json};

use super::command;
use super::store::{Known, TokenKind};
use crate::answer::Answer;
use crate::cloud::Cloud;
use crate::crypto::{base64, hex, random};
use crate::dispatch::Incoming;
use crate::refusal::Refusal;
use crate::service::Request;

/// What a web server can do.
pub(crate) const OPERATIONS: &[&str] = &["Cli", "Login", "LoginPage", "Page"];

/// What a request wants, where it is meant for a web server at all.
pub(crate) fn operation(cloud: &Cloud, incoming: &Incoming) -> Option<&'static str> {
    let mut mwaa = cloud.mwaa();
    let known = mwaa.behind(incoming.header("host")?)?;
    // The page is at both places in Airflow 3; logins are at one.
    let login = if known.is_airflow_3() { "/pluginsv2/aws_mwaa/login" } else { "/aws_mwaa/login" };
    Some(match (incoming.method.as_str(), incoming.path.as_str()) {
        ("POST", "/aws_mwaa/cli") => "Cli",
        ("POST", path) if path == login => "Login",
        ("GET", "/aws_mwaa/aws-console-sso") => "LoginPage",
        ("GET", "/pluginsv2/aws_mwaa/aws-console-sso") if known.is_airflow_3() => "LoginPage",
        _ => "Page",
    })
}

/// Of a command only that there was one: it may hold secrets of Airflow's own.
pub(crate) fn parameters(incoming: &Incoming) -> Value {
    json!({ "Path": incoming.path, "Body": { "Length": incoming.body.len() } })
}

pub(crate) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<Answer, Refusal> {
    let host = request.incoming.header("host").unwrap_or_default();
    let mut mwaa = cloud.mwaa();
    let gone = || Refusal::new(404, "NotFound", "Not Found");
    let text = std::str::from_utf8(&request.incoming.body).unwrap_or_default();
    match request.operation {
        "LoginPage" => Ok(Answer::new("text/html", "<html>one moment</html>")),
        "Login" => {
            let form = form_urlencoded::parse(request.incoming.body.as_ref());
            let token =
                form.into_iter().find(|(name, _)| name == "token").map(|(_, token)| token.into_owned());
            if !mwaa.accepts(TokenKind::Web, host, &token.unwrap_or_default(), request.now) {
                return Err(Refusal::new(403, "Forbidden", "the token is not valid"));
            }
            let known = mwaa.behind(host).ok_or_else(gone)?;
            let cookie = if known.is_airflow_3() { "_token" } else { "session" };
            let session = hex(&random::<24>());
            cloud.record().secret(&session);
            Ok(Answer::new("text/html", "")
                .header("set-cookie", format!("{cookie}={session}; Secure; HttpOnly")))
        }
        "Cli" => {
            let token =
                request.incoming.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
            if !mwaa.accepts(TokenKind::Cli, host, token.unwrap_or_default(), request.now) {
                // Whether it is 401 or 403 is documented nowhere.
                return Err(Refusal::new(403, "Forbidden", "Signature has expired"));
            }
            let known = mwaa.behind(host).ok_or_else(gone)?;
            Ok(cli(known, text, request))
        }
        _ => Err(gone()),
    }
}

fn cli(known: &mut Known, text: &str, request: &Request<'_>) -> Answer {
    let fixed = known.environment.commands.iter().find(|answer| text.starts_with(&answer.command));
    if let Some(fixed) = fixed {
        return match &fixed.body {
            Some(body) => Answer::new("text/html", body.clone()).status(fixed.status),
            None => outputs(fixed.status, &fixed.stdout, &fixed.stderr),
        };
    }
    let printed = command::run(known, text, request.now);
    let status = if printed.ok { 200 } else { known.environment.failure_status };
    outputs(status, &printed.stdout, &printed.stderr)
}

fn outputs(status: u16, stdout: &str, stderr: &str) -> Answer {
    let body = json!({ "stderr": base64(stderr.as_bytes()), "stdout": base64(stdout.as_bytes()) });
    Answer::new("application/json", body.to_string()).status(status)
}

/// Whether a tunnel of the proxy would lead into a VPC.
pub(crate) fn is_private(cloud: &Cloud, authority: &str) -> bool {
    cloud.mwaa().behind(authority).is_some_and(|known| known.is_private())
}
