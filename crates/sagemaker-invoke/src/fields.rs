//! What the API takes in a field: the lengths and patterns of its model, checked before any call.

/// Checks that `text` has 1 to `most` characters, of which the first is one of `first` and the others of `rest`.
fn shaped(
    text: &str,
    most: usize,
    first: fn(char) -> bool,
    rest: fn(char) -> bool,
    form: &str,
) -> Result<String, String> {
    let length = text.chars().count();
    if length > most {
        return Err(format!("it has {length} characters, {most} are allowed"));
    }
    match text.chars().next() {
        None => Err("it is empty".to_owned()),
        Some(begin) if first(begin) && text.chars().skip(1).all(rest) => Ok(text.to_owned()),
        Some(_) => Err(form.to_owned()),
    }
}

/// A name of `SageMaker`'s: endpoint, variant, container, inference component, training job.
pub(crate) fn name(text: &str) -> Result<String, String> {
    words(text, 63)
}

/// ASCII letters and digits, with hyphens between them.
fn words(text: &str, most: usize) -> Result<String, String> {
    const FORM: &str = "it should be ASCII letters and digits, with hyphens between them";
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    let name = shaped(text, most, alphanumeric, |c| c.is_ascii_alphanumeric() || c == '-', FORM)?;
    if name.ends_with('-') { Err(FORM.to_owned()) } else { Ok(name) }
}

/// The value of a header; it may be empty.
pub(crate) fn header(text: &str) -> Result<String, String> {
    if text.is_empty() { Ok(String::new()) } else { shaped(text, 1024, printable, printable, PRINTABLE) }
}

const PRINTABLE: &str = "it goes into a header, so it may have printable ASCII characters only";

fn printable(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic()
}

/// Text of at least one character that does not begin with a space.
fn text_up_to(text: &str, most: usize) -> Result<String, String> {
    shaped(text, most, |c| c.is_ascii_graphic(), printable, PRINTABLE)
}

/// `InferenceId` and `PrefixAwareId`.
pub(crate) fn short_id(text: &str) -> Result<String, String> {
    text_up_to(text, 64)
}

/// `TargetModel`.
pub(crate) fn target_model(text: &str) -> Result<String, String> {
    text_up_to(text, 1024)
}

/// `EnableExplanations`: an expression.
pub(crate) fn explanations(text: &str) -> Result<String, String> {
    text_up_to(text, 64)
}

/// What opens a session in place of an id.
pub(crate) const NEW_SESSION: &str = "NEW_SESSION";

/// `SessionId`: the id of a session, or [`NEW_SESSION`].
pub(crate) fn session(text: &str) -> Result<String, String> {
    if text == NEW_SESSION { Ok(text.to_owned()) } else { words(text, 256) }
}

/// `Filename` of an asynchronous answer.
pub(crate) fn filename(text: &str) -> Result<String, String> {
    const FORM: &str =
        "it should begin with a letter or digit and have letters, digits, '-', '_' and one '.' at most";
    let rest = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name = shaped(text, 32, |c| c.is_ascii_alphanumeric(), rest, FORM)?;
    if name.matches('.').count() > 1 { Err(FORM.to_owned()) } else { Ok(name) }
}

/// `S3OutputPathExtension`: comes behind the output path of the endpoint.
pub(crate) fn path_extension(text: &str) -> Result<String, String> {
    const FORM: &str = "it should be a path without s3:// in front, of letters, digits and any of !_.*'()/-";
    let allowed = |c: char| c.is_ascii_alphanumeric() || "!_.*'()/-".contains(c);
    shaped(text, 512, allowed, allowed, FORM)
}

/// `RequestTTLSeconds`.
pub(crate) fn request_ttl(text: &str) -> Result<i32, String> {
    seconds(text, 60, 21_600, "1m to 6h")
}

/// `InvocationTimeoutSeconds`.
pub(crate) fn invocation_timeout(text: &str) -> Result<i32, String> {
    seconds(text, 1, 3600, "1s to 1h")
}

fn seconds(text: &str, least: i32, most: i32, range: &str) -> Result<i32, String> {
    let duration = job_runtime::duration::parse(text).map_err(|error| error.to_string())?;
    if duration.subsec_nanos() != 0 {
        return Err("SageMaker counts in whole seconds".to_owned());
    }
    let seconds = i32::try_from(duration.as_secs()).ok().filter(|seconds| (least..=most).contains(seconds));
    seconds.ok_or_else(|| format!("it should be from {range}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Check = fn(&str) -> Result<String, String>;

    #[test]
    fn what_a_field_takes() {
        let cases: [(Check, usize, &[&str], &[&str]); 8] = [
            (name, 63, &["a", "my-endpoint-2", "A--b"], &["", "-a", "a-", "a_b", "a.b", "ü"]),
            (header, 1024, &["", "a b;c=\"d\"", "~"], &["ü", "a\nb", "a\tb", "\u{7f}"]),
            (short_id, 64, &["a", "id 7/8"], &["", " a", "é"]),
            (target_model, 1024, &["model.tar.gz", "a/b c"], &["", " a", "a\r"]),
            (explanations, 64, &["`true`", "[?x > `0.8`]"], &["", "\n"]),
            (session, 256, &["NEW_SESSION", "abc-1"], &["", "new_session", "a_b", "-a"]),
            (filename, 32, &["a", "0-_.json", "a.b"], &["", ".a", "-a", "a.b.c", "a/b", "a b"]),
            (path_extension, 512, &["a/b", "/x", "!_.*'()-"], &["", "s3://b", "a b", "a:b"]),
        ];
        for (check, most, taken, refused) in cases {
            for text in taken {
                assert_eq!(check(text).as_deref(), Ok(*text));
            }
            for text in refused {
                assert!(check(text).is_err(), "{text:?}");
            }
            assert!(check(&"x".repeat(most)).is_ok(), "{most} characters");
            let refusal = check(&"x".repeat(most + 1)).unwrap_err();
            assert!(refusal.contains(&format!("{most} are allowed")), "{refusal}");
        }
    }

    #[test]
    fn durations_in_whole_seconds_within_bounds() {
        for (text, expected) in [("1m", Some(60)), ("6h", Some(21_600)), ("59s", None), ("7h", None)] {
            assert_eq!(request_ttl(text).ok(), expected, "{text}");
        }
        for (text, expected) in
            [("1s", Some(1)), ("1h", Some(3600)), ("0s", None), ("61m", None), ("1500ms", None)]
        {
            assert_eq!(invocation_timeout(text).ok(), expected, "{text}");
        }
        assert!(request_ttl("90").unwrap_err().contains("needs a unit"));
    }
}
