//! The policies that a hop needs, with the values in use. Pure.

use chained_credentials::{Hop, HopKind, RoleSpec, TokenClaims};
use serde::Serialize;
use std::collections::BTreeMap;

/// Where a caller is not known yet.
const UNKNOWN_ROLE: &str = "arn:aws:iam::ACCOUNT-OF-THE-CALLER:role/ROLE-OF-THE-CALLER";
/// Where an external id is not to be shown.
const EXTERNAL_ID: &str = "THE-EXTERNAL-ID-OF-THIS-HOP";

/// A policy to paste.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Policy {
    pub(crate) kind: Kind,
    /// The role that it belongs to.
    pub(crate) of: String,
    pub(crate) document: Document,
}

/// As IAM has it, its members in the order that people write.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Document {
    version: &'static str,
    statement: [Statement; 1],
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<BTreeMap<&'static str, String>>,
    action: Actions,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<BTreeMap<&'static str, BTreeMap<String, String>>>,
}

/// One action stands for itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Actions {
    One(&'static str),
    Many(Vec<&'static str>),
}

/// Which of a role's policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Who may become the role.
    Trust,
    /// What the role may do.
    Permissions,
}

/// What hops before this one bring along that this one's policies must allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Baggage {
    /// Session tags.
    pub(crate) tags: bool,
    /// A source identity.
    pub(crate) source_identity: bool,
}

impl Baggage {
    /// What the hops after `hop` carry.
    #[must_use]
    pub(crate) fn and(self, hop: &Hop) -> Self {
        let role = match &hop.kind {
            // Pod Identity sets tags, all of them transitive.
            HopKind::PodIdentity => return Self { tags: true, ..self },
            HopKind::AssumeRole(role) => role,
            HopKind::Keys
            | HopKind::WebIdentity { .. }
            | HopKind::Container
            | HopKind::InstanceMetadata
            | HopKind::Process => return self,
        };
        Self {
            tags: self.tags || !role.transitive_tag_keys.is_empty(),
            source_identity: self.source_identity || role.source_identity.is_some(),
        }
    }
}

/// The policies that `hop` needs, those of the side that calls first. `caller` is the role of the hop before, `me` that of
/// this one where it has been visited.
pub(crate) fn needed(
    hop: &Hop,
    (caller, me): (Option<&str>, Option<&str>),
    baggage: Baggage,
    show_external_id: bool,
) -> Vec<Policy> {
    let service = |service: &str, actions| {
        let of = me.unwrap_or("the role of this source").to_owned();
        vec![trust(of, ("Service", service.to_owned()), actions, BTreeMap::new())]
    };
    match &hop.kind {
        HopKind::Keys | HopKind::Process => Vec::new(),
        HopKind::PodIdentity => service("pods.eks.amazonaws.com", vec!["sts:AssumeRole", "sts:TagSession"]),
        HopKind::Container => service("ecs-tasks.amazonaws.com", vec!["sts:AssumeRole"]),
        HopKind::InstanceMetadata => service("ec2.amazonaws.com", vec!["sts:AssumeRole"]),
        HopKind::WebIdentity { role, claims, .. } => {
            vec![web_identity(role, claims.as_ref().unwrap_or(&TokenClaims::default()))]
        }
        HopKind::AssumeRole(role) => {
            assume_role(role, caller.unwrap_or(UNKNOWN_ROLE), baggage, show_external_id)
        }
    }
}

/// Of the policies that a hop needs, those that a refusal can be mended with.
pub(crate) fn to_mend(policies: Vec<Policy>, code: Option<&str>, message: &str) -> Vec<Policy> {
    let fits = |policy: &Policy| match code {
        // A policy that allows it does nothing against one that denies it.
        Some("AccessDenied") if message.contains("explicit deny") => false,
        Some("AccessDenied") if message.contains("no identity-based policy") => {
            policy.kind == Kind::Permissions
        }
        Some("AccessDenied") if message.contains("no resource-based policy") => policy.kind == Kind::Trust,
        Some("AccessDenied") => true,
        _ => false,
    };
    policies.into_iter().filter(fits).collect()
}

fn web_identity(role: &RoleSpec, claims: &TokenClaims) -> Policy {
    let provider = claims.iss.as_deref().unwrap_or("https://OIDC-PROVIDER-OF-THE-CLUSTER");
    let provider = provider.strip_prefix("https://").unwrap_or(provider);
    let sub = claims.sub.as_deref().unwrap_or("system:serviceaccount:NAMESPACE:SERVICE-ACCOUNT");
    let (partition, account) = (partition(&role.arn), role.account());
    let principal = format!("arn:{partition}:iam::{account}:oidc-provider/{provider}");
    // IAM takes this audience and no other from a cluster.
    let conditions = [("sub", sub), ("aud", "sts.amazonaws.com")];
    let conditions = conditions.map(|(claim, value)| (format!("{provider}:{claim}"), value.to_owned()));
    let actions = vec!["sts:AssumeRoleWithWebIdentity"];
    trust(role.arn.clone(), ("Federated", principal), actions, conditions.into())
}

fn assume_role(role: &RoleSpec, caller: &str, baggage: Baggage, show_external_id: bool) -> Vec<Policy> {
    let mut actions = vec!["sts:AssumeRole"];
    if baggage.tags || !role.tags.is_empty() {
        actions.push("sts:TagSession");
    }
    if baggage.source_identity || role.source_identity.is_some() {
        actions.push("sts:SetSourceIdentity");
    }
    let external_id = role.external_id.as_deref().map(|id| if show_external_id { id } else { EXTERNAL_ID });
    let conditions = external_id.map(|id| ("sts:ExternalId".to_owned(), id.to_owned()));
    let permissions = Statement {
        effect: "Allow",
        principal: None,
        action: Actions::new(actions.clone()),
        resource: Some(role.arn.clone()),
        condition: None,
    };
    vec![
        Policy { kind: Kind::Permissions, of: caller.to_owned(), document: Document::new(permissions) },
        trust(role.arn.clone(), ("AWS", caller.to_owned()), actions, conditions.into_iter().collect()),
    ]
}

/// The trust policy of the role `of`; `equals` are keys of the request and what they must be.
fn trust(
    of: String,
    principal: (&'static str, String),
    actions: Vec<&'static str>,
    equals: BTreeMap<String, String>,
) -> Policy {
    let statement = Statement {
        effect: "Allow",
        principal: Some([principal].into()),
        action: Actions::new(actions),
        resource: None,
        condition: (!equals.is_empty()).then(|| [("StringEquals", equals)].into()),
    };
    Policy { kind: Kind::Trust, of, document: Document::new(statement) }
}

impl Document {
    fn new(statement: Statement) -> Self {
        Self { version: "2012-10-17", statement: [statement] }
    }
}

impl Actions {
    fn new(actions: Vec<&'static str>) -> Self {
        match actions[..] {
            [action] => Self::One(action),
            _ => Self::Many(actions),
        }
    }
}

fn partition(arn: &str) -> &str {
    arn.split(':').nth(1).unwrap_or("aws")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value, json};
    use std::path::PathBuf;

    const B: &str = "arn:aws:iam::222222222222:role/b";
    const A: &str = "arn:aws:iam::111111111111:role/a";

    fn hop(kind: HopKind) -> Hop {
        Hop { number: 1, action: String::new(), profile: None, kind }
    }

    fn role() -> RoleSpec {
        RoleSpec { arn: B.to_owned(), ..RoleSpec::default() }
    }

    /// The one statement of a policy.
    fn allow(policy: &Policy) -> Value {
        serde_json::to_value(&policy.document).unwrap()["Statement"][0].clone()
    }

    fn of(kind: HopKind, baggage: Baggage) -> Vec<Policy> {
        needed(&hop(kind), (Some(A), None), baggage, false)
    }

    #[test]
    fn a_role_needs_both_sides() {
        let policies = of(HopKind::AssumeRole(role()), Baggage::default());
        let text = serde_json::to_string(&policies).unwrap();
        let expected = [
            r#"{"kind":"permissions","of":"A","document":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"B"}]}}"#,
            r#"{"kind":"trust","of":"B","document":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"A"},"Action":"sts:AssumeRole"}]}}"#,
        ];
        assert_eq!(text.replace(A, "A").replace(B, "B"), format!("[{}]", expected.join(",")));
    }

    #[test]
    fn tags_and_source_identities_ask_for_more_and_are_carried_on() {
        let tagged = RoleSpec {
            tags: vec![("team".to_owned(), "x".to_owned())],
            transitive_tag_keys: vec!["team".to_owned()],
            source_identity: Some("jane".to_owned()),
            ..role()
        };
        let all = json!(["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]);
        let policies = of(HopKind::AssumeRole(tagged.clone()), Baggage::default());
        assert!(policies.iter().all(|policy| allow(policy)["Action"] == all), "{policies:?}");
        let carried = Baggage::default().and(&hop(HopKind::AssumeRole(tagged)));
        let policies = of(HopKind::AssumeRole(role()), carried);
        assert!(policies.iter().all(|policy| allow(policy)["Action"] == all), "{policies:?}");
        let pod = Baggage::default().and(&hop(HopKind::PodIdentity));
        assert_eq!(pod, Baggage { tags: true, source_identity: false });
    }

    #[test]
    fn an_external_id_is_shown_on_request_only() {
        let kind = || HopKind::AssumeRole(RoleSpec { external_id: Some("hush".to_owned()), ..role() });
        let hidden = of(kind(), Baggage::default());
        let condition = allow(&hidden[1])["Condition"]["StringEquals"]["sts:ExternalId"].clone();
        assert_eq!(condition, EXTERNAL_ID);
        let shown = needed(&hop(kind()), (Some(A), None), Baggage::default(), true);
        assert_eq!(allow(&shown[1])["Condition"]["StringEquals"]["sts:ExternalId"], "hush");
        assert!(!serde_json::to_string(&hidden).unwrap().contains("hush"));
    }

    #[test]
    fn a_service_account_is_pinned_by_subject_and_audience() {
        let claims = TokenClaims {
            iss: Some("https://oidc.eks.cn-north-1.amazonaws.com.cn/id/1".to_owned()),
            sub: Some("system:serviceaccount:ns:sa".to_owned()),
            // What the token asks for wrongly does not get into the policy.
            aud: vec!["other".to_owned()],
            exp: None,
        };
        let arn = "arn:aws-cn:iam::111111111111:role/team/a".to_owned();
        let role = RoleSpec { arn: arn.clone(), ..RoleSpec::default() };
        let kind = |claims| HopKind::WebIdentity { role: role.clone(), token_file: PathBuf::new(), claims };
        let [policy] = &of(kind(Ok(claims)), Baggage::default())[..] else { panic!() };
        let provider = "oidc.eks.cn-north-1.amazonaws.com.cn/id/1";
        let mut equals = Map::new();
        equals.insert(format!("{provider}:sub"), json!("system:serviceaccount:ns:sa"));
        equals.insert(format!("{provider}:aud"), json!("sts.amazonaws.com"));
        assert_eq!(policy.of, arn);
        assert_eq!(
            allow(policy),
            json!({
                "Effect": "Allow",
                "Principal": { "Federated": format!("arn:aws-cn:iam::111111111111:oidc-provider/{provider}") },
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": { "StringEquals": equals },
            })
        );
        let unread = of(kind(Err("gone".to_owned())), Baggage::default());
        assert!(allow(&unread[0]).to_string().contains("NAMESPACE:SERVICE-ACCOUNT"));
    }

    #[test]
    fn sources_that_are_services_trust_them() {
        for (kind, service, actions) in [
            (HopKind::PodIdentity, "pods.eks.amazonaws.com", json!(["sts:AssumeRole", "sts:TagSession"])),
            (HopKind::Container, "ecs-tasks.amazonaws.com", json!("sts:AssumeRole")),
            (HopKind::InstanceMetadata, "ec2.amazonaws.com", json!("sts:AssumeRole")),
        ] {
            let policies = needed(&hop(kind), (None, Some(A)), Baggage::default(), false);
            let allow = allow(&policies[0]);
            assert_eq!((&policies[0].of[..], &allow["Principal"]["Service"]), (A, &json!(service)));
            assert_eq!(allow["Action"], actions);
        }
        assert!(of(HopKind::Keys, Baggage::default()).is_empty());
    }

    #[test]
    fn a_refusal_picks_the_side_to_mend() {
        use Kind::{Permissions, Trust};
        let cases: [(Option<&str>, &str, &[Kind]); 6] = [
            (Some("AccessDenied"), "User: x is not authorized", &[Permissions, Trust]),
            (Some("AccessDenied"), "because no identity-based policy allows", &[Permissions]),
            (Some("AccessDenied"), "because no resource-based policy allows", &[Trust]),
            (Some("AccessDenied"), "with an explicit deny in", &[]),
            (Some("ExpiredTokenException"), "", &[]),
            (None, "connection refused", &[]),
        ];
        for (code, message, expected) in cases {
            let policies = to_mend(of(HopKind::AssumeRole(role()), Baggage::default()), code, message);
            let kinds: Vec<Kind> = policies.iter().map(|policy| policy.kind).collect();
            assert_eq!(kinds, expected, "{message}");
        }
    }
}
