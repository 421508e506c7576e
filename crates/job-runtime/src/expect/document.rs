//! Reads a response for `--expect`: leniently, and within a bound of memory.

use std::borrow::Cow;
use std::mem::size_of;

use jmespath::Variable;

/// The document that an expression is evaluated on takes at most so much memory.
const MEMORY: usize = 64 * 1024 * 1024;

/// What a value takes: itself with its counters, the allocator's rounding, its place in the list or map above it.
const VALUE: usize = size_of::<Variable>() + 32;

/// What the text of a name or string takes, up to the length that the allocator rounds to.
const STRING: usize = 32;
const STRING_ROUNDED: usize = 24;

/// What a list takes as soon as it has an element.
const LIST: usize = 48;

/// What a node of an object's tree takes. It has up to eleven members, and half of that once the tree has grown.
const NODE: usize = 384;
const NODE_MEMBERS: usize = 11;

/// The parser's own limit.
const DEPTH: usize = 127;

/// The document in `response`.
///
/// What widespread runtimes write though JSON does not allow it is read all the same, because the work has succeeded and
/// its author means a value: half of a surrogate pair and bytes that are not UTF-8 (read as U+FFFD), control characters in
/// strings, `NaN` and `Infinity` (read as null), numbers beyond a double (read as the largest), a byte order mark.
///
/// # Errors
/// What is wrong with it, as a clause that quotes nothing of it.
pub(super) fn read(response: &[u8]) -> Result<Variable, String> {
    let response = response.strip_prefix(b"\xef\xbb\xbf").unwrap_or(response);
    let (memory, depth) = weigh(response);
    if memory > MEMORY {
        let (memory, most) = (memory.div_ceil(1024 * 1024), MEMORY / 1024 / 1024);
        return Err(format!("it would take {memory} MiB of memory, of {most} MiB"));
    }
    if depth > DEPTH {
        return Err(format!("the response is nested {depth} levels deep, of {DEPTH}"));
    }
    let text = String::from_utf8_lossy(response);
    let fault = |error: serde_json::Error| {
        format!("the response is not JSON (line {} column {})", error.line(), error.column())
    };
    match Variable::from_json(&text) {
        Ok(document) => Ok(document),
        Err(_) => serde_json::from_str(&strict(&text)).map_err(fault),
    }
}

/// The memory that a document takes at most, and how deep it is nested.
fn weigh(json: &[u8]) -> (usize, usize) {
    let mut memory = VALUE;
    let mut deepest = 0;
    // Members so far of the lists and objects around.
    let mut members = Vec::new();
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                let mut length: usize = 0;
                while let Some(byte) = bytes.next().filter(|byte| **byte != b'"') {
                    length += 1;
                    if *byte == b'\\' {
                        bytes.next();
                    }
                }
                memory += STRING + length.saturating_sub(STRING_ROUNDED);
            }
            b',' => memory += VALUE,
            b':' => {
                if let Some(members) = members.last_mut() {
                    *members += 1;
                    let is_grown = *members > NODE_MEMBERS && *members % (NODE_MEMBERS / 2) == 0;
                    memory += if *members == 1 || is_grown { NODE } else { 0 };
                }
            }
            b'[' | b'{' => {
                memory += VALUE + LIST;
                members.push(0_usize);
                deepest = deepest.max(members.len());
            }
            b']' | b'}' => {
                members.pop();
            }
            _ => {}
        }
    }
    (memory, deepest)
}

/// The text with everything in its place that a strict parser refuses and [`read`] does not.
fn strict(text: &str) -> String {
    let mut strict = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;
    while let Some(c) = rest.chars().next() {
        let (length, instead): (usize, Option<Cow<'_, str>>) = match c {
            '"' => {
                in_string = !in_string;
                (1, None)
            }
            '\\' if in_string => escape(rest),
            c if in_string && c.is_control() => {
                (c.len_utf8(), Some(format!("\\u{:04x}", u32::from(c)).into()))
            }
            c if !in_string && (c.is_ascii_alphanumeric() || "+-.".contains(c)) => token(rest),
            c => (c.len_utf8(), None),
        };
        let (taken, left) = rest.split_at(length);
        strict.push_str(instead.as_deref().unwrap_or(taken));
        rest = left;
    }
    strict
}

/// The length of the escape that `text` begins with, and what to write where it is half of a surrogate pair.
fn escape(text: &str) -> (usize, Option<Cow<'static, str>>) {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    match (unit(0), unit(6)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (12, None),
        (Some(0xd800..=0xdfff), _) => (6, Some("\\ufffd".into())),
        (Some(_), _) => (6, None),
        // The character behind the backslash is a part of it, whatever it is.
        (None, _) => (1 + text.chars().nth(1).map_or(0, char::len_utf8), None),
    }
}

/// The length of the number or word that `text` begins with, and what to write where JSON has no such.
fn token(text: &str) -> (usize, Option<Cow<'static, str>>) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let token = text.split(|c| !is_part(c)).next().unwrap_or(text);
    let instead = match token {
        "NaN" | "Infinity" | "-Infinity" => Some("null".into()),
        number if number.ends_with(|c: char| c.is_ascii_digit()) => match number.parse::<f64>() {
            Ok(huge) if huge.is_infinite() => Some(format!("{:e}", f64::MAX.copysign(huge)).into()),
            _ => None,
        },
        _ => None,
    };
    (token.len(), instead)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(response: &[u8]) -> Result<String, String> {
        read(response).map(|document| serde_json::to_string(&document).unwrap())
    }

    #[test]
    fn what_runtimes_write_is_read() {
        for (response, expected) in [
            (&br#"{"a":"cut \ud83d"}"#[..], r#"{"a":"cut �"}"#),
            (
                br#"["\ud83d\ude00","\ude00\ud83d","\\ud83d","\ud83dx","\ud83d\n"]"#,
                "[\"😀\",\"��\",\"\\\\ud83d\",\"�x\",\"�\\n\"]",
            ),
            (b"[NaN,Infinity,-Infinity,\"NaN\"]", r#"[null,null,null,"NaN"]"#),
            (b"[1e400,-1e400,1.5]", "[1.7976931348623157e+308,-1.7976931348623157e+308,1.5]"),
            (b"\"a\tb\x1b\"", r#""a\tb\u001b""#),
            (b"\"\xff\"", "\"�\""),
            (b"\xef\xbb\xbf {}", "{}"),
            (b"{\"a\": \"\\\"NaN\", \"b\":NaN}", r#"{"a":"\"NaN","b":null}"#),
        ] {
            assert_eq!(shown(response).as_deref(), Ok(expected), "{}", String::from_utf8_lossy(response));
        }
    }

    #[test]
    fn what_is_not_json_is_not_read_and_not_quoted() {
        for response in
            [&b""[..], b"s3cret", b"{\"s3cret\":", b"{} {}", b"'s3cret'", b"\\", b"\"\\", b"NaN1", b"[1,]"]
        {
            let problem = shown(response).unwrap_err();
            assert!(
                problem.contains("is not JSON (line 1 column ") && !problem.contains("s3cret"),
                "{problem}"
            );
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert_eq!(shown(deep.as_bytes()).unwrap_err(), "the response is nested 200 levels deep, of 127");
    }

    #[test]
    fn memory_is_bounded() {
        let many = |count: usize| format!("[{}[]]", "[],".repeat(count));
        assert!(shown(many(100_000).as_bytes()).is_ok());
        let problem = shown(many(2_000_000).as_bytes()).unwrap_err();
        assert!(problem.contains("MiB of memory, of 64 MiB"), "{problem}");
        // Six megabytes of what services return: records of ten fields.
        let record = r#"{"identifier":"0123456789","name":"some name or other","amount":123.45,"currency":"EUR","when":"2026-01-31T06:00:00Z","state":"DONE","attempts":1,"worker":"ip-10-0-0-1","region":"eu-west-1","note":null},"#;
        let records = format!("[{}{{}}]", record.repeat(6 * 1024 * 1024 / record.len()));
        assert!(shown(records.as_bytes()).is_ok());
    }
}
