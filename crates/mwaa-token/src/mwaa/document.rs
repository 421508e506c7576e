//! JSON as the SDK has it, and as everybody else has it.

use aws_smithy_types::{Document, Number};
use serde_json::{Map, Value};

/// For the SDK. A number that is neither a 64-bit integer nor a double loses digits, as it does in Airflow.
pub(super) fn document(value: &Value) -> Document {
    match value {
        Value::Null => Document::Null,
        Value::Bool(bool) => Document::Bool(*bool),
        Value::Number(number) => {
            Document::Number(match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => Number::PosInt(number),
                (_, Some(number), _) => Number::NegInt(number),
                (.., number) => Number::Float(number.unwrap_or_default()),
            })
        }
        Value::String(text) => Document::String(text.clone()),
        Value::Array(items) => Document::Array(items.iter().map(document).collect()),
        Value::Object(members) => {
            Document::Object(members.iter().map(|(name, value)| (name.clone(), document(value))).collect())
        }
    }
}

/// From the SDK, which keeps no order of members: they are in that of their names.
pub(super) fn value(document: &Document) -> Value {
    match document {
        Document::Null => Value::Null,
        Document::Bool(bool) => Value::Bool(*bool),
        Document::Number(Number::PosInt(number)) => Value::from(*number),
        Document::Number(Number::NegInt(number)) => Value::from(*number),
        Document::Number(Number::Float(number)) => Value::from(*number),
        Document::String(text) => Value::String(text.clone()),
        Document::Array(items) => Value::Array(items.iter().map(value).collect()),
        Document::Object(members) => Value::Object(
            members.iter().map(|(name, member)| (name.clone(), value(member))).collect::<Map<_, _>>(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn there_and_back() {
        let whole = json!({ "a": [1, -1, 1.5, u64::MAX, i64::MIN, 1e300], "b": { "c": null, "d": true, "e": "ü" }, "f": [] });
        assert_eq!(value(&document(&whole)), whole);
    }
}
