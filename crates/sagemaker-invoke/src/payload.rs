//! What a model is asked with.

use std::fmt;
use std::sync::Arc;

use job_runtime::input::{self, InputParser};

/// Longer than any body that `SageMaker` takes in one request today. Which endpoints take how much has changed before
/// (6 MB, then 25 MB), so that the word on it is left to the service.
pub(crate) const LONGEST: usize = 25 * 1024 * 1024;

/// The content type that is sent where nobody says.
pub(crate) const JSON: &str = "application/json";

/// The body of a request, as it came. Nothing shows it: it is the user's data.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Body(Arc<Vec<u8>>);

impl Body {
    /// For option parsers.
    #[expect(clippy::unnecessary_wraps, reason = "parsers may fail")]
    fn new(bytes: &[u8]) -> Result<Self, String> {
        Ok(Self(Arc::new(bytes.to_vec())))
    }

    /// Parses the body itself.
    pub(crate) fn value() -> InputParser<Self> {
        input::value(LONGEST, Self::new)
    }

    /// Parses the name of a file with the body.
    pub(crate) fn file() -> InputParser<Self> {
        input::file(LONGEST, Self::new)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As [`check`].
    pub(crate) fn check(&self, content_type: &str) -> Result<(), String> {
        check(self.bytes(), content_type)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// Whether a content type means one JSON text.
fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(JSON))
}

/// Checks what the content type says of a body, where that can be known: a model would refuse broken JSON, and might
/// take a minute to do so.
pub(crate) fn check(body: &[u8], content_type: &str) -> Result<(), String> {
    if is_json(content_type) { json(body) } else { Ok(()) }
}

fn json(bytes: &[u8]) -> Result<(), String> {
    input::check_json(bytes).map_err(|fault| {
        format!(
            "the body should be JSON, as --content-type says: {fault}; name another type where it is something else"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_checked_where_the_type_says_so() {
        let body = |bytes: &[u8]| Body(Arc::new(bytes.to_vec()));
        let cases: [(&[u8], &str, bool); 9] = [
            (b"{\"a\": 1}", "application/json", true),
            (b"", "application/json", false),
            (b"{", "Application/JSON; charset=utf-8", false),
            (b"{} {}", "application/json", false),
            (b"{\n}\n{\n}", "application/jsonlines", true),
            (b"1,2", "text/csv", true),
            (b"", "text/csv", true),
            (&[0, 159, 146, 150], "application/x-npy", true),
            (&[b'"', 0xff, b'"'], "application/json", false),
        ];
        for (bytes, content_type, good) in cases {
            assert_eq!(body(bytes).check(content_type).is_ok(), good, "{bytes:?} as {content_type}");
        }
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert!(Body::new(deep.as_bytes()).unwrap().check(JSON).is_ok(), "deep, but JSON");
        let told = Body::new(b"{\"secret\" 1}").unwrap().check(JSON).unwrap_err();
        assert!(told.contains("line 1 column 11") && !told.contains("secret"), "{told}");
    }

    #[test]
    fn a_body_is_not_shown() {
        assert_eq!(format!("{:?}", Body::new(b"patient 7").unwrap()), "Body(9 bytes)");
    }
}
