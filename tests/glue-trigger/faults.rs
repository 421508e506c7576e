//! The wire and the service are at their worst: each operation, each kind of fault.

use std::time::Duration;

use testkit::{Fault, FaultKind, Signal, Site};

use super::{
    ENDLESS, ETL, QUICK, calls, etl, fault, keyed, pod, pod_without, spoil, started, starts, status,
};

/// Short enough that a silent service is given up on soon.
const IMPATIENT: [&str; 2] = ["--read-timeout", "1s"];

/// Every kind of fault that passes.
fn kinds() -> [FaultKind; 9] {
    [
        FaultKind::Throttle,
        status(500, "InternalServiceException", "please wait"),
        status(503, "", ""),
        FaultKind::ResetBefore,
        FaultKind::ResetAfter,
        FaultKind::Hang,
        FaultKind::Slow(Duration::from_millis(500)),
        FaultKind::Garbage,
        FaultKind::Truncated,
    ]
}

/// A run that takes so long that it is looked at several times.
const A_WHILE: &str =
    "courses = [{ steps = [{ state = 'RUNNING' }, { state = 'SUCCEEDED', after = '1500ms' }] }]";

#[test]
fn a_look_that_fails_is_tried_again() {
    for kind in kinds() {
        let site = pod(A_WHILE);
        spoil(&site, fault("GetJobRun", kind.clone()).from(2));
        let outcome = site.run(etl(&IMPATIENT));
        assert_eq!(outcome.code, 0, "{kind:?}: {}", outcome.stderr);
        assert_eq!((starts(&site), started(&site)), (1, 1), "{kind:?}");
    }
}

#[test]
fn a_search_that_fails_is_tried_again_before_anything_is_started() {
    // An answer in no known format is told at once: see below.
    for kind in kinds().into_iter().filter(|kind| *kind != FaultKind::Garbage) {
        let site = pod(QUICK);
        spoil(&site, fault("GetJobRuns", kind.clone()));
        let outcome = site.run(keyed(&IMPATIENT));
        assert_eq!(outcome.code, 0, "{kind:?}: {}", outcome.stderr);
        assert_eq!((starts(&site), started(&site)), (1, 1), "{kind:?}");
    }
}

#[test]
fn a_search_that_fails_for_good_is_75_and_starts_nothing() {
    for kind in [
        FaultKind::Throttle,
        status(500, "InternalServiceException", "please wait"),
        FaultKind::ResetBefore,
        FaultKind::Hang,
        FaultKind::Garbage,
        FaultKind::Truncated,
    ] {
        let site = pod(QUICK);
        spoil(&site, fault("GetJobRuns", kind.clone()).for_ever());
        let outcome = site.run(keyed(&["--read-timeout", "500ms"]));
        assert_eq!(outcome.code, 75, "{kind:?}: {}", outcome.stderr);
        outcome.assert_exit(75).assert_says("glue:GetJobRuns").assert_says("was started");
        assert_eq!((starts(&site), started(&site)), (0, 0), "{kind:?}");
    }
}

/// A look is up to three requests of the SDK, so four failed looks are twelve.
#[test]
fn four_failed_looks_in_a_row_are_borne() {
    let site = pod(A_WHILE);
    spoil(&site, fault("GetJobRun", status(500, "InternalServiceException", "")).from(2).times(12));
    let outcome = site.run(ETL);
    outcome.assert_exit(0).assert_says("could not look at the remote work");
    assert!(calls(&site, "GetJobRun").len() >= 14);
    assert_eq!(starts(&site), 1);
}

fn five_failed_looks(kind: FaultKind) {
    let site = pod(ENDLESS);
    spoil(&site, fault("GetJobRun", kind).from(2).for_ever());
    let outcome = site.run(keyed(&["--read-timeout", "500ms"]));
    let run = site.sandbox.runs("etl").remove(0);
    outcome
        .assert_exit(79)
        .assert_says(&run.id)
        .assert_says("glue:GetJobRun")
        .assert_says("console.aws.amazon.com");
    assert_eq!(outcome.termination()["remote_id"], run.id);
    assert_eq!(outcome.termination()["state"], "RUNNING");
    assert_eq!(run.state, "RUNNING");
    let looks = calls(&site, "GetJobRun").len();
    assert!((6..=16).contains(&looks), "{looks}");
    assert_eq!(starts(&site), 1);
    assert_eq!(site.sandbox.count("glue", "BatchStopJobRun"), 0);
}

#[test]
fn five_refused_looks_end_the_wait() {
    five_failed_looks(status(500, "InternalServiceException", ""));
}

#[test]
fn five_reset_looks_end_the_wait() {
    five_failed_looks(FaultKind::ResetBefore);
}

#[test]
fn five_silent_looks_end_the_wait() {
    five_failed_looks(FaultKind::Hang);
}

#[test]
fn five_senseless_looks_end_the_wait() {
    five_failed_looks(FaultKind::Garbage);
}

#[test]
fn five_broken_looks_end_the_wait() {
    five_failed_looks(FaultKind::Truncated);
}

/// Six polls of three requests: one more than the failed polls that end a wait.
#[test]
fn throttled_looks_do_not_count() {
    let site = pod(A_WHILE);
    spoil(&site, fault("GetJobRun", FaultKind::Throttle).from(2).times(18));
    let args = ["--job-name", "etl", "--poll-interval", "10ms"];
    site.run(args).assert_exit(0);
    assert_eq!(calls(&site, "GetJobRun").len(), 20);
}

/// A run whose fate cannot be seen is not a run that never was.
#[test]
fn a_refused_look_ends_the_wait_at_once_and_names_the_run() {
    let site = pod_without("glue:GetJobRun", ENDLESS);
    let outcome = site.run(ETL);
    let run = site.sandbox.runs("etl").remove(0);
    outcome
        .assert_exit(77)
        .assert_says("glue:GetJobRun")
        .assert_says(&run.id)
        .assert_says("may still be running");
    assert_eq!(outcome.termination()["remote_id"], run.id);
    assert_eq!(run.state, "RUNNING");

    let site = pod(ENDLESS);
    let denied = status(400, "AccessDeniedException", "User: x is not authorized to perform: glue:GetJobRun");
    spoil(&site, fault("GetJobRun", denied).from(3).for_ever());
    let outcome = site.run(ETL);
    outcome.assert_exit(77).assert_says(&site.sandbox.runs("etl")[0].id);
    assert_eq!(calls(&site, "GetJobRun").len(), 3);
}

#[test]
fn a_look_that_hangs_does_not_outlive_the_deadline() {
    let site = pod(ENDLESS);
    spoil(&site, fault("GetJobRun", FaultKind::Hang).from(2).for_ever());
    let outcome = site.run(keyed(&["--timeout", "2s"]));
    outcome.assert_exit(79);
    assert!(outcome.elapsed < Duration::from_secs(20), "{:?}", outcome.elapsed);
}

#[test]
fn credentials_that_fail_for_a_while_start_nothing_twice() {
    for (operation, kind) in [
        ("AssumeRole", FaultKind::Throttle),
        ("AssumeRole", status(500, "InternalFailure", "")),
        ("AssumeRole", FaultKind::Hang),
        ("AssumeRole", FaultKind::ResetAfter),
        ("AssumeRole", FaultKind::Truncated),
        ("AssumeRoleWithWebIdentity", FaultKind::Garbage),
        ("AssumeRoleWithWebIdentity", FaultKind::ResetBefore),
    ] {
        let site = pod(QUICK);
        spoil(&site, Fault::new("sts", operation, kind.clone()));
        let outcome = site.run(etl(&IMPATIENT));
        assert_eq!(outcome.code, 0, "{operation} {kind:?}: {}", outcome.stderr);
        assert_eq!((starts(&site), started(&site)), (1, 1), "{operation} {kind:?}");
    }
}

/// The session has ended under way and the next one is not given: the run is lost to us, not failed.
#[test]
fn a_role_that_is_taken_away_under_way() {
    let world = format!("session_seconds = 2\n{}", super::world(ENDLESS));
    let site = Site::pod(super::BINARY, &world);
    let running = site.start(ETL);
    running.wait_for_log("RUNNING");
    let denied = status(403, "AccessDenied", "User: x is not authorized to perform: sts:AssumeRole");
    spoil(&site, Fault::new("sts", "AssumeRole", denied).for_ever());
    let outcome = running.finish();
    let run = site.sandbox.runs("etl").remove(0);
    outcome.assert_exit(77).assert_says("hop 2 of 2").assert_says(&run.id);
    assert_eq!(outcome.termination()["remote_id"], run.id);
    assert_eq!(run.state, "RUNNING");
}

#[test]
fn a_stop_that_fails_is_tried_again() {
    for kind in kinds() {
        let site = pod(ENDLESS);
        spoil(&site, fault("BatchStopJobRun", kind.clone()));
        let running = site.start(etl(&["--read-timeout", "500ms"]));
        running.wait_for_log("RUNNING");
        running.signal(Signal::TERM);
        let outcome = running.finish();
        let state = site.sandbox.runs("etl").remove(0).state;
        // Where a stop was carried out and its answer got lost, the next one may meet a run that is over.
        let met = state == "STOPPED" && outcome.code == 11;
        assert!(outcome.code == 143 || met, "{kind:?}: {}", outcome.stderr);
        assert!(["STOPPING", "STOPPED"].contains(&state.as_str()), "{kind:?}: {state}\n{}", outcome.stderr);
    }
}

#[test]
fn each_operation_can_be_slow() {
    let site = pod(A_WHILE);
    for operation in ["StartJobRun", "GetJobRun", "GetJobRuns"] {
        spoil(&site, fault(operation, FaultKind::Slow(Duration::from_secs(2))));
    }
    spoil(&site, Fault::new("sts", "AssumeRole", FaultKind::Slow(Duration::from_secs(2))));
    site.run(keyed(&[])).assert_exit(0);
    assert_eq!((starts(&site), started(&site)), (1, 1));
}
