//! How S3 says no.

use std::fmt::Write as _;

use crate::answer::Answer;
use crate::identity::Caller;
use crate::protocol::escape;
use crate::refusal::Refusal;
use crate::sigv4::Problem;

/// The bare refusal of one who may not do something.
pub(crate) const ACCESS_DENIED: &str = "Access Denied";

/// An error answer.
pub(crate) fn refuse(refusal: &Refusal, request_id: &str) -> Answer {
    let Refusal { status, code, message, members, headers, .. } = refusal;
    let (code, message) = (escape(code), escape(message));
    let mut body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>"
    );
    for (name, value) in members {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = write!(body, "<{name}>{}</{name}>", escape(&text));
    }
    let host_id = host_id(request_id);
    let _ = write!(body, "<RequestId>{request_id}</RequestId><HostId>{host_id}</HostId></Error>");
    let answer = Answer::new("application/xml", body).status(*status);
    let headers = headers.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
    Answer { error: Some(refusal.code.clone()), headers, ..answer }
}

/// The second id of every answer.
pub(crate) fn host_id(request_id: &str) -> String {
    crate::crypto::base64(request_id.as_bytes())
}

/// A request that is not authentic.
pub(crate) fn not_authentic(problem: Problem) -> Refusal {
    match problem {
        Problem::Absent => Refusal::new(403, "AccessDenied", ACCESS_DENIED),
        Problem::Incomplete(text) => Refusal::new(400, "AuthorizationHeaderMalformed", text),
        Problem::Region { given, expected } => {
            let text = format!(
                "The authorization header is malformed; the region '{given}' is wrong; expecting '{expected}'"
            );
            Refusal::new(400, "AuthorizationHeaderMalformed", text).member("Region", expected)
        }
        Problem::Skewed(_) => {
            let text = "The difference between the request time and the current time is too large.";
            Refusal::new(403, "RequestTimeTooSkewed", text)
        }
        Problem::Body(text) if text.starts_with("Missing") => Refusal::new(400, "InvalidRequest", text),
        Problem::Body(text) => Refusal::new(400, "XAmzContentSHA256Mismatch", text),
        Problem::Mismatch(_) => {
            let text = "The request signature we calculated does not match the signature you provided. Check your \
                        key and signing method.";
            Refusal::new(403, "SignatureDoesNotMatch", text)
        }
    }
}

/// A key that nobody has.
pub(crate) fn unknown_key() -> Refusal {
    let text = "The AWS Access Key Id you provided does not exist in our records.";
    Refusal::new(403, "InvalidAccessKeyId", text)
}

/// A session token that is not the key's.
pub(crate) fn wrong_token() -> Refusal {
    Refusal::new(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
}

/// A session past its end.
pub(crate) fn expired_session() -> Refusal {
    Refusal::new(400, "ExpiredToken", "The provided token has expired.")
}

/// A caller who may not do something: S3 puts the resource in quotes.
pub(crate) fn denied(caller: &Caller, action: &str, resource: &str, reason: &str) -> Refusal {
    Refusal::new(403, "AccessDenied", caller.denial(action, &format!("\"{resource}\""), reason))
}

/// An operation that is not played.
pub(crate) fn not_implemented() -> Refusal {
    let text = "A header you provided implies functionality that is not implemented";
    Refusal::new(501, "NotImplemented", text)
}

/// Calls that come too fast.
pub(crate) fn slow_down() -> Refusal {
    Refusal::new(503, "SlowDown", "Please reduce your request rate.")
}
