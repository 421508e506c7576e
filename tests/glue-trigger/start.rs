//! The start: sent once, refused plainly, and the retry of an earlier run.

use std::time::Duration;

use serde_json::json;
use testkit::{FaultKind, Site};

use super::{
    BINARY, ETL, FAILING, QUICK, calls, etl, fault, keyed, pod, pod_without, run_id, spoil, started, starts,
    status, wait_for_state, world,
};

#[test]
fn a_refusal_is_told_with_the_action_and_not_repeated() {
    let site = pod_without("glue:StartJobRun", QUICK);
    let outcome = site.run(ETL);
    outcome
        .assert_exit(77)
        .assert_says("glue:StartJobRun")
        .assert_says("arn:aws:glue:us-east-2:222222222222:job/etl");
    assert_eq!(starts(&site), 1);
    let last = calls(&site, "StartJobRun").remove(0);
    assert_eq!(outcome.termination()["request_id"], last.request_id.as_str());

    for (code, message, exit) in [
        ("InvalidInputException", "Worker type is not supported", 65),
        ("ValidationException", "1 validation error detected", 65),
        ("IdempotentParameterMismatchException", "no", 65),
        ("UnrecognizedClientException", "The security token included in the request is invalid.", 77),
    ] {
        let site = pod(QUICK);
        spoil(&site, fault("StartJobRun", status(400, code, message)).for_ever());
        site.run(ETL).assert_exit(exit).assert_says(code).assert_says(message);
        assert_eq!((starts(&site), started(&site)), (1, 0), "{code}");
    }
}

#[test]
fn a_throttled_start_is_sent_again_because_it_started_nothing() {
    for more in [&[][..], &["--idempotency-key", "k"]] {
        let site = pod(QUICK);
        spoil(&site, fault("StartJobRun", FaultKind::Throttle).times(2));
        site.run(etl(more)).assert_exit(0);
        assert_eq!((starts(&site), started(&site)), (3, 1));
    }
}

#[test]
fn a_start_that_is_throttled_for_good_is_75() {
    let site = pod(QUICK);
    spoil(&site, fault("StartJobRun", FaultKind::Throttle).for_ever());
    let outcome = site.run(ETL);
    outcome.assert_exit(75).assert_says("Rate exceeded");
    assert_eq!(started(&site), 0);
    assert!((2..=10).contains(&starts(&site)), "{}", starts(&site));
    assert!(outcome.elapsed < Duration::from_mins(1), "{:?}", outcome.elapsed);
}

#[test]
fn the_account_s_limit_of_runs_is_75() {
    let site = Site::pod(BINARY, &format!("{}\n[glue]\naccount_run_limit = 0\n", world(QUICK)));
    site.run(etl(&["--timeout", "3s"])).assert_exit(75).assert_says("ResourceNumberLimitExceededException");
    assert_eq!(started(&site), 0);
}

#[test]
fn a_retry_keeps_the_arguments_and_takes_new_ones() {
    let site = pod("courses = [{ steps = [{ state = 'FAILED' }] }, { steps = [{ state = 'SUCCEEDED' }] }]\n\
         default_arguments = { '--job-language' = 'python' }");
    let first = site.sandbox.start_run("etl", [("--day", "monday"), ("--mode", "full")]).unwrap();
    let outcome = site.run(etl(&["--retry-run", &first, "--argument", "mode=rest"]));
    outcome.assert_exit(0);
    let retry = site.sandbox.runs("etl").pop().unwrap();
    assert_eq!(run_id(&outcome), retry.id);
    assert_eq!(outcome.json()["attempt"], 1);
    assert_eq!(outcome.json()["previous_run_id"], first);
    assert_eq!((&retry.arguments["--day"], &retry.arguments["--mode"]), (&"monday".into(), &"rest".into()));
    assert_eq!(calls(&site, "StartJobRun")[0].parameters["JobRunId"], first);
    assert_eq!((starts(&site), started(&site)), (1, 2));
}

#[test]
fn a_retry_with_a_key_is_done_once_and_is_not_the_run_it_retries() {
    let site = pod("courses = [{ steps = [{ state = 'FAILED' }] }, { steps = [{ state = 'SUCCEEDED' }] }]");
    // The work of the key itself has failed.
    let first = run_id(site.run(keyed(&["--argument", "day=monday"])).assert_exit(10));
    let retry = keyed(&["--retry-run", &first]);
    let outcome = site.run(&retry);
    outcome.assert_exit(0);
    assert_ne!(run_id(&outcome), first);
    assert_eq!(site.sandbox.runs("etl")[1].arguments["--day"], "monday");
    let again = site.run(&retry);
    assert_eq!(run_id(again.assert_exit(0)), run_id(&outcome));
    assert_eq!(again.json()["adopted"], true);
    assert_eq!(started(&site), 2);
}

/// Never with other arguments than those of the run: where they cannot be read, nothing is started.
#[test]
fn a_retry_whose_arguments_cannot_be_read_starts_nothing() {
    let site = pod(FAILING);
    let first = run_id(site.run(ETL).assert_exit(10));
    for (kind, said) in [(status(200, "", ""), "the response has no run"), (FaultKind::Hang, "--timeout")] {
        spoil(&site, fault("GetJobRun", kind).for_ever());
        let outcome = site.run(etl(&["--retry-run", &first, "--timeout", "3s"]));
        outcome.assert_exit(75).assert_says(said);
        assert!(outcome.elapsed < Duration::from_secs(15), "{:?}", outcome.elapsed);
        site.sandbox.clear_faults();
    }
    assert_eq!((starts(&site), started(&site)), (1, 1));
}

/// What is missing need not be the job, and Glue knows better.
#[test]
fn what_a_start_does_not_find_is_told_in_glue_s_own_words() {
    for more in [&[][..], &["--idempotency-key", "k"]] {
        let site = pod(QUICK);
        let text = "Security configuration at-rest not found";
        spoil(&site, fault("StartJobRun", status(400, "EntityNotFoundException", text)));
        site.run(etl(more)).assert_exit(65).assert_says(text).assert_does_not_say("there is no Glue job");
    }
}

#[test]
fn a_retry_of_what_is_not_there_or_not_over_is_65() {
    let site = pod(FAILING);
    site.run(etl(&["--retry-run", "jr_nowhere"])).assert_exit(65).assert_says("jr_nowhere");
    let site = pod(super::ENDLESS);
    let running = site.sandbox.start_run("etl", [("--day", "monday")]).unwrap();
    wait_for_state(&site, "RUNNING");
    site.run(etl(&["--retry-run", &running])).assert_exit(65).assert_says("still under way");
    assert_eq!(started(&site), 1);
}

#[test]
fn a_key_adds_its_marker_and_nothing_else() {
    let site = pod(QUICK);
    site.run(["--job-name", "etl", "--no-wait", "--idempotency-key", "uid-7", "--argument", "day=monday"])
        .assert_exit(0);
    // What another version of this program reads: a golden sample.
    let marker = "uid-7@25w6pudzeq2y";
    assert_eq!(
        calls(&site, "StartJobRun")[0].parameters,
        json!({ "JobName": "etl", "Arguments": { "--day": "monday", "--glue-trigger-key": marker } })
    );
}
