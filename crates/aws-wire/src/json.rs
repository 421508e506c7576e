//! Answers in JSON, and how JSON services refuse.

use aws_smithy_runtime_api::client::interceptors::context::{Error, Output};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::ser_de::DeserializeResponse;
use serde_json::Value;

use crate::Refusal;

/// Reads answers in JSON, as a [`Value`]; nothing is null.
#[derive(Debug)]
pub struct JsonReader;

impl DeserializeResponse for JsonReader {
    fn deserialize_nonstreaming_with_config(
        &self,
        answer: &HttpResponse,
        _: &aws_smithy_types::config_bag::ConfigBag,
    ) -> Result<Output, OrchestratorError<Error>> {
        let body = answer.body().bytes().unwrap_or_default();
        if !answer.status().is_success() {
            let refusal = refusal(answer.headers().get("x-amzn-errortype"), body);
            return Err(OrchestratorError::operation(Error::erase(refusal)));
        }
        // There are operations that answer nothing.
        if body.is_empty() {
            return Ok(Output::erase(Value::Null));
        }
        let value: Value = serde_json::from_slice(body)
            .map_err(|fault| OrchestratorError::response(job_runtime::input::json_fault(&fault).into()))?;
        Ok(Output::erase(value))
    }
}

/// The code is in a header or in the body, with or without its namespace.
fn refusal(header: Option<&str>, body: &[u8]) -> Refusal {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let code = header.or_else(|| text("__type")).or_else(|| text("code"));
    let code = code.and_then(|code| code.split(':').next()).and_then(|code| code.rsplit('#').next());
    let message = text("message").or_else(|| text("Message")).or_else(|| text("errorMessage"));
    Refusal::new(code.map(str::to_owned), message.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;

    use super::*;

    #[test]
    fn refusals() {
        let cases = [
            (None, r#"{"__type":"ResourceInUse","message":"taken"}"#, Some("ResourceInUse"), Some("taken")),
            (
                None,
                r#"{"__type":"com.amazonaws#ResourceInUse","Message":"t"}"#,
                Some("ResourceInUse"),
                Some("t"),
            ),
            (
                Some("ValidationException:http://x"),
                r#"{"message":"m"}"#,
                Some("ValidationException"),
                Some("m"),
            ),
            (None, r#"{"code":"Throttling"}"#, Some("Throttling"), None),
            (None, "<html>", None, None),
            (None, "", None, None),
        ];
        for (header, body, code, message) in cases {
            let refusal = refusal(header, body.as_bytes());
            assert_eq!((refusal.code(), refusal.message()), (code, message), "{body}");
        }
    }
}
