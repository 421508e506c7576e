//! `--expect`: a condition on the response of remote work.

mod document;

use std::str::FromStr;

use jmespath::{Context, DEFAULT_RUNTIME, Expression, interpret};

/// A `JMESPath` expression that the response of remote work must make true: the value of `--expect`.
///
/// ```
/// use job_runtime::{Expect, Expectation};
///
/// let expect: Expect = "length(failed) == `0`".parse()?;
/// assert_eq!(expect.judge(br#"{"failed":[]}"#), Expectation::Met);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone)]
pub struct Expect(Expression<'static>);

/// What a condition says of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// It is true.
    Met,
    /// It is false; the reason, as a clause about the response.
    Unmet(String),
    /// It is neither: the response is not JSON, is too large, or has a value of another type than the expression needs.
    NotEvaluated(String),
}

impl Expectation {
    /// The reason why a run cannot succeed, where it cannot.
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::Met => None,
            Self::Unmet(reason) | Self::NotEvaluated(reason) => Some(reason),
        }
    }

    /// Whether the condition is neither true nor false.
    pub fn is_not_evaluated(&self) -> bool {
        matches!(self, Self::NotEvaluated(_))
    }
}

impl FromStr for Expect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The parser's own message quotes the expression over several lines.
        let told =
            |error: jmespath::JmespathError| format!("it is no JMESPath at character {}", error.offset + 1);
        jmespath::compile(text).map(Self).map_err(told)
    }
}

impl Expect {
    /// Judges `response`. What counts as false is `JMESPath`'s: `false`, `null`, and empty strings, lists and objects.
    /// JSON is read as leniently as the services' runtimes write it: see `document::read`.
    pub fn judge(&self, response: &[u8]) -> Expectation {
        let expression = self.0.as_str();
        let document = match document::read(response) {
            Ok(document) => document.into(),
            Err(problem) => {
                return Expectation::NotEvaluated(format!(
                    "--expect `{expression}` was not evaluated: {problem}"
                ));
            }
        };
        // Not `Expression::search`: it would copy the whole document first.
        match interpret(&document, self.0.as_ast(), &mut Context::new(expression, &DEFAULT_RUNTIME)) {
            Ok(found) if found.is_truthy() => Expectation::Met,
            Ok(_) => Expectation::Unmet(format!("--expect `{expression}` is not true of the response")),
            Err(_) => Expectation::NotEvaluated(format!(
                "--expect `{expression}` was not evaluated: the response has a value of another type than it needs"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_true_of_a_response() {
        for (expression, response, expected) in [
            ("ok", r#"{"ok":true}"#, "met"),
            ("ok", r#"{"ok":false}"#, "unmet"),
            ("ok", "{}", "unmet"),
            ("rows", r#"{"rows":0}"#, "met"),
            ("rows > `0`", r#"{"rows":0}"#, "unmet"),
            ("statusCode == `200`", r#"{"statusCode":200}"#, "met"),
            ("length(failed) == `0`", r#"{"failed":[]}"#, "met"),
            ("length(failed) == `0`", r#"{"failed":1}"#, "not evaluated"),
            ("failed", r#"{"failed":[]}"#, "unmet"),
            ("@", "\"text\"", "met"),
            ("@", "", "not evaluated"),
            ("@", "no json", "not evaluated"),
            // Node cuts an emoji in half, Python writes NaN.
            ("status == 'ok'", r#"{"status":"ok","text":"cut \ud83d"}"#, "met"),
            ("status == 'ok'", r#"{"status":"bad","text":"cut \ud83d"}"#, "unmet"),
            ("score > `0.5`", r#"{"score":NaN}"#, "unmet"),
        ] {
            let judged = match expression.parse::<Expect>().unwrap().judge(response.as_bytes()) {
                Expectation::Met => "met",
                Expectation::Unmet(_) => "unmet",
                Expectation::NotEvaluated(_) => "not evaluated",
            };
            assert_eq!(judged, expected, "{expression} on {response}");
        }
        let broken = "a ==".parse::<Expect>().unwrap_err();
        assert!(broken.contains("no JMESPath at character"), "{broken}");
    }
}
