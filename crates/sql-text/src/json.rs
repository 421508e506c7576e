//! Rows as JSON objects.

use serde_json::value::RawValue;

use crate::cell::{self, Cell, Column, Kind};

/// What comes before each value of a row: `{"id":` and `,"name":`.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Vec<u8>>);

impl Keys {
    pub(super) fn new(columns: &[Column]) -> Self {
        let key = |(index, column): (usize, &Column)| {
            let mut key = vec![if index == 0 { b'{' } else { b',' }];
            string(&column.key, &mut key);
            key.push(b':');
            key
        };
        Self(columns.iter().enumerate().map(key).collect())
    }

    /// Writes the value of the column at `index`.
    pub(super) fn write(&self, index: usize, cell: Cell<'_>, kind: Kind, out: &mut Vec<u8>) {
        if let Some(key) = self.0.get(index) {
            out.extend_from_slice(key);
        }
        value(cell, kind, out);
    }

    pub(super) fn end_row(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.0.is_empty() { b"{}" } else { b"}" });
    }
}

fn value(cell: Cell<'_>, kind: Kind, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Cell::Long(value) => number(value, out),
        Cell::Double(value) => {
            let text = cell::double(value, kind);
            // JSON has no word for what is no number.
            if value.is_finite() { out.extend_from_slice(text.as_bytes()) } else { string(&text, out) }
        }
        Cell::Text(text) => match kind {
            Kind::Integer if is_integer(text) => out.extend_from_slice(text.as_bytes()),
            Kind::Single | Kind::Double if is_number(text) => out.extend_from_slice(text.as_bytes()),
            Kind::Boolean if text == "t" => out.extend_from_slice(b"true"),
            Kind::Boolean if text == "f" => out.extend_from_slice(b"false"),
            Kind::Json => json_text(text, out),
            Kind::Integer | Kind::Single | Kind::Double | Kind::Decimal | Kind::Boolean | Kind::Other => {
                string(text, out);
            }
        },
        Cell::Blob(base64) => string(base64, out),
        Cell::Unknown(json) => json_text(json, out),
    }
}

fn number(value: i64, out: &mut Vec<u8>) {
    // Writing to a Vec cannot fail, nor can a number fail to have a JSON form.
    let _ = serde_json::to_writer(out, &value);
}

fn string(text: &str, out: &mut Vec<u8>) {
    // As above.
    let _ = serde_json::to_writer(out, text);
}

/// Writes a JSON text as the value it is, on one line; what is no JSON stays text. Line ends can only stand between
/// its tokens: in strings they are escaped.
fn json_text(text: &str, out: &mut Vec<u8>) {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => {
            let line_end = |byte| matches!(byte, b'\n' | b'\r');
            out.extend(value.get().bytes().map(|byte| if line_end(byte) { b' ' } else { byte }));
        }
        Err(_) => string(text, out),
    }
}

/// Whether a text is a whole number in the form that JSON has for it.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
}

/// Whether a text is a number in the form that JSON has for it: `NaN` is none.
fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_integer(whole) && digits(fraction) && digits(exponent.trim_start_matches(['+', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_types() {
        for (cell, kind, expected) in [
            (Cell::Null, Kind::Other, "null"),
            (Cell::Bool(true), Kind::Other, "true"),
            (Cell::Long(i64::MIN), Kind::Integer, "-9223372036854775808"),
            (Cell::Double(1.5), Kind::Double, "1.5"),
            (Cell::Double(1e20), Kind::Double, "1e+20"),
            (Cell::Double(f64::NAN), Kind::Double, "\"NaN\""),
            (Cell::Text(""), Kind::Other, "\"\""),
            (Cell::Text("a\"\n"), Kind::Other, "\"a\\\"\\n\""),
            (Cell::Text("12345678901234567890"), Kind::Integer, "12345678901234567890"),
            (Cell::Text("007"), Kind::Integer, "\"007\""),
            (Cell::Text("t"), Kind::Boolean, "true"),
            (Cell::Text("f"), Kind::Boolean, "false"),
            (Cell::Text("1e+20"), Kind::Double, "1e+20"),
            (Cell::Text("-0.5"), Kind::Single, "-0.5"),
            (Cell::Text("1."), Kind::Single, "\"1.\""),
            (Cell::Text("-Infinity"), Kind::Double, "\"-Infinity\""),
            (Cell::Text("1.50"), Kind::Decimal, "\"1.50\""),
            (Cell::Text("7"), Kind::Other, "\"7\""),
            (Cell::Text("{\"a\":[1.0]}"), Kind::Json, "{\"a\":[1.0]}"),
            (
                Cell::Text("{\n\"a\": 12345678901234567890123}"),
                Kind::Json,
                "{ \"a\": 12345678901234567890123}",
            ),
            (Cell::Text("no json"), Kind::Json, "\"no json\""),
            (Cell::Blob("AP8="), Kind::Other, "\"AP8=\""),
            (Cell::Unknown("[1]"), Kind::Other, "[1]"),
        ] {
            let mut out = Vec::new();
            value(cell, kind, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{cell:?}");
        }
    }
}
