//! What binds a response to its input line and to what the line was sent to.
//!
//! Two runs are linked by it, so that it is public interface: the first 32 hexadecimal digits of the SHA-256 of the
//! target as JSON, a line feed, and the line without its line end.

use job_runtime::json;
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Bytes of a digest.
const LENGTH: usize = 16;

/// What the lines of a batch are sent to: the function or endpoint, and every option that defines the result.
#[derive(Clone, Debug)]
pub struct Target(Sha256);

impl Target {
    /// `fields` become a JSON object in the order in which they are declared; a field that is not set must be left out,
    /// so that the digests of earlier responses stay what they are when a field is added.
    pub fn new(fields: &impl Serialize) -> Self {
        Self(Sha256::new().chain_update(json(fields)).chain_update(b"\n"))
    }

    /// The digest of `line`.
    pub(crate) fn digest(&self, line: &[u8]) -> Digest {
        let whole = self.0.clone().chain_update(line).finalize();
        let mut digest = [0; LENGTH];
        digest.copy_from_slice(&whole[..LENGTH]);
        Digest(digest)
    }
}

/// The digest of a line and its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest([u8; LENGTH]);

impl Digest {
    /// Reads 32 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes().as_chunks::<2>().0;
        let mut digest = [0; LENGTH];
        if text.len() != 2 * LENGTH {
            return None;
        }
        for (byte, digits) in digest.iter_mut().zip(digits) {
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            *byte = u8::from_str_radix(digits, 16).ok()?;
        }
        Some(Self(digest))
    }

    /// Its first 96 bits, as they are kept in memory: enough to tell any number of lines apart.
    pub(crate) fn short(self) -> [u8; 12] {
        let mut short = [0; 12];
        short.copy_from_slice(&self.0[..12]);
        short
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(2 * LENGTH);
        for byte in self.0 {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        serializer.serialize_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Files of earlier releases are read with it: it must never change.
    #[test]
    fn a_golden_digest() {
        let target = Target::new(&json!({"function": "f"}));
        // printf '%s\n%s' '{"function":"f"}' '{"n":1}' | sha256sum | cut -c1-32
        let digest = target.digest(b"{\"n\":1}");
        let text = serde_json::to_value(digest).unwrap();
        assert_eq!(text, "cf6de7cdf927b15ae0c16d55f91f8403");
        assert_eq!(Digest::parse(text.as_str().unwrap()), Some(digest));
        assert_ne!(target.digest(b"{\"n\":2}"), digest);
        assert_ne!(Target::new(&json!({"function": "g"})).digest(b"{\"n\":1}"), digest);
    }

    #[test]
    fn other_texts_are_not_digests() {
        let good = "0123456789abcdef0123456789ABCDEF";
        assert!(Digest::parse(good).is_some());
        for bad in
            ["", "0", &good[1..], &format!("{good}0"), &good.replace('a', "g"), &good.replace("01", "+1")]
        {
            assert_eq!(Digest::parse(bad), None, "{bad}");
        }
    }
}
