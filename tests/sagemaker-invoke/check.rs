//! `--check`: what can be known without asking a model.

use serde_json::Value;
use testkit::{Outcome, Site};

use super::{BINARY, CLAIMS, assert_nothing_sent, e, keyed, pod, queued, sent, world};

/// Names and results of the checks.
fn checks(outcome: &Outcome) -> Vec<(String, String)> {
    let shown = outcome.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    shown["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| (text(&check["name"]), text(&check["result"])))
        .collect()
}

fn named(checks: &[(&str, &str)]) -> Vec<(String, String)> {
    checks.iter().map(|(name, result)| ((*name).to_owned(), (*result).to_owned())).collect()
}

#[test]
fn of_an_endpoint_only_the_credentials_are_known() {
    let site = pod("");
    let outcome = site.run(e(&["--body", "{}", "--check"]));
    assert_eq!(
        checks(outcome.assert_exit(0)),
        named(&[("credentials", "ok"), ("sagemaker:InvokeEndpoint", "not_checked")])
    );
    assert_eq!(outcome.json()["endpoint_name"], "e");
    assert_eq!(sent(&site), 0);
}

/// What is wrong with a file is wrong before anybody is asked.
#[test]
fn a_batch_that_cannot_be_read_fails_the_check() {
    let site = pod("");
    for (lines, problem) in [("/nowhere/lines", "No such file"), ("/", "directory")] {
        site.run(e(&["--batch", lines, "--check"])).assert_exit(2).assert_says(problem);
        assert_nothing_sent(&site);
    }
    let lines = site.write("lines", "1\n");
    let outcome = site.run(e(&["--batch", lines.to_str().unwrap(), "--check"]));
    outcome.assert_exit(0);
    assert_eq!(sent(&site), 0);
}

#[test]
fn of_a_claim_it_is_known_whether_it_can_be_read() {
    let site = pod("");
    let outcome = site.run(keyed(&["--check"]));
    let known = [
        ("credentials", "ok"),
        ("s3:GetObject", "ok"),
        ("s3:PutObject", "not_checked"),
        ("sagemaker:InvokeEndpointAsync", "not_checked"),
        ("s3:GetObject", "not_checked"),
    ];
    assert_eq!(checks(outcome.assert_exit(0)), named(&known));
    assert_eq!((sent(&site), site.sandbox.count("s3", "PutObject")), (0, 0));

    let denied = world("").replace("s3:GetObject on", "s3:Nothing on");
    let site = Site::pod(BINARY, &denied);
    let outcome = site.run(keyed(&["--check"]));
    outcome.assert_exit(77);
    assert_eq!(checks(&outcome)[1], ("s3:GetObject".to_owned(), "failed".to_owned()));

    let hidden = world("").replace("s3:ListBucket on", "s3:Nothing on");
    let site = Site::pod(BINARY, &hidden);
    let outcome = site.run(keyed(&["--check"]));
    assert_eq!(checks(outcome.assert_exit(0))[1], ("s3:GetObject".to_owned(), "warning".to_owned()));
}

#[test]
fn without_a_key_there_is_no_claim() {
    let site = pod("");
    let outcome = site.run(queued(&[&["--body", "{}", "--check"], &CLAIMS[..]].concat()));
    let known = [
        ("credentials", "ok"),
        ("sagemaker:InvokeEndpointAsync", "not_checked"),
        ("s3:GetObject", "not_checked"),
    ];
    assert_eq!(checks(outcome.assert_exit(0)), named(&known));
    assert_eq!(site.sandbox.count("s3", "GetObject"), 0);
}
