//! The token of a service account: read afresh each time, and its claims for messages.

use std::io::ErrorKind as Io;
use std::path::Path;

use aws_smithy_types::DateTime;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::file;
use crate::profile::io_problem;

/// What a token says of itself. Not checked here: STS does that. Holds nothing secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenClaims {
    /// The issuer: the cluster's OIDC address.
    pub iss: Option<String>,
    /// The subject: `system:serviceaccount:<namespace>:<name>`.
    pub sub: Option<String>,
    /// The audiences; IAM expects `sts.amazonaws.com` among them.
    pub aud: Vec<String>,
    /// Expiry.
    pub exp: Option<DateTime>,
}

#[derive(Deserialize)]
struct Payload {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Longer than any token: STS takes 20,000 characters.
const LONGEST: usize = 64 * 1024;

/// Reads the token in `path`, without the white space around it.
pub(crate) async fn read(path: &Path, from: &str) -> Result<String, String> {
    let shown = path.display();
    let text = file::read_regular_text(path, LONGEST).await.map_err(|error| {
        format!("{from} names {shown}, which {}{}", io_problem(&error), hint(path, &error))
    })?;
    match text.trim() {
        "" => Err(format!("{from} names {shown}, which is empty")),
        token => Ok(token.to_owned()),
    }
}

/// Claims of `token`; all absent where it is no JSON web token.
pub(crate) fn claims(token: &str) -> TokenClaims {
    let payload = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let Some(payload) = payload.and_then(|bytes| serde_json::from_slice::<Payload>(&bytes).ok()) else {
        return TokenClaims::default();
    };
    let exp = payload.exp.map(DateTime::from_secs_f64);
    let aud = match payload.aud {
        None => Vec::new(),
        Some(Audience::One(aud)) => vec![aud],
        Some(Audience::Many(aud)) => aud,
    };
    TokenClaims { iss: payload.iss, sub: payload.sub, aud, exp }
}

/// Known ways to get the path wrong.
fn hint(path: &Path, error: &std::io::Error) -> String {
    let text = path.to_string_lossy();
    if let Some(trimmed) = text.strip_suffix('.').filter(|_| error.kind() == Io::NotFound) {
        let there = if Path::new(trimmed).exists() { " exists and" } else { "" };
        return format!(
            ": the path ends in a dot (a slip copied from a blog post); {trimmed}{there} is probably meant: remove the dot"
        );
    }
    if text.starts_with(['"', '\'']) {
        return ": take the quotes off; a config file has none".to_owned();
    }
    if text.ends_with('/') {
        return ": take the slash off the end".to_owned();
    }
    match error.kind() {
        Io::NotFound => ": is serviceAccountName set on the pod, does that service account have the \
             eks.amazonaws.com/role-arn annotation, and was the pod identity webhook up when the pod started?"
            .to_owned(),
        Io::PermissionDenied => ": set fsGroup in the pod's securityContext".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn claims_of_projected_tokens() {
        let read = claims(&jwt(
            r#"{"iss":"https://o","sub":"system:serviceaccount:a:b","aud":["sts.amazonaws.com"],"exp":12}"#,
        ));
        assert_eq!(read.iss.as_deref(), Some("https://o"));
        assert_eq!(read.sub.as_deref(), Some("system:serviceaccount:a:b"));
        assert_eq!(
            (read.aud, read.exp),
            (vec!["sts.amazonaws.com".to_owned()], Some(DateTime::from_secs(12)))
        );
        assert_eq!(claims(&jwt(r#"{"aud":"x"}"#)).aud, ["x"]);
    }

    #[test]
    fn whatever_is_no_token_has_no_claims() {
        for text in ["", "x", "a.b.c", "..", "e30.!!!.x", &jwt("[]"), &jwt("null")] {
            assert_eq!(claims(text), TokenClaims::default(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_slip_in_the_path_is_named() {
        let folder = std::env::temp_dir().join(format!("token-test-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let there = folder.join("token");
        std::fs::write(&there, " abc\n").unwrap();
        assert_eq!(read(&there, "x").await.unwrap(), "abc");
        let path = |suffix: &str| std::path::PathBuf::from(format!("{}{suffix}", there.display()));
        for (path, expected) in [
            (path("."), "ends in a dot"),
            (path("."), "token exists and is probably meant"),
            (path("/"), "slash"),
            (path("2"), "serviceAccountName"),
            (folder.clone(), "is a directory"),
            (format!("\"{}\"", there.display()).into(), "quotes"),
        ] {
            let error = read(&path, "web_identity_token_file").await.unwrap_err();
            assert!(error.contains(expected), "{}: {error}", path.display());
        }
        std::fs::write(&there, "\n").unwrap();
        assert!(read(&there, "x").await.unwrap_err().contains("is empty"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
