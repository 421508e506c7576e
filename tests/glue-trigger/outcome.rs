//! How a run ends, and what is said about it.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::Site;

use super::{BINARY, ENDLESS, ETL, FAILING, QUICK, etl, keyed, log, pod, run_id, started, starts};

#[test]
fn every_end_of_a_run_has_its_exit() {
    for (state, code, name) in [
        ("SUCCEEDED", 0, "ok"),
        ("FAILED", 10, "failed"),
        ("TIMEOUT", 10, "failed"),
        ("ERROR", 10, "failed"),
        ("EXPIRED", 10, "failed"),
        ("STOPPED", 11, "stopped"),
    ] {
        let site = pod(&format!(
            "courses = [{{ steps = [{{ state = 'RUNNING' }}, \
             {{ state = '{state}', after = '200ms', error_message = 'the script said no' }}] }}]"
        ));
        let outcome = site.run(ETL);
        outcome.assert_exit(code);
        assert_eq!(outcome.json()["state"], state);
        assert_eq!(outcome.json()["error"], "the script said no");
        let message = outcome.termination();
        assert_eq!(message["outcome"], name);
        assert_eq!(message["remote_id"], run_id(&outcome));
        assert_eq!(message["state"], state, "{message}");
        if code == 0 {
            assert_eq!(message["error"], Value::Null);
        } else {
            let error = message["error"].as_str().expect(state);
            assert!(error.contains(state) && error.contains("the script said no"), "{error}");
            outcome.assert_says(&run_id(&outcome));
        }
        assert_eq!(started(&site), 1);
    }
}

#[test]
fn the_result_is_one_json_object_with_every_field() {
    let site = Site::documented(BINARY);
    let outcome = site.run(["--job-name", "nightly-etl", "--poll-interval", "200ms"]);
    outcome.assert_exit(0);
    assert_eq!(outcome.text().lines().count(), 1, "{}", outcome.text());
    assert!(outcome.text().ends_with('\n'));

    let mut result = outcome.json();
    let run = site.sandbox.runs("nightly-etl").remove(0);
    for time in ["started_on", "last_modified_on", "completed_on"] {
        let text = result[time].take();
        assert!(is_rfc_3339(text.as_str().unwrap_or_default()), "{time}: {text}");
    }
    let expected = json!({
        "job_name": "nightly-etl",
        "run_id": run.id,
        "state": "SUCCEEDED",
        "attempt": 0,
        "previous_run_id": null,
        "started_on": null,
        "last_modified_on": null,
        "completed_on": null,
        "execution_seconds": 2,
        "dpu_seconds": 4.0,
        "max_capacity": 2.0,
        "worker_type": "G.1X",
        "number_of_workers": 2,
        "glue_version": "5.0",
        "execution_class": "STANDARD",
        "error": null,
        "state_detail": null,
        "log_group": "/aws-glue/jobs",
        "adopted": false,
        "region": "us-east-2",
        "account": "222222222222",
        "console_url": format!(
            "https://console.aws.amazon.com/gluestudio/home?region=us-east-2#/job/nightly-etl/run/{}",
            run.id
        ),
    });
    assert_eq!(result, expected);
}

/// `2026-03-01T02:00:00Z`, with or without parts of a second.
fn is_rfc_3339(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd";
    let (head, tail) = text.split_at_checked(pattern.len()).unwrap_or_default();
    let fits =
        head.chars().zip(pattern.chars()).all(|(c, p)| if p == 'd' { c.is_ascii_digit() } else { c == p });
    let fraction = tail.strip_suffix('Z').map(|tail| tail.strip_prefix('.').unwrap_or(tail));
    fits && !head.is_empty()
        && fraction.is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
}

#[test]
fn times_without_part_of_a_second_are_judged_too() {
    for (text, good) in [
        ("2026-03-01T02:00:00Z", true),
        ("2026-03-01T02:00:00.25Z", true),
        ("1772330400", false),
        ("2026-03-01 02:00:00", false),
        ("", false),
    ] {
        assert_eq!(is_rfc_3339(text), good, "{text}");
    }
}

#[test]
fn as_text_it_is_a_few_aligned_lines() {
    let site = pod(FAILING);
    let outcome = site.run(etl(&["--output", "text"]));
    outcome.assert_exit(10);
    let run = site.sandbox.runs("etl").remove(0).id;
    let mut columns = Vec::new();
    for line in outcome.text().lines() {
        let name = line.split("  ").next().unwrap();
        let value = line[name.len()..].trim_start();
        columns.push(line.len() - value.len());
        if let Some(expected) = match name {
            "job" => Some("etl"),
            "run" => Some(run.as_str()),
            "state" => Some("FAILED"),
            "error" => Some("out of memory"),
            "region" => Some("us-east-2"),
            "account" => Some("222222222222"),
            "adopted" => panic!("it was not: {line}"),
            _ => None,
        } {
            assert_eq!(value, expected, "{line}");
        }
    }
    columns.dedup();
    assert_eq!(columns.len(), 1, "not aligned:\n{}", outcome.text());
    assert!(outcome.text().lines().count() >= 8, "{}", outcome.text());
}

#[test]
fn a_job_that_is_not_there_is_named_with_its_place() {
    for more in [&["--job-name", "no-such-job"][..], &["--job-name", "no-such-job", "--idempotency-key", "k"]]
    {
        let site = pod(QUICK);
        let outcome = site.run(more);
        outcome
            .assert_exit(65)
            .assert_says("no-such-job")
            .assert_says("222222222222")
            .assert_says("us-east-2");
        assert_eq!(outcome.termination()["outcome"], "rejected");
        assert!(outcome.stdout.is_empty());
        let last = site.sandbox.calls().pop().unwrap();
        assert_eq!(outcome.termination()["request_id"], last.request_id.as_str());
    }
}

#[test]
fn a_job_of_another_region_is_not_there() {
    let site = pod(QUICK);
    let outcome = site.run(etl(&["--region", "eu-west-1"]));
    // The role's policy names us-east-2.
    outcome.assert_exit(77).assert_says("glue:StartJobRun").assert_says("eu-west-1");
}

#[test]
fn a_long_error_message_fits_the_termination_message() {
    let message = "Führt zu \\\"Käse\\\" 🧀 ".repeat(200);
    let site =
        pod(&format!("courses = [{{ steps = [{{ state = 'FAILED', error_message = \"{message}\" }}] }}]"));
    let outcome = site.run(ETL);
    outcome.assert_exit(10);
    assert!(outcome.json()["error"].as_str().unwrap().len() > 4000);
    assert_eq!(outcome.termination()["remote_id"], run_id(&outcome));
    assert!(outcome.termination()["error"].as_str().unwrap().contains("Käse"));
}

#[test]
fn no_wait_prints_the_id_and_leaves() {
    let site = pod(ENDLESS);
    let outcome = site.run(etl(&["--no-wait"]));
    outcome.assert_exit(0);
    let run = site.sandbox.runs("etl").remove(0);
    assert_eq!(run_id(&outcome), run.id);
    assert_eq!(outcome.json()["adopted"], false);
    assert_eq!(outcome.termination()["remote_id"], run.id);
    assert_eq!(run.state, "RUNNING");
    assert_eq!(site.sandbox.count("glue", "GetJobRun"), 0);

    // As text it is what a script wants to keep.
    let outcome = site.run(etl(&["--no-wait", "--output", "text"]));
    assert_eq!(outcome.assert_exit(0).text(), format!("{}\n", site.sandbox.runs("etl")[1].id));

    // Again with a key: the same run.
    let first = site.run(keyed(&["--no-wait"]));
    let second = site.run(keyed(&["--no-wait"]));
    assert_eq!(run_id(first.assert_exit(0)), run_id(second.assert_exit(0)));
    assert_eq!(second.json()["adopted"], true);
    assert_eq!((starts(&site), started(&site)), (3, 3));
}

#[test]
fn attach_starts_nothing_and_reports_the_run() {
    for (table, code, state) in [(QUICK, 0, "SUCCEEDED"), (FAILING, 10, "FAILED")] {
        let site = pod(table);
        let run = site.sandbox.start_run("etl", [("--day", "monday")]).unwrap();
        let outcome = site.run(etl(&["--attach", &run]));
        outcome.assert_exit(code);
        assert_eq!(run_id(&outcome), run);
        assert_eq!((&outcome.json()["state"], &outcome.json()["adopted"]), (&json!(state), &json!(true)));
        // Once more, long after its end.
        site.run(etl(&["--attach", &run])).assert_exit(code);
        assert_eq!((starts(&site), started(&site)), (0, 1));
    }
}

#[test]
fn attach_to_a_run_that_is_not_there() {
    let site = pod(QUICK);
    let outcome = site.run(etl(&["--attach", "jr_nowhere"]));
    outcome.assert_exit(65).assert_says("jr_nowhere").assert_says("222222222222");
    assert_eq!((starts(&site), started(&site)), (0, 0));
}

#[test]
fn our_wait_can_end_before_the_run() {
    let site = pod(ENDLESS);
    // Without a key a retry would start a second run.
    let outcome = site.run(etl(&["--timeout", "2s"]));
    outcome
        .assert_exit(80)
        .assert_says("has not ended within 2s: last state RUNNING")
        .assert_says("--attach jr_");
    let run = site.sandbox.runs("etl").remove(0);
    assert_eq!(run.state, "RUNNING");
    assert_eq!(site.sandbox.count("glue", "BatchStopJobRun"), 0);
    let message = outcome.termination();
    assert_eq!((&message["outcome"], &message["remote_id"]), (&json!("unknown"), &json!(run.id)));
    assert_eq!(message["state"], "RUNNING");
    assert!(outcome.stdout.is_empty());
    assert!(outcome.elapsed > Duration::from_secs(2), "{:?}", outcome.elapsed);

    // The cancel that signals mean without a key is not for our own deadline.
    let site = pod(ENDLESS);
    site.run(etl(&["--timeout", "1s", "--on-terminate", "cancel"])).assert_exit(80);
    assert_eq!(site.sandbox.runs("etl")[0].state, "RUNNING");
}

#[test]
fn the_console_s_address_is_that_of_the_partition() {
    for (partition, region, address) in [
        (
            "aws-cn",
            "cn-north-1",
            "https://console.amazonaws.cn/gluestudio/home?region=cn-north-1#/job/etl/run/",
        ),
        (
            "aws-us-gov",
            "us-gov-west-1",
            "https://console.amazonaws-us-gov.com/gluestudio/home?region=us-gov-west-1#/job/etl/run/",
        ),
    ] {
        let world = format!(
            "region = '{region}'\n[accounts.333333333333]\npartition = '{partition}'\n\
             [accounts.333333333333.users.ci]\naccess_key_id = 'AKIACICICICICICICICI'\n\
             secret_access_key = 'secret-of-the-build-server'\nallow = ['glue:* on arn:{partition}:glue:*']\n\
             [[glue.jobs]]\naccount = '333333333333'\nname = 'etl'\n{QUICK}\n"
        );
        let site = Site::bare(BINARY, &world)
            .env("AWS_ACCESS_KEY_ID", "AKIACICICICICICICICI")
            .env("AWS_SECRET_ACCESS_KEY", "secret-of-the-build-server")
            .env("AWS_REGION", region);
        let outcome = site.run(ETL);
        outcome.assert_exit(0).assert_says(address);
        assert_eq!(outcome.json()["console_url"], format!("{address}{}", run_id(&outcome)));
    }
}

#[test]
fn the_log_is_text_or_json_and_stdout_the_same() {
    let site = pod(QUICK);
    let json = site.run(etl(&["--log-format", "json"]));
    assert!(
        log(json.assert_exit(0))
            .iter()
            .all(|line| line["binary"] == "glue-trigger" && line["timestamp"].is_string())
    );
    let text = site.run(etl(&["--log-format", "text"]));
    text.assert_exit(0).assert_says("state=RUNNING").assert_does_not_say("{\"timestamp\"");
    assert!(text.json()["run_id"].is_string());
}
