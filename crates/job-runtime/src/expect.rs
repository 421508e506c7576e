//! `--expect`: a condition on what remote work has answered.

use std::str::FromStr;

use jmespath::{Expression, Variable};

/// A `JMESPath` expression that the answer of remote work must make true: the value of `--expect`.
///
/// ```
/// let expect: job_runtime::Expect = "length(failed) == `0`".parse()?;
/// assert_eq!(expect.unmet(br#"{"failed":[]}"#), None);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone)]
pub struct Expect(Expression<'static>);

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
    /// Why `answer` does not satisfy the expression, if it does not. What counts as false is `JMESPath`'s: `false`,
    /// `null`, and empty strings, lists and objects.
    pub fn unmet(&self, answer: &[u8]) -> Option<String> {
        let expression = self.0.as_str();
        let parsed = std::str::from_utf8(answer).ok().and_then(|text| Variable::from_json(text).ok());
        let Some(answer) = parsed else {
            return Some(format!(
                "the answer is no JSON, so that --expect `{expression}` cannot be true of it"
            ));
        };
        match self.0.search(answer) {
            Ok(found) if found.is_truthy() => None,
            Ok(_) => Some(format!("--expect `{expression}` is not true of the answer")),
            Err(_) => Some(format!(
                "--expect `{expression}` cannot be worked out on the answer: a type does not fit"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_true_of_an_answer() {
        for (expression, answer, met) in [
            ("ok", r#"{"ok":true}"#, true),
            ("ok", r#"{"ok":false}"#, false),
            ("ok", "{}", false),
            ("rows", r#"{"rows":0}"#, true),
            ("rows > `0`", r#"{"rows":0}"#, false),
            ("statusCode == `200`", r#"{"statusCode":200}"#, true),
            ("length(failed) == `0`", r#"{"failed":[]}"#, true),
            ("length(failed) == `0`", r#"{"failed":1}"#, false),
            ("failed", r#"{"failed":[]}"#, false),
            ("@", "\"text\"", true),
            ("@", "", false),
            ("@", "no json", false),
        ] {
            let unmet = expression.parse::<Expect>().unwrap().unmet(answer.as_bytes());
            assert_eq!(unmet.is_none(), met, "{expression} on {answer}: {unmet:?}");
        }
        let broken = "a ==".parse::<Expect>().unwrap_err();
        assert!(broken.contains("no JMESPath at character"), "{broken}");
    }
}
