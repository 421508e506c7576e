//! `async`: `--timeout` bounds the start as well.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Fault, FaultKind, Outcome, Site};

use super::{DIGEST, WORK, assert_stdout, fault, keyed, pod, queued, sent, spoil, status};

/// So long the start may take.
const SHORT: [&str; 2] = ["--timeout", "2s"];

fn site() -> Site {
    pod("async = { output = 's3://team-data/async' }\ncourses = [{ body = '7' }]")
}

fn place() -> String {
    format!("claims/{DIGEST}.claim")
}

fn state(site: &Site) -> Option<String> {
    let claim = site.sandbox.object("team-data", &place())?;
    let claim: Value = serde_json::from_slice(&claim).unwrap();
    claim["state"].as_str().map(str::to_owned)
}

#[track_caller]
fn assert_within(outcome: &Outcome, seconds: u64) {
    assert!(outcome.elapsed < Duration::from_secs(seconds), "{:?}\n{}", outcome.elapsed, outcome.stderr);
}

#[test]
fn a_claim_of_somebody_else_is_waited_for_until_the_timeout() {
    let site = site();
    let claim = json!({"state": "claimed", "key": DIGEST, "work": WORK, "attempt": 1, "by": "somebody"});
    site.sandbox.put_object("team-data", &place(), claim.to_string()).unwrap();
    let outcome = site.run(keyed(&SHORT));
    outcome
        .assert_exit(75)
        .assert_says("nothing was sent within 2s")
        .assert_says("another process")
        .assert_says(&place());
    assert_within(&outcome, 5);
    assert_eq!((sent(&site), state(&site).as_deref()), (0, Some("claimed")));
}

#[test]
fn a_claim_that_cannot_be_looked_at_in_time_is_75() {
    let site = site();
    spoil(&site, Fault::new("s3", "GetObject", FaultKind::Hang));
    let outcome = site.run(keyed(&SHORT));
    outcome.assert_exit(75).assert_says("nothing was sent within 2s");
    assert_within(&outcome, 5);
    assert_eq!((sent(&site), state(&site)), (0, None));
}

/// What may be left behind is told.
#[test]
fn a_claim_that_is_not_put_in_time_is_75() {
    for kind in [FaultKind::Hang, FaultKind::HangAfter] {
        let site = site();
        spoil(&site, Fault::new("s3", "PutObject", kind));
        let outcome = site.run(keyed(&SHORT));
        outcome.assert_exit(75).assert_says("nothing was sent").assert_says(&place());
        assert_within(&outcome, 8);
        assert_eq!(sent(&site), 0);
    }
}

/// Sent, and no answer: it may be in the queue.
#[test]
fn a_request_without_an_answer_in_time_is_80() {
    for kind in [FaultKind::Hang, FaultKind::HangAfter] {
        for (key, args) in [(true, keyed(&SHORT)), (false, queued(&[&["--body", "{}"], &SHORT[..]].concat()))]
        {
            let site = site();
            spoil(&site, fault("InvokeEndpointAsync", kind.clone()));
            let outcome = site.run(args);
            outcome.assert_exit(80).assert_says("may have taken the request").assert_says("output path");
            assert_within(&outcome, 8);
            assert_eq!(sent(&site), 1);
            assert_eq!(state(&site).as_deref(), key.then_some("claimed"));
            assert_eq!(outcome.stderr.contains(&place()), key, "{}", outcome.stderr);
        }
    }
}

/// Throttled until the end: nothing was sent, and the next process may.
#[test]
fn a_throttled_request_gives_the_claim_back_in_time() {
    let site = site();
    spoil(&site, fault("InvokeEndpointAsync", FaultKind::Throttle).for_ever());
    let outcome = site.run(keyed(&["--timeout", "4s"]));
    outcome.assert_exit(75);
    assert_within(&outcome, 7);
    assert_eq!(state(&site).as_deref(), Some("refused"));
    site.sandbox.clear_faults();
    assert_stdout(site.run(keyed(&[])).assert_exit(0), "7");
}

/// The request was taken, so that the place of its answer is told, whatever becomes of the note.
#[test]
fn a_note_that_is_not_made_in_time_does_not_hide_the_request() {
    let site = site();
    spoil(&site, Fault::new("s3", "PutObject", FaultKind::Hang).from(2).for_ever());
    spoil(&site, Fault::new("s3", "GetObject", status(404, "NoSuchKey", "")).for_ever());
    let outcome = site.run(keyed(&SHORT));
    outcome.assert_exit(79).assert_says("could not be noted").assert_says("s3://team-data/async/");
    assert_within(&outcome, 8);
    assert_eq!(sent(&site), 1);
}
