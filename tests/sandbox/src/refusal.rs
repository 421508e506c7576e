//! How a service says no, and the checks that every service makes on its parameters.

use std::fmt::Display;

use serde_json::Value;

/// An error answer, before it is put into a protocol's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// HTTP status.
    pub(crate) status: u16,
    /// AWS error code.
    pub(crate) code: String,
    /// Text for people.
    pub(crate) message: String,
    /// Said by the service itself, not by the authentication in front of it. Decides the spelling of the
    /// `message` member.
    pub(crate) by_service: bool,
    /// Members of the error besides its text.
    pub(crate) members: Vec<(&'static str, Value)>,
    /// Headers of its answer.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Refusal {
    /// A refusal by the service itself.
    pub(crate) fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        let (members, headers) = (Vec::new(), Vec::new());
        Self { status, code: code.into(), message: message.into(), by_service: true, members, headers }
    }

    /// A refusal by the authentication in front of the service.
    pub(crate) fn at_the_door(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { by_service: false, ..Self::new(status, code, message) }
    }

    /// The same with one more header.
    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same with one more member.
    #[must_use]
    pub(crate) fn member(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((name, value.into()));
        self
    }
}

/// Collects what is wrong with a request, in the words of AWS's model validation.
///
/// Member names are given in lower camel case, as the answers have them.
#[derive(Debug, Default)]
pub(crate) struct Constraints {
    failures: Vec<String>,
}

impl Constraints {
    fn fail(&mut self, member: &str, value: Option<&dyn Display>, must: &str) {
        let value = value.map_or_else(String::new, |value| format!(" '{value}'"));
        self.failures
            .push(format!("Value{value} at '{member}' failed to satisfy constraint: Member must {must}"));
    }

    /// The member must be there.
    pub(crate) fn present<T>(&mut self, member: &str, value: Option<&T>) {
        if value.is_none() {
            self.failures.push(format!(
                "Value null at '{member}' failed to satisfy constraint: Member must not be null"
            ));
        }
    }

    /// Length in characters; the value itself is not repeated if it is a secret.
    pub(crate) fn length(&mut self, member: &str, value: &str, min: usize, max: usize, secret: bool) {
        let length = value.chars().count();
        let shown: Option<&dyn Display> = if secret { None } else { Some(&value) };
        if length < min {
            self.fail(member, shown, &format!("have length greater than or equal to {min}"));
        } else if length > max {
            self.fail(member, shown, &format!("have length less than or equal to {max}"));
        }
    }

    /// Size in bytes; the value itself is not repeated.
    pub(crate) fn bytes(&mut self, member: &str, value: &str, max: usize) {
        if value.len() > max {
            self.fail(
                member,
                None,
                &format!("have size less than or equal to {max} bytes in UTF-8 encoding"),
            );
        }
    }

    /// All characters must be of a kind; `pattern` is how the model writes it.
    pub(crate) fn pattern(
        &mut self,
        member: &str,
        value: &str,
        pattern: &str,
        allowed: impl Fn(char) -> bool,
    ) {
        self.form(member, value, pattern, value.chars().all(allowed));
    }

    /// The whole value must be of a form; `pattern` is how the model writes it.
    pub(crate) fn form(&mut self, member: &str, value: &str, pattern: &str, is: bool) {
        if !is {
            self.fail(member, Some(&value), &format!("satisfy regular expression pattern: {pattern}"));
        }
    }

    /// A number's bounds.
    pub(crate) fn range(&mut self, member: &str, value: i64, min: i64, max: i64) {
        if value < min {
            self.fail(member, Some(&value), &format!("have value greater than or equal to {min}"));
        } else if value > max {
            self.fail(member, Some(&value), &format!("have value less than or equal to {max}"));
        }
    }

    /// One of a set of words.
    pub(crate) fn one_of(&mut self, member: &str, value: &str, words: &[&str]) {
        if !words.contains(&value) {
            self.fail(member, Some(&value), &format!("satisfy enum value set: [{}]", words.join(", ")));
        }
    }

    /// A body over its largest size.
    pub(crate) fn too_long(&mut self, member: &str, max: usize) {
        self.fail(member, None, &format!("have length less than or equal to {max}"));
    }

    /// How many members a list may have.
    pub(crate) fn count(&mut self, member: &str, count: usize, min: usize, max: usize) {
        if count < min {
            self.fail(member, Some(&"[]"), &format!("have length greater than or equal to {min}"));
        } else if count > max {
            self.fail(member, None, &format!("have length less than or equal to {max}"));
        }
    }

    /// The refusal, if anything was wrong; `code` is the service's own for this.
    pub(crate) fn finish(self, code: &str) -> Result<(), Refusal> {
        if self.failures.is_empty() {
            return Ok(());
        }
        let count = self.failures.len();
        let errors = if count == 1 { "error" } else { "errors" };
        Err(Refusal::new(
            400,
            code,
            format!("{count} validation {errors} detected: {}", self.failures.join("; ")),
        ))
    }
}

/// A character of `[\w+=,.@-]`, the alphabet of names in IAM.
pub(crate) fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_+=,.@-".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wording() {
        let mut constraints = Constraints::default();
        constraints.length("roleSessionName", "a", 2, 64, false);
        constraints.pattern("roleSessionName", "a b", r"[\w+=,.@-]*", is_name_character);
        let refusal = constraints.finish("ValidationError").unwrap_err();
        assert_eq!(
            refusal.message,
            "2 validation errors detected: Value 'a' at 'roleSessionName' failed to satisfy constraint: Member must \
             have length greater than or equal to 2; Value 'a b' at 'roleSessionName' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: [\\w+=,.@-]*"
        );
        assert!(Constraints::default().finish("ValidationError").is_ok());
        let mut constraints = Constraints::default();
        constraints.length("webIdentityToken", "abc", 4, 20_000, true);
        assert!(!constraints.finish("ValidationError").unwrap_err().message.contains("abc"));
    }
}
