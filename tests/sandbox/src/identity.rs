//! Who there is: users, roles, and the sessions handed out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use crate::crypto::{base64, iam_id, random};
use crate::policy::{Rule, SessionPolicy, matches};
use crate::world::{Account, Role, Trust, World, role_arn};

/// Who is calling.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: String,
    /// ARN of the user or of the role session.
    pub(crate) arn: String,
    /// `AIDA…`, or `AROA…:session`.
    pub(crate) user_id: String,
    /// ARN of the user or of the role: what policies name.
    pub(crate) principal: String,
    /// A role session, whose `AssumeRole` is role chaining.
    pub(crate) is_session: bool,
    pub(crate) transitive_tags: BTreeMap<String, String>,
    pub(crate) source_identity: Option<String>,
    rules: Vec<Rule>,
    session_policy: Option<SessionPolicy>,
}

impl Caller {
    /// `aws`, `aws-cn`, …
    pub(crate) fn partition(&self) -> &str {
        self.arn.split(':').nth(1).unwrap_or_default()
    }

    /// The kind of policy that does not allow this; `None` if it is allowed.
    pub(crate) fn lacks(&self, action: &str, resource: &str) -> Option<&'static str> {
        if !self.rules.iter().any(|rule| rule.covers(action, resource)) {
            Some("identity-based")
        } else if self.session_policy.as_ref().is_some_and(|policy| !policy.allows(action, resource)) {
            Some("session")
        } else {
            None
        }
    }

    /// That the caller may not do this, in AWS's words.
    pub(crate) fn denial(&self, action: &str, resource: &str, reason: &str) -> String {
        let arn = &self.arn;
        format!(
            "User: {arn} is not authorized to perform: {action} on resource: {resource} because no {reason} \
             policy allows the {action} action"
        )
    }
}

/// What a signature is checked against.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) secret: String,
    /// Session token; static keys have none.
    pub(crate) token: Option<String>,
    pub(crate) expires: Option<OffsetDateTime>,
    pub(crate) caller: Arc<Caller>,
}

/// A role as the directory keeps it.
#[derive(Debug)]
pub(crate) struct KnownRole {
    pub(crate) account: String,
    pub(crate) arn: String,
    pub(crate) role: Role,
    name: String,
    partition: String,
    id: String,
}

/// What is asked of [`Directory::issue`].
#[derive(Debug, Default)]
pub(crate) struct Wish {
    pub(crate) session_name: String,
    pub(crate) seconds: u32,
    pub(crate) transitive_tags: BTreeMap<String, String>,
    pub(crate) source_identity: Option<String>,
    pub(crate) policy: Option<SessionPolicy>,
}

/// A session as it is handed out.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) access_key: String,
    pub(crate) secret: String,
    pub(crate) token: String,
    pub(crate) expires: OffsetDateTime,
    pub(crate) arn: String,
    /// `AROA…:session`.
    pub(crate) id: String,
}

/// All principals and live sessions.
#[derive(Debug)]
pub(crate) struct Directory {
    roles: BTreeMap<String, Arc<KnownRole>>,
    credentials: HashMap<String, Credential>,
    session_seconds: Option<u32>,
    token_length: usize,
}

impl Directory {
    pub(crate) fn new(world: &World) -> Self {
        let mut directory = Self {
            roles: BTreeMap::new(),
            credentials: HashMap::new(),
            session_seconds: world.session_seconds,
            token_length: world.session_token_length,
        };
        for (id, account) in &world.accounts {
            directory.add_account(id, account);
        }
        directory
    }

    fn add_account(&mut self, id: &str, account: &Account) {
        let partition = &account.partition;
        for (name, user) in &account.users {
            let arn = format!("arn:{partition}:iam::{id}:user/{name}");
            let caller = Caller {
                account: id.into(),
                arn: arn.clone(),
                user_id: iam_id("AIDA", 17),
                principal: arn,
                is_session: false,
                transitive_tags: BTreeMap::new(),
                source_identity: None,
                rules: user.allow.clone(),
                session_policy: None,
            };
            let secret = user.secret_access_key.clone();
            let credential = Credential { secret, token: None, expires: None, caller: Arc::new(caller) };
            self.credentials.insert(user.access_key_id.clone(), credential);
        }
        for (name, role) in &account.roles {
            let arn = role_arn(partition, id, &role.path, name);
            let known = KnownRole {
                account: id.into(),
                arn: arn.clone(),
                role: role.clone(),
                name: name.clone(),
                partition: partition.clone(),
                id: iam_id("AROA", 17),
            };
            self.roles.insert(arn, Arc::new(known));
        }
    }

    /// The role of an ARN.
    pub(crate) fn role(&self, arn: &str) -> Option<Arc<KnownRole>> {
        self.roles.get(arn).cloned()
    }

    /// The credential of an access key.
    pub(crate) fn credential(&self, access_key: &str) -> Option<Credential> {
        self.credentials.get(access_key).cloned()
    }

    /// Hands out a session of a role.
    pub(crate) fn issue(&mut self, known: &KnownRole, wish: Wish, now: OffsetDateTime) -> Issued {
        let seconds = self.session_seconds.unwrap_or(wish.seconds);
        let KnownRole { partition, account, name, .. } = known;
        let issued = Issued {
            access_key: iam_id("ASIA", 16),
            secret: base64(&random::<30>()),
            token: session_token(self.token_length),
            expires: now + Duration::seconds(seconds.into()),
            arn: format!("arn:{partition}:sts::{account}:assumed-role/{name}/{}", wish.session_name),
            id: format!("{}:{}", known.id, wish.session_name),
        };
        let caller = Caller {
            account: account.clone(),
            arn: issued.arn.clone(),
            user_id: issued.id.clone(),
            principal: known.arn.clone(),
            is_session: true,
            transitive_tags: wish.transitive_tags,
            source_identity: wish.source_identity,
            rules: known.role.allow.clone(),
            session_policy: wish.policy,
        };
        let credential = Credential {
            secret: issued.secret.clone(),
            token: Some(issued.token.clone()),
            expires: Some(issued.expires),
            caller: Arc::new(caller),
        };
        self.credentials.insert(issued.access_key.clone(), credential);
        issued
    }

    /// Ends every session now.
    pub(crate) fn expire_sessions(&mut self, now: OffsetDateTime) {
        for credential in self.credentials.values_mut() {
            credential.expires = credential.expires.map(|expires| expires.min(now));
        }
    }
}

/// A token as STS makes them, of so many characters.
fn session_token(length: usize) -> String {
    const START: &str = "IQoJb3JpZ2luX2Vj";
    // 48 bytes are 64 characters.
    let pieces = std::iter::repeat_with(|| base64(&random::<48>()));
    let letters: String = pieces.take(length.div_ceil(64)).collect();
    START.chars().chain(letters.chars()).take(length).collect()
}

/// What an `AssumeRole` brings that a trust policy can ask about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plea<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) external_id: Option<&'a str>,
    pub(crate) source_identity: Option<&'a str>,
    pub(crate) tags: &'a BTreeMap<String, String>,
}

/// How a trust statement came to hold for a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trusted {
    /// It names the caller itself; in one account that is enough without an identity policy.
    ByName,
    /// It names the caller's account, which may delegate.
    ByAccount,
}

impl Trust {
    /// Does this statement let the caller assume the role?
    pub(crate) fn admits(&self, plea: Plea<'_>) -> Option<Trusted> {
        let trusted = self.names(plea.caller)?;
        let tags_there = self.required_tags.iter().all(|(key, value)| plea.tags.get(key) == Some(value));
        let meets = |asked: Option<&str>, given: Option<&str>| asked.is_none() || asked == given;
        (tags_there
            && meets(self.external_id.as_deref(), plea.external_id)
            && meets(self.source_identity.as_deref(), plea.source_identity))
        .then_some(trusted)
    }

    fn names(&self, caller: &Caller) -> Option<Trusted> {
        let principal = self.principal.as_deref()?;
        if principal == caller.arn || principal == caller.principal {
            return Some(Trusted::ByName);
        }
        let root = principal.ends_with(":root").then(|| principal.split(':').nth(4)).flatten();
        (principal == caller.account || root == Some(&caller.account)).then_some(Trusted::ByAccount)
    }

    /// Does this statement let the bearer of a web identity token assume the role?
    pub(crate) fn admits_token(&self, issuer: &str, sub: &str, audience: &str) -> bool {
        let meets = |pattern: Option<&String>, text: &str| pattern.is_none_or(|p| matches(p, text));
        self.federated.as_deref() == Some(issuer)
            && meets(self.sub.as_ref(), sub)
            && meets(self.aud.as_ref(), audience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> Directory {
        let world = World::from_toml(
            "[accounts.111111111111.roles.first]\nallow = ['glue:*']\n\
             [accounts.222222222222.roles.second]\npath = '/team/'\n",
        );
        Directory::new(&world.unwrap())
    }

    fn session(directory: &mut Directory, arn: &str) -> Arc<Caller> {
        let role = directory.role(arn).unwrap();
        let wish = Wish { session_name: "s".into(), seconds: 900, ..Wish::default() };
        let issued = directory.issue(&role, wish, OffsetDateTime::UNIX_EPOCH);
        directory.credential(&issued.access_key).unwrap().caller
    }

    #[test]
    fn trust_statements() {
        let mut directory = directory();
        let caller = session(&mut directory, "arn:aws:iam::111111111111:role/first");
        let no_tags = BTreeMap::new();
        let plea = Plea { caller: &caller, external_id: None, source_identity: None, tags: &no_tags };
        let principal = |principal: &str| Trust { principal: Some(principal.into()), ..Trust::default() };
        for (trust, expected) in [
            (principal("arn:aws:iam::111111111111:role/first"), Some(Trusted::ByName)),
            (principal("arn:aws:sts::111111111111:assumed-role/first/s"), Some(Trusted::ByName)),
            (principal("arn:aws:sts::111111111111:assumed-role/first/t"), None),
            (principal("111111111111"), Some(Trusted::ByAccount)),
            (principal("arn:aws:iam::111111111111:root"), Some(Trusted::ByAccount)),
            (principal("222222222222"), None),
            (Trust { external_id: Some("x".into()), ..principal("111111111111") }, None),
            (Trust { source_identity: Some("x".into()), ..principal("111111111111") }, None),
            (Trust { required_tags: [("a".into(), "b".into())].into(), ..principal("111111111111") }, None),
            (Trust { federated: Some("cluster".into()), ..Trust::default() }, None),
        ] {
            assert_eq!(trust.admits(plea), expected, "{trust:?}");
        }
        let trust = Trust { external_id: Some("x".into()), ..principal("111111111111") };
        assert!(trust.admits(Plea { external_id: Some("x"), ..plea }).is_some());
    }

    #[test]
    fn sessions_carry_names_and_rights() {
        let mut directory = directory();
        let caller = session(&mut directory, "arn:aws:iam::222222222222:role/team/second");
        assert_eq!(caller.arn, "arn:aws:sts::222222222222:assumed-role/second/s");
        assert!(caller.user_id.starts_with("AROA") && caller.user_id.ends_with(":s"));
        assert_eq!(caller.lacks("glue:GetJob", "x"), Some("identity-based"));
        let denied = caller.denial("glue:GetJob", "x", "session");
        assert!(
            denied.contains("on resource: x because no session policy allows the glue:GetJob"),
            "{denied}"
        );
        let caller = session(&mut directory, "arn:aws:iam::111111111111:role/first");
        assert_eq!(caller.lacks("glue:GetJob", "x"), None);
    }
}
