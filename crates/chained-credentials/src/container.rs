//! The endpoint that gives a container its role: ECS task roles and EKS Pod Identity.

use std::path::PathBuf;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

use crate::env::{self, Env};
use crate::error::{ConfigError, ErrorKind};
use crate::file;
use crate::json::credentials_from_json;
use crate::profile::io_problem;
use crate::source::SourceError;

/// The ECS agent's address for `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`.
const ECS_AGENT: &str = "http://169.254.170.2";
/// Hosts that may be asked over plain HTTP: the ECS agent, the Pod Identity agent, this machine.
const PLAIN_HTTP_HOSTS: [&str; 6] =
    ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "localhost", "127.0.0.1", "[::1]"];
/// The agents answer from the same machine: five seconds is long.
const PATIENCE: Duration = Duration::from_secs(5);
/// An answer is below one KiB; nothing larger is read.
const MAX_ANSWER: usize = 64 * 1024;

/// Where to ask, and what to show there.
#[derive(Clone)]
pub(crate) struct ContainerEndpoint {
    url: String,
    /// The variable that names it, and the host: the path is a capability (whoever knows it gets the task's role),
    /// so it is never shown.
    shown: String,
    authorization: Option<Authorization>,
}

#[derive(Clone)]
enum Authorization {
    /// Read again at each request: the kubelet rotates it.
    File(PathBuf),
    Value(String),
}

impl ContainerEndpoint {
    /// The endpoint that the environment names, if it names one.
    pub(crate) fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        let wrong = |variable: &str, problem| {
            Err(ConfigError::Value { place: variable.to_owned(), value: "(not shown)".to_owned(), problem })
        };
        let (variable, url) = if let Some(path) = env.get(env::CONTAINER_RELATIVE_URI) {
            if !path.starts_with('/') {
                return wrong(env::CONTAINER_RELATIVE_URI, "is not a path");
            }
            (env::CONTAINER_RELATIVE_URI, format!("{ECS_AGENT}{path}"))
        } else if let Some(url) = env.get(env::CONTAINER_FULL_URI) {
            (env::CONTAINER_FULL_URI, url.to_owned())
        } else {
            return Ok(None);
        };
        let Some(host) = host_to_ask(&url) else {
            return wrong(variable, "is neither https nor an agent on this machine, so it is given no token");
        };
        let shown = format!("{variable}, host {host}");
        let file = env.get(env::CONTAINER_TOKEN_FILE).map(|path| Authorization::File(PathBuf::from(path)));
        let value = || env.get(env::CONTAINER_TOKEN).map(|value| Authorization::Value(value.to_owned()));
        Ok(Some(Self { url, shown, authorization: file.or_else(value) }))
    }

    /// EKS Pod Identity: it alone keeps a token in a file.
    pub(crate) fn is_pod_identity(&self) -> bool {
        matches!(self.authorization, Some(Authorization::File(_)))
    }

    /// The variable and the host, for messages.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Asks once. `direct` must not go through a proxy: the request carries a token, and the agent is local.
    pub(crate) async fn credentials(&self, direct: &SharedHttpConnector) -> Result<Credentials, SourceError> {
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(self.url.as_str()).map_err(|_| self.config("is not an address that can be asked"))?;
        request.headers_mut().insert("accept", "application/json");
        if let Some(token) = self.authorization().await? {
            request
                .headers_mut()
                .try_insert("authorization", token)
                .map_err(|_| self.config("needs a token that fits into a header, and this one does not"))?;
        }
        let answer = tokio::time::timeout(PATIENCE, async {
            let response = direct.call(request).await.map_err(|error| self.unavailable(innermost(&error)))?;
            let status = response.status().as_u16();
            let body = read(response.into_body()).await.map_err(|problem| self.unavailable(problem))?;
            Ok((status, body))
        });
        match answer.await.unwrap_or_else(|_| Err(self.unavailable(format!("no answer in {PATIENCE:?}"))))? {
            (200, body) => {
                credentials_from_json(&body, "container").map_err(|problem| self.unavailable(problem))
            }
            (status, body) => {
                let kind =
                    if status < 500 && status != 429 { ErrorKind::Denied } else { ErrorKind::Unavailable };
                let text = refusal_text(&body);
                Err(SourceError::new(kind, format!("{} answered HTTP {status}{text}", self.shown)).advise(
                    "look at the task role or the pod identity association of this service account, and at the \
                     agent's own log",
                ))
            }
        }
    }

    async fn authorization(&self) -> Result<Option<String>, SourceError> {
        match &self.authorization {
            None => Ok(None),
            Some(Authorization::Value(value)) => Ok(Some(value.clone())),
            Some(Authorization::File(path)) => match file::read_regular_text(path, MAX_ANSWER).await {
                Ok(text) => Ok(Some(text.trim().to_owned())),
                Err(error) => Err(SourceError::new(
                    ErrorKind::Config,
                    format!(
                        "{} names {}, which {}",
                        env::CONTAINER_TOKEN_FILE,
                        path.display(),
                        io_problem(&error)
                    ),
                )),
            },
        }
    }

    fn config(&self, problem: &str) -> SourceError {
        SourceError::new(ErrorKind::Config, format!("{} {problem}", self.shown))
    }

    fn unavailable(&self, problem: impl std::fmt::Display) -> SourceError {
        SourceError::new(ErrorKind::Unavailable, format!("{}: {problem}", self.shown))
    }
}

/// Neither the token nor the path of the address.
impl std::fmt::Debug for ContainerEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContainerEndpoint").field("shown", &self.shown).finish_non_exhaustive()
    }
}

/// The host of an address that may be asked with a token: https, or plain HTTP on this machine.
fn host_to_ask(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    let host = uri.host()?;
    let local = PLAIN_HTTP_HOSTS.contains(&host)
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    let fine = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => local,
        _ => false,
    };
    // A user name before the host is a way to make one host look like another.
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    (fine && plain).then(|| host.to_owned())
}

/// What an agent says when it refuses: ECS in JSON, EKS in a line of text.
fn refusal_text(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Refusal {
        code: Option<String>,
        message: Option<String>,
    }
    let text = match serde_json::from_slice(body) {
        Ok(Refusal { code, message }) => [code, message].into_iter().flatten().collect::<Vec<_>>().join(": "),
        Err(_) => String::from_utf8_lossy(body).lines().next().unwrap_or_default().to_owned(),
    };
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}

/// The last text of a chain of causes: above it the SDK only says "io error".
pub(crate) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let last = std::iter::successors(Some(error), |error| error.source()).last();
    last.map(ToString::to_string).unwrap_or_default()
}

pub(crate) async fn read(body: SdkBody) -> Result<Vec<u8>, String> {
    let (mut body, mut bytes) = (ByteStream::new(body), Vec::new());
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| innermost(&error))?);
        if bytes.len() > MAX_ANSWER {
            return Err("the answer is too large".to_owned());
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(vars: &[(&str, &str)]) -> Result<Option<String>, ConfigError> {
        let env: Env = vars.iter().copied().collect();
        Ok(ContainerEndpoint::from_env(&env)?.map(|endpoint| endpoint.url))
    }

    #[test]
    fn the_relative_path_is_below_the_ecs_agent() {
        let url = endpoint(&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1")]).unwrap();
        assert_eq!(url.as_deref(), Some("http://169.254.170.2/v2/credentials/1"));
        assert!(endpoint(&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "evil.example/x")]).is_err());
        assert_eq!(endpoint(&[]).unwrap(), None);
    }

    #[test]
    fn plain_http_is_for_agents_on_this_machine() {
        for (url, fine) in [
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("http://[fd00:ec2::23]:80/v1/credentials", true),
            ("http://127.0.0.1:4000/x", true),
            ("http://127.9.9.9/x", true),
            ("http://localhost:1/x", true),
            ("https://example.com/x", true),
            ("http://example.com/x", false),
            ("http://169.254.170.2.example.com/x", false),
            ("http://127.0.0.1.example.com/", false),
            ("http://user@169.254.170.2/x", false),
            ("http://localhost:80@example.com/x", false),
            ("https://user@example.com/x", false),
            ("ftp://127.0.0.1/", false),
        ] {
            assert_eq!(endpoint(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)]).is_ok(), fine, "{url}");
        }
    }
}
