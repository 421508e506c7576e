//! What can happen to a request on its way.

use crate::duration::Human;
use aws_smithy_runtime_api::client::result::ConnectorError;
use rustls::CertificateError;
use std::error::Error;
use std::io;
use std::time::Duration;

/// A request that got no answer, or only a part of one.
///
/// The text names the host and is complete: there is no source, so that nobody prints more of the SDK's and
/// hyper's own texts, which can hold the request's body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct WireError {
    text: String,
    kind: Kind,
    sent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The network or the server.
    Io,
    /// A limit of ours.
    Timeout,
    /// The server's certificate is not trusted; no retry helps.
    Certificate,
}

impl WireError {
    /// No connection to `host`, over `proxy` if there is one.
    pub(crate) fn unreachable(host: &str, proxy: Option<&str>, cause: &(dyn Error + 'static)) -> Self {
        if let Some(rustls::Error::InvalidCertificate(refused)) = find::<rustls::Error>(cause) {
            let advice = match refused {
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    "; where a private CA or an inspecting proxy signs it, name that CA's PEM file in \
                     AWS_CA_BUNDLE or --ca-bundle"
                }
                _ => "",
            };
            let text = format!("the TLS certificate of {host} was refused: {}{advice}", innermost(cause));
            return Self { text, kind: Kind::Certificate, sent: false };
        }
        let over = proxy.map(|proxy| format!(" over the proxy {proxy}")).unwrap_or_default();
        let text = format!("could not connect to {host}{over}: {}", innermost(cause));
        Self { text, kind: Kind::Io, sent: false }
    }

    /// Adds what the issuer's certificate may have been looked for in, where that is what was missing.
    pub(crate) fn noting(
        mut self,
        cause: &(dyn Error + 'static),
        note: impl FnOnce() -> Option<String>,
    ) -> Self {
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        if find::<rustls::Error>(cause) == Some(&unknown)
            && let Some(note) = note()
        {
            self.text = format!("{}; {note}", self.text);
        }
        self
    }

    /// No connection to `host` within `limit`.
    pub(crate) fn slow(host: &str, proxy: Option<&str>, limit: Duration) -> Self {
        let over = proxy.map(|proxy| format!(" over the proxy {proxy}")).unwrap_or_default();
        let text = format!("could not connect to {host}{over} within {}", Human(limit));
        Self { text, kind: Kind::Timeout, sent: false }
    }

    /// No answer within `limit`; `sent` says whether there was a connection to send on.
    pub(crate) fn silent(host: &str, limit: Duration, sent: bool) -> Self {
        if !sent {
            return Self::slow(host, None, limit);
        }
        let text = format!("{host} did not answer within {}", Human(limit));
        Self { text, kind: Kind::Timeout, sent }
    }

    /// The connection broke after the request was handed to it.
    pub(crate) fn broken(host: &str, cause: &(dyn Error + 'static)) -> Self {
        let text = format!("the connection to {host} broke before an answer came: {}", innermost(cause));
        Self { text, kind: Kind::Io, sent: true }
    }

    /// The connection broke in the middle of the answer.
    pub(crate) fn cut(host: &str, cause: &(dyn Error + 'static)) -> Self {
        let text =
            format!("the connection to {host} broke in the middle of the answer: {}", innermost(cause));
        Self { text, kind: Kind::Io, sent: true }
    }

    /// The answer stopped for `limit` before its end.
    pub(crate) fn stalled(host: &str, limit: Duration) -> Self {
        let text = format!("the answer of {host} stopped in the middle for {}", Human(limit));
        Self { text, kind: Kind::Timeout, sent: true }
    }

    /// Whether a part of the request may have left.
    pub(crate) fn was_sent(&self) -> bool {
        self.sent
    }

    /// Whether the server's certificate is what was wrong.
    pub(crate) fn is_certificate(&self) -> bool {
        self.kind == Kind::Certificate
    }
}

/// The SDK repeats reads after `io` and `timeout`, not after `user`.
impl From<WireError> for ConnectorError {
    fn from(err: WireError) -> Self {
        let (kind, sent) = (err.kind, err.sent);
        let err = match kind {
            Kind::Io => Self::io(err.into()),
            Kind::Timeout => Self::timeout(err.into()),
            Kind::Certificate => Self::user(err.into()),
        };
        if sent { err } else { err.never_connected() }
    }
}

/// The first error of type `E` in the chain of `err`.
pub(crate) fn find<'a, E: Error + 'static>(err: &'a (dyn Error + 'static)) -> Option<&'a E> {
    chain(err).find_map(|err| err.downcast_ref())
}

/// The text at the end of the chain of `err`, which says what happened.
fn innermost(err: &(dyn Error + 'static)) -> String {
    chain(err).last().unwrap_or(err).to_string()
}

/// `err` and its sources. An `io::Error`'s own `source()` skips the error it was made of.
fn chain<'a>(err: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(err), |&err| match err.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => err.source(),
    })
}
