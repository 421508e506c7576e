//! The wire protocols: reading parameters, writing answers and refusals.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::dispatch::Incoming;
use crate::refusal::Refusal;

/// The XML name space of STS.
pub(crate) const STS_XMLNS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
/// The only version of STS there is.
const STS_VERSION: &str = "2011-06-15";

/// How a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// awsQuery: a form in, XML out.
    Query,
    /// awsJson1.1.
    Json {
        /// Prefix of `X-Amz-Target`.
        target: &'static str,
        /// How its errors spell the member with the text.
        message: &'static str,
    },
    /// A document at a path.
    Document {
        /// Of good answers.
        content_type: &'static str,
    },
}

/// An answer, but for its headers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
    /// AWS error code.
    pub(crate) error: Option<String>,
}

impl Protocol {
    /// The parameters of a request, as JSON.
    pub(crate) fn parameters(self, incoming: &Incoming) -> Result<Value, Refusal> {
        match self {
            Self::Query => {
                let form = incoming.form();
                match form.iter().find(|(name, _)| name == "Version") {
                    Some((_, version)) if version == STS_VERSION => Ok(nested(&form)),
                    _ => Err(self.unknown_operation(&incoming.action().unwrap_or_default())),
                }
            }
            Self::Json { .. } => {
                let content_type = incoming.header("content-type").unwrap_or_default();
                if !content_type.starts_with("application/x-amz-json-1.1") {
                    return Err(self.unknown_operation(""));
                }
                let parsed: Result<Map<String, Value>, _> = serde_json::from_slice(&incoming.body);
                parsed.map(Value::Object).map_err(|_| {
                    Refusal::at_the_door(
                        400,
                        "SerializationException",
                        "Could not parse request body into json",
                    )
                })
            }
            Self::Document { .. } => Ok(json!({ "Path": incoming.path })),
        }
    }

    /// A good answer.
    pub(crate) fn accept(self, body: String) -> Answer {
        let content_type = match self {
            Self::Query => "text/xml",
            Self::Json { .. } => "application/x-amz-json-1.1",
            Self::Document { content_type } => content_type,
        };
        Answer { status: 200, content_type, body, error: None }
    }

    /// An error answer.
    pub(crate) fn refuse(self, refusal: &Refusal, request_id: &str) -> Answer {
        let Refusal { status, code, message, by_service } = refusal;
        let (content_type, body) = match self {
            Self::Query => {
                let side = if *status < 500 { "Sender" } else { "Receiver" };
                let (code, message) = (escape(code), escape(message));
                let body = format!(
                    "<ErrorResponse xmlns=\"{STS_XMLNS}\">\n  <Error>\n    <Type>{side}</Type>\n    <Code>{code}</Code>\n    \
                     <Message>{message}</Message>\n  </Error>\n  <RequestId>{request_id}</RequestId>\n</ErrorResponse>\n"
                );
                ("text/xml", body)
            }
            Self::Json { message: member, .. } => {
                let member = if *by_service { member } else { "message" };
                ("application/x-amz-json-1.1", json!({ "__type": code, member: message }).to_string())
            }
            Self::Document { .. } => {
                ("application/json", json!({ "code": code, "message": message }).to_string())
            }
        };
        Answer { status: *status, content_type, body, error: Some(code.clone()) }
    }

    /// What the authentication in front of the service says: XML services and JSON services have their own
    /// codes for the same thing.
    fn at_the_door(self, query: (u16, &str), json: &str, message: impl Into<String>) -> Refusal {
        match self {
            Self::Query => Refusal::at_the_door(query.0, query.1, message),
            Self::Json { .. } | Self::Document { .. } => Refusal::at_the_door(400, json, message),
        }
    }

    /// No signature.
    pub(crate) fn unsigned(self) -> Refusal {
        let (query, json) = ("MissingAuthenticationToken", "MissingAuthenticationTokenException");
        self.at_the_door((403, query), json, "Request is missing Authentication Token")
    }

    /// Half a signature.
    pub(crate) fn incomplete_signature(self, text: String) -> Refusal {
        self.at_the_door((400, "IncompleteSignature"), "IncompleteSignatureException", text)
    }

    /// A wrong signature.
    pub(crate) fn wrong_signature(self, text: String) -> Refusal {
        self.at_the_door((403, "SignatureDoesNotMatch"), "InvalidSignatureException", text)
    }

    /// A key that nobody has, or a session token that is not the key's.
    pub(crate) fn unknown_key(self) -> Refusal {
        let (query, json) = ("InvalidClientTokenId", "UnrecognizedClientException");
        self.at_the_door((403, query), json, "The security token included in the request is invalid.")
    }

    /// A session past its end.
    pub(crate) fn expired_session(self) -> Refusal {
        let (query, json) = ("ExpiredToken", "ExpiredTokenException");
        self.at_the_door((403, query), json, "The security token included in the request is expired")
    }

    /// An operation that is not played.
    pub(crate) fn unknown_operation(self, operation: &str) -> Refusal {
        let text = format!("Could not find operation {operation} for version {STS_VERSION}");
        match self {
            Self::Query => Refusal::new(400, "InvalidAction", text),
            Self::Json { .. } => Refusal::at_the_door(400, "UnknownOperationException", ""),
            Self::Document { .. } => Refusal::new(404, "NotFound", "Not Found"),
        }
    }
}

/// Turns `Tags.member.1.Key=a` into `{"Tags": [{"Key": "a"}]}`; `Action` and `Version` are left out.
fn nested(form: &[(String, String)]) -> Value {
    let mut root = Value::Object(Map::new());
    for (name, value) in form.iter().filter(|(name, _)| name != "Action" && name != "Version") {
        let mut place = &mut root;
        for part in name.split('.') {
            if !place.is_object() {
                *place = json!({});
            }
            place = &mut place[part];
        }
        *place = json!(value);
    }
    with_lists(root)
}

fn with_lists(value: Value) -> Value {
    let Value::Object(mut members) = value else { return value };
    match members.remove("member") {
        Some(Value::Object(numbered)) if members.is_empty() => {
            let by_number =
                numbered.into_iter().map(|(number, value)| (number.parse().unwrap_or(u32::MAX), value));
            let sorted: BTreeMap<u32, Value> = by_number.collect();
            Value::Array(sorted.into_values().map(with_lists).collect())
        }
        other => {
            members.extend(other.map(|value| ("member".to_owned(), value)));
            Value::Object(members.into_iter().map(|(name, value)| (name, with_lists(value))).collect())
        }
    }
}

/// Text as XML content.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_become_json() {
        let form = [
            ("Action", "AssumeRole"),
            ("Tags.member.10.Key", "j"),
            ("Tags.member.2.Key", "b"),
            ("Tags.member.2.Value", "2"),
            ("TransitiveTagKeys.member.1", "b"),
            ("RoleArn", "x"),
        ];
        let form: Vec<_> =
            form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(
            nested(&form),
            json!({ "Tags": [{ "Key": "b", "Value": "2" }, { "Key": "j" }], "TransitiveTagKeys": ["b"], "RoleArn": "x" })
        );
    }

    #[test]
    fn refusals() {
        let refusal = Refusal::new(400, "X", "a < b");
        let glue = Protocol::Json { target: "AWSGlue", message: "Message" };
        assert_eq!(glue.refuse(&refusal, "r").body, r#"{"Message":"a < b","__type":"X"}"#);
        assert_eq!(glue.refuse(&glue.unknown_key(), "r").status, 400);
        assert!(Protocol::Query.refuse(&refusal, "r-1").body.contains("<Message>a &lt; b</Message>"));
        assert_eq!(Protocol::Query.unknown_key().status, 403);
    }
}
