//! The wire protocols: reading parameters, writing answers and refusals, and how each of them says that a
//! request is not authentic or not allowed.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::dispatch::Incoming;
use crate::identity::Caller;
use crate::refusal::Refusal;
use crate::s3;
use crate::sigv4::Problem;

/// The XML name space of STS.
pub(crate) const STS_XMLNS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
/// The only version of STS there is.
const STS_VERSION: &str = "2011-06-15";

/// How a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// awsQuery: a form in, XML out.
    Query,
    /// awsJson1.0 and awsJson1.1.
    Json {
        /// 1.0 or 1.1.
        version: &'static str,
        /// Prefix of `X-Amz-Target`.
        target: &'static str,
        /// How its errors spell the member with the text.
        message: &'static str,
    },
    /// restJson1: path, headers, query and body in, headers and body out.
    Rest {
        /// Errors of these codes spell the member with the text `message`, all others `Message`.
        lower: &'static [&'static str],
        /// Errors tell in a member `Type` whose fault they are.
        typed: bool,
    },
    /// restXml as S3 speaks it.
    S3,
    /// A document at a path.
    Document {
        /// Of good answers.
        content_type: &'static str,
    },
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
                if !content_type.starts_with(self.json_type()) {
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
            Self::S3 => Ok(s3::parameters(incoming)),
            Self::Rest { .. } | Self::Document { .. } => Ok(json!({ "Path": incoming.path })),
        }
    }

    /// A good answer.
    pub(crate) fn accept(self, body: String) -> Answer {
        let content_type = match self {
            Self::Query => "text/xml",
            Self::Json { .. } => self.json_type(),
            Self::Rest { .. } => "application/json",
            Self::S3 => "application/xml",
            Self::Document { content_type } => content_type,
        };
        Answer::new(content_type, body)
    }

    /// An error answer.
    pub(crate) fn refuse(self, refusal: &Refusal, request_id: &str) -> Answer {
        let Refusal { status, code, message, by_service, members, .. } = refusal;
        let (content_type, body) = match self {
            Self::S3 => return s3::refuse(refusal, request_id),
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
                let namespace = if *by_service { self.namespace(code) } else { "" };
                let mut error = json!({ "__type": format!("{namespace}{code}"), member: message });
                for (name, value) in members {
                    error[*name] = value.clone();
                }
                (self.json_type(), error.to_string())
            }
            Self::Rest { lower, typed } => {
                let capital = *by_service && !lower.contains(&code.as_str());
                let mut error = Map::new();
                error.insert(if capital { "Message" } else { "message" }.into(), json!(message));
                if typed && *by_service {
                    let side = if *status < 500 { "User" } else { "Service" };
                    error.insert("Type".into(), json!(side));
                }
                error.extend(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
                ("application/json", Value::Object(error).to_string())
            }
            Self::Document { .. } => {
                ("application/json", json!({ "code": code, "message": message }).to_string())
            }
        };
        let headers = refusal.headers.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        Answer { error: Some(code.clone()), headers, ..Answer::new(content_type, body).status(*status) }
    }

    fn json_type(self) -> &'static str {
        match self {
            Self::Json { version: "1.0", .. } => "application/x-amz-json-1.0",
            _ => "application/x-amz-json-1.1",
        }
    }

    /// What stands before the code in `__type`: services of awsJson1.0 name the model there.
    fn namespace(self, code: &str) -> &'static str {
        match self {
            Self::Json { version: "1.0", .. } if code == "ValidationException" => {
                "com.amazon.coral.validate#"
            }
            Self::Json { version: "1.0", target: "AWSStepFunctions", .. } => {
                "com.amazonaws.swf.service.v2.model#"
            }
            _ => "",
        }
    }

    /// A request that is not authentic.
    pub(crate) fn not_authentic(self, problem: Problem) -> Refusal {
        match problem {
            problem if self == Self::S3 => s3::not_authentic(problem),
            Problem::Absent => self.unsigned(),
            Problem::Incomplete(text) => self.incomplete_signature(text),
            Problem::Region { given, .. } => self
                .wrong_signature(format!("Credential should be scoped to a valid region, not '{given}'. ")),
            Problem::Mismatch(text) | Problem::Skewed(text) | Problem::Body(text) => {
                self.wrong_signature(text)
            }
        }
    }

    /// A caller who may not do something, for want of a policy of this kind.
    pub(crate) fn denied(self, caller: &Caller, action: &str, resource: &str, reason: &str) -> Refusal {
        if self == Self::S3 {
            return s3::denied(caller, action, resource, reason);
        }
        let text = caller.denial(action, resource, reason);
        let status = if matches!(self, Self::Rest { .. }) { 403 } else { 400 };
        Refusal::new(status, "AccessDeniedException", text)
    }

    /// What the authentication in front of the service says: XML services and JSON services have their own
    /// codes for the same thing, and REST services other statuses.
    fn at_the_door(self, query: (u16, &str), json: &str, message: impl Into<String>) -> Refusal {
        match self {
            Self::Query => Refusal::at_the_door(query.0, query.1, message),
            Self::Rest { .. } => Refusal::at_the_door(403, json, message),
            Self::Json { .. } | Self::S3 | Self::Document { .. } => Refusal::at_the_door(400, json, message),
        }
    }

    /// No signature.
    pub(crate) fn unsigned(self) -> Refusal {
        let (query, json) = ("MissingAuthenticationToken", "MissingAuthenticationTokenException");
        self.at_the_door((403, query), json, "Request is missing Authentication Token")
    }

    /// Half a signature.
    fn incomplete_signature(self, text: String) -> Refusal {
        self.at_the_door((400, "IncompleteSignature"), "IncompleteSignatureException", text)
    }

    /// A wrong signature.
    fn wrong_signature(self, text: String) -> Refusal {
        self.at_the_door((403, "SignatureDoesNotMatch"), "InvalidSignatureException", text)
    }

    /// A key that nobody has.
    pub(crate) fn unknown_key(self) -> Refusal {
        if self == Self::S3 {
            return s3::unknown_key();
        }
        let (query, json) = ("InvalidClientTokenId", "UnrecognizedClientException");
        self.at_the_door((403, query), json, "The security token included in the request is invalid.")
    }

    /// A session token that is not the key's.
    pub(crate) fn wrong_token(self) -> Refusal {
        if self == Self::S3 { s3::wrong_token() } else { self.unknown_key() }
    }

    /// A session past its end.
    pub(crate) fn expired_session(self) -> Refusal {
        if self == Self::S3 {
            return s3::expired_session();
        }
        let (query, json) = ("ExpiredToken", "ExpiredTokenException");
        self.at_the_door((403, query), json, "The security token included in the request is expired")
    }

    /// An operation that is not played.
    pub(crate) fn unknown_operation(self, operation: &str) -> Refusal {
        let text = format!("Could not find operation {operation} for version {STS_VERSION}");
        match self {
            Self::Query => Refusal::new(400, "InvalidAction", text),
            Self::Json { .. } => Refusal::at_the_door(400, "UnknownOperationException", ""),
            Self::Rest { .. } => Refusal::at_the_door(404, "UnknownOperationException", ""),
            Self::S3 => s3::not_implemented(),
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
        let glue = Protocol::Json { version: "1.1", target: "AWSGlue", message: "Message" };
        let body = |protocol: Protocol, refusal: &Refusal| {
            String::from_utf8(protocol.refuse(refusal, "r-1").content.bytes().to_vec()).unwrap()
        };
        assert_eq!(body(glue, &refusal), r#"{"Message":"a < b","__type":"X"}"#);
        assert_eq!(glue.refuse(&glue.unknown_key(), "r").status, 400);
        assert!(body(Protocol::Query, &refusal).contains("<Message>a &lt; b</Message>"));
        assert_eq!(Protocol::Query.unknown_key().status, 403);
        let rest = Protocol::Rest { lower: &["Y"], typed: true };
        assert_eq!(body(rest, &refusal), r#"{"Message":"a < b","Type":"User"}"#);
        let refusal = Refusal::new(500, "Y", "z").member("Reason", "w");
        assert_eq!(body(rest, &refusal), r#"{"Reason":"w","Type":"Service","message":"z"}"#);
        let refusal = rest.unknown_key();
        assert_eq!(refusal.status, 403);
        assert!(body(rest, &refusal).starts_with(r#"{"message":"The security token"#));
    }
}
