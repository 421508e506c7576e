//! What a principal may do: rules of an identity policy, and session policies.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// One permission: an action, optionally on some resources only.
///
/// Written `service:Action` or `service:Action on ARN-PATTERN`; both sides may hold `*` and `?`.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Rule {
    /// In lower case: actions are the same in any.
    action: String,
    resource: String,
}

impl Rule {
    /// Does this rule cover the action on the resource?
    pub(crate) fn covers(&self, action: &str, resource: &str) -> bool {
        matches(&self.action, &action.to_ascii_lowercase()) && matches(&self.resource, resource)
    }
}

/// A rule that is not `service:Action [on PATTERN]`.
#[derive(Debug)]
pub struct RuleError(String);

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not of the form `service:Action` or `service:Action on ARN-PATTERN`", self.0)
    }
}

impl TryFrom<String> for Rule {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Self, RuleError> {
        let (action, resource) = text.split_once(" on ").unwrap_or((&text, "*"));
        let (action, resource) = (action.trim(), resource.trim());
        if action != "*" && !action.contains(':') || action.contains(' ') || resource.is_empty() {
            return Err(RuleError(text));
        }
        Ok(Self { action: action.to_ascii_lowercase(), resource: resource.to_owned() })
    }
}

/// A session policy: what remains allowed of the role's own permissions.
#[derive(Clone, Debug, Default)]
pub(crate) struct SessionPolicy {
    allow: Vec<Rule>,
    deny: Vec<Rule>,
}

impl SessionPolicy {
    /// Reads a policy document; `None` if it is none.
    pub(crate) fn from_json(document: &str) -> Option<Self> {
        let document: Value = serde_json::from_str(document).ok()?;
        let mut policy = Self::default();
        for statement in one_or_many(document.get("Statement")?) {
            let rules = match statement.get("Effect")?.as_str()? {
                "Allow" => &mut policy.allow,
                "Deny" => &mut policy.deny,
                _ => return None,
            };
            for action in one_or_many(statement.get("Action")?) {
                for resource in one_or_many(statement.get("Resource")?) {
                    let action = action.as_str()?.to_ascii_lowercase();
                    rules.push(Rule { action, resource: resource.as_str()?.into() });
                }
            }
        }
        Some(policy)
    }

    /// Adds permissions, as a managed policy passed by ARN does.
    pub(crate) fn allow(&mut self, rules: &[Rule]) {
        self.allow.extend_from_slice(rules);
    }

    /// Does this policy leave the action on the resource allowed?
    pub(crate) fn allows(&self, action: &str, resource: &str) -> bool {
        let covered = |rules: &[Rule]| rules.iter().any(|rule| rule.covers(action, resource));
        covered(&self.allow) && !covered(&self.deny)
    }
}

fn one_or_many(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

/// Glob match as IAM does it: `*` is any run of characters, `?` any one.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and how far it has eaten.
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, eaten)) => {
                    star = Some((at, eaten + 1));
                    p = at + 1;
                    t = eaten + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("glue:*", "glue:GetJob", true),
            ("glue:Get*", "glue:StartJobRun", false),
            ("a*b*c", "a--b--b--c", true),
            ("a*b*c", "a--b--b--", false),
            ("job/?", "job/x", true),
            ("job/?", "job/xy", false),
            ("", "x", false),
            ("x", "", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn rules() {
        let rule = Rule::try_from("glue:StartJobRun on arn:aws:glue:*:1:job/a*".to_owned()).unwrap();
        assert!(rule.covers("glue:startjobrun", "arn:aws:glue:us-east-2:1:job/abc"));
        assert!(!rule.covers("glue:StartJobRun", "arn:aws:glue:us-east-2:1:job/b"));
        for bad in ["", "glue", "glue:Get Job", "glue:GetJob on "] {
            assert!(Rule::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn session_policies() {
        let policy = SessionPolicy::from_json(
            r#"{"Version":"2012-10-17","Statement":[
                {"Effect":"Allow","Action":["glue:*"],"Resource":"*"},
                {"Effect":"Deny","Action":"glue:BatchStopJobRun","Resource":"*"}]}"#,
        )
        .unwrap();
        assert!(policy.allows("glue:GetJobRun", "x"));
        assert!(!policy.allows("glue:BatchStopJobRun", "x"));
        assert!(!policy.allows("logs:GetLogEvents", "x"));
        for bad in ["", "{}", r#"{"Statement":{"Effect":"Maybe","Action":"a:b","Resource":"*"}}"#] {
            assert!(SessionPolicy::from_json(bad).is_none(), "{bad}");
        }
    }
}
