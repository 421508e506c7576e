//! `--check`: what can be known without starting anything.

use serde_json::Value;
use testkit::{Fault, FaultKind, Outcome};

use super::{ENDLESS, QUICK, etl, keyed, pod, pod_without, single, spoil, started, starts, status};

/// What was found out about an action.
#[track_caller]
fn finding(outcome: &Outcome, action: &str) -> (String, String) {
    let result = outcome.json();
    let checks = result["checks"].as_array().expect("a list of checks");
    let check = checks.iter().find(|check| check["name"] == action);
    let check = check.unwrap_or_else(|| panic!("no {action} in {result:#}"));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&check["result"]), text(&check["detail"]))
}

#[test]
fn all_is_well_and_nothing_was_started() {
    let site = single(ENDLESS);
    let outcome = site.run(keyed(&["--check", "--logs"]));
    outcome.assert_exit(0);
    for action in ["glue:GetJobRuns", "glue:GetJobRun", "logs:GetLogEvents"] {
        assert_eq!(finding(&outcome, action).0, "ok", "{action}");
    }
    assert_eq!(finding(&outcome, "glue:StartJobRun").0, "not_checked");
    let (_, detail) = finding(&outcome, "credentials");
    assert!(detail.contains("assumed-role/external-glue") && detail.contains("cats-glue"), "{detail}");
    let (_, detail) = finding(&outcome, "glue:GetJobRuns");
    assert!(detail.contains("the job exists"), "{detail}");
    assert_eq!((site.sandbox.count("glue", "GetJobRuns"), site.sandbox.count("glue", "GetJob")), (1, 0));
    assert_eq!(outcome.json()["job_name"], "etl");
    assert_eq!(outcome.json()["account"], "222222222222");
    assert_eq!((starts(&site), started(&site)), (0, 0));
    assert_eq!(site.sandbox.count("glue", "BatchStopJobRun"), 0);
}

#[test]
fn the_list_can_be_text() {
    let site = pod(QUICK);
    let outcome = site.run(etl(&["--check", "--output", "text"]));
    outcome.assert_exit(0);
    for part in ["credentials", "glue:GetJobRuns", "glue:StartJobRun", "not checked"] {
        assert!(outcome.text().contains(part), "no {part} in:\n{}", outcome.text());
    }
    // What nobody needs is not asked for.
    assert!(!outcome.text().contains("logs:"), "{}", outcome.text());
}

#[test]
fn a_job_that_is_not_there() {
    let site = pod(QUICK);
    let outcome = site.run(["--job-name", "no-such-job", "--check"]);
    outcome.assert_exit(65).assert_says("no-such-job");
    assert_eq!(finding(&outcome, "glue:GetJobRuns").0, "failed");
    assert_eq!(starts(&site), 0);
}

#[test]
fn a_refused_permission_is_named() {
    for (action, code, result) in [
        ("glue:GetJobRuns", 77, "failed"),
        ("glue:GetJobRun", 77, "failed"),
        // Logs never fail a run.
        ("logs:GetLogEvents", 0, "warning"),
    ] {
        let site = pod_without(action, QUICK);
        let outcome = site.run(keyed(&["--check", "--logs"]));
        assert_eq!(outcome.code, code, "{action}: {}", outcome.stderr);
        let (found, detail) = finding(&outcome, action);
        assert_eq!(found, result, "{action}");
        assert!(detail.contains(action), "{detail}");
        if code != 0 {
            outcome.assert_exit(code).assert_says(action);
        }
        assert_eq!(starts(&site), 0);
    }
}

/// What only a feature that is not used would need fails no check.
#[test]
fn only_what_will_be_used_is_checked() {
    let site = pod_without("glue:GetJobRuns", QUICK);
    let outcome = site.run(etl(&["--check"]));
    outcome.assert_exit(0);
    let (found, detail) = finding(&outcome, "glue:GetJobRuns");
    assert!(found == "warning" && detail.contains("not known whether the job exists"), "{found}: {detail}");
    assert_eq!(finding(&outcome, "glue:BatchStopJobRun").0, "not_checked");
    // With a key a signal leaves the run alone.
    let outcome = pod(QUICK).run(keyed(&["--check"]));
    assert!(!outcome.assert_exit(0).text().contains("glue:BatchStopJobRun"), "{}", outcome.text());
}

#[test]
fn a_run_to_attach_to_is_looked_at() {
    let site = pod(ENDLESS);
    let run = site.sandbox.start_run("etl", [("--day", "monday")]).unwrap();
    let outcome = site.run(etl(&["--check", "--attach", &run]));
    outcome.assert_exit(0);
    let (found, detail) = finding(&outcome, "glue:GetJobRun");
    assert!(found == "ok" && detail.contains("RUNNING"), "{found}: {detail}");
    site.run(etl(&["--check", "--attach", "jr_nowhere"])).assert_exit(65).assert_says("jr_nowhere");
}

#[test]
fn a_service_out_of_reach_is_75() {
    let site = pod(QUICK);
    spoil(&site, Fault::new("glue", "*", status(500, "InternalServiceException", "")).for_ever());
    site.run(etl(&["--check"])).assert_exit(75);
    let site = pod(QUICK);
    spoil(&site, Fault::new("glue", "*", FaultKind::Throttle).for_ever());
    site.run(etl(&["--check"])).assert_exit(75);
    assert_eq!(starts(&site), 0);
}

#[test]
fn a_chain_that_is_refused_is_told_as_ever() {
    let site = pod(QUICK);
    let denied = status(403, "AccessDenied", "User: x is not authorized to perform: sts:AssumeRole");
    spoil(&site, Fault::new("sts", "AssumeRole", denied).for_ever());
    site.run(etl(&["--check"])).assert_exit(77).assert_says("hop 2 of 2");
}
