//! Values as text, in the words of psql, and lines of CSV.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use memchr::{memchr, memchr3};

use crate::cell::{self, Cell, Kind};

/// Calls `take` with the text of a value; `None` is NULL.
pub(super) fn text<T>(cell: Cell<'_>, kind: Kind, take: impl FnOnce(Option<&str>) -> T) -> T {
    match cell {
        Cell::Null => take(None),
        Cell::Bool(value) => take(Some(if value { "t" } else { "f" })),
        Cell::Long(value) => take(Some(&value.to_string())),
        Cell::Double(value) => take(Some(&cell::double(value, kind))),
        Cell::Text(value) | Cell::Unknown(value) => take(Some(value)),
        Cell::Blob(value) => take(Some(&hexadecimal(value))),
    }
}

/// `\x` and two digits for each byte, as `PostgreSQL` prints bytes.
fn hexadecimal(base64: &str) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    // What is no base64 is shown as it came, rather than lost.
    let Ok(bytes) = STANDARD.decode(base64) else { return base64.to_owned() };
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    text.push_str("\\x");
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text
}

/// Writes one field of a line of CSV, quoted as psql quotes. A text that looks like NULL is quoted as well, as COPY does
/// it, so that the two differ.
pub(super) fn csv_field(field: Option<&str>, null: &str, out: &mut Vec<u8>) {
    let Some(text) = field else {
        out.extend_from_slice(null.as_bytes());
        return;
    };
    let bytes = text.as_bytes();
    let special = memchr3(b',', b'"', b'\n', bytes).is_some() || memchr(b'\r', bytes).is_some();
    if special || text == null || text == "\\." {
        out.push(b'"');
        for part in text.split_inclusive('"') {
            out.extend_from_slice(part.as_bytes());
            if part.ends_with('"') {
                out.push(b'"');
            }
        }
        out.push(b'"');
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_psqls_words() {
        for (cell, expected) in [
            (Cell::Null, None),
            (Cell::Bool(true), Some("t")),
            (Cell::Bool(false), Some("f")),
            (Cell::Long(-7), Some("-7")),
            (Cell::Double(1e20), Some("1e+20")),
            (Cell::Text(""), Some("")),
            (Cell::Blob("AP8="), Some("\\x00ff")),
            (Cell::Blob(""), Some("\\x")),
            (Cell::Blob("?"), Some("?")),
            (Cell::Unknown("[1]"), Some("[1]")),
        ] {
            text(cell, Kind::Double, |text| assert_eq!(text, expected));
        }
    }

    #[test]
    fn fields_are_quoted_where_psql_quotes_and_where_they_look_like_null() {
        for (field, null, expected) in [
            (None, "", ""),
            (Some(""), "", "\"\""),
            (None, "NULL", "NULL"),
            (Some(""), "NULL", ""),
            (Some("NULL"), "NULL", "\"NULL\""),
            (Some("plain text"), "", "plain text"),
            (Some(" x "), "", " x "),
            (Some("a,b"), "", "\"a,b\""),
            (Some("a\nb"), "", "\"a\nb\""),
            (Some("a\rb"), "", "\"a\rb\""),
            (Some("say \"hi\""), "", "\"say \"\"hi\"\"\""),
            (Some("\""), "", "\"\"\"\""),
            (Some("\\."), "", "\"\\.\""),
            (Some("tab\t"), "", "tab\t"),
        ] {
            let mut out = Vec::new();
            csv_field(field, null, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
