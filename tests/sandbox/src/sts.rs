//! AWS STS (awsQuery): role sessions and who one is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::clock::iso;
use crate::cloud::Cloud;
use crate::identity::{Caller, Issued, KnownRole, Plea, Trusted, Wish};
use crate::policy::SessionPolicy;
use crate::protocol::{STS_XMLNS, escape};
use crate::refusal::{Constraints, Refusal, is_name_character};
use crate::service::Request;

/// What this service can do.
pub(crate) const OPERATIONS: &[&str] = &["AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity"];

/// The longest session of a role that was assumed from a role session.
const LONGEST_CHAINED: u32 = 3600;
/// What a caller gets who asks for no duration.
const DEFAULT_SECONDS: u32 = 3600;

/// Answers one request.
pub(crate) fn answer(cloud: &Cloud, request: &Request<'_>) -> Result<String, Refusal> {
    let result = match request.operation {
        "AssumeRole" => assume_role(cloud, request)?,
        "AssumeRoleWithWebIdentity" => assume_role_with_web_identity(cloud, request)?,
        "GetCallerIdentity" => get_caller_identity(request)?,
        _ => return Err(request.unknown_operation()),
    };
    let (operation, id) = (request.operation, request.id);
    Ok(format!(
        "<{operation}Response xmlns=\"{STS_XMLNS}\">\n<{operation}Result>\n{result}</{operation}Result>\n\
         <ResponseMetadata>\n<RequestId>{id}</RequestId>\n</ResponseMetadata>\n</{operation}Response>\n"
    ))
}

/// The parameters of both ways to assume a role.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct AssumeRole {
    role_arn: Option<String>,
    role_session_name: Option<String>,
    web_identity_token: Option<String>,
    duration_seconds: Option<String>,
    policy: Option<String>,
    policy_arns: Vec<PolicyArn>,
    external_id: Option<String>,
    source_identity: Option<String>,
    tags: Vec<Tag>,
    transitive_tag_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct PolicyArn {
    arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

impl AssumeRole {
    fn read(parameters: &Value) -> Result<Self, Refusal> {
        let request = Self::deserialize(parameters)
            .map_err(|error| Refusal::new(400, "MalformedInput", error.to_string()))?;
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), Refusal> {
        let mut constraints = Constraints::default();
        constraints.present("roleArn", self.role_arn.as_ref());
        constraints.present("roleSessionName", self.role_session_name.as_ref());
        if let Some(arn) = &self.role_arn {
            constraints.length("roleArn", arn, 20, 2048, false);
        }
        if let Some(token) = &self.web_identity_token {
            constraints.length("webIdentityToken", token, 4, 20_000, true);
        }
        for (member, value) in
            [("roleSessionName", &self.role_session_name), ("sourceIdentity", &self.source_identity)]
        {
            if let Some(value) = value {
                constraints.length(member, value, 2, 64, false);
                constraints.pattern(member, value, r"[\w+=,.@-]*", is_name_character);
            }
        }
        if let Some(id) = &self.external_id {
            constraints.length("externalId", id, 2, 1224, false);
            let allowed = |character| is_name_character(character) || ":/".contains(character);
            constraints.pattern("externalId", id, r"[\w+=,.@:\/-]*", allowed);
        }
        if let Some(seconds) = &self.duration_seconds {
            let seconds = seconds
                .parse()
                .map_err(|_| Refusal::new(400, "MalformedInput", format!("'{seconds}' is not an integer")))?;
            constraints.range("durationSeconds", seconds, 900, 43_200);
        }
        constraints.count("tags", self.tags.len(), 0, 50);
        for (index, tag) in self.tags.iter().enumerate() {
            let member = |part: &str| format!("tags.{}.member.{part}", index + 1);
            constraints.length(&member("key"), &tag.key, 1, 128, false);
            constraints.length(&member("value"), &tag.value, 0, 256, false);
            for (part, text) in [("key", &tag.key), ("value", &tag.value)] {
                constraints.pattern(&member(part), text, r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", |character| {
                    character.is_alphanumeric() || character.is_whitespace() || "_.:/=+-@".contains(character)
                });
            }
        }
        constraints.count("policyArns", self.policy_arns.len(), 0, 10);
        constraints.finish("ValidationError")?;
        self.check_tags()
    }

    fn check_tags(&self) -> Result<(), Refusal> {
        let invalid = |text| Err(Refusal::new(400, "InvalidParameterValue", text));
        let mut keys: Vec<String> = self.tags.iter().map(|tag| tag.key.to_lowercase()).collect();
        keys.sort();
        keys.dedup();
        if keys.len() < self.tags.len() {
            return invalid("Duplicate tag keys found. Please note that Tag keys are case insensitive.");
        }
        if self.transitive_tag_keys.iter().any(|key| !keys.contains(&key.to_lowercase())) {
            return invalid("The specified transitive tag key must be included in the requested tags.");
        }
        Ok(())
    }

    fn arn(&self) -> &str {
        self.role_arn.as_deref().unwrap_or_default()
    }

    /// The duration asked for, if this role can give it.
    fn seconds(&self, role: &KnownRole, chained: bool) -> Result<u32, Refusal> {
        let invalid = |text| Err(Refusal::new(400, "ValidationError", text));
        let asked = self.duration_seconds.as_deref().and_then(|seconds| seconds.parse().ok());
        if chained && asked.is_some_and(|seconds| seconds > LONGEST_CHAINED) {
            return invalid(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
            );
        }
        if asked.is_some_and(|seconds| u64::from(seconds) > role.role.max_session.as_secs()) {
            return invalid(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            );
        }
        Ok(asked.unwrap_or(DEFAULT_SECONDS))
    }

    /// The session policy: inline document and managed policies together.
    fn session_policy(&self, cloud: &Cloud) -> Result<Option<SessionPolicy>, Refusal> {
        let malformed = |text: String| Refusal::new(400, "MalformedPolicyDocument", text);
        if self.policy.is_none() && self.policy_arns.is_empty() {
            return Ok(None);
        }
        let mut policy = match &self.policy {
            Some(document) => SessionPolicy::from_json(document)
                .ok_or_else(|| malformed("The policy is not in the valid JSON format.".into()))?,
            None => SessionPolicy::default(),
        };
        for PolicyArn { arn } in &self.policy_arns {
            let rules = cloud.world.policies.get(arn);
            policy
                .allow(rules.ok_or_else(|| {
                    malformed(format!("Policy {arn} does not exist or is not attachable."))
                })?);
        }
        Ok(Some(policy))
    }
}

fn assume_role(cloud: &Cloud, request: &Request<'_>) -> Result<String, Refusal> {
    let asked = AssumeRole::read(request.parameters)?;
    let caller = request.caller()?;
    let inherited = caller.transitive_tags.keys().any(|key| asked.tags.iter().any(|tag| tag.key == *key));
    if inherited {
        let text =
            "One of the specified tag keys is inherited from the calling session and cannot be replaced.";
        return Err(Refusal::new(400, "InvalidParameterValue", text));
    }
    let mut tags = caller.transitive_tags.clone();
    tags.extend(asked.tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())));
    let source_identity = caller.source_identity.clone().or_else(|| asked.source_identity.clone());
    if asked.source_identity.is_some() && asked.source_identity != source_identity {
        return Err(not_authorized(caller, "sts:SetSourceIdentity", asked.arn()));
    }

    let role = cloud.directory().role(asked.arn());
    let role = role.ok_or_else(|| not_authorized(caller, "sts:AssumeRole", asked.arn()))?;
    let plea = Plea {
        caller,
        external_id: asked.external_id.as_deref(),
        source_identity: source_identity.as_deref(),
        tags: &tags,
    };
    admit(&role, plea)?;
    region_enabled(cloud, request, &role)?;

    let wish = Wish {
        session_name: asked.role_session_name.clone().unwrap_or_default(),
        seconds: asked.seconds(&role, caller.is_session)?,
        policy: asked.session_policy(cloud)?,
        transitive_tags: tags
            .iter()
            .filter(|(key, _)| {
                caller.transitive_tags.contains_key(*key) || asked.transitive_tag_keys.contains(*key)
            })
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        source_identity: source_identity.clone(),
    };
    let issued = cloud.issue(&role, wish);
    let identity = source_identity.map(|identity| element("SourceIdentity", &identity)).unwrap_or_default();
    Ok(session(&issued) + &identity)
}

/// Both sides must agree: the caller's identity policy and the role's trust policy, for each action that the
/// request implies.
fn admit(role: &KnownRole, plea: Plea<'_>) -> Result<(), Refusal> {
    let caller = plea.caller;
    let statements: Vec<_> =
        role.role.trust.iter().filter_map(|trust| trust.admits(plea).map(|how| (trust, how))).collect();
    let same_account = caller.account == role.account;
    let implied = [
        ("sts:AssumeRole", true),
        ("sts:TagSession", !plea.tags.is_empty()),
        ("sts:SetSourceIdentity", plea.source_identity.is_some()),
    ];
    for (action, _) in implied.into_iter().filter(|(_, implied)| *implied) {
        let trusted = statements.iter().filter(|(trust, _)| match action {
            "sts:TagSession" => trust.tag_session,
            "sts:SetSourceIdentity" => trust.set_source_identity,
            _ => true,
        });
        let trusted: Vec<Trusted> = trusted.map(|(_, how)| *how).collect();
        let by_name_alone = same_account && trusted.contains(&Trusted::ByName);
        if trusted.is_empty() || !by_name_alone && caller.lacks(action, &role.arn).is_some() {
            return Err(not_authorized(caller, action, &role.arn));
        }
    }
    Ok(())
}

fn not_authorized(caller: &Caller, action: &str, role: &str) -> Refusal {
    let text = format!("User: {} is not authorized to perform: {action} on resource: {role}", caller.arn);
    Refusal::new(403, "AccessDenied", text)
}

fn region_enabled(cloud: &Cloud, request: &Request<'_>, role: &KnownRole) -> Result<(), Refusal> {
    let account = cloud.world.accounts.get(&role.account);
    if account.is_some_and(|account| account.disabled_regions.iter().any(|region| region == request.region)) {
        let text = format!(
            "STS is not activated in this region for account:{}. Your account administrator can activate STS in \
             this region using the IAM Console.",
            role.account
        );
        return Err(Refusal::new(403, "RegionDisabledException", text));
    }
    Ok(())
}

fn assume_role_with_web_identity(cloud: &Cloud, request: &Request<'_>) -> Result<String, Refusal> {
    let asked = AssumeRole::read(request.parameters)?;
    let Some(token) = &asked.web_identity_token else {
        let mut constraints = Constraints::default();
        constraints.present::<String>("webIdentityToken", None);
        return constraints.finish("ValidationError").map(|()| String::new());
    };
    let account = asked.arn().split(':').nth(4).and_then(|id| cloud.world.accounts.get(id));
    let none = BTreeMap::new();
    let providers = account.map_or(&none, |account| &account.oidc_providers);
    let identity = cloud.issuers.judge(token, providers, request.now)?;
    let role = cloud.directory().role(asked.arn());
    let admits = |role: &KnownRole| {
        let mut statements = role.role.trust.iter();
        statements.any(|trust| trust.admits_token(&identity.issuer, &identity.subject, &identity.audience))
    };
    let Some(role) = role.filter(|role| admits(role)) else {
        let text = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
        return Err(Refusal::new(403, "AccessDenied", text));
    };
    region_enabled(cloud, request, &role)?;
    let wish = Wish {
        session_name: asked.role_session_name.clone().unwrap_or_default(),
        seconds: asked.seconds(&role, false)?,
        policy: asked.session_policy(cloud)?,
        ..Wish::default()
    };
    let issued = cloud.issue(&role, wish);
    let partition = role.arn.split(':').nth(1).unwrap_or_default();
    let provider = identity.url.trim_start_matches("https://");
    let provider = format!("arn:{partition}:iam::{}:oidc-provider/{provider}", role.account);
    Ok(session(&issued)
        + &element("SubjectFromWebIdentityToken", &identity.subject)
        + &element("Provider", &provider)
        + &element("Audience", &identity.audience))
}

fn get_caller_identity(request: &Request<'_>) -> Result<String, Refusal> {
    let caller = request.caller()?;
    Ok(element("Arn", &caller.arn)
        + &element("UserId", &caller.user_id)
        + &element("Account", &caller.account))
}

fn session(issued: &Issued) -> String {
    let user = element("AssumedRoleId", &issued.id) + &element("Arn", &issued.arn);
    let credentials = element("AccessKeyId", &issued.access_key)
        + &element("SecretAccessKey", &issued.secret)
        + &element("SessionToken", &issued.token)
        + &element("Expiration", &iso(issued.expires));
    format!("<AssumedRoleUser>\n{user}</AssumedRoleUser>\n<Credentials>\n{credentials}</Credentials>\n")
}

fn element(name: &str, text: &str) -> String {
    format!("<{name}>{}</{name}>\n", escape(text))
}
