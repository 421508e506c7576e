//! Credentials as JSON: what container endpoints answer and what a `credential_process` prints.

use aws_credential_types::Credentials;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::Deserialize;

/// Both forms; they differ in the name of the token.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    version: Option<u32>,
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
    #[serde(alias = "SessionToken")]
    token: Option<String>,
    expiration: Option<String>,
    account_id: Option<String>,
}

/// Reads credentials; the text of the error never quotes the answer, which may hold a secret.
pub(crate) fn credentials_from_json(bytes: &[u8], provider: &'static str) -> Result<Credentials, String> {
    let answer: Answer = serde_json::from_slice(bytes)
        .map_err(|_| "the answer is not a JSON object of credentials".to_owned())?;
    if answer.version.is_some_and(|version| version != 1) {
        return Err("the answer is not of Version 1".to_owned());
    }
    let need = |field: Option<String>, name: &str| field.ok_or_else(|| format!("the answer has no {name}"));
    let expires = answer.expiration.map(|text| {
        DateTime::from_str(&text, Format::DateTimeWithOffset)
            .ok()
            .and_then(|time| std::time::SystemTime::try_from(time).ok())
            .ok_or_else(|| "the Expiration in the answer is not a time".to_owned())
    });
    let mut builder = Credentials::builder()
        .access_key_id(need(answer.access_key_id, "AccessKeyId")?)
        .secret_access_key(need(answer.secret_access_key, "SecretAccessKey")?)
        .provider_name(provider);
    builder.set_session_token(answer.token);
    builder.set_expiry(expires.transpose()?);
    if let Some(account) = answer.account_id {
        builder = builder.account_id(account);
    }
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        for token in ["Token", "SessionToken"] {
            let json = format!(
                r#"{{"Version":1,"AccessKeyId":"ASIA1","SecretAccessKey":"s","{token}":"t","Expiration":"2030-01-02T03:04:05Z"}}"#
            );
            let read = credentials_from_json(json.as_bytes(), "test").unwrap();
            assert_eq!((read.access_key_id(), read.session_token()), ("ASIA1", Some("t")));
            assert!(read.expiry().is_some());
        }
    }

    #[test]
    fn what_is_no_credentials_is_said_without_quoting_it() {
        for (json, expected) in [
            ("", "not a JSON object"),
            ("{\"AccessKeyId\":\"a\",\"SecretAccessKey\":12345678}", "not a JSON object"),
            ("{\"AccessKeyId\":\"a\"}", "no SecretAccessKey"),
            ("{\"Version\":2,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\"}", "not of Version 1"),
            ("{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\",\"Expiration\":\"soon\"}", "not a time"),
        ] {
            let error = credentials_from_json(json.as_bytes(), "test").unwrap_err();
            assert!(error.contains(expected) && !error.contains("12345678"), "{json}: {error}");
        }
    }
}
