//! From a source to credentials. Each source asks once; being patient is the chain's business.

use std::process::Stdio;
use std::time::Duration;

use aws_config::imds;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;

use crate::container::{self, innermost};
use crate::error::ErrorKind;
use crate::json::credentials_from_json;
use crate::spec::Process;

/// A `credential_process` that has not ended by then is killed. The AWS CLI waits for ever; a job must not.
const PROCESS_PATIENCE: Duration = Duration::from_mins(1);

/// Where the metadata service tells the name of the machine's role, and below it the credentials.
const ROLE_PATH: &str = "/latest/meta-data/iam/security-credentials/";

/// Why one attempt gave nothing; [`crate::error::HopError`] without the place in the chain.
#[derive(Debug)]
pub(crate) struct SourceError {
    pub(crate) kind: ErrorKind,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) request_id: Option<String>,
    pub(crate) advice: Vec<String>,
}

impl SourceError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, code: None, message: message.into(), request_id: None, advice: Vec::new() }
    }

    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }
}

/// The role of the machine, from its metadata service. `direct` must not go through a proxy.
pub(crate) async fn instance_metadata(
    direct: &SharedHttpConnector,
    endpoint: Option<&str>,
) -> Result<Credentials, SourceError> {
    let connector = SharedHttpConnector::new(Text(direct.clone()));
    let config =
        ProviderConfig::without_region().with_http_client(http_client_fn(move |_, _| connector.clone()));
    let mut client = imds::Client::builder().configure(&config);
    if let Some(endpoint) = endpoint {
        client = client.endpoint(endpoint).map_err(|_| {
            let message =
                format!("AWS_EC2_METADATA_SERVICE_ENDPOINT is `{endpoint}`, which is not an address");
            SourceError::new(ErrorKind::Config, message)
        })?;
    }
    let client = client.build();
    let name = client.get(ROLE_PATH).await.map_err(|error| unanswered(ErrorKind::Unavailable, &error))?;
    let provider = imds::credentials::ImdsCredentialsProvider::builder()
        .configure(&config)
        .profile(role_name(name.as_ref())?)
        .imds_client(client)
        .build();
    provider.provide_credentials().await.map_err(|error| {
        let kind = match error {
            CredentialsError::InvalidConfiguration(_) => ErrorKind::Config,
            _ => ErrorKind::Unavailable,
        };
        unanswered(kind, &error)
    })
}

/// Lets no answer through but text: aws-config makes a header of the token without a look at it, and panics, with the
/// token in its words, where it cannot be one.
#[derive(Debug)]
struct Text(SharedHttpConnector);

impl HttpConnector for Text {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let mut answer = answer.await?;
            let body = container::read(answer.take_body()).await;
            let text = match body {
                Ok(body) if body.is_ascii() => body,
                Ok(_) => return Err(ConnectorError::other("it answers with what is no text".into(), None)),
                Err(problem) => return Err(ConnectorError::other(problem.into(), None)),
            };
            *answer.body_mut() = SdkBody::from(text);
            Ok(answer)
        })
    }
}

fn unanswered(kind: ErrorKind, error: &(dyn std::error::Error + 'static)) -> SourceError {
    SourceError::new(kind, innermost(error)).advise(
        "the metadata service must answer from where this process runs (hop limit 2 for containers), and the \
         machine must have an instance profile",
    )
}

/// The role's name as the metadata service told it. aws-config makes an address of it without a look at it, and
/// panics where that is none: what answers from there need not be the metadata service.
fn role_name(answer: &str) -> Result<&str, SourceError> {
    let name = answer.trim();
    // As IAM has it: up to 128 letters, digits and these.
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if (1..=128).contains(&name.len()) && name.chars().all(is_fine) {
        return Ok(name);
    }
    // Not quoted: nobody knows what it is.
    let message = "what the metadata service answers for the name of the machine's role is no name of a role";
    Err(SourceError::new(ErrorKind::Unavailable, message)
        .advise("look at what answers at the address of the metadata service"))
}

/// Runs a `credential_process` without a shell and reads what it prints. It gets the standard error of this process, and
/// of its variables those that may concern it.
pub(crate) async fn process(process: &Process) -> Result<Credentials, SourceError> {
    let failed = |kind, problem: String| SourceError::new(kind, format!("credential_process {problem}"));
    let words = shlex::split(&process.command).unwrap_or_default();
    let [program, arguments @ ..] = words.as_slice() else {
        return Err(failed(ErrorKind::Config, "is not a command line".to_owned()));
    };
    let child = tokio::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(process.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PROCESS_PATIENCE, child)
        .await
        .map_err(|_| {
            failed(ErrorKind::Unavailable, format!("{program} has not ended in {PROCESS_PATIENCE:?}"))
        })?
        .map_err(|error| failed(ErrorKind::Config, format!("{program} cannot be run: {error}")))?;
    if !output.status.success() {
        return Err(failed(ErrorKind::Denied, format!("{program} failed: {}", output.status)));
    }
    credentials_from_json(&output.stdout, "process")
        .map_err(|problem| failed(ErrorKind::Config, format!("{program}: {problem}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_role_has_its_form() {
        for name in ["cats-glue", "a\n", "with+=,.@-_signs", &"x".repeat(128)] {
            assert_eq!(role_name(name).unwrap(), name.trim());
        }
        for answer in ["", "\n", "two\nroles", "<html>", "a/b", "a b", "r\u{f6}le", "..?x", &"x".repeat(129)]
        {
            let error = role_name(answer).unwrap_err();
            assert!(error.kind == ErrorKind::Unavailable && !error.message.contains("html"), "{answer}");
        }
    }
}
