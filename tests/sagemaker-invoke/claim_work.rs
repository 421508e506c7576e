//! `async` with a key: one key stands for one piece of work, and what is asked for is a part of it.

use std::time::Duration;

use serde_json::json;
use testkit::Site;

use super::{
    CLAIMS, DIGEST, KEY, WORK, asked, assert_stdout, fault, keyed, pod, queued, sent, spoil, status,
};

/// An endpoint with an answer for each request.
fn site() -> Site {
    pod("async = { output = 's3://team-data/async', failure = 's3://team-data/failed' }\n\
         courses = [{ body = 'first' }, { body = 'second' }]")
}

/// The same key, asking for something else, or something more.
fn asking<'a>(more: &[&'a str]) -> Vec<&'a str> {
    queued(&[more, &KEY, &CLAIMS].concat())
}

#[test]
fn the_same_key_never_hands_out_the_answer_to_another_request() {
    let body = ["--body", "{\"id\":7}"];
    let typed = ["--body", "1", "--content-type", "text/csv"];
    for (first, second) in [
        (&body[..], &["--body", "{\"id\":8}"][..]),
        (&body, &["--body", "{\"id\":7}", "--accept", "text/csv"]),
        (&body, &["--body", "{\"id\":7}", "--custom-attributes", ""]),
        (&body, &["--input-location", "s3://team-data/in/one.json"]),
        (&typed, &["--body", "1"]),
        (
            &["--input-location", "s3://team-data/in/one.json"],
            &["--input-location", "s3://team-data/in/two.json"],
        ),
    ] {
        let site = site();
        assert_stdout(site.run(asking(first)).assert_exit(0), "first");
        for more in [&[][..], &["--on-prior-failure", "rerun"], &["--no-wait"]] {
            let outcome = site.run(asking(&[second, more].concat()));
            outcome
                .assert_exit(65)
                .assert_says("one key stands for one piece of work")
                .assert_says(&format!("s3://team-data/claims/{DIGEST}.claim"));
            assert_stdout(&outcome, "");
        }
        assert_eq!((sent(&site), asked(&site)), (1, 1));
        // The first is not harmed.
        assert_stdout(site.run(asking(first)).assert_exit(0), "first");
        assert_eq!(sent(&site), 1);
    }
}

#[test]
fn another_endpoint_is_another_piece_of_work() {
    let site = site();
    assert_stdout(site.run(keyed(&[])).assert_exit(0), "first");
    let other: Vec<&str> = keyed(&[]).into_iter().map(|arg| if arg == "e" { "f" } else { arg }).collect();
    site.run(other).assert_exit(65).assert_says("one key stands for one piece of work");
    assert_eq!(sent(&site), 1);
}

/// Bytes that are no text have no text to be compared by.
#[test]
fn bodies_are_told_apart_by_their_bytes() {
    let site = site();
    for (name, byte) in [("one", 0xfe), ("two", 0xff), ("copy", 0xfe)] {
        std::fs::write(site.path(name), [byte]).unwrap();
    }
    let file = |name| asking(&["--content-type", "application/x-npy", "--body-file", name]);
    assert_stdout(site.run(file("one")).assert_exit(0), "first");
    site.run(file("two")).assert_exit(65);
    // What is the same is the same, wherever it comes from.
    assert_stdout(site.run(file("copy")).assert_exit(0), "first");
    assert_eq!(sent(&site), 1);
}

/// How long it may wait, and where the answer goes, are no part of the work.
#[test]
fn other_limits_are_the_same_work() {
    let site = site();
    assert_stdout(site.run(keyed(&[])).assert_exit(0), "first");
    let more = ["--request-ttl", "1h", "--invocation-timeout", "90s", "--output-file", "answer"];
    assert_eq!(site.run(keyed(&more)).assert_exit(0).json()["adopted"], true);
    assert_eq!(sent(&site), 1);
}

/// Nobody waits for somebody else's work.
#[test]
fn a_claim_for_another_request_is_not_waited_for() {
    let site = site();
    let mut claim =
        json!({"state": "claimed", "key": DIGEST, "work": "other", "attempt": 1, "by": "somebody"});
    let put = |claim: &serde_json::Value| {
        let place = format!("claims/{DIGEST}.claim");
        site.sandbox.put_object("team-data", &place, claim.to_string()).unwrap();
    };
    put(&claim);
    let outcome = site.run(keyed(&[]));
    outcome.assert_exit(65).assert_says("one key stands for one piece of work");
    assert!(outcome.elapsed < Duration::from_secs(8), "{:?}", outcome.elapsed);
    assert_eq!(sent(&site), 0);
    // The form of the digest lasts: a claim of an earlier version has to be known again.
    claim["work"] = WORK.into();
    claim["state"] = "refused".into();
    put(&claim);
    assert_stdout(site.run(keyed(&[])).assert_exit(0), "first");
    let bytes = site.sandbox.object("team-data", &format!("claims/{DIGEST}.claim")).unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["work"], WORK);
}

/// What was never sent may be mended.
#[test]
fn a_request_that_was_refused_may_be_asked_in_another_way() {
    let site = site();
    spoil(&site, fault("InvokeEndpointAsync", status(400, "ValidationError", "no such field")));
    site.run(keyed(&[])).assert_exit(65).assert_says("no such field");
    assert_stdout(site.run(asking(&["--body", "{\"id\":8}"])).assert_exit(0), "first");
    site.run(keyed(&[])).assert_exit(65).assert_says("one key stands for one piece of work");
    assert_eq!((sent(&site), asked(&site)), (2, 1));
}
