//! What is asked for, as one short text: one key stands for one piece of work.

use job_runtime::{digest, json};
use serde::Serialize;

use super::{Call, Input};

/// How many digits it has.
const DIGITS: usize = 32;

impl Call {
    /// A digest of everything that decides what the model answers. How long a request may wait, and what its objects
    /// are called, does not.
    pub(super) fn work(&self) -> String {
        #[derive(Serialize)]
        struct Work<'a> {
            endpoint: &'a str,
            content_type: &'a str,
            accept: Option<&'a str>,
            custom_attributes: Option<&'a str>,
            input_location: Option<&'a str>,
            /// In base64.
            body: Option<String>,
        }
        let (input_location, body) = match &self.input {
            Input::Location(location) => (Some(location.as_str()), None),
            Input::Body(body) => (None, Some(aws_smithy_types::base64::encode(body.bytes()))),
        };
        let work = Work {
            endpoint: &self.endpoint_name,
            content_type: &self.content_type,
            accept: self.accept.as_deref(),
            custom_attributes: self.custom_attributes.as_deref(),
            input_location,
            body,
        };
        digest(&json(&work), DIGITS)
    }
}
