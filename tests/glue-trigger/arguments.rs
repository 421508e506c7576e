//! Arguments of the run: four ways to give them, one way for them to arrive. And what is refused at once.

use serde_json::{Value, json};
use testkit::Site;

use super::{ENDLESS, ETL, QUICK, assert_nothing_sent, calls, etl, pod};

/// The arguments that arrived with the one start.
#[track_caller]
fn arrived(site: &Site) -> Value {
    let starts = calls(site, "StartJobRun");
    assert_eq!(starts.len(), 1);
    starts[0].parameters["Arguments"].clone()
}

#[test]
fn arguments_arrive_as_they_were_given() {
    let site = pod(QUICK);
    let outcome = site.run(etl(&[
        "--no-wait",
        "--argument",
        "day=monday",
        "--argument=--bucket=s3://team-etl/a=b",
        "--argument",
        "empty=",
        "--argument=--conf=spark.x=1 --conf spark.y=2",
        "--argument",
        "text=grün 🥦 \"quoted\" \\ and\nmore",
    ]));
    outcome.assert_exit(0);
    assert_eq!(
        arrived(&site),
        json!({
            "--day": "monday",
            "--bucket": "s3://team-etl/a=b",
            "--empty": "",
            "--conf": "spark.x=1 --conf spark.y=2",
            "--text": "grün 🥦 \"quoted\" \\ and\nmore",
        })
    );
}

/// As the AWS CLI does: the whole value, never a part of one.
#[test]
fn a_file_is_read_where_the_aws_cli_would_read_it() {
    let site = pod(QUICK);
    site.write("arguments.json", r#"{"--day": "monday"}"#);
    site.write("policy.json", r#"{"Version": "2012-10-17"}"#);
    site.run(etl(&[
        "--no-wait",
        "--arguments",
        "file://arguments.json",
        "--execution-role-session-policy",
        "file://policy.json",
        "--argument",
        "extra=file://arguments.json",
    ]))
    .assert_exit(0);
    assert_eq!(arrived(&site), json!({ "--day": "monday", "--extra": "file://arguments.json" }));
    let policy = &calls(&site, "StartJobRun")[0].parameters["ExecutionRoleSessionPolicy"];
    assert_eq!(policy, r#"{"Version": "2012-10-17"}"#);
    let site = pod(QUICK).env("GLUE_ARGUMENTS", "file://arguments.json");
    site.write("arguments.json", r#"{"--day": "monday"}"#);
    site.run(etl(&[])).assert_exit(2).assert_says("GLUE_ARGUMENTS");
    assert_nothing_sent(&site);
}

/// As Glue's own documentation writes them, and as a manifest has them in a list.
#[test]
fn a_name_may_keep_its_dashes() {
    let site = pod(QUICK);
    site.run(etl(&["--no-wait", "--argument", "--day=monday", "--argument", "--mode=full"])).assert_exit(0);
    assert_eq!(arrived(&site), json!({ "--day": "monday", "--mode": "full" }));
    // What follows is not swallowed unseen.
    let site = pod(QUICK);
    site.run(etl(&["--argument", "--no-wait"])).assert_exit(2);
    assert_nothing_sent(&site);
}

#[test]
fn a_file_standard_input_and_the_environment() {
    let expected = json!({ "--day": "monday", "--bucket": "b" });
    let object = r#"{"--day": "monday", "bucket": "b"}"#;

    let site = pod(QUICK);
    let file = site.write("arguments.json", object).display().to_string();
    site.run(etl(&["--no-wait", "--arguments-file", &file])).assert_exit(0);
    assert_eq!(arrived(&site), expected);

    let site = pod(QUICK);
    site.start_with(etl(&["--no-wait", "--arguments-file", "-"]), object).finish().assert_exit(0);
    assert_eq!(arrived(&site), expected);

    let site = pod(QUICK);
    site.run(etl(&["--no-wait", "--arguments", object])).assert_exit(0);
    assert_eq!(arrived(&site), expected);

    let site = pod(QUICK).env("GLUE_ARGUMENTS", object);
    site.run(etl(&["--no-wait"])).assert_exit(0);
    assert_eq!(arrived(&site), expected);

    let site = pod(QUICK);
    let file = site.write("arguments.json", object).display().to_string();
    let site = site.env("GLUE_ARGUMENTS_FILE", file);
    site.run(etl(&["--no-wait"])).assert_exit(0);
    assert_eq!(arrived(&site), expected);
}

#[test]
fn the_nearest_argument_counts() {
    let site = pod(QUICK).env("GLUE_ARGUMENTS", r#"{"a": "environment", "b": "environment"}"#);
    let file = site.write("arguments.json", r#"{"a": "file", "b": "file", "c": "file"}"#);
    let file = file.display().to_string();
    site.run(etl(&["--no-wait", "--arguments-file", &file, "--argument", "a=option"])).assert_exit(0);
    assert_eq!(arrived(&site), json!({ "--a": "option", "--b": "environment", "--c": "file" }));
}

#[test]
fn every_parameter_of_a_start_arrives() {
    let expected = json!({
        "JobName": "etl",
        "Arguments": { "--day": "monday" },
        "WorkerType": "G.2X",
        "NumberOfWorkers": 7,
        "Timeout": 90,
        "SecurityConfiguration": "at-rest",
        "ExecutionClass": "FLEX",
        "NotificationProperty": { "NotifyDelayAfter": 15 },
        "JobRunQueuingEnabled": true,
        "ExecutionRoleSessionPolicy": "{\"Version\":\"2012-10-17\",\"Statement\":[]}",
    });
    let options = [
        ("--argument", "", "day=monday"),
        ("--worker-type", "GLUE_WORKER_TYPE", "G.2X"),
        ("--number-of-workers", "GLUE_NUMBER_OF_WORKERS", "7"),
        ("--job-timeout", "GLUE_JOB_TIMEOUT", "1h30m"),
        ("--security-configuration", "GLUE_SECURITY_CONFIGURATION", "at-rest"),
        ("--execution-class", "GLUE_EXECUTION_CLASS", "FLEX"),
        ("--notify-delay-after", "GLUE_NOTIFY_DELAY_AFTER", "15m"),
        ("--job-run-queuing", "GLUE_JOB_RUN_QUEUING", "true"),
        (
            "--execution-role-session-policy",
            "GLUE_EXECUTION_ROLE_SESSION_POLICY",
            "{\"Version\":\"2012-10-17\",\"Statement\":[]}",
        ),
    ];

    let site = pod(ENDLESS);
    let mut args = etl(&["--no-wait"]);
    for (option, _, value) in options {
        args.push(option);
        args.extend((option != "--job-run-queuing").then_some(value));
    }
    site.run(args).assert_exit(0);
    assert_eq!(calls(&site, "StartJobRun")[0].parameters, expected);

    // The same from a manifest alone.
    let mut site = pod(ENDLESS)
        .env("GLUE_JOB_NAME", "etl")
        .env("JOB_NO_WAIT", "true")
        .env("GLUE_ARGUMENTS", r#"{"--day": "monday"}"#);
    for (_, variable, value) in options {
        if !variable.is_empty() {
            site = site.env(variable, value);
        }
    }
    site.run([""; 0]).assert_exit(0);
    assert_eq!(calls(&site, "StartJobRun")[0].parameters, expected);
}

#[test]
fn what_is_not_said_is_not_sent() {
    let site = pod(QUICK);
    site.run(etl(&["--no-wait"])).assert_exit(0);
    let mut sent = calls(&site, "StartJobRun")[0].parameters.clone();
    // Nothing and an empty object mean the same to Glue.
    if sent["Arguments"] == json!({}) {
        sent.as_object_mut().unwrap().remove("Arguments");
    }
    assert_eq!(sent, json!({ "JobName": "etl" }));

    let site = pod(QUICK);
    site.run(etl(&["--no-wait", "--max-capacity", "0.0625"])).assert_exit(0);
    assert_eq!(calls(&site, "StartJobRun")[0].parameters["MaxCapacity"], 0.0625);
}

#[test]
fn a_session_policy_comes_from_a_file_too() {
    let site = pod(QUICK);
    let file = site.write("policy.json", "{\"Version\":\"2012-10-17\"}\n").display().to_string();
    site.run(etl(&["--no-wait", "--execution-role-session-policy", &file])).assert_exit(0);
    let sent = &calls(&site, "StartJobRun")[0].parameters;
    assert_eq!(sent["ExecutionRoleSessionPolicy"], "{\"Version\":\"2012-10-17\"}");
}

#[test]
fn what_cannot_be_meant_ends_in_2_before_any_call() {
    let too_long = "k".repeat(256);
    for (more, said) in [
        (&["--worker-type", "G.1X", "--max-capacity", "2"][..], "--max-capacity"),
        (&["--number-of-workers", "2"], "--worker-type"),
        (&["--number-of-workers", "none", "--worker-type", "G.1X"], "--number-of-workers"),
        (&["--max-capacity", "0"], "--max-capacity"),
        (&["--job-timeout", "90s"], "whole minutes"),
        (&["--job-timeout", "8d"], "--job-timeout"),
        (&["--job-timeout", "90"], "--job-timeout"),
        (&["--execution-class", "cheap"], "--execution-class"),
        (&["--argument", "day"], "NAME=VALUE"),
        (&["--argument", "glue-trigger-key=mine"], "--idempotency-key"),
        (&["--arguments", r#"{"--glue-trigger-key": "mine"}"#], "--idempotency-key"),
        (&["--arguments", r#"{"--retries": 3}"#], "--retries"),
        (&["--arguments", "[]"], "JSON object"),
        (&["--arguments-file", "/nowhere/arguments.json"], "--arguments-file"),
        (&["--execution-role-session-policy", "/nowhere/policy.json"], "--execution-role-session-policy"),
        (&["--wait-for-slot", "0s"], "--wait-for-slot"),
        (&["--attach", "jr_1", "--argument", "day=monday"], "--attach"),
        (&["--attach", "jr_1", "--arguments", "{}"], "--attach"),
        (&["--attach", "jr_1", "--worker-type", "G.1X"], "--attach"),
        (&["--attach", "jr_1", "--retry-run", "jr_0"], "--attach"),
        (&["--attach", "jr_1", "--wait-for-slot", "5m"], "--attach"),
        (&["--attach", "jr_1", "--job-run-queuing"], "--attach"),
        (&["--attach", "jr_1", "--no-wait"], "--attach"),
        (&["--timeout", "0s"], "--timeout"),
        (&["--poll-interval", "5"], "--poll-interval"),
        (&["--idempotency-key", "two words"], "--idempotency-key"),
        (&["--idempotency-key", &too_long], "--idempotency-key"),
        (&["--on-terminate", "ignore"], "--on-terminate"),
        (&["--output", "yaml"], "--output"),
    ] {
        let site = pod(QUICK);
        let outcome = site.run(etl(more));
        outcome.assert_exit(2).assert_says(said);
        assert_eq!(outcome.termination()["outcome"], "usage", "{more:?}");
        assert!(outcome.stdout.is_empty(), "{more:?}");
        assert_nothing_sent(&site);
    }
    let site = pod(QUICK);
    site.run([""; 0]).assert_exit(2).assert_says("--job-name");
    assert_nothing_sent(&site);
}

/// Whoever may write such an argument runs code of their own in the job's role.
#[test]
fn reserved_arguments_are_refused_on_demand() {
    let site = pod(QUICK);
    let file = site
        .write("arguments.json", r#"{"--additional-python-modules": "s3://b/m.whl"}"#)
        .display()
        .to_string();
    let deny = "--deny-reserved-arguments";
    for (more, said) in [
        (&["--argument", "extra-py-files=s3://b/x.py"][..], "--extra-py-files"),
        (&["--argument", "--ScriptLocation=s3://b/x.py"], "--ScriptLocation"),
        (&["--arguments", r#"{"--conf": "spark.x=1", "day": "monday"}"#], "--conf"),
        (&["--arguments", r#"{"--extra-jars=s3://b/x.jar": ""}"#], "--extra-jars"),
        (&["--arguments-file", &file], "--additional-python-modules"),
        (&["--argument", "enable-something-new=true"], "--enable-something-new"),
        (&["--retry-run", "jr_1"], "--retry-run"),
    ] {
        let outcome = site.run(etl(&[more, &[deny][..]].concat()));
        outcome.assert_exit(2).assert_says(said).assert_does_not_say("s3://b");
        assert_nothing_sent(&site);
    }
    let site = site
        .env("GLUE_DENY_RESERVED_ARGUMENTS", "true")
        .env("GLUE_ARGUMENTS", r#"{"--user-jars-first": "true"}"#);
    site.run(ETL).assert_exit(2).assert_says("--user-jars-first");
    assert_nothing_sent(&site);

    // What the script alone reads may be given; and without the option everything may.
    let site = pod(QUICK);
    site.run(etl(&[deny, "--argument", "day=monday", "--argument", "confirm=yes"])).assert_exit(0);
    let site = pod(QUICK);
    site.run(etl(&["--argument", "extra-py-files=s3://b/x.py"])).assert_exit(0);
}

/// A value may be private, and a typing error does not make it less so.
#[test]
fn what_is_refused_is_not_quoted() {
    const SECRET: &str = "hunter2";
    for object in [
        "hunter2",
        "\"hunter2\"",
        r#"{"--password": "hunter2""#,
        r#"{"--password": hunter2}"#,
        r#"{"--password": ["hunter2"]}"#,
    ] {
        let site = pod(QUICK);
        let file = site.write("arguments.json", object).display().to_string();
        let site = site.env("GLUE_ARGUMENTS", object);
        let from_file = pod(QUICK);
        for outcome in [
            site.run(ETL),
            from_file.run(etl(&["--arguments", object])),
            from_file.run(etl(&["--arguments-file", &file])),
            from_file.run(etl(&["--argument", SECRET])),
        ] {
            outcome.assert_exit(2).assert_does_not_say(SECRET);
            assert!(!outcome.termination().to_string().contains(SECRET), "{object}");
        }
    }
}

#[test]
fn a_switch_that_is_set_to_false_is_off() {
    let site =
        pod(QUICK).env("GLUE_JOB_RUN_QUEUING", "false").env("JOB_NO_WAIT", "0").env("GLUE_LOGS", "false");
    let run = site.sandbox.start_run("etl", [("--day", "monday")]).unwrap();
    site.run(ETL).assert_exit(0);
    assert!(calls(&site, "StartJobRun")[0].parameters.get("JobRunQueuingEnabled").is_none());
    assert_eq!(calls(&site, "GetLogEvents").len(), 0);

    // Off is no contradiction to anything.
    site.run(etl(&["--attach", &run])).assert_exit(0);
}
