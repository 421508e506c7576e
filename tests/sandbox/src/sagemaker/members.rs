//! The members of the three invocations, judged by the model.

use std::collections::BTreeMap;

use serde_json::Value;

use super::is_dashed;
use crate::refusal::{Constraints, Refusal};
use crate::rest::Place::{self, Header};
use crate::rest::{Route, number};

const DASHED: &str = "^[a-zA-Z0-9](-*[a-zA-Z0-9])*";
const PRINTABLE: &str = r"\A\S[\p{Print}]*\z";
/// The largest bodies: of those who wait, and of asynchronous requests.
const LARGEST: usize = 6_291_456;
const LARGEST_ASYNC: usize = 128_000;

const CUSTOM_ATTRIBUTES: (&str, Place) = ("CustomAttributes", Header("x-amzn-sagemaker-custom-attributes"));
const TARGET_MODEL: (&str, Place) = ("TargetModel", Header("x-amzn-sagemaker-target-model"));
const TARGET_VARIANT: (&str, Place) = ("TargetVariant", Header("x-amzn-sagemaker-target-variant"));
const CONTAINER: (&str, Place) =
    ("TargetContainerHostname", Header("x-amzn-sagemaker-target-container-hostname"));
const INFERENCE_ID: (&str, Place) = ("InferenceId", Header("x-amzn-sagemaker-inference-id"));
const EXPLANATIONS: (&str, Place) = ("EnableExplanations", Header("x-amzn-sagemaker-enable-explanations"));
const COMPONENT: (&str, Place) = ("InferenceComponentName", Header("x-amzn-sagemaker-inference-component"));
const SESSION_ID: (&str, Place) = ("SessionId", Header("x-amzn-sagemaker-session-id"));
const PREFIX_ID: (&str, Place) = ("PrefixAwareId", Header("x-amzn-sagemaker-prefix-aware-id"));
const CONTENT_TYPE: (&str, Place) = ("ContentType", Header("content-type"));
/// `Accept` of the operations that do not use the header of that name.
const ACCEPT: (&str, Place) = ("Accept", Header("x-amzn-sagemaker-accept"));

pub(crate) const ROUTES: &[Route] = &[
    Route {
        operation: "InvokeEndpoint",
        method: "POST",
        path: "/endpoints/*/invocations",
        label: "EndpointName",
        members: &[
            CONTENT_TYPE,
            ("Accept", Header("accept")),
            CUSTOM_ATTRIBUTES,
            TARGET_MODEL,
            TARGET_VARIANT,
            CONTAINER,
            INFERENCE_ID,
            EXPLANATIONS,
            COMPONENT,
            SESSION_ID,
            PREFIX_ID,
        ],
        body: Some("Body"),
    },
    Route {
        operation: "InvokeEndpointWithResponseStream",
        method: "POST",
        path: "/endpoints/*/invocations-response-stream",
        label: "EndpointName",
        members: &[
            CONTENT_TYPE,
            ACCEPT,
            CUSTOM_ATTRIBUTES,
            TARGET_VARIANT,
            CONTAINER,
            INFERENCE_ID,
            COMPONENT,
            SESSION_ID,
            PREFIX_ID,
        ],
        body: Some("Body"),
    },
    Route {
        operation: "InvokeEndpointAsync",
        method: "POST",
        path: "/endpoints/*/async-invocations",
        label: "EndpointName",
        members: &[
            ("ContentType", Header("x-amzn-sagemaker-content-type")),
            ACCEPT,
            CUSTOM_ATTRIBUTES,
            INFERENCE_ID,
            ("InputLocation", Header("x-amzn-sagemaker-inputlocation")),
            ("S3OutputPathExtension", Header("x-amzn-sagemaker-s3outputpathextension")),
            ("Filename", Header("x-amzn-sagemaker-filename")),
            ("RequestTTLSeconds", Header("x-amzn-sagemaker-requestttlseconds")),
            ("InvocationTimeoutSeconds", Header("x-amzn-sagemaker-invocationtimeoutseconds")),
        ],
        body: Some("Body"),
    },
];

/// The members of a request but for the body, by name.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) all: BTreeMap<String, String>,
    pub(crate) ttl_seconds: Option<u64>,
    pub(crate) timeout_seconds: Option<u64>,
}

impl Options {
    /// Those that are there, if they and the size of the body are as the model has them.
    pub(crate) fn read(operation: &str, parameters: &Value, body: usize) -> Result<Self, Refusal> {
        let text = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
        let mut all: BTreeMap<String, String> =
            parameters.as_object().into_iter().flatten().filter_map(text).collect();
        all.remove("Body");
        let get = |name: &str| all.get(name).map(String::as_str);
        let mut constraints = Constraints::default();
        for (name, max) in [("Accept", 1024), ("ContentType", 1024), ("CustomAttributes", 1024)] {
            check(&mut constraints, name, get(name), (0, max), r"\p{ASCII}*", str::is_ascii);
        }
        for name in ["EndpointName", "TargetVariant", "TargetContainerHostname", "InferenceComponentName"] {
            check(&mut constraints, name, get(name), (0, 63), DASHED, is_dashed);
        }
        for (name, max) in [("TargetModel", 1024), ("InferenceId", 64), ("PrefixAwareId", 64)] {
            check(&mut constraints, name, get(name), (1, max), PRINTABLE, is_printable);
        }
        check(&mut constraints, "EnableExplanations", get("EnableExplanations"), (1, 64), ".*", |_| true);
        let sessions = "^(NEW_SESSION)$|^[a-zA-Z0-9](-*[a-zA-Z0-9])*$";
        // A session cannot be begun by a stream.
        let begins = operation == "InvokeEndpoint";
        let is_session = |text: &str| begins && text == "NEW_SESSION" || is_dashed(text);
        check(&mut constraints, "SessionId", get("SessionId"), (0, 256), sessions, is_session);
        let is_uri = |text: &str| {
            let path = text.strip_prefix("s3://").or_else(|| text.strip_prefix("https://"));
            path.is_some_and(|path| !path.is_empty() && !path.starts_with('/'))
        };
        let uris = "^(https|s3)://([^/]+)/?(.*)$";
        check(&mut constraints, "InputLocation", get("InputLocation"), (1, 1024), uris, is_uri);
        let extensions = "^(?!s3:|https:)[a-zA-Z0-9!_.*'()/-]+$";
        let is_extension =
            |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "!_.*'()/-".contains(c));
        let extension = "S3OutputPathExtension";
        check(&mut constraints, extension, get(extension), (1, 512), extensions, is_extension);
        let filenames = r"^(?!.*\..*\.)[a-zA-Z0-9][a-zA-Z0-9-_\.]*$";
        check(&mut constraints, "Filename", get("Filename"), (1, 32), filenames, is_filename);
        let mut seconds = |name: &str, min: i64, max: i64| -> Result<Option<u64>, Refusal> {
            let number = number(name, get(name))?;
            if let Some(number) = number {
                constraints.range(&camel(name), number, min, max);
            }
            Ok(number.and_then(|number| u64::try_from(number).ok()))
        };
        let ttl_seconds = seconds("RequestTTLSeconds", 60, 21_600)?;
        let timeout_seconds = seconds("InvocationTimeoutSeconds", 1, 3600)?;
        if operation == "InvokeEndpointAsync" {
            if body > LARGEST_ASYNC {
                constraints.too_long("body", LARGEST_ASYNC);
            }
        } else if body > LARGEST {
            // Said by what stands in front of the service, which names no code.
            let text = format!("HTTP content length exceeded {LARGEST} bytes.");
            return Err(Refusal::at_the_door(413, "413", text));
        }
        constraints.finish("ValidationError")?;
        Ok(Self { all, ttl_seconds, timeout_seconds })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all.get(name).map(String::as_str)
    }
}

fn check(
    constraints: &mut Constraints,
    name: &str,
    value: Option<&str>,
    (min, max): (usize, usize),
    pattern: &str,
    is: impl Fn(&str) -> bool,
) {
    if let Some(value) = value {
        constraints.length(&camel(name), value, min, max, false);
        constraints.form(&camel(name), value, pattern, is(value));
    }
}

/// A member's name as refusals spell it.
fn camel(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    format!("{}{rest}", first.to_ascii_lowercase())
}

fn is_printable(text: &str) -> bool {
    !text.starts_with(' ') && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// One dot at the most, and none in front.
fn is_filename(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
        && text.matches('.').count() < 2
}
