//! Which function: a name, a part of an ARN or an ARN, with or without a qualifier.

use std::fmt;
use std::str::FromStr;

/// A function as the user named it, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// What goes into the request: everything but the qualifier.
    pub(crate) function: String,
    /// Alias or version.
    pub(crate) qualifier: Option<String>,
    /// The last part of `function`.
    pub(crate) name: String,
    /// The region, where an ARN says it.
    pub(crate) region: Option<String>,
    /// The account, where it is said.
    pub(crate) account: Option<String>,
}

impl FromStr for Target {
    type Err = String;

    /// `NAME`, `ACCOUNT:function:NAME` or `arn:…:function:NAME`, each with `:QUALIFIER` or without.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let (front, name, qualifier): (&[&str], &str, Option<&str>) = match parts.as_slice() {
            [name] => (&[], name, None),
            ["function", name] => (&parts[..1], name, None),
            [name, qualifier] => (&[], name, Some(qualifier)),
            [front @ .., "function", name] => (&parts[..=front.len()], name, None),
            [front @ .., "function", name, qualifier] => (&parts[..=front.len()], name, Some(qualifier)),
            _ => return Err(FORM.to_owned()),
        };
        let (region, account) = match front {
            [] | ["function"] => (None, None),
            [account, _] if is_account(account) => (None, Some(*account)),
            ["arn", _, "lambda", region, account, _] if is_account(account) && !region.is_empty() => {
                (Some(*region), Some(*account))
            }
            _ => return Err(FORM.to_owned()),
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            return Err(format!("a function's name is made of letters, digits, -, _ and .; {FORM}"));
        }
        let function = front.iter().chain([&name]).copied().collect::<Vec<_>>().join(":");
        // FunctionName of the Lambda API: 256 characters at most.
        if text.len() > 256 {
            return Err("it is longer than 256 characters".to_owned());
        }
        Ok(Self {
            function,
            qualifier: qualifier.map(self::qualifier).transpose()?,
            name: name.to_owned(),
            region: region.map(str::to_owned),
            account: account.map(str::to_owned),
        })
    }
}

/// What a function may be called.
const FORM: &str = "the form is NAME, ACCOUNT:function:NAME or an ARN, each with :QUALIFIER or without";

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An alias, a version, `$LATEST` or `$LATEST.PUBLISHED`.
pub(crate) fn qualifier(text: &str) -> Result<String, String> {
    let plain = (1..=128).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_$".contains(c));
    if plain || text == "$LATEST.PUBLISHED" {
        Ok(text.to_owned())
    } else {
        Err("a qualifier is an alias, a version or $LATEST: 1 to 128 letters, digits, - and _".to_owned())
    }
}

impl Target {
    /// The same function with the qualifier of an option.
    pub(crate) fn qualified(self, option: Option<String>) -> Result<Self, String> {
        match (&self.qualifier, option) {
            (Some(named), Some(option)) if *named != option => Err(format!(
                "--function-name ends in the qualifier {named}, --qualifier says {option}; leave one of them out"
            )),
            (None, Some(option)) => Ok(Self { qualifier: Some(option), ..self }),
            _ => Ok(self),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        match &self.qualifier {
            Some(qualifier) => write!(f, ":{qualifier}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_function() {
        let arn = "arn:aws:lambda:us-east-2:222222222222:function";
        for (text, function, qualifier, region) in [
            ("report", "report", None, None),
            ("report:live", "report", Some("live"), None),
            ("report:$LATEST", "report", Some("$LATEST"), None),
            ("report:$LATEST.PUBLISHED", "report", Some("$LATEST.PUBLISHED"), None),
            ("function:report", "function:report", None, None),
            ("222222222222:function:report", "222222222222:function:report", None, None),
            ("222222222222:function:report:7", "222222222222:function:report", Some("7"), None),
            (&format!("{arn}:report"), &format!("{arn}:report"), None, Some("us-east-2")),
            (&format!("{arn}:report:7"), &format!("{arn}:report"), Some("7"), Some("us-east-2")),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.function, function);
            assert_eq!(
                (target.qualifier.as_deref(), target.region.as_deref()),
                (qualifier, region),
                "{text}"
            );
            assert_eq!((target.name.as_str(), target.to_string().as_str()), ("report", text));
        }
        for text in [
            "",
            ":live",
            "report:",
            "a b",
            "a:b:c",
            "arn:aws:glue:us-east-2:222222222222:function:x",
            "arn:aws:lambda:us-east-2:222:function:x",
            "arn:aws:lambda::222222222222:function:x",
            "report:a b",
            &"x".repeat(257),
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[test]
    fn one_qualifier() {
        let target = |text: &str| text.parse::<Target>().unwrap();
        let qualified = |text: &str, option: Option<&str>| {
            target(text).qualified(option.map(str::to_owned)).map(|target| target.to_string())
        };
        assert_eq!(qualified("f", Some("live")), Ok("f:live".to_owned()));
        assert_eq!(qualified("f:live", Some("live")), Ok("f:live".to_owned()));
        assert_eq!(qualified("f:live", None), Ok("f:live".to_owned()));
        assert!(qualified("f:live", Some("2")).unwrap_err().contains("leave one of them out"));
    }
}
