//! Failures as the SDK hands them to us.

use super::*;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;

/// A service's error.
#[derive(Debug)]
pub(crate) struct Answer(ErrorMetadata);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SECRET of the SDK's own text")
    }
}

impl Error for Answer {}

impl ProvideErrorMetadata for Answer {
    fn meta(&self) -> &ErrorMetadata {
        &self.0
    }
}

type Sdk = SdkError<Answer, HttpResponse>;

fn response(status: u16) -> HttpResponse {
    let response = http::Response::builder().status(status).header("x-amzn-requestid", "r-1");
    HttpResponse::try_from(response.body(SdkBody::from("SECRET")).unwrap()).unwrap()
}

/// The service answered with an error.
pub(crate) fn answered(status: u16, code: &str) -> Sdk {
    saying(status, code, "its text")
}

/// The service answered with an error and this text.
fn saying(status: u16, code: &str, message: &str) -> Sdk {
    let meta = ErrorMetadata::builder().code(code).message(message).build();
    SdkError::service_error(Answer(meta), response(status))
}

fn dispatch(err: WireError) -> Sdk {
    SdkError::dispatch_failure(ConnectorError::from(err))
}

/// Nobody listens.
pub(crate) fn refused_connection() -> Sdk {
    let cause = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    dispatch(WireError::unreachable("glue:443", None, &cause))
}

/// The connection broke after the request was sent.
pub(crate) fn reset_connection() -> Sdk {
    let cause = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    dispatch(WireError::broken("glue:443", &cause))
}

fn call(err: &Sdk) -> CallError {
    CallError::new("glue:StartJobRun", err)
}

#[test]
fn answers_are_judged_by_code_and_status() {
    use Effect::{MayHaveStarted, NotStarted, Refused};
    for (status, code, exit, effect, throttle) in [
        (400, "ThrottlingException", Exit::Unavailable, NotStarted, true),
        (400, "Throttling", Exit::Unavailable, NotStarted, true),
        (429, "TooManyRequestsException", Exit::Unavailable, NotStarted, true),
        (429, "Whatever", Exit::Unavailable, NotStarted, true),
        (503, "SlowDown", Exit::Unavailable, NotStarted, true),
        (503, "RequestLimitExceeded", Exit::Unavailable, NotStarted, true),
        (500, "InternalServiceException", Exit::Unavailable, MayHaveStarted, false),
        (400, "InternalServerException", Exit::Unavailable, MayHaveStarted, false),
        (503, "ServiceUnavailable", Exit::Unavailable, MayHaveStarted, false),
        (502, "", Exit::Unavailable, MayHaveStarted, false),
        (400, "AccessDeniedException", Exit::Denied, Refused, false),
        (403, "AccessDenied", Exit::Denied, Refused, false),
        (400, "ExpiredTokenException", Exit::Denied, Refused, false),
        (400, "UnrecognizedClientException", Exit::Denied, Refused, false),
        (403, "SignatureDoesNotMatch", Exit::Denied, Refused, false),
        (400, "IncompleteSignature", Exit::Denied, Refused, false),
        (403, "OptInRequired", Exit::Denied, Refused, false),
        (401, "", Exit::Denied, Refused, false),
        (403, "Whatever", Exit::Denied, Refused, false),
        (407, "", Exit::Config, NotStarted, false),
        (429, "ModelNotReadyException", Exit::Unavailable, NotStarted, false),
        (502, "ENINotReadyException", Exit::Unavailable, NotStarted, false),
        (408, "EFSMountTimeoutException", Exit::Unavailable, NotStarted, false),
        (502, "EC2ThrottledException", Exit::Unavailable, NotStarted, true),
        (502, "KMSAccessDeniedException", Exit::Rejected, Refused, false),
        (502, "InvalidSubnetIDException", Exit::Rejected, Refused, false),
        (403, "EFSMountFailureException", Exit::Rejected, Refused, false),
        (500, "ServiceException", Exit::Unavailable, MayHaveStarted, false),
        (400, "EntityNotFoundException", Exit::Rejected, Refused, false),
        (400, "ConcurrentRunsExceededException", Exit::Rejected, Refused, false),
        (400, "ActiveStatementsExceededException", Exit::Unavailable, NotStarted, true),
        (400, "ActiveSessionsExceededException", Exit::Unavailable, NotStarted, true),
        (400, "QueryTimeoutException", Exit::Unavailable, MayHaveStarted, false),
        (400, "OperationTimeoutException", Exit::Unavailable, MayHaveStarted, false),
        (400, "RequestTimeout", Exit::Unavailable, MayHaveStarted, false),
        (400, "ValidationException", Exit::Rejected, Refused, false),
        (400, "", Exit::Unavailable, MayHaveStarted, false),
        (404, "", Exit::Unavailable, MayHaveStarted, false),
        (413, "", Exit::Unavailable, MayHaveStarted, false),
        (200, "", Exit::Unavailable, MayHaveStarted, false),
        (302, "", Exit::Unavailable, MayHaveStarted, false),
    ] {
        let err = call(&answered(status, code));
        assert_eq!(
            (err.exit(), err.effect(), err.is_throttle()),
            (exit, effect, throttle),
            "{status} {code}"
        );
    }
}

#[test]
fn the_answer_of_another_service_may_be_wrapped() {
    let wrapped =
        "Could not get credentials (Service returned error code ThrottlingException, request id r-9)";
    let denied = "User: u is not authorized to perform: redshift:GetClusterCredentials on resource: r";
    for (code, message, exit, throttle) in [
        ("ValidationException", wrapped, Exit::Unavailable, true),
        ("ValidationException", "Rate exceeded", Exit::Unavailable, true),
        ("ValidationException", denied, Exit::Denied, false),
        ("ValidationException", "Database name is missing", Exit::Rejected, false),
        ("ExecuteStatementException", "Rate exceeded", Exit::Rejected, false),
    ] {
        let err = call(&saying(400, code, message));
        let effect = if throttle { Effect::NotStarted } else { Effect::Refused };
        assert_eq!((err.exit(), err.is_throttle(), err.effect()), (exit, throttle, effect), "{err}");
    }
}

#[test]
fn the_way_there_is_judged_by_its_phase() {
    let host = "glue.us-east-1.amazonaws.com:443";
    let limit = std::time::Duration::from_secs(5);
    let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    let io = std::io::Error::other(std::io::Error::other(unknown));
    for (err, exit, effect, text) in [
        (
            refused_connection(),
            Exit::Unavailable,
            Effect::NotStarted,
            "glue:StartJobRun could not be sent: could not connect to glue:443: connection refused",
        ),
        (
            dispatch(WireError::slow(host, Some("proxy:3128"), limit)),
            Exit::Unavailable,
            Effect::NotStarted,
            "could not connect to glue.us-east-1.amazonaws.com:443 over the proxy proxy:3128 within 5s",
        ),
        (
            dispatch(WireError::silent(host, limit, false)),
            Exit::Unavailable,
            Effect::NotStarted,
            "could not connect to glue.us-east-1.amazonaws.com:443 within 5s",
        ),
        (
            dispatch(WireError::silent(host, limit, true)),
            Exit::Unavailable,
            Effect::MayHaveStarted,
            "glue:StartJobRun got no usable answer: glue.us-east-1.amazonaws.com:443 did not answer within 5s",
        ),
        (reset_connection(), Exit::Unavailable, Effect::MayHaveStarted, "broke before an answer came"),
        (
            dispatch(WireError::unreachable(host, None, &io)),
            Exit::Config,
            Effect::NotStarted,
            "the TLS certificate of glue.us-east-1.amazonaws.com:443 was refused: invalid peer certificate: \
             UnknownIssuer; where a private CA or an inspecting proxy signs it, name that CA's PEM file in \
             AWS_CA_BUNDLE or --ca-bundle",
        ),
        (
            SdkError::response_error(WireError::stalled(host, limit), response(200)),
            Exit::Unavailable,
            Effect::MayHaveStarted,
            "stopped in the middle for 5s (request id r-1)",
        ),
    ] {
        let err = call(&err);
        assert_eq!((err.exit(), err.effect()), (exit, effect), "{err}");
        assert!(err.to_string().contains(text), "{err}");
    }
}

#[test]
fn what_the_sdk_says_itself_is_never_shown() {
    for (err, exit, effect) in [
        (SdkError::construction_failure("SECRET"), Exit::Config, Effect::NotStarted),
        (
            SdkError::construction_failure(BuildError::missing_field("job_name", "it is needed")),
            Exit::Usage,
            Effect::NotStarted,
        ),
        (SdkError::timeout_error("SECRET"), Exit::Unavailable, Effect::MayHaveStarted),
        (
            SdkError::dispatch_failure(ConnectorError::other("SECRET".into(), None)),
            Exit::Config,
            Effect::NotStarted,
        ),
        (
            SdkError::dispatch_failure(ConnectorError::timeout("SECRET".into())),
            Exit::Unavailable,
            Effect::MayHaveStarted,
        ),
        (SdkError::response_error("SECRET", response(200)), Exit::Unavailable, Effect::MayHaveStarted),
        (SdkError::response_error("SECRET", response(400)), Exit::Unavailable, Effect::MayHaveStarted),
        (SdkError::response_error("SECRET", response(403)), Exit::Denied, Effect::Refused),
        (SdkError::response_error("SECRET", response(503)), Exit::Unavailable, Effect::MayHaveStarted),
        (answered(400, "X"), Exit::Rejected, Effect::Refused),
    ] {
        let err = call(&err);
        assert_eq!((err.exit(), err.effect()), (exit, effect), "{err}");
        assert!(!format!("{err} {err:?}").contains("SECRET"), "{err:?}");
    }
}

#[test]
fn a_session_that_is_not_renewed_is_the_chains_failure() {
    let chain = ChainError::from(chained_credentials::HopError {
        hop: 2,
        of: 2,
        action: "sts:AssumeRole of arn:aws:iam::222222222222:role/b".to_owned(),
        profile: None,
        caller: None,
        kind: ErrorKind::Denied,
        code: Some("AccessDenied".to_owned()),
        message: "no".to_owned(),
        request_id: Some("r-2".to_owned()),
        advice: Vec::new(),
    });
    let err = call(&SdkError::dispatch_failure(ConnectorError::other(chain.into(), None)));
    assert_eq!((err.exit(), err.effect()), (Exit::Denied, Effect::NotStarted));
    assert_eq!(
        err.to_string(),
        "glue:StartJobRun could not be signed: hop 2 of 2: sts:AssumeRole of arn:aws:iam::222222222222:role/b was \
         refused: AccessDenied: no (request id r-2)"
    );
    assert_eq!(err.request_id(), Some("r-2"));
}

#[test]
fn a_refusal_is_one_sentence() {
    let err = call(&answered(400, "AccessDeniedException"));
    assert_eq!(
        err.to_string(),
        "glue:StartJobRun was refused: AccessDeniedException: its text (request id r-1)"
    );
}

#[test]
fn an_error_that_was_passed_on_is_judged_by_its_status() {
    for (status, exit, effect) in [
        (404, Exit::Rejected, Effect::Refused),
        (422, Exit::Rejected, Effect::Refused),
        (403, Exit::Denied, Effect::Refused),
        (429, Exit::Unavailable, Effect::NotStarted),
        (500, Exit::Unavailable, Effect::MayHaveStarted),
    ] {
        let error = CallError::answered("airflow:InvokeRestApi", status, "why");
        assert_eq!((error.exit(), error.effect()), (exit, effect), "{status}");
        assert!(error.to_string().ends_with(&format!(": {status}: why")), "{error}");
    }
}
