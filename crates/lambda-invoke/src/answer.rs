//! What a function answered, and what that means.

use serde::Deserialize;
use serde_json::Value;

/// The answer of an invocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// HTTP status: 200, 202 for Event, 204 for `DryRun`.
    pub(crate) status: i32,
    /// `Handled` or `Unhandled`, where the function failed.
    pub(crate) function_error: Option<String>,
    /// What it returned, to the byte.
    pub(crate) payload: Vec<u8>,
    /// The version that ran.
    pub(crate) executed_version: Option<String>,
    /// The end of its log, where it was asked for.
    pub(crate) log_tail: Option<String>,
    /// The durable execution that this was.
    pub(crate) durable_execution: Option<String>,
    /// Lambda's id of the invocation; the function's log has it in every line that Lambda writes.
    pub(crate) request_id: Option<String>,
}

/// The error object of a function, in any runtime's spelling.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fault {
    error_type: Option<String>,
    error_message: Option<String>,
    /// Python and Java say `stackTrace`, Node `trace`, Ruby a `stackTrace` too.
    #[serde(alias = "trace", alias = "stack")]
    stack_trace: Option<Value>,
}

/// A function error in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// `errorType: errorMessage`, as far as there is one.
    pub(crate) what: String,
    /// The stack, a line each.
    pub(crate) stack: Vec<String>,
}

/// Reads what a failed function returned.
pub(crate) fn told(payload: &[u8]) -> Told {
    let fault: Fault = serde_json::from_slice(payload).unwrap_or_default();
    let what = match (fault.error_type, fault.error_message) {
        (Some(kind), Some(message)) if !message.is_empty() => format!("{kind}: {message}"),
        (Some(text), _) | (None, Some(text)) if !text.is_empty() => text,
        _ => "its answer says no more".to_owned(),
    };
    Told { what, stack: stack(fault.stack_trace) }
}

/// A stack is a text, a list of texts, or (old Python) a list of lists.
fn stack(trace: Option<Value>) -> Vec<String> {
    let line = |frame: Value| match frame {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let text = match trace {
        Some(Value::Array(frames)) => frames.into_iter().map(line).collect::<Vec<_>>().join("\n"),
        Some(Value::String(text)) => text,
        _ => return Vec::new(),
    };
    text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_all_runtimes() {
        let python = r#"{"errorMessage":"'id'","errorType":"KeyError","requestId":"r","stackTrace":["  File \"a.py\", line 3, in f\n    x['id']\n"]}"#;
        let node = r#"{"errorType":"Error","errorMessage":"boom","trace":["Error: boom","    at f (index.js:1:1)"]}"#;
        let killed = r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: r Error: Runtime exited with error: signal: killed"}"#;
        let late = r#"{"errorMessage":"2026-01-01T00:00:00Z r Task timed out after 3.00 seconds"}"#;
        let old = r#"{"errorType":"E","errorMessage":"m","stackTrace":[["a.py",3,"f","x"]]}"#;
        for (payload, what, stack) in [
            (python, "KeyError: 'id'", vec!["  File \"a.py\", line 3, in f", "    x['id']"]),
            (node, "Error: boom", vec!["Error: boom", "    at f (index.js:1:1)"]),
            (
                killed,
                "Runtime.ExitError: RequestId: r Error: Runtime exited with error: signal: killed",
                vec![],
            ),
            (late, "2026-01-01T00:00:00Z r Task timed out after 3.00 seconds", vec![]),
            (old, "E: m", vec![r#"["a.py",3,"f","x"]"#]),
            (r#"{"errorType":"E","errorMessage":""}"#, "E", vec![]),
            ("no json", "its answer says no more", vec![]),
            ("null", "its answer says no more", vec![]),
        ] {
            let told = told(payload.as_bytes());
            assert_eq!(told.what, what);
            assert_eq!(told.stack, stack, "{payload}");
        }
    }
}
