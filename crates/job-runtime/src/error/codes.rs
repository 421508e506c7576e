//! What the services' error codes mean, whichever status they come with.

/// The services' words for "slow down", as the SDKs and the AWS CLI know them.
pub(super) fn is_throttle(code: &str) -> bool {
    code.starts_with("Throttl")
        || matches!(
            code,
            "TooManyRequestsException"
                | "TooManyRequests"
                | "RequestLimitExceeded"
                | "RequestThrottled"
                | "RequestThrottledException"
                | "BandwidthLimitExceeded"
                | "PriorRequestNotComplete"
                | "ProvisionedThroughputExceededException"
                | "SlowDown"
                | "EC2ThrottledException"
                // Of the Redshift Data API: as many statements or sessions as may are active, and one will end.
                | "ActiveStatementsExceededException"
                | "ActiveSessionsExceededException"
                // Of Glue: the account has as many runs as it may have.
                | "ResourceNumberLimitExceededException"
        )
}

/// The Redshift Data API answers a throttle of a service behind it as if the request were wrong.
pub(super) fn is_wrapped_throttle(code: &str, message: &str) -> bool {
    code == "ValidationException"
        && (message.contains("ThrottlingException") || message.contains("Rate exceeded"))
}

/// So it does with the refusal of one that it asks for credentials in the caller's name.
pub(super) fn is_wrapped_denial(code: &str, message: &str) -> bool {
    code == "ValidationException" && message.contains("is not authorized to perform")
}

/// What is named is there and not ready yet: nothing of it has run, and it will be ready soon. Lambda and
/// `SageMaker` say so with any status from 408 to 502.
pub(super) fn is_unready(code: &str) -> bool {
    matches!(
        code,
        "ENINotReadyException"
            | "EC2UnexpectedException"
            | "ResourceNotReadyException"
            | "ResourceConflictException"
            | "SnapStartNotReadyException"
            | "SnapStartTimeoutException"
            | "CodeArtifactUserPendingException"
            | "EFSMountTimeoutException"
            | "EFSMountConnectivityException"
            | "S3FilesMountTimeoutException"
            | "S3FilesMountConnectivityException"
            | "SubnetIPAddressLimitReachedException"
            | "ENILimitReachedException"
            | "ModelNotReadyException"
    )
}

/// Faults in how a function is set up, which Lambda reports with status 502 or 403 as if they were its own: its
/// code did not run, and will not until somebody mends it.
pub(super) fn is_broken_setup(code: &str) -> bool {
    matches!(
        code,
        "InvalidZipFileException"
            | "InvalidRuntimeException"
            | "InvalidSubnetIDException"
            | "InvalidSecurityGroupIDException"
            | "KMSAccessDeniedException"
            | "KMSDisabledException"
            | "KMSInvalidStateException"
            | "KMSNotFoundException"
            | "EC2AccessDeniedException"
            | "EFSMountFailureException"
            | "S3FilesMountFailureException"
    )
}

/// The services' words for credentials that are not good, or not good for this.
pub(super) fn is_denial(code: &str) -> bool {
    code.starts_with("AccessDenied")
        || code.starts_with("ExpiredToken")
        || matches!(
            code,
            "UnauthorizedOperation"
                | "UnauthorizedException"
                | "NotAuthorized"
                | "AuthFailure"
                | "UnrecognizedClientException"
                | "InvalidClientTokenId"
                | "InvalidAccessKeyId"
                | "InvalidSignatureException"
                | "SignatureDoesNotMatch"
                | "IncompleteSignature"
                | "IncompleteSignatureException"
                | "MissingAuthenticationToken"
                | "MissingAuthenticationTokenException"
                | "OptInRequired"
                | "RequestExpired"
                | "RequestTimeTooSkewed"
        )
}

/// The services' words for trouble of their own, which some send with status 400. An `OperationTimeoutException` is
/// Glue's, a `QueryTimeoutException` the Redshift Data API's for a question of its own to the database, a
/// `RequestTimeout` that of S3 for a connection that was too slow.
pub(super) fn is_trouble(code: &str) -> bool {
    matches!(
        code,
        "OperationTimeoutException"
            | "QueryTimeoutException"
            | "DatabaseConnectionException"
            | "RequestTimeout"
            | "RequestTimeoutException"
    ) || ["InternalServer", "InternalService", "InternalFailure", "InternalError", "ServiceUnavailable"]
        .iter()
        .any(|word| code.starts_with(word))
}
