//! Which side to mend when STS refuses, from what it answered. Pure.

use aws_smithy_types::date_time::Format;

use crate::role::{RoleSpec, account_of};
use crate::token::TokenClaims;

/// What STS answered: its code (empty where there was none) and its text.
#[derive(Clone, Copy)]
pub(crate) struct Refusal<'a> {
    pub(crate) code: &'a str,
    pub(crate) message: &'a str,
}

/// `sts:AssumeRoleWithWebIdentity` was refused.
pub(crate) fn web_identity(refusal: Refusal<'_>, role: &RoleSpec, claims: &TokenClaims) -> Vec<String> {
    let unknown = "(not in the token)";
    let iss = claims.iss.as_deref().unwrap_or(unknown);
    let sub = claims.sub.as_deref().unwrap_or(unknown);
    let aud = if claims.aud.is_empty() { unknown.to_owned() } else { claims.aud.join(", ") };
    let account = role.account();
    match refusal.code {
        "AccessDenied" => vec![format!(
            "the trust policy of {} must allow sts:AssumeRoleWithWebIdentity to the OIDC provider of {iss} where its \
             `:sub` is {sub} and its `:aud` is {aud} (does the role exist, and is it the service account that you mean?)",
            role.arn
        )],
        "InvalidIdentityToken" if refusal.message.contains("audience") => vec![format!(
            "the token's audience is {aud}: the projected token must ask for sts.amazonaws.com, and the OIDC provider \
             of {iss} in account {account} must list it as a client id"
        )],
        "InvalidIdentityToken" => vec![format!(
            "account {account} needs an IAM OIDC provider for {iss}, the issuer of the token (is it the cluster you \
             think, and the token untouched?)"
        )],
        "ExpiredTokenException" => {
            let ended = claims.exp.and_then(|exp| exp.fmt(Format::DateTime).ok());
            let ended = ended.map(|time| format!(" (it ended at {time})")).unwrap_or_default();
            vec![format!(
                "the token in the file is too old{ended}: the kubelet renews a projected token, so mount it as a volume \
                 (not by subPath, not copied), and look at the clock of the node"
            )]
        }
        _ => common(refusal, role),
    }
}

/// `sts:AssumeRole` was refused; `caller` is who asked.
pub(crate) fn assume_role(refusal: Refusal<'_>, role: &RoleSpec, caller: Option<&str>) -> Vec<String> {
    let who = caller.map(role_of_session).or_else(|| caller_in(refusal.message));
    let who = who.unwrap_or_else(|| "the caller".to_owned());
    let side_a = account_of(&who).map(|account| format!(" in account {account}")).unwrap_or_default();
    let (arn, side_b) = (&role.arn, role.account());
    match refusal.code {
        "AccessDenied" if refusal.message.contains("sts:TagSession") => vec![format!(
            "the trust policy of {arn} in account {side_b} must allow {who} sts:TagSession beside sts:AssumeRole: the \
             session carries tags (EKS Pod Identity sets some that every later hop inherits; its association can \
             switch them off with disableSessionTags)"
        )],
        "AccessDenied" if refusal.message.contains("sts:SetSourceIdentity") => vec![format!(
            "{who} and the trust policy of {arn} in account {side_b} must both allow sts:SetSourceIdentity"
        )],
        "AccessDenied" if refusal.message.contains("explicit deny") => vec![format!(
            "a policy denies it outright: look at the service control policies of both accounts, at permission \
             boundaries, and at the trust policy of {arn}"
        )],
        "AccessDenied" => {
            let identity = format!("the identity policy of {who}{side_a} must allow sts:AssumeRole on {arn}");
            let trust = format!(
                "the trust policy of {arn} in account {side_b} must allow {who} sts:AssumeRole{} (does the role exist?)",
                external_id(role)
            );
            if refusal.message.contains("no identity-based policy") {
                vec![identity]
            } else if refusal.message.contains("no resource-based policy") {
                vec![trust]
            } else {
                vec![trust, identity]
            }
        }
        "ExpiredToken" | "ExpiredTokenException" => {
            vec!["the session of the hop before has ended: look at the clock of this machine".to_owned()]
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" | "SignatureDoesNotMatch" => {
            vec![
                "the keys of the hop before are unknown to STS, or altered: look at where they come from"
                    .to_owned(),
            ]
        }
        _ => common(refusal, role),
    }
}

/// `sts:GetCallerIdentity` was refused: it needs no permission, so that it can only be the keys.
pub(crate) fn caller_identity(refusal: Refusal<'_>) -> Vec<String> {
    match refusal.code {
        "ExpiredToken" | "ExpiredTokenException" => {
            vec![
                "the session has ended: renew it at its source, or look at the clock of this machine"
                    .to_owned(),
            ]
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" | "SignatureDoesNotMatch" => {
            vec!["the keys are unknown to STS, or altered: look at where they come from".to_owned()]
        }
        _ => Vec::new(),
    }
}

/// What can befall both calls.
fn common(refusal: Refusal<'_>, role: &RoleSpec) -> Vec<String> {
    match refusal.code {
        "ValidationError" if refusal.message.contains("role chaining") => vec![
            "a role taken from a role lives one hour at most, whatever its MaxSessionDuration: ask for duration_seconds \
             of 3600 or less (long waits are no problem, sessions are renewed)"
                .to_owned(),
        ],
        "ValidationError" if refusal.message.contains("MaxSessionDuration") => {
            vec![format!("ask for a shorter duration_seconds, or raise MaxSessionDuration of {}", role.arn)]
        }
        "RegionDisabledException" => {
            vec!["use a region that account owns, or let it activate STS for this region".to_owned()]
        }
        "PackedPolicyTooLarge" => vec!["use fewer or shorter session tags and policies".to_owned()],
        "MalformedPolicyDocument" => vec!["look at the policy ARNs of this hop".to_owned()],
        _ => Vec::new(),
    }
}

fn external_id(role: &RoleSpec) -> &'static str {
    if role.external_id.is_some() {
        ", with the external id that this hop sends"
    } else {
        "; where it asks for an external id, set external_id"
    }
}

/// The caller that `AccessDenied` names: `User: arn:… is not authorized …`.
fn caller_in(message: &str) -> Option<String> {
    let arn = message.strip_prefix("User: ")?.split(' ').next()?;
    arn.starts_with("arn:").then(|| role_of_session(arn))
}

/// The role behind a session's ARN, as policies name it. The path of a role is not in its sessions' ARNs.
///
/// ```
/// let session = "arn:aws:sts::111111111111:assumed-role/cats/glue-trigger-1";
/// assert_eq!(chained_credentials::role_of_session(session), "arn:aws:iam::111111111111:role/cats");
/// ```
pub fn role_of_session(arn: &str) -> String {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts[..] {
        ["arn", partition, "sts", _, account, resource] => {
            let name = resource.strip_prefix("assumed-role/").and_then(|rest| rest.split('/').next());
            name.map_or_else(|| arn.to_owned(), |name| format!("arn:{partition}:iam::{account}:role/{name}"))
        }
        _ => arn.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "arn:aws:sts::111111111111:assumed-role/cats/glue-trigger-1";

    fn role(external_id: Option<&str>) -> RoleSpec {
        RoleSpec {
            arn: "arn:aws:iam::222222222222:role/ext".into(),
            external_id: external_id.map(str::to_owned),
            ..RoleSpec::default()
        }
    }

    #[test]
    fn assume_role_names_the_side_to_mend() {
        for (code, message, expected) in [
            (
                "AccessDenied",
                "User: x is not authorized",
                "the trust policy of arn:aws:iam::222222222222:role/ext in account 222222222222 must allow arn:aws:iam::111111111111:role/cats",
            ),
            (
                "AccessDenied",
                "… because no identity-based policy allows the sts:AssumeRole action",
                "the identity policy of arn:aws:iam::111111111111:role/cats in account 111111111111",
            ),
            (
                "AccessDenied",
                "… not authorized to perform: sts:TagSession on resource",
                "sts:TagSession beside",
            ),
            (
                "AccessDenied",
                "… with an explicit deny in a service control policy",
                "service control policies",
            ),
            ("AccessDenied", "… sts:SetSourceIdentity …", "sts:SetSourceIdentity"),
            (
                "ValidationError",
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
                "3600 or less",
            ),
            (
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
                "raise MaxSessionDuration",
            ),
            ("RegionDisabledException", "", "activate STS"),
            ("ExpiredToken", "", "clock"),
            ("InvalidClientTokenId", "", "unknown to STS"),
        ] {
            let advice = assume_role(Refusal { code, message }, &role(None), Some(A)).join("; ");
            assert!(advice.contains(expected), "{code} {message}: {advice}");
        }
    }

    #[test]
    fn the_external_id_is_mentioned_but_never_shown() {
        let refusal = Refusal { code: "AccessDenied", message: "User: x is not authorized" };
        assert!(assume_role(refusal, &role(None), Some(A))[0].contains("set external_id"));
        let with = assume_role(refusal, &role(Some("hush-hush")), Some(A)).join(" ");
        assert!(with.contains("that this hop sends") && !with.contains("hush"), "{with}");
    }

    #[test]
    fn the_caller_is_taken_from_the_text_where_no_hop_told_it() {
        let message = format!("User: {A} is not authorized to perform: sts:AssumeRole on resource: x");
        let refusal = Refusal { code: "AccessDenied", message: &message };
        assert!(assume_role(refusal, &role(None), None)[0].contains("arn:aws:iam::111111111111:role/cats"));
    }

    #[test]
    fn web_identity_shows_the_claims_to_trust() {
        let claims = TokenClaims {
            iss: Some("https://oidc.example/id/1".into()),
            sub: Some("system:serviceaccount:ns:sa".into()),
            aud: vec!["other".into()],
            exp: Some(aws_smithy_types::DateTime::from_secs(0)),
        };
        for (code, message, expected) in [
            ("AccessDenied", "Not authorized", "`:sub` is system:serviceaccount:ns:sa"),
            ("InvalidIdentityToken", "Incorrect token audience", "the token's audience is other"),
            (
                "InvalidIdentityToken",
                "No OpenIDConnect provider found",
                "OIDC provider for https://oidc.example/id/1",
            ),
            ("ExpiredTokenException", "Token expired", "ended at 1970-01-01T00:00:00Z"),
        ] {
            let advice = web_identity(Refusal { code, message }, &role(None), &claims).join("; ");
            assert!(advice.contains(expected), "{code} {message}: {advice}");
        }
    }
}
