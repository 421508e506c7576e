//! A role to assume, and its shorthand on the command line.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A role to assume and everything that `sts:AssumeRole` can be told about it.
///
/// Parsed from an ARN, or from the AWS CLI's shorthand:
///
/// ```
/// use chained_credentials::RoleSpec;
/// let role: RoleSpec =
///     "arn=arn:aws:iam::222222222222:role/b,external-id=x1,duration=30m,tag.team=data,transitive-tag=team".parse()?;
/// assert_eq!(role.arn, "arn:aws:iam::222222222222:role/b");
/// assert_eq!(role.tags, [("team".to_owned(), "data".to_owned())]);
/// # Ok::<(), chained_credentials::RoleSpecError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleSpec {
    /// ARN of the role.
    pub arn: String,
    /// The external id that the trust policy asks for.
    pub external_id: Option<String>,
    /// Name of the session; where absent, the chain's common one.
    pub session_name: Option<String>,
    /// Life of the session; where absent, STS's default of one hour.
    pub duration: Option<Duration>,
    /// Source identity, which every later hop keeps.
    pub source_identity: Option<String>,
    /// Session tags.
    pub tags: Vec<(String, String)>,
    /// Keys of the session tags that later hops keep.
    pub transitive_tag_keys: Vec<String>,
    /// Managed policies that narrow the session.
    pub policy_arns: Vec<String>,
}

/// Why a role could not be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleSpecError {
    /// No ARN, or one that is not a role's.
    #[error("`{0}` is not the ARN of a role (arn:aws:iam::123456789012:role/name)")]
    NotARole(String),
    /// An ARN with more behind it, as in a list that lacks `arn=`. Nothing is quoted: it may hold an external id.
    #[error("a list of an ARN and more begins with `arn=`: write arn=ARN,external-id=ID")]
    BareArnInList,
    /// A shorthand without `arn=`.
    #[error("the list has no `arn=`")]
    NoArn,
    /// An item without `=`.
    #[error("`{0}` is not of the form key=value")]
    NotAPair(String),
    /// A key that the shorthand does not have.
    #[error(
        "`{0}` is not a key of a role; it has arn, external-id, session-name, duration, source-identity, \
         tag.KEY, transitive-tag, policy-arn"
    )]
    UnknownKey(String),
    /// A key given twice that can be there once.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// A value that STS would refuse.
    #[error("{key} `{value}` {problem}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// The value as given.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl FromStr for RoleSpec {
    type Err = RoleSpecError;

    fn from_str(text: &str) -> Result<Self, RoleSpecError> {
        let text = text.trim();
        if text.starts_with("arn:") {
            // A comma alone can be a part of a role's name.
            if text.split_once(',').is_some_and(|(_, rest)| rest.contains('=')) {
                return Err(RoleSpecError::BareArnInList);
            }
            return Ok(Self { arn: role_arn(text)?, ..Self::default() });
        }
        let mut role = Self::default();
        let mut seen = Vec::new();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let (key, value) =
                item.split_once('=').ok_or_else(|| RoleSpecError::NotAPair(item.to_owned()))?;
            let repeatable = matches!(key, "transitive-tag" | "policy-arn");
            if !repeatable && seen.contains(&key) {
                return Err(RoleSpecError::Twice(key.to_owned()));
            }
            seen.push(key);
            role.set(key, value)?;
        }
        if role.arn.is_empty() {
            return Err(RoleSpecError::NoArn);
        }
        match role.transitive_tag_keys.iter().find(|key| !role.tags.iter().any(|(tag, _)| tag == *key)) {
            Some(key) => Err(RoleSpecError::BadValue {
                key: "transitive-tag",
                value: key.clone(),
                problem: "names no tag of this role",
            }),
            None => Ok(role),
        }
    }
}

/// The shorthand that it is parsed from. Holds the external id.
impl fmt::Display for RoleSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { arn, external_id, session_name, duration, source_identity, .. } = self;
        if arn.contains(',') {
            // In a list it would be taken apart; a bare ARN has nothing beside it.
            return f.write_str(arn);
        }
        write!(f, "arn={arn}")?;
        let duration = duration.map(|duration| format!("{}s", duration.as_secs()));
        for (key, value) in [
            ("external-id", external_id),
            ("session-name", session_name),
            ("duration", &duration),
            ("source-identity", source_identity),
        ] {
            if let Some(value) = value {
                write!(f, ",{key}={value}")?;
            }
        }
        self.tags.iter().try_for_each(|(key, value)| write!(f, ",tag.{key}={value}"))?;
        self.transitive_tag_keys.iter().try_for_each(|key| write!(f, ",transitive-tag={key}"))?;
        self.policy_arns.iter().try_for_each(|arn| write!(f, ",policy-arn={arn}"))
    }
}

impl RoleSpec {
    fn set(&mut self, key: &str, value: &str) -> Result<(), RoleSpecError> {
        match key {
            "arn" => self.arn = role_arn(value)?,
            "external-id" => self.external_id = Some(external_id(value)?),
            "session-name" => self.session_name = Some(session_name(value)?),
            "duration" => self.duration = Some(duration(value)?),
            "source-identity" => self.source_identity = Some(name_like("source-identity", value)?),
            "transitive-tag" => self.transitive_tag_keys.push(value.to_owned()),
            "policy-arn" => self.policy_arns.push(policy_arn(value)?),
            _ => match key.strip_prefix("tag.") {
                Some(tag) if !tag.is_empty() => self.tags.push((tag.to_owned(), value.to_owned())),
                _ => return Err(RoleSpecError::UnknownKey(key.to_owned())),
            },
        }
        Ok(())
    }

    /// The account of the role, from its ARN.
    pub fn account(&self) -> &str {
        account_of(&self.arn).unwrap_or_default()
    }
}

/// The account in an ARN: its fifth part, where that is twelve digits.
pub(crate) fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| is_account(account))
}

pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

pub(crate) fn role_arn(text: &str) -> Result<String, RoleSpecError> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts[..] {
        ["arn", partition, "iam", "", account, resource]
            if partition.starts_with("aws")
                && is_account(account)
                && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty())
                && !text.contains(char::is_whitespace) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(RoleSpecError::NotARole(text.to_owned())),
    }
}

fn policy_arn(text: &str) -> Result<String, RoleSpecError> {
    if text.starts_with("arn:") && text.contains(":policy/") {
        return Ok(text.to_owned());
    }
    Err(bad("policy-arn", text, "is not the ARN of a policy"))
}

/// 2 to 64 characters of `[\w+=,.@-]`: the pattern of `RoleSessionName` and `SourceIdentity` in the STS API.
fn name_like(key: &'static str, text: &str) -> Result<String, RoleSpecError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if (2..=64).contains(&text.len()) && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err(bad(key, text, "must be 2 to 64 characters of letters, digits and _+=,.@-"))
}

pub(crate) fn session_name(text: &str) -> Result<String, RoleSpecError> {
    name_like("session-name", text)
}

/// 2 to 1,224 characters of `[\w+=,.@:/-]`: the pattern of `ExternalId` in the STS API.
pub(crate) fn external_id(text: &str) -> Result<String, RoleSpecError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/\\-".contains(c);
    if (2..=1224).contains(&text.len()) && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    // Not shown: some treat it as a secret.
    Err(bad("external-id", "…", "must be 2 to 1224 characters of letters, digits and _+=,.@:/-"))
}

/// 900 to 43,200 seconds: the range of `DurationSeconds` in the STS API.
pub(crate) fn session_seconds(
    key: &'static str,
    text: &str,
    seconds: u64,
) -> Result<Duration, RoleSpecError> {
    if (900..=43_200).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err(bad(key, text, "must be 15 minutes to 12 hours (900 to 43200 seconds)"))
}

/// `1h30m`, `45m`, `3600s`, or plain seconds as STS counts them.
fn duration(text: &str) -> Result<Duration, RoleSpecError> {
    let malformed = || bad("duration", text, "is not a duration like 1h, 30m or 3600s");
    if let Ok(seconds) = text.parse() {
        return session_seconds("duration", text, seconds);
    }
    let (mut seconds, mut rest) = (0u64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(malformed)?;
        let count: u64 = rest[..digits].parse().map_err(|_| malformed())?;
        let unit = match rest.as_bytes()[digits] {
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return Err(malformed()),
        };
        seconds = count.checked_mul(unit).and_then(|part| seconds.checked_add(part)).ok_or_else(malformed)?;
        rest = &rest[digits + 1..];
    }
    session_seconds("duration", text, seconds)
}

fn bad(key: &'static str, value: &str, problem: &'static str) -> RoleSpecError {
    RoleSpecError::BadValue { key, value: value.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:iam::222222222222:role/b";

    #[test]
    fn every_key_is_understood() {
        let text = format!(
            "arn={ARN},external-id=ab:1,session-name=nightly,duration=1h,source-identity=jane,\
             tag.team=data,tag.env=prod,transitive-tag=team,policy-arn=arn:aws:iam::aws:policy/ReadOnlyAccess"
        );
        let role: RoleSpec = text.parse().unwrap();
        assert_eq!(
            role,
            RoleSpec {
                arn: ARN.into(),
                external_id: Some("ab:1".into()),
                session_name: Some("nightly".into()),
                duration: Some(Duration::from_hours(1)),
                source_identity: Some("jane".into()),
                tags: vec![("team".into(), "data".into()), ("env".into(), "prod".into())],
                transitive_tag_keys: vec!["team".into()],
                policy_arns: vec!["arn:aws:iam::aws:policy/ReadOnlyAccess".into()],
            }
        );
        assert_eq!(role.account(), "222222222222");
        assert_eq!(role.to_string().parse(), Ok(role));
    }

    /// A kubeconfig gets the written form.
    #[test]
    fn what_is_written_out_is_read_again() {
        for text in [ARN, "arn:aws:iam::222222222222:role/a,b", &format!("arn={ARN},external-id=xx")] {
            let role: RoleSpec = text.parse().unwrap();
            assert_eq!(role.to_string().parse(), Ok(role), "{text}");
        }
    }

    #[test]
    fn roles_of_every_partition_and_path_are_roles() {
        for arn in
            [ARN, "arn:aws-cn:iam::222222222222:role/team/b", "arn:aws-us-gov:iam::222222222222:role/b"]
        {
            assert_eq!(arn.parse::<RoleSpec>().unwrap().arn, arn);
        }
    }

    #[test]
    fn what_sts_would_refuse_is_refused_here() {
        for (text, expected) in [
            ("b", "`b` is not of the form key=value"),
            ("arn:aws:iam::222222222222:user/b", "is not the ARN of a role"),
            ("arn:aws:iam::2222:role/b", "is not the ARN of a role"),
            ("external-id=xx", "the list has no `arn=`"),
            ("arn:aws:iam::222222222222:role/b,external-id=xx", "write arn=ARN,external-id=ID"),
            ("arn:aws:iam::222222222222:role/b, duration=1h", "write arn=ARN,external-id=ID"),
            ("arn=A,arn=B", "`A` is not the ARN"),
            ("arn=arn:aws:iam::222222222222:role/b,externalid=x", "`externalid` is not a key of a role"),
            ("arn=arn:aws:iam::222222222222:role/b,duration=5m", "15 minutes to 12 hours"),
            ("arn=arn:aws:iam::222222222222:role/b,duration=1x", "is not a duration"),
            ("arn=arn:aws:iam::222222222222:role/b,duration=99999999999999999999h", "is not a duration"),
            ("arn=arn:aws:iam::222222222222:role/b,session-name=a b", "must be 2 to 64 characters"),
            ("arn=arn:aws:iam::222222222222:role/b,external-id=x,external-id=y", "must be 2 to 1224"),
            ("arn=arn:aws:iam::222222222222:role/b,external-id=xx,external-id=yy", "given twice"),
            ("arn=arn:aws:iam::222222222222:role/b,transitive-tag=team", "names no tag of this role"),
            ("arn=arn:aws:iam::222222222222:role/b,tag.=x", "`tag.` is not a key"),
            ("arn=arn:aws:iam::222222222222:role/b,policy-arn=x", "is not the ARN of a policy"),
        ] {
            let error = text.parse::<RoleSpec>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn durations() {
        for (text, seconds) in [("3600", 3600), ("1h", 3600), ("1h30m", 5400), ("900s", 900), ("12h", 43_200)]
        {
            assert_eq!(duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            cases: 1000,
            rng_seed: proptest::test_runner::RngSeed::Fixed(8),
            failure_persistence: None,
            ..Default::default()
        })]

        /// Whatever stands there, it is a role that can be assumed, or one sentence says what is wrong.
        #[test]
        fn any_text_is_a_role_or_is_refused_in_one_line(
            parts in proptest::collection::vec(
                proptest::prop_oneof![
                    "(arn|external-id|session-name|duration|source-identity|tag\\.[a-zé]*|transitive-tag|policy-arn|[a-z]{0,6})=?",
                    "arn:aws[a-z-]{0,4}:iam::[0-9]{11,13}:role/?[a-z/]{0,6}",
                    "[0-9]{1,20}(h|m|s|ms)?",
                    "[,= ]",
                    "\\PC{0,6}",
                ],
                0..12,
            ),
        ) {
            match parts.concat().parse::<RoleSpec>() {
                Ok(role) => assert_eq!(role_arn(&role.arn), Ok(role.arn)),
                Err(error) => {
                    let told = error.to_string();
                    assert!(!told.is_empty() && !told.contains('\n'), "{told:?}");
                }
            }
        }
    }
}
