//! The three STS calls of a chain, each sent once (the client given must not retry), and what a failure of theirs means.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;

use crate::container::innermost;
use crate::error::ErrorKind;
use crate::role::RoleSpec;
use crate::source::SourceError;

/// A session: credentials and the identity they stand for.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) credentials: Credentials,
    /// ARN of the identity, where STS told it.
    pub(crate) arn: Option<String>,
}

/// Who some credentials are, as STS sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerIdentity {
    /// `arn:aws:sts::123456789012:assumed-role/name/session` for a role.
    pub arn: String,
    /// The account.
    pub account: String,
    /// The unique id, with the session name for a role.
    pub user_id: String,
}

/// `sts:AssumeRoleWithWebIdentity`.
pub(crate) async fn with_web_identity(
    sts: &Client,
    role: &RoleSpec,
    token: &str,
) -> Result<Session, SourceError> {
    let answer = sts
        .assume_role_with_web_identity()
        .role_arn(&role.arn)
        .set_role_session_name(role.session_name.clone())
        .web_identity_token(token)
        .set_duration_seconds(role.duration.map(seconds))
        .send()
        .await
        .map_err(|error| judge(&error))?;
    session(answer.credentials, answer.assumed_role_user)
}

/// `sts:AssumeRole` with the credentials of the hop before.
pub(crate) async fn assume_role(
    sts: &Client,
    role: &RoleSpec,
    previous: Credentials,
) -> Result<Session, SourceError> {
    let tags = role.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    let tags = tags
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| SourceError::new(ErrorKind::Config, error.to_string()))?;
    let policies = role.policy_arns.iter().map(|arn| PolicyDescriptorType::builder().arn(arn).build());
    let some = |list: Vec<_>| (!list.is_empty()).then_some(list);
    let answer = sts
        .assume_role()
        .role_arn(&role.arn)
        .set_role_session_name(role.session_name.clone())
        .set_external_id(role.external_id.clone())
        .set_duration_seconds(role.duration.map(seconds))
        .set_source_identity(role.source_identity.clone())
        .set_tags((!tags.is_empty()).then_some(tags))
        .set_transitive_tag_keys(
            (!role.transitive_tag_keys.is_empty()).then(|| role.transitive_tag_keys.clone()),
        )
        .set_policy_arns(some(policies.collect()))
        .customize()
        .config_override(as_caller(previous))
        .send()
        .await
        .map_err(|error| judge(&error))?;
    session(answer.credentials, answer.assumed_role_user)
}

/// `sts:GetCallerIdentity`, which needs no permission.
pub(crate) async fn caller_identity(sts: &Client, who: Credentials) -> Result<CallerIdentity, SourceError> {
    let request = sts.get_caller_identity().customize().config_override(as_caller(who));
    let answer = request.send().await.map_err(|error| judge(&error))?;
    match (answer.arn, answer.account, answer.user_id) {
        (Some(arn), Some(account), Some(user_id)) => Ok(CallerIdentity { arn, account, user_id }),
        _ => Err(unreadable()),
    }
}

fn as_caller(credentials: Credentials) -> aws_sdk_sts::config::Builder {
    aws_sdk_sts::Config::builder().credentials_provider(credentials)
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

fn session(
    credentials: Option<aws_sdk_sts::types::Credentials>,
    user: Option<aws_sdk_sts::types::AssumedRoleUser>,
) -> Result<Session, SourceError> {
    let credentials = credentials.ok_or_else(unreadable)?;
    let expires = std::time::SystemTime::try_from(credentials.expiration).map_err(|_| unreadable())?;
    Ok(Session {
        credentials: Credentials::new(
            credentials.access_key_id,
            credentials.secret_access_key,
            Some(credentials.session_token),
            Some(expires),
            "sts",
        ),
        arn: user.map(|user| user.arn),
    })
}

fn unreadable() -> SourceError {
    SourceError::new(ErrorKind::Unavailable, "the answer of STS cannot be read")
}

/// What a failed call means. Only AWS's code and text and the innermost cause are kept: the SDK's own texts can
/// quote the whole request, and that holds the token.
fn judge<E>(error: &SdkError<E, HttpResponse>) -> SourceError
where
    E: ProvideErrorMetadata + RequestId,
{
    match error {
        // The SDK calls it a refusal when a good answer cannot be read.
        SdkError::ServiceError(answer) if answer.raw().status().is_success() => unreadable(),
        SdkError::ServiceError(refused) => {
            let status = refused.raw().status().as_u16();
            let code = refused.err().code();
            // A page of a proxy has neither code nor text of AWS.
            let message = refused.err().message().map_or_else(|| format!("HTTP {status}"), str::to_owned);
            SourceError {
                kind: kind_of(code, &message, status),
                code: code.map(str::to_owned),
                message,
                request_id: refused.err().request_id().map(str::to_owned),
                advice: Vec::new(),
            }
        }
        SdkError::DispatchFailure(failure) => {
            // The connector calls it the user's where a setting is at fault: a certificate that nothing vouches for.
            let cause = failure.as_connector_error().map(connection_problem);
            // The endpoint rules refuse settings that contradict each other, in these words.
            let contradiction =
                cause.as_ref().is_some_and(|cause| cause.starts_with("Invalid Configuration"));
            let kind =
                if failure.is_user() || contradiction { ErrorKind::Config } else { ErrorKind::Unavailable };
            SourceError::new(kind, cause.unwrap_or_else(|| "the request could not be sent".to_owned()))
        }
        SdkError::TimeoutError(_) => SourceError::new(ErrorKind::Unavailable, "STS did not answer in time"),
        SdkError::ResponseError(_) => unreadable(),
        // Only endpoint and signing settings can lead here; the text would quote the request.
        _ => SourceError::new(ErrorKind::Config, "the request could not be built")
            .advise("look at the region and at every endpoint setting"),
    }
}

/// The connector's own account of what happened (which names the host), and the innermost cause.
fn connection_problem(error: &ConnectorError) -> String {
    let innermost = innermost(error);
    match std::error::Error::source(error).map(ToString::to_string) {
        Some(outer) if !outer.contains(&innermost) => format!("{outer}: {innermost}"),
        Some(outer) => outer,
        None => innermost,
    }
}

fn kind_of(code: Option<&str>, message: &str, status: u16) -> ErrorKind {
    match code.unwrap_or_default() {
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "IDPCommunicationError" => {
            ErrorKind::Unavailable
        }
        // STS could not fetch the cluster's keys: a passing fault that comes under the name of a refusal.
        "InvalidIdentityToken" if message.contains("Couldn't retrieve verification key") => {
            ErrorKind::Unavailable
        }
        _ if status >= 500 || status == 429 => ErrorKind::Unavailable,
        // The proxy wants a password.
        _ if status == 407 => ErrorKind::Config,
        _ => ErrorKind::Denied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hiccups_are_told_from_refusals() {
        for (code, message, status, kind) in [
            ("AccessDenied", "User: x is not authorized", 403, ErrorKind::Denied),
            ("Throttling", "Rate exceeded", 400, ErrorKind::Unavailable),
            ("IDPCommunicationError", "", 400, ErrorKind::Unavailable),
            ("InvalidIdentityToken", "Incorrect token audience", 400, ErrorKind::Denied),
            (
                "InvalidIdentityToken",
                "Couldn't retrieve verification key from your identity provider",
                400,
                ErrorKind::Unavailable,
            ),
            ("ExpiredTokenException", "Token expired", 400, ErrorKind::Denied),
            ("InternalFailure", "", 500, ErrorKind::Unavailable),
            ("ValidationError", "1 hour session limit", 400, ErrorKind::Denied),
        ] {
            assert_eq!(kind_of(Some(code), message, status), kind, "{code} {message}");
        }
    }
}
