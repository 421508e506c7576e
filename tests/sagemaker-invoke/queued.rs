//! `async`: the answer is an object in S3 that is there when it is there.

use std::time::Duration;

use serde_json::Value;
use testkit::{Fault, FaultKind, Signal, Site};

use super::{
    BINARY, KEY, asked, assert_nothing_sent, assert_stdout, fault, pod, queued, sent, spoil, status, world,
};

/// An endpoint that puts its answers and its failures into the bucket.
const BOTH: &str = "async = { output = 's3://team-data/async', failure = 's3://team-data/failed' }";

/// A pod with such an endpoint, whose requests take this course.
fn taking(course: &str) -> Site {
    pod(&format!("{BOTH}\ncourses = [{{ {course} }}]"))
}

/// The same, in a world with one change.
fn changed(course: &str, from: &str, to: &str) -> Site {
    let world = world(&format!("{BOTH}\ncourses = [{{ {course} }}]"));
    assert!(world.contains(from), "nothing to change");
    Site::pod(BINARY, &world.replace(from, to))
}

const BODY: [&str; 2] = ["--body", "{\"id\":7}"];

fn body<'a>(more: &[&'a str]) -> Vec<&'a str> {
    queued(&[&BODY, more].concat())
}

#[test]
fn the_answer_is_waited_for_and_told_to_the_byte() {
    let site = taking("queued = '500ms', after = '500ms', body_base64 = 'AP8K'");
    let outcome = site.run(body(&[]));
    assert_eq!(outcome.assert_exit(0).stdout, [0, 255, 10]);
    outcome.assert_says("s3://team-data/async/").assert_says("waiting for the answer");
    assert_eq!((sent(&site), asked(&site)), (1, 1));
    assert!(site.sandbox.count("s3", "GetObject") > 2);
    let message = outcome.termination();
    assert_eq!(message["state"], "answered");
    assert!(message["remote_id"].is_string());
}

#[test]
fn the_input_may_be_in_s3() {
    let site = taking("after = '100ms'");
    let args = queued(&["--input-location", "s3://team-data/in/one.json", "--output-file", "answer"]);
    let told = site.run(args).assert_exit(0).json();
    assert_eq!(std::fs::read_to_string(site.path("answer")).unwrap(), "{\"order_id\": 1}");
    assert_eq!(told["bytes"], 15);
    assert_eq!(told["adopted"], false);
    let inference = &site.sandbox.inferences("e")[0];
    assert_eq!(told["output_location"].as_str(), inference.output_location.as_deref());
    assert_eq!(inference.options["InputLocation"], "s3://team-data/in/one.json");
}

#[test]
fn every_option_arrives() {
    let site = taking("");
    let args = queued(&[
        "--content-type",
        "text/csv",
        "--accept",
        "text/plain",
        "--custom-attributes",
        "a=b",
        "--inference-id",
        "i 7",
        "--request-ttl",
        "1h",
        "--invocation-timeout",
        "90s",
        "--s3-output-path-extension",
        "day/1",
        "--filename",
        "out.csv",
        "--body",
        "1,2",
    ]);
    assert_stdout(site.run(args).assert_exit(0), "1,2");
    let inference = &site.sandbox.inferences("e")[0];
    for (member, value) in [
        ("ContentType", "text/csv"),
        ("Accept", "text/plain"),
        ("CustomAttributes", "a=b"),
        ("InferenceId", "i 7"),
        ("RequestTTLSeconds", "3600"),
        ("InvocationTimeoutSeconds", "90"),
        ("S3OutputPathExtension", "day/1"),
        ("Filename", "out.csv"),
    ] {
        assert_eq!(inference.options.get(member).map(String::as_str), Some(value), "{member}");
    }
    assert!(site.sandbox.object("team-data", "async/day/1/out.csv").is_some());
}

#[test]
fn a_failure_object_is_10_with_its_text() {
    let site = taking("after = '300ms', model_error = { status = 500, message = 'CUDA out of memory' }");
    let outcome = site.run(body(&[]));
    outcome.assert_exit(10).assert_says("CUDA out of memory").assert_says("s3://team-data/failed/");
    assert_stdout(&outcome, "");
    assert_eq!(outcome.termination()["state"], "failed");
}

#[test]
fn without_waiting_the_places_are_told() {
    let site = taking("after = '1h'");
    let told = site.run(body(&["--no-wait", "--inference-id", "i"])).assert_exit(0).json();
    assert_eq!(told["inference_id"], "i");
    assert_eq!(told["output_location"], "s3://team-data/async/i.out");
    assert_eq!(told["failure_location"], "s3://team-data/failed/i-error.out");
    assert_eq!(site.sandbox.count("s3", "GetObject"), 0);
    assert_eq!(asked(&site), 1);
}

/// Yesterday's answer under the same name is not today's.
#[test]
fn an_older_object_of_the_same_name_is_not_the_answer() {
    let site = taking("after = '2s', body = 'new'");
    site.sandbox.put_object("team-data", "async/out.json", "old").unwrap();
    std::thread::sleep(Duration::from_secs(7));
    let outcome = site.run(body(&["--filename", "out.json"]));
    assert_stdout(outcome.assert_exit(0), "new");
}

/// Without s3:ListBucket a missing object is a 403, in either wording.
#[test]
fn a_bare_refusal_is_waited_on_with_one_warning() {
    for terse in ["", "\n[s3]\nterse_denials = true\n"] {
        let hidden = world(&format!("{BOTH}\ncourses = [{{ after = '1s', body = '7' }}]"))
            .replace("s3:ListBucket on", "s3:Nothing on");
        // The table of S3 is there already, by its buckets.
        let hidden = hidden.replacen("[[s3.buckets]]", &format!("{terse}\n[[s3.buckets]]"), 1);
        let site = Site::pod(BINARY, &hidden);
        let outcome = site.run(body(&[]));
        assert_stdout(outcome.assert_exit(0), "7");
        outcome.assert_says("s3:ListBucket").assert_says("s3:GetObject");
        assert_eq!(outcome.stderr.matches("cannot tell whether").count(), 1, "{}", outcome.stderr);
    }
}

#[test]
fn a_refusal_that_names_the_right_is_77_at_once() {
    let site = changed("after = '1h'", "s3:GetObject on", "s3:Nothing on");
    let outcome = site.run(body(&[]));
    outcome.assert_exit(77).assert_says("the request was sent").assert_says("s3:GetObject");
    assert_eq!(asked(&site), 1);
}

#[test]
fn at_the_deadline_it_is_79_and_the_hint_fits() {
    let site = taking("after = '1h'");
    let outcome = site.run(body(&["--timeout", "3s"]));
    outcome.assert_exit(79).assert_says("s3://team-data/async/").assert_says("may still come");

    let site = changed("after = '1h'", "s3:ListBucket on", "s3:Nothing on");
    let outcome = site.run(body(&["--timeout", "3s"]));
    outcome.assert_exit(79).assert_says("every look was refused").assert_says("give this role s3:GetObject");
}

#[test]
fn an_endpoint_that_is_not_asynchronous_is_65() {
    let site = pod("");
    site.run(body(&[])).assert_exit(65).assert_says("endpoint e was not invoked").assert_says("asynchronous");
}

#[test]
fn a_bucket_in_another_region_is_78_and_named() {
    let elsewhere = "\n[[s3.buckets]]\naccount = '222222222222'\nname = 'far'\nregion = 'eu-west-1'\n";
    let table = format!("async = {{ output = 's3://far/async' }}\n{elsewhere}");
    let world = world(&table)
        .replace("s3:GetObject on arn:aws:s3:::team-data/*\"", "s3:GetObject on arn:aws:s3:::*\"");
    let site = Site::pod(BINARY, &world);
    site.run(body(&[])).assert_exit(78).assert_says("bucket far is in region eu-west-1");
}

#[test]
fn without_a_key_a_lost_answer_is_80() {
    for kind in [FaultKind::ResetAfter, FaultKind::ResetBefore, status(503, "ServiceUnavailable", "")] {
        let site = taking("");
        spoil(&site, fault("InvokeEndpointAsync", kind));
        site.run(body(&[])).assert_exit(80).assert_says("may have taken the request");
        assert_eq!(sent(&site), 1);
    }
}

#[test]
fn trouble_of_s3_is_borne() {
    let site = taking("after = '1s', body = '7'");
    spoil(&site, Fault::new("s3", "GetObject", status(503, "SlowDown", "")).times(3));
    spoil(&site, Fault::new("s3", "GetObject", FaultKind::ResetBefore).from(4).times(3));
    assert_stdout(site.run(body(&[])).assert_exit(0), "7");
    assert_eq!(asked(&site), 1);
}

/// It is read on demand, and what is missing is not made up.
#[test]
fn an_answer_that_is_cut_is_not_a_success() {
    let site = taking("body = 'a long answer'");
    spoil(&site, Fault::new("s3", "GetObject", FaultKind::Truncated).for_ever());
    let outcome = site.run(body(&[]));
    outcome.assert_exit(79).assert_says("the answer is in s3://team-data/async/").assert_says("broke off");
}

#[test]
fn a_long_answer_needs_no_memory() {
    let site = taking("");
    let long = vec![b'x'; 64 * 1024 * 1024];
    site.sandbox.put_object("team-data", "in/long", long.clone()).unwrap();
    let args = queued(&[
        "--input-location",
        "s3://team-data/in/long",
        "--content-type",
        "text/plain",
        "--output-file",
        "a",
    ]);
    let running = site.start(args);
    let peak = std::cell::Cell::new(0);
    super::wait_until("the answer", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap_or_default();
        let peaked = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peaked.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        peak.set(peak.get().max(kib.unwrap_or(0)));
        !running.is_running()
    });
    running.finish().assert_exit(0);
    assert_eq!(std::fs::metadata(site.path("a")).unwrap().len(), long.len() as u64);
    assert!((1..40_000).contains(&peak.get()), "{} KiB", peak.get());
}

#[test]
fn a_signal_leaves_the_request_and_says_so() {
    for cancel in ["cancel", "detach"] {
        let site = taking("after = '1h'");
        let running = site.start(body(&["--on-terminate", cancel]));
        running.wait_for_log("waiting for the answer");
        running.signal(Signal::TERM);
        let outcome = running.finish();
        // Nothing leads a retry to it.
        outcome.assert_exit(80).assert_says("cannot be called back").assert_says("s3://team-data/async/");
    }
}

#[test]
fn a_mistake_is_found_before_any_request() {
    let long = "1".repeat(128_001);
    for (more, expected) in [
        (vec![], "--input-location, --body or --body-file"),
        (vec!["--body", long.as_str()], "128001 bytes"),
        (vec!["--input-location", "https://b/k"], "s3://bucket/key"),
        ([&BODY[..], &KEY].concat(), "needs --claim-location"),
        ([&BODY[..], &["--filename", "a.b.c"]].concat(), "one '.'"),
        ([&BODY[..], &["--request-ttl", "10s"]].concat(), "1m to 6h"),
    ] {
        let site = taking("");
        site.run(queued(&more)).assert_exit(2).assert_says(expected);
        assert_nothing_sent(&site);
    }
}

/// Nothing of an answer is JSON, unless it was asked for.
#[test]
fn results_have_their_forms() {
    let site = taking("body = '7'");
    let outcome = site.run(body(&["--output-file", "a", "--output", "text"]));
    assert!(outcome.assert_exit(0).text().starts_with("endpoint   e\n"), "{}", outcome.text());
    let json: Value = site.run(body(&["--output-file", "a"])).json();
    assert_eq!(json["region"], "us-east-2");
    assert_eq!(json["account"], "222222222222");
}
