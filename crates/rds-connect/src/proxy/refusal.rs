//! Why a client has no session (any more), as PostgreSQL says such things.

use bytes::{BufMut as _, BytesMut};
use job_runtime::{Exit, Failure as _};

use super::packet::framed;
use crate::error::Error;

/// Why a client has no session, as PostgreSQL would say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
    detail: Option<String>,
    hint: Option<String>,
}

impl Refusal {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), detail: None, hint: None }
    }

    pub(super) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// There is no room for more clients.
    pub(super) fn full() -> Self {
        Self::new("53300", "the proxy has no memory for another client that waits")
            .with_hint("--queue-memory bounds it, and so does the limit of open files")
    }

    /// The proxy takes no new clients any more.
    pub(super) fn ending() -> Self {
        Self::new("57P03", "the proxy was told to end and takes no new clients")
    }

    /// The proxy ends.
    pub(super) fn over() -> Self {
        Self::new("57P01", "terminating connection because the proxy was told to end")
    }

    /// The database's side is gone without a word.
    pub(super) fn broken() -> Self {
        Self::new("08006", "the connection between the proxy and the database has ended unexpectedly")
    }

    pub(super) fn protocol(message: impl Into<String>) -> Self {
        Self::new("08P01", message)
    }

    /// An `ErrorResponse`.
    pub(super) fn message(&self) -> BytesMut {
        let mut body = BytesMut::new();
        let fields = [
            (b'S', Some("FATAL")),
            (b'V', Some("FATAL")),
            (b'C', Some(self.code.as_str())),
            (b'M', Some(self.message.as_str())),
            (b'D', self.detail.as_deref()),
            (b'H', self.hint.as_deref()),
        ];
        for (field, text) in fields {
            let Some(text) = text else { continue };
            body.put_u8(field);
            body.extend(text.bytes().filter(|byte| *byte != 0));
            body.put_u8(0);
        }
        body.put_u8(0);
        framed(b'E', &body)
    }
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        if let Error::Stage(failed) = error
            && let Some(server) = &failed.server
        {
            let hint = server.hint.clone().or_else(|| {
                (!failed.advice.is_empty()).then(|| format!("look at: {}", failed.advice.join("; or ")))
            });
            return Self {
                code: server.code.clone(),
                message: server.message.clone(),
                detail: server.detail.clone(),
                hint,
            };
        }
        // "unable to establish", or "invalid authorization" where it is AWS that refuses.
        let code = if error.exit() == Exit::Denied { "28000" } else { "08001" };
        Self::new(code, format!("the proxy has no connection to the database: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_messages_of_the_protocol() {
        let refusal = Refusal::new("53300", "full").with_hint("h\0h");
        assert_eq!(&refusal.message()[..], b"E\0\0\0$SFATAL\0VFATAL\0C53300\0Mfull\0Hhh\0\0");
    }
}
