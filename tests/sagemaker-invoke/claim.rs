//! `async` with a key: sent once, however often it is killed and run again.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Fault, FaultKind, Signal, Site};

use super::{
    BINARY, DIGEST, WORK, asked, assert_stdout, fault, keyed, pod, sent, spoil, status, wait_until, world,
};

const BOTH: &str = "async = { output = 's3://team-data/async', failure = 's3://team-data/failed' }";

fn taking(course: &str) -> Site {
    pod(&format!("{BOTH}\ncourses = [{course}]"))
}

/// Where the claim of the key is.
fn place() -> String {
    format!("claims/{DIGEST}.claim")
}

/// What the claim says.
fn claim(site: &Site) -> Option<Value> {
    site.sandbox.object("team-data", &place()).map(|bytes| serde_json::from_slice(&bytes).unwrap())
}

/// Puts a claim of somebody else.
fn claimed(site: &Site, claim: &Value) {
    site.sandbox.put_object("team-data", &place(), claim.to_string()).unwrap();
}

#[test]
fn it_is_claimed_sent_and_noted() {
    let site = taking("{ after = '500ms', body = '7' }");
    let outcome = site.run(keyed(&[]));
    assert_stdout(outcome.assert_exit(0), "7");
    let claim = claim(&site).unwrap();
    assert_eq!(claim["state"], "sent");
    assert_eq!(claim["inference_id"], DIGEST);
    assert_eq!(claim["output_location"], format!("s3://team-data/async/{DIGEST}"));
    assert_eq!(claim["failure_location"], format!("s3://team-data/failed/{DIGEST}"));
    let inference = &site.sandbox.inferences("e")[0];
    assert_eq!((&*inference.options["Filename"], &*inference.options["InferenceId"]), (DIGEST, DIGEST));
}

#[test]
fn the_next_process_waits_for_the_same_answer() {
    let site = taking("{ after = '3s', body = '7' }, { body = 'another' }");
    let running = site.start(keyed(&[]));
    running.wait_for_log("waiting for the answer");
    running.signal(Signal::TERM);
    running.finish().assert_exit(143).assert_says("same key");
    for _ in 0..2 {
        let outcome = site.run(keyed(&["--output-file", "answer"]));
        assert_eq!(outcome.assert_exit(0).json()["adopted"], true);
        assert_eq!(std::fs::read_to_string(site.path("answer")).unwrap(), "7");
    }
    assert_eq!((sent(&site), asked(&site)), (1, 1));
}

/// The name that the user gives wins, and then names the claim as well.
#[test]
fn a_file_name_of_the_users_names_both() {
    let site = taking("{ body = '7' }");
    site.run(keyed(&["--filename", "day.json"])).assert_exit(0);
    let bytes = site.sandbox.object("team-data", "claims/day.json.claim").unwrap();
    let claim: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(claim["output_location"], "s3://team-data/async/day.json");
    // Another key of the same name is another piece of work, for which there is no place.
    let other: Vec<&str> = keyed(&["--filename", "day.json"])
        .into_iter()
        .map(|arg| if arg == super::KEY[1] { "another-key" } else { arg })
        .collect();
    site.run(other).assert_exit(65).assert_says("belongs to another key");
    assert_eq!(asked(&site), 1);
}

#[test]
fn a_claim_of_somebody_else_is_looked_at_for_a_while_and_then_80() {
    let site = taking("{ body = '7' }");
    claimed(&site, &json!({"state": "claimed", "key": DIGEST, "work": WORK, "attempt": 1, "by": "somebody"}));
    let outcome = site.run(keyed(&[]));
    outcome
        .assert_exit(80)
        .assert_says(&format!("delete s3://team-data/{}", place()))
        .assert_says("output path")
        .assert_says("endpoint e");
    assert!(outcome.elapsed > Duration::from_secs(8), "{:?}", outcome.elapsed);
    assert_eq!(sent(&site), 0);
    // As it says.
    site.sandbox.delete_object("team-data", &place()).unwrap();
    assert_stdout(site.run(keyed(&[])).assert_exit(0), "7");
}

/// The other one was only between two steps.
#[test]
fn a_claim_that_becomes_a_request_is_taken_over() {
    let site = taking("{ after = '1h' }");
    claimed(&site, &json!({"state": "claimed", "key": DIGEST, "work": WORK, "attempt": 1, "by": "somebody"}));
    let running = site.start(keyed(&[]));
    running.wait_for_log("another process has claimed");
    site.sandbox.put_object("team-data", "async/x", "7").unwrap();
    claimed(
        &site,
        &json!({"state": "sent", "inference_id": "x", "output_location": "s3://team-data/async/x",
                "failure_location": null, "sent_at": 1, "key": DIGEST, "work": WORK, "attempt": 1, "by": "somebody"}),
    );
    assert_stdout(running.finish().assert_exit(0), "7");
    assert_eq!(sent(&site), 0);
}

#[test]
fn two_at_the_same_time_send_once() {
    let site = taking("{ after = '1s', body = '7' }");
    let pair = [site.start(keyed(&[])), site.start(keyed(&[]))];
    for running in pair {
        assert_stdout(running.finish().assert_exit(0), "7");
    }
    assert_eq!((sent(&site), asked(&site)), (1, 1));
}

/// Killed after the claim and before the answer to the request: nobody can know, and nobody sends again.
#[test]
fn killed_between_claim_and_request_it_is_never_sent_twice() {
    for kind in [FaultKind::Hang, FaultKind::HangAfter] {
        let site = taking("{ body = '7' }");
        spoil(&site, fault("InvokeEndpointAsync", kind));
        let running = site.start(keyed(&[]));
        running.wait_for_calls("sagemaker-runtime", "InvokeEndpointAsync", 1);
        running.kill();
        assert_eq!(claim(&site).unwrap()["state"], "claimed");
        site.run(keyed(&[])).assert_exit(80).assert_says("delete s3://team-data/claims/");
        assert_eq!(sent(&site), 1);
    }
}

/// Killed once it is noted: the next one waits for the answer.
#[test]
fn killed_after_the_note_it_is_taken_over() {
    let site = taking("{ after = '3s', body = '7' }");
    let running = site.start(keyed(&[]));
    wait_until("the note", || claim(&site).is_some_and(|claim| claim["state"] == "sent"));
    running.kill();
    assert_stdout(site.run(keyed(&[])).assert_exit(0), "7");
    assert_eq!((sent(&site), asked(&site)), (1, 1));
}

#[test]
fn an_unclear_answer_keeps_the_claim() {
    for kind in [FaultKind::ResetAfter, FaultKind::ResetBefore, status(503, "ServiceUnavailable", "")] {
        let site = taking("{ body = '7' }");
        spoil(&site, fault("InvokeEndpointAsync", kind));
        let outcome = site.run(keyed(&[]));
        outcome.assert_exit(80).assert_says("may have taken the request").assert_says(&place());
        assert_eq!(claim(&site).unwrap()["state"], "claimed");
        site.run(keyed(&[])).assert_exit(80);
        assert_eq!(sent(&site), 1);
    }
}

/// What provably sent nothing gives the claim back.
#[test]
fn a_refusal_gives_the_claim_back() {
    let site = taking("{ body = '7' }");
    spoil(&site, fault("InvokeEndpointAsync", status(400, "ValidationError", "no such variant")));
    site.run(keyed(&[])).assert_exit(65).assert_says("no such variant");
    assert_eq!(claim(&site).unwrap()["state"], "refused");
    assert_stdout(site.run(keyed(&[])).assert_exit(0), "7");
    assert_eq!((sent(&site), asked(&site)), (2, 1));
}

#[test]
fn a_failure_is_reported_or_done_again_under_another_name() {
    let site = taking("{ model_error = { status = 500, message = 'boom' } }, { body = '7' }, { body = '8' }");
    for _ in 0..2 {
        site.run(keyed(&[])).assert_exit(10).assert_says("boom");
    }
    assert_eq!(asked(&site), 1);
    let rerun = keyed(&["--on-prior-failure", "rerun"]);
    for _ in 0..2 {
        assert_stdout(site.run(&rerun).assert_exit(0), "7");
    }
    assert_eq!(asked(&site), 2);
    assert_eq!(site.sandbox.inferences("e")[1].options["Filename"], format!("{DIGEST}-2"));
    assert_eq!(claim(&site).unwrap()["attempt"], 2);
}

/// The same for a second attempt: it does not become the first again.
#[test]
fn a_second_attempt_whose_claim_got_no_answer_is_known_again() {
    let site = taking("{ model_error = { status = 500, message = 'boom' } }, { body = '7' }");
    site.run(keyed(&[])).assert_exit(10);
    spoil(&site, Fault::new("s3", "PutObject", FaultKind::ResetAfter).from(3));
    assert_stdout(site.run(keyed(&["--on-prior-failure", "rerun"])).assert_exit(0), "7");
    assert_eq!(site.sandbox.inferences("e")[1].options["Filename"], format!("{DIGEST}-2"));
}

/// Told apart by what is tried: read, then put.
#[test]
fn rights_on_the_claim_are_named_before_anything_is_sent() {
    let with = |from: &str, table: &str| {
        let world = world(table);
        assert!(world.contains(from));
        Site::pod(BINARY, &world.replace(from, "s3:Nothing on"))
    };
    let table = format!("{BOTH}\ncourses = [{{ body = '7' }}]");
    let site = with("s3:PutObject on", &table);
    site.run(keyed(&[])).assert_exit(77).assert_says("nothing was sent").assert_says("s3:PutObject");
    assert_eq!(sent(&site), 0);

    let site = with("s3:GetObject on", &table);
    site.run(keyed(&[])).assert_exit(77).assert_says("nothing was sent").assert_says("s3:GetObject");
    assert_eq!(sent(&site), 0);
}

/// A bare 403 may mean that there is no claim: the condition of the put tells.
#[test]
fn a_claim_that_cannot_be_seen_is_told_by_the_put() {
    // Neither the right to list, nor, in the bare wording, to read.
    let terse = world(&format!("{BOTH}\ncourses = [{{ body = '7' }}]"))
        .replace("s3:GetObject on", "s3:Nothing on")
        .replace("s3:ListBucket on", "s3:Nothing on")
        .replacen("[[s3.buckets]]", "[s3]\nterse_denials = true\n\n[[s3.buckets]]", 1);
    let site = Site::pod(BINARY, &terse);
    claimed(&site, &json!({"state": "claimed", "key": DIGEST, "work": WORK, "attempt": 1, "by": "somebody"}));
    site.run(keyed(&[])).assert_exit(77).assert_says("earlier process").assert_says("s3:GetObject");
    assert_eq!(sent(&site), 0);
    site.sandbox.delete_object("team-data", &place()).unwrap();
    site.run(keyed(&["--no-wait"])).assert_exit(0);
    assert_eq!(asked(&site), 1);
}

/// The answer to our own put is lost: it is known again.
#[test]
fn a_claim_whose_answer_was_lost_is_known_again() {
    for kind in [FaultKind::ResetAfter, FaultKind::ResetBefore] {
        let site = taking("{ body = '7' }");
        spoil(&site, Fault::new("s3", "PutObject", kind));
        assert_stdout(site.run(keyed(&[])).assert_exit(0), "7");
        assert_eq!((sent(&site), asked(&site)), (1, 1));
    }
}

/// The note fails: the answer is told all the same, and the next process asks a person.
#[test]
fn a_note_that_cannot_be_made_costs_only_the_next_process() {
    let site = taking("{ body = '7' }");
    spoil(&site, Fault::new("s3", "PutObject", status(403, "AccessDenied", "no")).from(2).for_ever());
    let outcome = site.run(keyed(&[]));
    assert_stdout(outcome.assert_exit(0), "7");
    outcome.assert_says("could not be noted");
    site.sandbox.clear_faults();
    site.run(keyed(&[])).assert_exit(80);
    assert_eq!(sent(&site), 1);
}

#[test]
fn what_is_no_claim_is_left_alone() {
    let site = taking("{ body = '7' }");
    site.sandbox.put_object("team-data", &place(), "somebody's data").unwrap();
    site.run(keyed(&[])).assert_exit(65).assert_says("is no claim").assert_does_not_say("somebody's data");
    assert_eq!(sent(&site), 0);
}

#[test]
fn a_signal_while_a_claim_is_awaited_ends_soon() {
    let site = taking("{ body = '7' }");
    claimed(&site, &json!({"state": "claimed", "key": DIGEST, "work": WORK, "attempt": 1, "by": "somebody"}));
    let running = site.start(keyed(&[]));
    running.wait_for_log("another process has claimed");
    let since = Instant::now();
    running.signal(Signal::TERM);
    running.finish().assert_exit(143).assert_says("nothing was sent");
    assert!(since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
    assert_eq!(sent(&site), 0);
}

/// Nobody else was there, and nothing was sent: the store is out of reach.
#[test]
fn a_claim_that_cannot_be_put_is_no_claim_of_somebody_else() {
    let site = taking("{ body = '7' }");
    spoil(&site, Fault::new("s3", "PutObject", FaultKind::ResetBefore).for_ever());
    let outcome = site.run(keyed(&["--timeout", "3s"]));
    outcome.assert_exit(75).assert_says("could not be put").assert_does_not_say("another process");
    assert_eq!(asked(&site), 0);
}

/// The put of the claim got no answer, and then there is no time left to send: nobody has to ask a person.
#[test]
fn a_claim_that_was_put_in_vain_is_given_back_after_a_signal() {
    let site = taking("{ body = '7' }");
    spoil(&site, Fault::new("s3", "PutObject", FaultKind::ResetAfter));
    let running = site.start(keyed(&[]));
    running.wait_for_log("looking whether the claim was put");
    running.signal(Signal::TERM);
    running.finish().assert_exit(143).assert_says("nothing was sent");
    assert_eq!(claim(&site).unwrap()["state"], "refused");
    assert_stdout(site.run(keyed(&[])).assert_exit(0), "7");
    assert_eq!((sent(&site), asked(&site)), (1, 1));
}
