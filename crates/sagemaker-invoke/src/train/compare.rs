//! Whether what was asked for is what a job was started with.

use serde_json::{Map, Number, Value};

/// The first path at which `asked` is not in `shown`: objects may hold more than was asked for, as the service fills in
/// defaults, and what they do not show cannot differ. Numbers count by their value.
pub(super) fn difference(path: &str, asked: &Value, shown: &Value) -> Option<String> {
    let equal = match (asked, shown) {
        // The service does not tell null from absent.
        (Value::Null, _) => true,
        (Value::Object(asked), Value::Object(shown)) => return in_objects(path, asked, shown),
        (Value::Array(asked), Value::Array(shown)) if asked.len() == shown.len() => {
            let mut pairs = asked.iter().zip(shown).enumerate();
            return pairs.find_map(|(n, (asked, shown))| difference(&format!("{path}[{n}]"), asked, shown));
        }
        (Value::Number(asked), Value::Number(shown)) => same_number(asked, shown),
        (asked, shown) => asked == shown,
    };
    (!equal).then(|| path.to_owned())
}

fn in_objects(path: &str, asked: &Map<String, Value>, shown: &Map<String, Value>) -> Option<String> {
    asked.iter().find_map(|(name, asked)| difference(&format!("{path}.{name}"), asked, shown.get(name)?))
}

fn same_number(one: &Number, other: &Number) -> bool {
    one == other || one.as_f64().zip(other.as_f64()).is_some_and(|(one, other)| one.total_cmp(&other).is_eq())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_subset_by_value() {
        let cases = [
            (json!({"a": 1}), json!({"a": 1, "b": 2}), None),
            (json!({"a": 1, "gone": 2}), json!({"a": 1}), None),
            (json!({"a": 1}), json!({"a": 1.0}), None),
            (json!({"a": 1}), json!({"a": "1"}), Some("S.a")),
            (json!({"a": {"b": [1, {"c": "x"}]}}), json!({"a": {"b": [1, {"c": "x", "d": 1}]}}), None),
            (json!({"a": {"b": [1, {"c": "x"}]}}), json!({"a": {"b": [1, {"c": "y"}]}}), Some("S.a.b[1].c")),
            (json!({"a": [1]}), json!({"a": [1, 2]}), Some("S.a")),
            (json!({"a": null}), json!({"a": 3}), None),
            (json!({"a": true}), json!({"a": false}), Some("S.a")),
            (json!({"a": {}}), json!({"a": []}), Some("S.a")),
        ];
        for (asked, shown, expected) in cases {
            assert_eq!(difference("S", &asked, &shown).as_deref(), expected, "{asked} in {shown}");
        }
    }
}
