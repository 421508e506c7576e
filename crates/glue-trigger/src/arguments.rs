//! The arguments of a Glue job run: `K=V`, a JSON object, or a file that holds one.

use std::collections::BTreeMap;

use job_runtime::input::{self, InputParser};

use crate::job_run::MARKER;

/// More than Glue takes of arguments or a policy: a file that is longer is not meant.
const LONGEST_FILE: usize = 1024 * 1024;

/// Arguments of a run by name. Every name starts with `--`, as Glue wants it.
///
/// The values may be as private as the user's script: nothing prints them, nor any error a part of a text that may
/// hold one.
pub(crate) type Arguments = BTreeMap<String, String>;

/// Arguments that Glue itself reads ("Using job parameters in AWS Glue jobs", November 2026), without their `--`. Most
/// let whoever writes them run code in the job's role, or lead its data and logs elsewhere.
const RESERVED: [&str; 31] = [
    "additional-python-modules",
    "auto-scale-within-microbatch",
    "class",
    "conf",
    "connections",
    "datalake-formats",
    "debug",
    "disable-proxy",
    "disable-proxy-v2",
    "endpoint",
    "executor-cores",
    "extra-files",
    "extra-jars",
    "extra-py-files",
    "job-bookmark-from",
    "job-bookmark-option",
    "job-bookmark-to",
    "job-insights-byo-rules",
    "job-language",
    "JOB_NAME",
    "library-set",
    "mode",
    "packages",
    "python-modules-installer-option",
    "scriptLocation",
    "spark-event-logs-path",
    "TempDir",
    "use-postgres-driver",
    "user-jars-first",
    "write-shuffle-files-to-s3",
    "write-shuffle-spills-to-s3",
];

/// Beginnings of names that Glue keeps adding to.
const RESERVED_FAMILIES: [&str; 3] = ["continuous-log-", "customer-", "enable-"];

/// The first argument that Glue itself reads.
pub(crate) fn reserved(arguments: &Arguments) -> Option<&str> {
    arguments.keys().map(|name| written(name)).find(|name| is_reserved(name))
}

/// The name up to what a parser of options would take for a value.
fn written(name: &str) -> &str {
    name.split(['=', ' ', '\t', '\n']).next().unwrap_or_default()
}

/// Whether case matters to Glue is documented nowhere.
fn is_reserved(name: &str) -> bool {
    let bare = name.trim_start_matches('-').to_ascii_lowercase();
    RESERVED.iter().any(|reserved| bare.eq_ignore_ascii_case(reserved))
        || RESERVED_FAMILIES.iter().any(|family| bare.starts_with(family))
}

/// Parses one `K=V`. The `--` in front of `K` may be left out.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it should have the form NAME=VALUE")?;
    Ok((named(name)?, value.to_owned()))
}

/// Parses a JSON object of strings, the form that `aws glue start-job-run --arguments` takes.
pub(crate) fn json() -> InputParser<Arguments> {
    input::value(LONGEST_FILE, from_json)
}

/// Parses the name of a file with a JSON object of strings.
pub(crate) fn file() -> InputParser<Arguments> {
    input::file(LONGEST_FILE, from_json)
}

fn from_json(bytes: &[u8]) -> Result<Arguments, String> {
    let text = input::utf_8(bytes)?;
    let values: BTreeMap<String, serde_json::Value> = serde_json::from_str(text).map_err(|error| {
        format!("it should be a JSON object such as {{\"--day\": \"monday\"}}: {}", input::json_fault(&error))
    })?;
    values
        .into_iter()
        .map(|(name, value)| match value {
            serde_json::Value::String(value) => Ok((named(&name)?, value)),
            // Glue knows strings only. A number would have to be guessed into one: is 1.0 "1" or "1.0"?
            _ => Err(format!("the value of {name} is no string, but Glue takes strings only")),
        })
        .collect()
}

/// Parses the policy for the job's role: JSON, or a file with JSON in it.
pub(crate) fn policy() -> InputParser<String> {
    input::value(LONGEST_FILE, from_policy)
}

fn from_policy(bytes: &[u8]) -> Result<String, String> {
    // StartJobRun, ExecutionRoleSessionPolicy: 2 to 2048 characters.
    const LONGEST: usize = 2048;
    let text = input::utf_8(bytes)?;
    let policy =
        if text.trim_start().starts_with('{') { text.to_owned() } else { input::text(text, LONGEST_FILE)? };
    let policy = policy.trim();
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(policy)
        .map_err(|error| format!("it should be a policy in JSON: {}", input::json_fault(&error)))?;
    match policy.chars().count() {
        length if length > LONGEST => Err(format!("it has {length} characters, {LONGEST} are allowed")),
        _ => Ok(policy.to_owned()),
    }
}

/// The name as Glue wants it.
fn named(name: &str) -> Result<String, String> {
    let bare = name.strip_prefix("--").unwrap_or(name);
    if bare.is_empty() {
        return Err("an argument needs a name".to_owned());
    }
    let full = format!("--{bare}");
    if full == MARKER {
        return Err(format!("{MARKER} is written by this program; give --idempotency-key instead"));
    }
    Ok(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        let good = [
            ("day=monday", "--day", "monday"),
            ("--day=monday", "--day", "monday"),
            ("day=", "--day", ""),
            ("query=a=b=c", "--query", "a=b=c"),
            ("--conf=spark.x=1 --conf spark.y=2", "--conf", "spark.x=1 --conf spark.y=2"),
        ];
        for (text, name, value) in good {
            assert_eq!(pair(text), Ok((name.to_owned(), value.to_owned())), "{text}");
        }
        let bad = [
            ("day", "NAME=VALUE"),
            ("=monday", "needs a name"),
            ("--=monday", "needs a name"),
            ("glue-trigger-key=1", "--idempotency-key"),
            ("--glue-trigger-key=1", "--idempotency-key"),
        ];
        for (text, expected) in bad {
            let error = pair(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn json_objects() {
        let arguments = from_json(br#"{"--day": "monday", "bucket": "b"}"#).unwrap();
        let expected = [("--bucket", "b"), ("--day", "monday")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(arguments, Arguments::from(expected));
        assert_eq!(from_json(b"{}"), Ok(Arguments::new()));

        let bad = [
            ("", "JSON object"),
            ("day=monday", "JSON object"),
            (r#"["--day"]"#, "JSON object"),
            (r#"{"--day": 1}"#, "strings only"),
            (r#"{"--day": null}"#, "strings only"),
            (r#"{"--glue-trigger-key": "1"}"#, "--idempotency-key"),
        ];
        for (text, expected) in bad {
            let error = from_json(text.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn no_error_quotes_a_value() {
        for text in [
            "hunter2",
            "\"hunter2\"",
            r#"{"--password": "hunter2""#,
            r#"{"--password": hunter2}"#,
            r#"{"--password": ["hunter2"]}"#,
            r#"["hunter2"]"#,
            r#"{"--password": "hunter2"} hunter2"#,
        ] {
            for error in [from_json(text.as_bytes()).unwrap_err(), pair("hunter2").unwrap_err()] {
                assert!(!error.contains("hunter2"), "{text}: {error}");
            }
        }
        for text in ["{hunter2", "{\"hunter2\": hunter2}"] {
            let error = from_policy(text.as_bytes()).unwrap_err();
            assert!(!error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn policies() {
        assert_eq!(
            from_policy(b" {\"Version\":\"2012-10-17\"}\n"),
            Ok("{\"Version\":\"2012-10-17\"}".to_owned())
        );
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(2048));
        for (text, expected) in
            [("{", "in JSON"), ("/nowhere/policy.json", "No such file"), (long.as_str(), "2048 are allowed")]
        {
            let error = from_policy(text.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
