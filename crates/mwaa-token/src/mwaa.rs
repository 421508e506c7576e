//! The calls of the MWAA API that this program makes. The SDK's types stop here.

mod document;

use std::net::Ipv4Addr;

use aws_sdk_mwaa::Client;
use aws_sdk_mwaa::config::retry::RetryConfig;
use aws_sdk_mwaa::error::SdkError;
use aws_sdk_mwaa::operation::invoke_rest_api::InvokeRestApiError;
use aws_sdk_mwaa::types::RestApiMethod;
use aws_smithy_types::Document;
use job_runtime::{CallError, Context, rfc3339};
use serde_json::{Map, Value};

use self::document::{document, value};
use crate::environment::{Environment, LastUpdate};

/// The call through which Airflow's REST API is reached.
pub(crate) const INVOKE: &str = "airflow:InvokeRestApi";

/// The call that describes an environment.
pub(crate) const GET: &str = "airflow:GetEnvironment";

/// The longest `Path` of `InvokeRestApi`, in characters.
pub(crate) const PATH_MAX: usize = 64;

/// Names in one page; MWAA allows 25 at most.
const PAGE: i32 = 25;

/// Pages after which a listing ends, so that it ends at all.
const MOST_PAGES: usize = 1000;

/// A token for one Airflow command, or a few within its 60 seconds.
pub(crate) struct CliToken {
    pub(crate) token: String,
    pub(crate) host: String,
}

/// A token for one login, within its 60 seconds.
pub(crate) struct WebToken {
    pub(crate) token: String,
    pub(crate) host: String,
    /// Who asked.
    pub(crate) iam_identity: Option<String>,
    /// Who that is in Airflow.
    pub(crate) airflow_identity: Option<String>,
}

/// A request to Airflow's REST API. Paths are below `/api/v1` or `/api/v2`, whichever the environment has.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Map<String, Value>,
    pub(crate) body: Option<Value>,
    /// It changes nothing, so that it may be sent again.
    pub(crate) reads: bool,
}

impl Ask {
    /// A search, which Airflow takes by POST.
    pub(crate) fn search(path: impl Into<String>, body: Value) -> Self {
        Self { reads: true, ..Self::with_body(Method::Post, path, body) }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::Get, path: path.into(), query: Map::new(), body: None, reads: true }
    }

    pub(crate) fn with_body(method: Method, path: impl Into<String>, body: Value) -> Self {
        Self { method, path: path.into(), query: Map::new(), body: Some(body), reads: method == Method::Get }
    }
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Put,
    Post,
    Patch,
    Delete,
}

/// What Airflow's REST API has answered, an error or not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// One environment, seen through a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mwaa<'a> {
    pub(crate) client: &'a Client,
    pub(crate) name: &'a str,
}

/// The names of all environments of the account's region.
pub(crate) async fn environments(client: &Client) -> Result<Vec<String>, CallError> {
    const LIST: &str = "airflow:ListEnvironments";
    let mut names = Vec::new();
    let mut next = None;
    for _ in 0..MOST_PAGES {
        let answer = client.list_environments().max_results(PAGE).set_next_token(next).send().await;
        let answer = answer.map_err(|error| CallError::new(LIST, &error))?;
        names.extend(answer.environments);
        next = answer.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(names);
        }
    }
    Err(CallError::unusable(LIST, "the list has no end"))
}

impl Mwaa<'_> {
    /// Reads the environment.
    pub(crate) async fn describe(&self) -> Result<Environment, CallError> {
        let answer = self.client.get_environment().name(self.name).send().await;
        let found = answer.map_err(|error| CallError::new(GET, &error))?.environment;
        let found =
            found.ok_or_else(|| CallError::unusable(GET, "it was answered without an environment"))?;
        let last_update = found.last_update.map(|update| LastUpdate {
            status: update.status.map(|status| status.as_str().to_owned()),
            at: update.created_at.and_then(rfc3339),
            source: update.source,
            error: update.error.and_then(|error| error.error_message.or(error.error_code)),
        });
        let host = found
            .webserver_url
            .map(|url| url.trim_start_matches("https://").trim_end_matches('/').to_owned());
        Ok(Environment {
            name: found.name.unwrap_or_else(|| self.name.to_owned()),
            status: found.status.map_or_else(String::new, |status| status.as_str().to_owned()),
            airflow_version: found.airflow_version,
            arn: found.arn,
            web_server_host: host,
            web_server_access: found.webserver_access_mode.map(|mode| mode.as_str().to_owned()),
            bucket: found.source_bucket_arn.and_then(|arn| arn.rsplit(':').next().map(str::to_owned)),
            dag_folder: found.dag_s3_path,
            class: found.environment_class,
            execution_role: found.execution_role_arn,
            created_at: found.created_at.and_then(rfc3339),
            last_update,
        })
    }

    /// Makes a token for Airflow's command line.
    pub(crate) async fn cli_token(&self) -> Result<CliToken, CallError> {
        const CREATE: &str = "airflow:CreateCliToken";
        let answer = self.client.create_cli_token().name(self.name).send().await;
        let answer = answer.map_err(|error| CallError::new(CREATE, &error))?;
        match (answer.cli_token, answer.web_server_hostname) {
            (Some(token), Some(host)) => Ok(CliToken { token, host: checked_host(CREATE, host)? }),
            _ => Err(CallError::unusable(
                CREATE,
                "it was answered without a token and the name of a web server",
            )),
        }
    }

    /// Makes a token for a login.
    pub(crate) async fn web_token(&self) -> Result<WebToken, CallError> {
        const CREATE: &str = "airflow:CreateWebLoginToken";
        let answer = self.client.create_web_login_token().name(self.name).send().await;
        let answer = answer.map_err(|error| CallError::new(CREATE, &error))?;
        match (answer.web_token, answer.web_server_hostname) {
            (Some(token), Some(host)) => Ok(WebToken {
                token,
                host: checked_host(CREATE, host)?,
                iam_identity: answer.iam_identity,
                airflow_identity: answer.airflow_identity,
            }),
            _ => Err(CallError::unusable(
                CREATE,
                "it was answered without a token and the name of a web server",
            )),
        }
    }

    /// Sends a request to Airflow's REST API. Only a read is ever sent again where it may have arrived.
    pub(crate) async fn invoke(&self, ask: &Ask, ctx: &Context) -> Result<Answer, CallError> {
        if ask.reads {
            return self.send(ask, None).await.map_err(|error| CallError::new(INVOKE, &error));
        }
        ctx.start(INVOKE, async || self.send(ask, Some(RetryConfig::disabled())).await).await
    }

    /// As [`invoke`](Self::invoke), sent once.
    pub(crate) async fn invoke_once(&self, ask: &Ask) -> Result<Answer, CallError> {
        self.send(ask, Some(RetryConfig::disabled())).await.map_err(|error| CallError::new(INVOKE, &error))
    }

    /// MWAA has two exceptions for the errors of Airflow, and they are answers here.
    async fn send(
        &self,
        ask: &Ask,
        retry: Option<RetryConfig>,
    ) -> Result<Answer, SdkError<InvokeRestApiError>> {
        let query = (!ask.query.is_empty()).then(|| document(&Value::Object(ask.query.clone())));
        let mut once = aws_sdk_mwaa::config::Builder::new();
        once.set_retry_config(retry);
        let answer = self
            .client
            .invoke_rest_api()
            .name(self.name)
            .method(match ask.method {
                Method::Get => RestApiMethod::Get,
                Method::Put => RestApiMethod::Put,
                Method::Post => RestApiMethod::Post,
                Method::Patch => RestApiMethod::Patch,
                Method::Delete => RestApiMethod::Delete,
            })
            .path(&ask.path)
            .set_query_parameters(query)
            .set_body(ask.body.as_ref().map(document))
            .customize()
            .config_override(once)
            .send()
            .await;
        let passed_on = |status: Option<i32>, default, body: Option<&Document>| Answer {
            status: status.and_then(|status| u16::try_from(status).ok()).unwrap_or(default),
            body: body.map_or(Value::Null, value),
        };
        match answer {
            Ok(answer) => Ok(passed_on(answer.rest_api_status_code, 200, answer.rest_api_response.as_ref())),
            Err(error) => match error.as_service_error() {
                Some(InvokeRestApiError::RestApiClientException(it)) => {
                    Ok(passed_on(it.rest_api_status_code, 400, it.rest_api_response.as_ref()))
                }
                Some(InvokeRestApiError::RestApiServerException(it)) => {
                    Ok(passed_on(it.rest_api_status_code, 500, it.rest_api_response.as_ref()))
                }
                _ => Err(error),
            },
        }
    }
}

/// The name of a web server, which gets a token: `user@other.example/x?y=` would send it elsewhere.
fn checked_host(operation: &'static str, host: String) -> Result<String, CallError> {
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let is_name = host.len() <= 253 && host.contains('.') && host.split('.').all(is_label);
    if is_name && host.parse::<Ipv4Addr>().is_err() {
        return Ok(host);
    }
    Err(CallError::unusable(operation, "its WebServerHostname is not the name of a host"))
}

impl Answer {
    /// The answer, where it is a good one; else what Airflow says.
    pub(crate) fn good(self) -> Result<Value, CallError> {
        if (200..300).contains(&self.status) { Ok(self.body) } else { Err(self.error()) }
    }

    /// The error that this answer is.
    pub(crate) fn error(&self) -> CallError {
        CallError::answered(INVOKE, self.status, said(&self.body))
    }
}

/// Airflow 2 has a title and a detail, Airflow 3 a detail, which may be a list of what is wrong with each member, or an
/// object.
fn said(body: &Value) -> String {
    let detail = match &body["detail"] {
        Value::String(detail) => Some(detail.clone()),
        Value::Array(problems) => {
            let problem = |problem: &Value| {
                let place =
                    problem["loc"].as_array()?.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(".");
                Some(format!("{place}: {}", problem["msg"].as_str()?))
            };
            Some(problems.iter().filter_map(problem).collect::<Vec<_>>().join("; "))
        }
        // A constraint of the database, such as that of the run's id.
        Value::Object(problem) => problem.get("reason").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    let detail = detail.filter(|detail| !detail.is_empty());
    let title = body["title"].as_str().map(str::to_owned);
    detail.or(title).unwrap_or_else(|| "Airflow does not say why".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use job_runtime::{Effect, Exit};
    use serde_json::json;

    #[test]
    fn hosts() {
        for (host, is_fine) in [
            ("0a1b.c2.us-east-2.airflow.amazonaws.com", true),
            ("airflow.example.com", true),
            ("user@evil.example/x?y=", false),
            ("evil.example/x", false),
            ("evil.example:443", false),
            ("evil.example#", false),
            ("a..b", false),
            ("localhost", false),
            ("169.254.169.254", false),
            ("", false),
        ] {
            assert_eq!(checked_host("airflow:CreateCliToken", host.to_owned()).is_ok(), is_fine, "{host}");
        }
    }

    #[test]
    fn what_airflow_says() {
        for (body, expected) in [
            (json!({ "title": "DAG not found", "detail": "no such" }), "no such"),
            (json!({ "title": "DAG not found", "detail": "" }), "DAG not found"),
            (
                json!({ "detail": [{ "loc": ["body", "logical_date"], "msg": "Field required" }] }),
                "body.logical_date: Field required",
            ),
            (json!({ "detail": [] }), "Airflow does not say why"),
            (
                json!({ "detail": { "reason": "Unique constraint violation", "statement": "INSERT" } }),
                "Unique constraint violation",
            ),
            (json!(null), "Airflow does not say why"),
            (json!("<html>"), "Airflow does not say why"),
        ] {
            assert_eq!(said(&body), expected, "{body}");
        }
    }

    #[test]
    fn answers_and_what_they_did() {
        for (status, exit, effect) in [
            (403, Exit::Denied, Effect::Refused),
            (404, Exit::Rejected, Effect::Refused),
            (429, Exit::Unavailable, Effect::NotStarted),
            (503, Exit::Unavailable, Effect::MayHaveStarted),
        ] {
            let error = Answer { status, body: Value::Null }.good().unwrap_err();
            assert_eq!((error.exit(), error.effect()), (exit, effect));
        }
        assert_eq!(Answer { status: 204, body: Value::Null }.good(), Ok(Value::Null));
    }
}
