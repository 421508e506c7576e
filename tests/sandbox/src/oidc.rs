//! OIDC issuers: signing tokens as a cluster does, and judging them as IAM does.

use std::collections::BTreeMap;
use std::time::Duration;

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::Error;
use crate::crypto::{base64url, from_base64url, sha256_hex, uuid};
use crate::refusal::Refusal;
use crate::world::{Issuer, World};

/// An issuer's signing key (ECDSA P-256, `ES256`).
#[derive(Debug)]
struct Signer {
    url: String,
    key: EcdsaKeyPair,
    key_id: String,
}

/// All issuers, by short name.
#[derive(Debug)]
pub(crate) struct Issuers {
    signers: BTreeMap<String, Signer>,
}

/// What a good token says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The issuer's short name.
    pub(crate) issuer: String,
    /// The issuer's address.
    pub(crate) url: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    iat: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Issuers {
    pub(crate) fn new(world: &World) -> Result<Self, Error> {
        let signer = |(name, issuer): (&String, &Issuer)| Ok((name.clone(), Signer::new(&issuer.url)?));
        Ok(Self { signers: world.issuers.iter().map(signer).collect::<Result<_, Error>>()? })
    }

    /// A token as the kubelet projects it into a pod. `issuer` is a short name or an address; one that the
    /// world does not know signs with a key that nobody trusts.
    pub(crate) fn token(
        &self,
        issuer: &str,
        subject: &str,
        audience: &str,
        lifetime: Duration,
        now: OffsetDateTime,
    ) -> Result<String, Error> {
        let known = self.signers.iter().find(|(name, signer)| *name == issuer || signer.url == issuer);
        match known {
            Some((_, signer)) => signer.token(subject, audience, lifetime, now),
            None => Signer::new(issuer)?.token(subject, audience, lifetime, now),
        }
    }

    /// Judges a token for an account that trusts some issuers, each with its registered audiences.
    pub(crate) fn judge(
        &self,
        token: &str,
        providers: &BTreeMap<String, Vec<String>>,
        now: OffsetDateTime,
    ) -> Result<Identity, Refusal> {
        let invalid = |text: String| Refusal::new(400, "InvalidIdentityToken", text);
        let parts: Vec<&str> = token.split('.').collect();
        let [header_part, claims_part, signature_part] = parts[..] else {
            return Err(invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)".into()));
        };
        let header: Option<Header> = decode(header_part);
        let claims: Option<Claims> = decode(claims_part);
        let (Some(header), Some(claims)) = (header, claims) else {
            return Err(invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)".into()));
        };
        let provider = providers.iter().find_map(|(name, audiences)| {
            let signer = self.signers.get(name).filter(|signer| signer.url == claims.iss)?;
            Some((name, audiences, signer))
        });
        let Some((issuer, audiences, signer)) = provider else {
            return Err(invalid(format!(
                "No OpenIDConnect provider found in your account for {}",
                claims.iss
            )));
        };
        if header.alg != "ES256" || header.kid != signer.key_id {
            return Err(invalid(
                "Couldn't retrieve verification key from your identity provider,  please reference \
                 AssumeRoleWithWebIdentity documentation for requirements"
                    .into(),
            ));
        }
        let signature = from_base64url(signature_part).unwrap_or_default();
        let covered = &token[..header_part.len() + 1 + claims_part.len()];
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, signer.key.public_key());
        if public.verify(covered.as_bytes(), &signature).is_err() {
            return Err(invalid("The token signature could not be verified".into()));
        }
        if now.unix_timestamp() >= claims.exp {
            return Err(Refusal::new(
                400,
                "ExpiredTokenException",
                format!(
                    "Token expired: current date/time {} must be before the expiration date/time {}",
                    now.unix_timestamp(),
                    claims.exp
                ),
            ));
        }
        if claims.iat.is_none_or(|issued| issued > now.unix_timestamp() + 300) {
            return Err(invalid("Token must have been issued in the past".into()));
        }
        let given = match claims.aud {
            Audience::One(one) => vec![one],
            Audience::Many(many) => many,
        };
        let Some(audience) = given.into_iter().find(|audience| audiences.contains(audience)) else {
            return Err(invalid("Incorrect token audience".into()));
        };
        Ok(Identity { issuer: issuer.clone(), url: claims.iss, subject: claims.sub, audience })
    }
}

impl Signer {
    fn new(url: &str) -> Result<Self, Error> {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .map_err(|_| Error::Key("no random key"))?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random)
            .map_err(|_| Error::Key("unreadable key"))?;
        let key_id = sha256_hex(key.public_key().as_ref())[..40].to_owned();
        Ok(Self { url: url.to_owned(), key, key_id })
    }

    fn token(
        &self,
        subject: &str,
        audience: &str,
        lifetime: Duration,
        now: OffsetDateTime,
    ) -> Result<String, Error> {
        let issued = now.unix_timestamp();
        let mut claims = json!({
            "iss": self.url,
            "sub": subject,
            "aud": [audience],
            "iat": issued,
            "nbf": issued,
            "exp": (now + lifetime).unix_timestamp(),
            "jti": uuid(),
        });
        if let Some((namespace, account)) =
            subject.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'))
        {
            claims["kubernetes.io"] = json!({
                "namespace": namespace,
                "pod": { "name": format!("{account}-28512345-x7k2p"), "uid": uuid() },
                "serviceaccount": { "name": account, "uid": uuid() },
            });
        }
        let header = json!({ "alg": "ES256", "kid": self.key_id, "typ": "JWT" });
        let encoded = |part: &Value| base64url(part.to_string().as_bytes());
        let signed = format!("{}.{}", encoded(&header), encoded(&claims));
        let signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|_| Error::Key("the key does not sign"))?;
        Ok(format!("{signed}.{}", base64url(signature.as_ref())))
    }
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    serde_json::from_slice(&from_base64url(part)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    #[test]
    fn tokens_are_judged() {
        let world = World::from_toml(
            "[accounts]\n[issuers]\ncluster = { url = 'https://oidc.test/1' }\nother = { url = 'https://oidc.test/2' }",
        );
        let issuers = Issuers::new(&world.unwrap()).unwrap();
        let providers = BTreeMap::from([("cluster".to_owned(), vec!["sts.amazonaws.com".to_owned()])]);
        let subject = "system:serviceaccount:team-ns:glue-trigger";
        let token =
            |issuer: &str, audience: &str| issuers.token(issuer, subject, audience, HOUR, NOW).unwrap();
        let judge = |token: &str, now| issuers.judge(token, &providers, now);

        let good = token("cluster", "sts.amazonaws.com");
        let identity = judge(&good, NOW).unwrap();
        assert_eq!((identity.issuer.as_str(), identity.subject.as_str()), ("cluster", subject));

        let (signed, signature) = good.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let altered = format!("{header}.{claims}.{}", signature.chars().rev().collect::<String>());
        let unsigned = format!("{}.{claims}.", base64url(br#"{"alg":"none","kid":""}"#));
        for (token, now, code, text) in [
            (
                good.clone(),
                NOW + HOUR,
                "ExpiredTokenException",
                "Token expired: current date/time 3600 must be before",
            ),
            (altered, NOW, "InvalidIdentityToken", "signature"),
            (unsigned, NOW, "InvalidIdentityToken", "verification key"),
            ("x.y".into(), NOW, "InvalidIdentityToken", "not a valid JWT"),
            ("x.y.z".into(), NOW, "InvalidIdentityToken", "not a valid JWT"),
            (token("cluster", "vault"), NOW, "InvalidIdentityToken", "Incorrect token audience"),
            (
                token("other", "sts.amazonaws.com"),
                NOW,
                "InvalidIdentityToken",
                "No OpenIDConnect provider found in your account for https://oidc.test/2",
            ),
            (
                token("https://nobody.test", "sts.amazonaws.com"),
                NOW,
                "InvalidIdentityToken",
                "for https://nobody.test",
            ),
        ] {
            let refusal = judge(&token, now).unwrap_err();
            assert_eq!(refusal.code, code, "{}", refusal.message);
            assert!(refusal.message.contains(text), "{}", refusal.message);
        }
    }
}
