//! What defines the result of a piece of work, as keyed digests: so that the work of a key can be compared with what is
//! asked for now without keeping or showing any value.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// How many characters the digest of a field has, of five bits each. Two texts share one in a billion cases.
const FIELD: usize = 6;

/// Lower-case base32 (RFC 4648): letters and digits that every service takes in names.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Whether earlier work of a key is the same work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// It is.
    Same,
    /// These fields differ.
    Differs(Vec<String>),
    /// The service does not show it.
    NotShown,
}

/// The digests of the fields that define the result of a piece of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    fields: Vec<(&'static str, String)>,
}

impl Fingerprint {
    /// Makes the digest of each field of `identity` with `key`. A field is a whole group of values (all arguments of a
    /// run), so that the digest does not lead to a short value in it.
    pub fn new(key: &str, identity: &[(&'static str, String)]) -> Self {
        let digest = |name: &str, text: &str| short_digest(key, &[name, text], FIELD);
        Self { fields: identity.iter().map(|(name, text)| (*name, digest(name, text))).collect() }
    }

    /// The text to store where the service keeps text of ours: lower-case letters and digits.
    pub fn text(&self) -> String {
        self.fields.iter().map(|(_, digest)| digest.as_str()).collect()
    }

    /// Compares with the text that was stored with earlier work.
    pub fn compare(&self, stored: Option<&str>) -> Comparison {
        // Another version may have other fields.
        let stored = stored.filter(|text| text.len() == FIELD * self.fields.len() && text.is_ascii());
        let Some(stored) = stored else { return Comparison::NotShown };
        let parts = (0..self.fields.len()).map(|index| &stored[index * FIELD..(index + 1) * FIELD]);
        let differing = self.fields.iter().zip(parts).filter(|((_, digest), part)| digest != part);
        let names: Vec<String> = differing.map(|((name, _), _)| (*name).to_owned()).collect();
        if names.is_empty() { Comparison::Same } else { Comparison::Differs(names) }
    }
}

/// A JSON value as a text that is the same for the same value: members in the order of their names, no white space.
pub fn canonical_json(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let members = members
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::String(name.clone()), canonical_json(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical_json).collect::<Vec<_>>().join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// `length` (32 at most) lower-case letters and digits that stand for `parts`, made with `key` (HMAC-SHA-256, five bits
/// of each byte).
pub fn short_digest(key: &str, parts: &[&str], length: usize) -> String {
    // An HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    for part in parts {
        // The length keeps apart what a mere chain of texts would not.
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    let bytes = mac.finalize().into_bytes();
    bytes.iter().take(length).map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(key: &str, arguments: &str, role: &str) -> Fingerprint {
        Fingerprint::new(key, &[("arguments", arguments.to_owned()), ("role", role.to_owned())])
    }

    /// What one version writes and another reads.
    #[test]
    fn golden_sample() {
        assert_eq!(fingerprint("k", "a", "b").text(), GOLDEN);
    }
    const GOLDEN: &str = "763o4qk2xwng";

    #[test]
    fn fields_that_differ_are_named() {
        let mine = fingerprint("k", "a", "b");
        assert_eq!(mine.compare(Some(&mine.text())), Comparison::Same);
        let differs =
            |names: &[&str]| Comparison::Differs(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(mine.compare(Some(&fingerprint("k", "x", "b").text())), differs(&["arguments"]));
        assert_eq!(mine.compare(Some(&fingerprint("k", "a", "x").text())), differs(&["role"]));
        assert_eq!(mine.compare(Some(&fingerprint("l", "a", "b").text())), differs(&["arguments", "role"]));
        for other in [None, Some(""), Some("abc"), Some("aaaaaaaaaaaaaaaaaa"), Some("äääääa")] {
            assert_eq!(mine.compare(other), Comparison::NotShown, "{other:?}");
        }
    }

    #[test]
    fn the_order_of_members_does_not_count() {
        let value: Value =
            serde_json::from_str(r#"{"b": [1, {"d": null, "c": "\u00e4\""}], "a": 1.5}"#).unwrap();
        assert_eq!(canonical_json(&value), r#"{"a":1.5,"b":[1,{"c":"ä\"","d":null}]}"#);
    }

    #[test]
    fn parts_are_kept_apart() {
        assert_ne!(short_digest("k", &["ab", "c"], 12), short_digest("k", &["a", "bc"], 12));
        assert_eq!(short_digest("k", &["a"], 12).len(), 12);
    }
}
