//! YAML as kubectl reads it. kubectl's parser is one of YAML 1.1, in which `no` is a boolean and `1e3` a number; ours is
//! one of 1.2, and its own writer leaves such texts without quotes. So texts are written here, and all but the plainest
//! are quoted.

use std::fmt::Write as _;

use serde_yaml_ng::{Mapping, Value};

/// Members of a kubeconfig that are booleans. Written as YAML 1.1 has them (`yes`, `on`) they are texts to our parser,
/// and must not get quotes.
const BOOLEANS: [&str; 4] =
    ["colors", "disable-compression", "insecure-skip-tls-verify", "provideClusterInfo"];
/// Words that are no texts in one version of YAML or the other.
const WORDS: [&str; 10] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"];

/// The text of a mapping.
pub(crate) fn to_text(mapping: &Mapping) -> Result<String, String> {
    let mut text = String::new();
    write_mapping(&mut text, mapping, 0, false)?;
    Ok(text)
}

/// Writes each member on a line of its own; the first one without its indent, where a `- ` stands there already.
fn write_mapping(text: &mut String, mapping: &Mapping, indent: usize, begun: bool) -> Result<(), String> {
    for (index, (key, value)) in mapping.iter().enumerate() {
        let key = key.as_str().ok_or("it has a key that is no text")?;
        if index > 0 || !begun {
            push(text, format_args!("{:indent$}", ""));
        }
        push(text, format_args!("{}:", quoted(key)));
        match value {
            Value::Mapping(inner) if !inner.is_empty() => {
                text.push('\n');
                write_mapping(text, inner, indent + 2, false)?;
            }
            Value::Sequence(items) if !items.is_empty() => {
                text.push('\n');
                write_items(text, items, indent)?;
            }
            Value::String(word) if BOOLEANS.contains(&key) && is_word(word) => {
                push(text, format_args!(" {word}\n"));
            }
            scalar => push(text, format_args!(" {}\n", leaf(scalar)?)),
        }
    }
    Ok(())
}

fn write_items(text: &mut String, items: &[Value], indent: usize) -> Result<(), String> {
    for item in items {
        push(text, format_args!("{:indent$}-", ""));
        match item {
            Value::Mapping(inner) if !inner.is_empty() => {
                text.push(' ');
                write_mapping(text, inner, indent + 2, true)?;
            }
            Value::Sequence(inner) if !inner.is_empty() => {
                text.push('\n');
                write_items(text, inner, indent + 2)?;
            }
            scalar => push(text, format_args!(" {}\n", leaf(scalar)?)),
        }
    }
    Ok(())
}

/// What fits on the line.
fn leaf(value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok("null".to_owned()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(quoted(text)),
        Value::Sequence(_) => Ok("[]".to_owned()),
        Value::Mapping(_) => Ok("{}".to_owned()),
        Value::Tagged(_) => Err("it has a tag, which no kubeconfig has".to_owned()),
    }
}

/// A text in JSON's quotes, which are YAML's too, unless nobody can take it for anything else.
fn quoted(text: &str) -> String {
    let inside = |c: char| c.is_ascii_alphanumeric() || "-_./+=@:".contains(c);
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(inside)
        && !text.ends_with(':')
        && !is_word(text);
    // Arguments of a program begin like this; a hyphen alone begins an item.
    let option =
        text.strip_prefix("--").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
    if plain || option && text.chars().all(inside) && !text.ends_with(':') {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

fn is_word(text: &str) -> bool {
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Writing to a String cannot fail.
fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_where_a_parser_could_take_them_for_something_else() {
        for (text, expected) in [
            ("target", "target"),
            ("arn:aws:eks:us-east-2:222222222222:cluster/t", "arn:aws:eks:us-east-2:222222222222:cluster/t"),
            ("https://x.example:6443", "https://x.example:6443"),
            ("--profile", "--profile"),
            ("/a/b", "/a/b"),
            ("", "\"\""),
            ("-", "\"-\""),
            ("--", "\"--\""),
            ("No", "\"No\""),
            ("on", "\"on\""),
            ("0123", "\"0123\""),
            ("1e3", "\"1e3\""),
            ("2026-03-01", "\"2026-03-01\""),
            ("a: b", "\"a: b\""),
            ("a:", "\"a:\""),
            ("a # b", "\"a # b\""),
            ("two\nlines \"\\", "\"two\\nlines \\\"\\\\\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        for text in [
            "a: 1\nb: [x, [y, {z: null}], {}, []]\nc: {d: {e: true, f: -1.5}, g: []}\n",
            "list:\n- name: a\n  inner: {b: [1, 2]}\n- name: 'no'\n",
            "text: |\n  two\n  lines\n\"odd key: \": é😀\n",
        ] {
            let read: Mapping = serde_yaml_ng::from_str(text).unwrap();
            let written = to_text(&read).unwrap();
            assert_eq!(serde_yaml_ng::from_str::<Mapping>(&written).unwrap(), read, "{written}");
        }
        let yes =
            to_text(&serde_yaml_ng::from_str("insecure-skip-tls-verify: yes\nname: yes\n").unwrap()).unwrap();
        assert_eq!(yes, "insecure-skip-tls-verify: yes\nname: \"yes\"\n");
        assert!(to_text(&serde_yaml_ng::from_str("1: a").unwrap()).is_err());
        assert!(to_text(&serde_yaml_ng::from_str("a: !x b").unwrap()).is_err());
    }
}
