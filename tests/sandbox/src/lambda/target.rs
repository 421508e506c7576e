//! Which function a request means: name, partial ARN or ARN, with or without a qualifier.

use crate::identity::Caller;
use crate::refusal::{Constraints, Refusal};

const PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";
const QUALIFIER_PATTERN: &str = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";

/// A function, and what of it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) partition: String,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) name: String,
    /// Version or alias.
    pub(crate) qualifier: Option<String>,
}

/// A function's name, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts<'a> {
    region: Option<&'a str>,
    account: Option<&'a str>,
    name: &'a str,
    qualifier: Option<&'a str>,
}

impl Target {
    /// Reads `FunctionName` and `Qualifier`; what they leave open is the caller's.
    pub(crate) fn read(
        constraints: &mut Constraints,
        name: &str,
        qualifier: Option<&str>,
        (caller, region): (&Caller, &str),
    ) -> Result<Self, Refusal> {
        constraints.length("functionName", name, 1, 256, false);
        let parts = Parts::read(name);
        constraints.form("functionName", name, PATTERN, parts.is_some());
        if let Some(qualifier) = qualifier {
            constraints.length("qualifier", qualifier, 1, 128, false);
            let is =
                qualifier.strip_prefix('$').is_some_and(|rest| matches!(rest, "LATEST" | "LATEST.PUBLISHED"))
                    || qualifier.chars().all(|character| is_word(character) || character == '$');
            constraints.form("qualifier", qualifier, QUALIFIER_PATTERN, is);
        }
        std::mem::take(constraints).finish("ValidationException")?;
        let parts = parts.unwrap_or_default();
        if let (Some(one), Some(other)) = (parts.qualifier, qualifier)
            && one != other
        {
            let text = "The derived qualifier from the function name does not match the specified qualifier.";
            return Err(Refusal::new(400, "InvalidParameterValueException", text));
        }
        if let Some(other) = parts.region.filter(|other| *other != region) {
            let text = format!("Functions from '{other}' are not reachable in this region ('{region}')");
            return Err(Refusal::new(404, "ResourceNotFoundException", text));
        }
        Ok(Self {
            partition: caller.partition().into(),
            region: region.into(),
            account: parts.account.unwrap_or(&caller.account).into(),
            name: parts.name.into(),
            qualifier: parts.qualifier.or(qualifier).map(str::to_owned),
        })
    }

    /// ARN of the function itself.
    pub(crate) fn function_arn(&self) -> String {
        let Self { partition, region, account, name, .. } = self;
        format!("arn:{partition}:lambda:{region}:{account}:function:{name}")
    }

    /// ARN with the qualifier, if there is one.
    pub(crate) fn arn(&self) -> String {
        let arn = self.function_arn();
        self.qualifier.as_ref().map_or(arn.clone(), |qualifier| format!("{arn}:{qualifier}"))
    }
}

impl<'a> Parts<'a> {
    /// `None` where the text is not of the model's pattern.
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = Self::default();
        let mut rest = text;
        if let Some(tail) = text.strip_prefix("arn:") {
            let (partition, tail) = tail.split_once(':')?;
            rest = tail.strip_prefix("lambda:")?;
            if !(partition.is_empty() || partition.starts_with("aws")) {
                return None;
            }
        }
        if let Some((region, tail)) = rest.split_once(':').filter(|(head, _)| is_region(head)) {
            (parts.region, rest) = (Some(region), tail);
        }
        let is_account = |head: &str| head.len() == 12 && head.bytes().all(|byte| byte.is_ascii_digit());
        if let Some((account, tail)) = rest.split_once(':').filter(|(head, _)| is_account(head)) {
            (parts.account, rest) = (Some(account), tail);
        }
        rest = rest.strip_prefix("function:").unwrap_or(rest);
        let (name, qualifier) = rest.split_once(':').map_or((rest, None), |(n, q)| (n, Some(q)));
        let good_name =
            !name.is_empty() && name.chars().all(|character| is_word(character) || character == '.');
        let good_qualifier = |text: &str| {
            matches!(text, "$LATEST" | "$LATEST.PUBLISHED") || !text.is_empty() && text.chars().all(is_word)
        };
        (parts.name, parts.qualifier) = (name, qualifier);
        (good_name && qualifier.is_none_or(good_qualifier)).then_some(parts)
    }
}

/// A region's name: letters in two or three parts, and a digit.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let letters = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let Some((number, words)) = parts.split_last() else { return false };
    let short = words.iter().any(|word| word.len() == 2);
    number.len() == 1
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && (2..=4).contains(&words.len())
        && short
        && words.iter().all(letters)
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-' || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_name_a_function() {
        let parts = |region, account, name, qualifier| Some(Parts { region, account, name, qualifier });
        let (region, account) = (Some("us-east-2"), Some("222222222222"));
        for (text, expected) in [
            ("f", parts(None, None, "f", None)),
            ("f:live", parts(None, None, "f", Some("live"))),
            ("f:$LATEST", parts(None, None, "f", Some("$LATEST"))),
            ("function:f", parts(None, None, "f", None)),
            ("222222222222:function:f:1", parts(None, account, "f", Some("1"))),
            ("222222222222:f", parts(None, account, "f", None)),
            ("arn:aws:lambda:us-east-2:222222222222:function:f", parts(region, account, "f", None)),
            (
                "arn:aws:lambda:us-east-2:222222222222:function:f:live",
                parts(region, account, "f", Some("live")),
            ),
            ("", None),
            ("f:", None),
            ("f g", None),
            ("f:$OLDEST", None),
            ("a:b:c", None),
            ("arn:aws:glue:us-east-2:222222222222:job/f", None),
        ] {
            assert_eq!(Parts::read(text), expected, "{text}");
        }
        for (text, is) in [("us-gov-west-1", true), ("eu-isoe-west-1", true), ("my-function", false)] {
            assert_eq!(is_region(text), is, "{text}");
        }
    }
}
