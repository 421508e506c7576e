//! The answer to the start is lost. Without a key nobody can know; with one it is found out.

use std::time::Duration;

use testkit::{FaultKind, Site};

use super::{
    BINARY, QUICK, calls, etl, fault, keyed, pod, pod_without, run_id, spoil, started, starts, status, world,
};

/// Short enough that a silent service is given up on soon.
const IMPATIENT: [&str; 2] = ["--read-timeout", "1s"];

/// Every way in which an answer can be lost after the run was started.
fn lost_after() -> [FaultKind; 4] {
    [FaultKind::ResetAfter, FaultKind::HangAfter, FaultKind::Garbage, FaultKind::Truncated]
}

/// Every way in which it looks the same, but nothing was started.
fn lost_before() -> [FaultKind; 6] {
    [
        FaultKind::ResetBefore,
        FaultKind::Hang,
        status(500, "InternalServiceException", "please wait"),
        status(503, "ServiceUnavailable", ""),
        status(400, "OperationTimeoutException", "Operation timed out"),
        status(400, "InternalServiceException", "something went wrong"),
    ]
}

#[test]
fn without_a_key_it_is_80_and_never_sent_again() {
    for kind in lost_after().into_iter().chain(lost_before()) {
        let name = format!("{kind:?}");
        let site = pod(QUICK);
        spoil(&site, fault("StartJobRun", kind));
        let outcome = site.run(etl(&IMPATIENT));
        assert_eq!(outcome.code, 80, "{name}: {}", outcome.stderr);
        outcome
            .assert_exit(80)
            .assert_says("may have been started")
            .assert_says("gluestudio/home?region=us-east-2#/job/etl/runs")
            .assert_says("https://console.aws.amazon.com/gluestudio/home?region=us-east-2#/job/etl/runs");
        assert_eq!(outcome.termination()["outcome"], "unknown");
        assert!(outcome.stdout.is_empty(), "{name}");
        assert_eq!(starts(&site), 1, "{name}");
    }
}

/// The run is found at the first look.
#[test]
fn with_a_key_the_run_is_found_and_its_result_told() {
    for kind in lost_after() {
        let name = format!("{kind:?}");
        let site = pod(QUICK);
        spoil(&site, fault("StartJobRun", kind));
        let outcome = site.run(keyed(&IMPATIENT));
        assert_eq!(outcome.code, 0, "{name}: {}", outcome.stderr);
        assert_eq!((starts(&site), started(&site)), (1, 1), "{name}");
        assert_eq!(run_id(&outcome), site.sandbox.runs("etl")[0].id);
    }
}

/// One start got lost before it did anything. It is not sent again: a late request would make two runs. The next
/// process looks, finds nothing and starts.
fn left_to_the_next_process(kind: FaultKind) {
    let site = pod(QUICK);
    spoil(&site, fault("StartJobRun", kind));
    let outcome = site.run(keyed(&IMPATIENT));
    outcome.assert_exit(75).assert_says("may have been started").assert_says("same idempotency key");
    assert_eq!(outcome.termination()["outcome"], "unavailable");
    assert_eq!((starts(&site), started(&site)), (1, 0));
    let next = site.run(keyed(&IMPATIENT));
    assert_eq!(next.assert_exit(0).json()["adopted"], false);
    assert_eq!((starts(&site), started(&site)), (2, 1));
}

#[test]
fn with_a_key_a_reset_start_is_left_to_the_next_process() {
    left_to_the_next_process(FaultKind::ResetBefore);
}

#[test]
fn with_a_key_a_silent_start_is_left_to_the_next_process() {
    left_to_the_next_process(FaultKind::Hang);
}

#[test]
fn with_a_key_a_start_that_broke_the_service_is_left_to_the_next_process() {
    left_to_the_next_process(status(500, "InternalServiceException", "please wait"));
}

#[test]
fn with_a_key_a_start_that_timed_out_in_the_service_is_left_to_the_next_process() {
    left_to_the_next_process(status(400, "OperationTimeoutException", "Operation timed out"));
}

#[test]
fn a_list_that_lags_is_given_time() {
    let site = Site::pod(BINARY, &format!("{}\n[glue]\nlist_lag = '3s'\n", world(QUICK)));
    spoil(&site, fault("StartJobRun", FaultKind::ResetAfter));
    let outcome = site.run(keyed(&[]));
    outcome.assert_exit(0);
    assert_eq!((starts(&site), started(&site)), (1, 1));
    assert!(calls(&site, "GetJobRuns").len() >= 3);
}

/// The looks after a lost answer are part of the wait: they cannot outlast it.
#[test]
fn a_search_for_a_lost_run_does_not_outlive_the_deadline() {
    let site = pod(QUICK);
    spoil(&site, fault("StartJobRun", FaultKind::ResetAfter));
    spoil(&site, fault("GetJobRuns", FaultKind::Hang).from(2).for_ever());
    let outcome = site.run(keyed(&["--timeout", "4s"]));
    outcome.assert_exit(75).assert_says("may have been started").assert_says("same idempotency key");
    assert!(outcome.elapsed < Duration::from_secs(15), "{:?}", outcome.elapsed);
    assert_eq!((starts(&site), started(&site)), (1, 1));
}

/// The look that would settle it fails as well: nothing more is sent, and the next process finds the run.
#[test]
fn a_look_that_fails_never_leads_to_a_second_start() {
    let site = pod(QUICK);
    spoil(&site, fault("StartJobRun", FaultKind::ResetAfter));
    spoil(&site, fault("GetJobRuns", status(500, "InternalServiceException", "")).from(2).for_ever());
    let outcome = site.run(keyed(&[]));
    outcome.assert_exit(75).assert_says("may have been started");
    assert_eq!((starts(&site), started(&site)), (1, 1));
    site.sandbox.clear_faults();
    let next = site.run(keyed(&[]));
    assert_eq!(run_id(next.assert_exit(0)), site.sandbox.runs("etl")[0].id);
    assert_eq!(started(&site), 1);
}

/// A failed run of the same key is the reason for the new start, not its result.
#[test]
fn an_earlier_failure_is_not_taken_for_the_lost_run() {
    let site = pod("courses = [{ steps = [{ state = 'FAILED' }] }, \
         { steps = [{ state = 'RUNNING' }, { state = 'SUCCEEDED', after = '400ms' }] }]");
    site.run(keyed(&[])).assert_exit(10);
    spoil(&site, fault("StartJobRun", FaultKind::ResetAfter));
    let outcome = site.run(keyed(&["--on-prior-failure", "rerun"]));
    outcome.assert_exit(0);
    assert_eq!((starts(&site), started(&site)), (2, 2));
    assert_eq!(run_id(&outcome), site.sandbox.runs("etl")[1].id);
}

/// Nor where nothing was started: the next process starts it.
#[test]
fn an_earlier_failure_does_not_settle_a_start_that_did_nothing() {
    let site = pod("courses = [{ steps = [{ state = 'FAILED' }] }, \
         { steps = [{ state = 'RUNNING' }, { state = 'SUCCEEDED', after = '400ms' }] }]");
    let failed = run_id(site.run(keyed(&[])).assert_exit(10));
    spoil(&site, fault("StartJobRun", FaultKind::ResetBefore));
    let rerun = keyed(&["--on-prior-failure", "rerun"]);
    site.run(&rerun).assert_exit(75);
    assert_eq!((starts(&site), started(&site)), (2, 1));
    assert_ne!(run_id(site.run(&rerun).assert_exit(0)), failed);
    assert_eq!((starts(&site), started(&site)), (3, 2));
}

/// Slow is not lost.
#[test]
fn a_late_answer_is_an_answer() {
    let site = pod(QUICK);
    spoil(&site, fault("StartJobRun", FaultKind::Slow(Duration::from_secs(3))));
    site.run(super::ETL).assert_exit(0);
    assert_eq!((starts(&site), started(&site)), (1, 1));
}

/// Nothing of this needs a right that a run without a key does not have.
#[test]
fn without_a_key_nothing_is_looked_for() {
    let site = pod_without("glue:GetJobRuns", QUICK);
    spoil(&site, fault("StartJobRun", FaultKind::ResetAfter));
    site.run(super::ETL).assert_exit(80);
    assert_eq!(calls(&site, "GetJobRuns").len(), 0);
}
