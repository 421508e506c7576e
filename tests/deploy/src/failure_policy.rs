//! What the Job controller does with a pod that failed, by the rules of a `podFailurePolicy`.

use job_runtime::{Exit, PodFailureAction};
use serde_json::Value;

use crate::manifest::{at, option, program};

/// Every exit code of a container, and every kind of end of its pod, is treated as the exit codes have it.
///
/// # Panics
/// Where the policy says otherwise.
pub fn assert_follows_exit_codes(job: &Value, place: &str) {
    let container = at(job, "/template/spec/containers/0");
    let name = at(container, "/name").as_str().expect("a name");
    let with_key = finds_its_work(container);
    let rules = at(job, "/podFailurePolicy/rules").as_array().expect("rules");
    for code in 1..=255 {
        for drained in [false, true] {
            let mut expected = for_code(code, with_key);
            // Where a key finds the work, a pod that had to go is not counted; without a key its code decides.
            if drained && with_key && expected == PodFailureAction::Count {
                expected = PodFailureAction::Ignore;
            }
            let found = action(rules, Some((name, code)), drained);
            assert_eq!(found, Some(expected), "{place}: exit code {code}, drained: {drained}");
        }
    }
    let lost = if with_key { PodFailureAction::Ignore } else { PodFailureAction::FailJob };
    assert_eq!(action(rules, None, true), Some(lost), "{place}: lost without an exit code");
    assert_eq!(action(rules, None, false), Some(PodFailureAction::Count), "{place}: no container ran");
}

/// What becomes of a code of ours, and of those of the kernel and the kubelet (137: killed for memory).
fn for_code(code: u8, with_key: bool) -> PodFailureAction {
    let exit = Exit::ALL.into_iter().find(|exit| exit.code() == code);
    match (exit, with_key) {
        (Some(exit), true) => exit.pod_failure_action(),
        (Some(exit), false) => exit.pod_failure_action_without_key(),
        (None, true) => PodFailureAction::Count,
        (None, false) => PodFailureAction::FailJob,
    }
}

/// Whether a second pod finds what the first one has started.
fn finds_its_work(container: &Value) -> bool {
    let program = program(container).expect("an image of a binary");
    let arguments = at(container, "/args").as_array().expect("arguments");
    match program.as_str() {
        "lambda-invoke" => {
            ["--resume", "--durable-execution-name"].iter().any(|name| option(container, name).is_some())
        }
        "sagemaker-invoke" if arguments[0] == "endpoint" => option(container, "--resume").is_some(),
        "rds-connect" if arguments[0] == "query" => option(container, "--idempotency-table").is_some(),
        _ => true,
    }
}

/// The first rule that matches decides; what matches none is counted. `None` for an action that no exit code has.
fn action(rules: &[Value], ended: Option<(&str, u8)>, drained: bool) -> Option<PodFailureAction> {
    let matches = |rule: &&Value| match &rule["onExitCodes"] {
        Value::Null => drained && rule["onPodConditions"][0]["type"] == "DisruptionTarget",
        codes => ended.is_some_and(|(container, code)| {
            let listed = at(codes, "/values").as_array().expect("codes").iter().any(|one| *one == code);
            codes["containerName"] == container && listed == (codes["operator"] == "In")
        }),
    };
    match rules.iter().find(matches).map_or(Some("Count"), |rule| rule["action"].as_str())? {
        "Ignore" => Some(PodFailureAction::Ignore),
        "Count" => Some(PodFailureAction::Count),
        // Of one index, where each has its own share of the work.
        "FailJob" | "FailIndex" => Some(PodFailureAction::FailJob),
        _ => None,
    }
}
