//! With a key the work is started once, whenever the process dies.

use std::collections::BTreeSet;

use serde_json::json;
use testkit::{FaultKind, Outcome, Site};

use super::{
    BINARY, ENDLESS, FAILING, KEY, QUICK, calls, etl, fault, keyed, pod, pod_without, run_id, spoil, started,
    starts, wait_for_state, world,
};

/// A run long enough to be killed beside.
const SOME_SECONDS: &str =
    "courses = [{ steps = [{ state = 'RUNNING' }, { state = 'SUCCEEDED', after = '3s' }] }]";

/// Asserts that a process took over the one run there is.
#[track_caller]
fn assert_took_over(site: &Site, outcome: &Outcome) {
    let runs = site.sandbox.runs("etl");
    assert_eq!(runs.len(), 1, "{runs:#?}");
    assert_eq!(run_id(outcome), runs[0].id);
    assert_eq!(outcome.json()["adopted"], true);
    assert_eq!(outcome.termination()["remote_id"], runs[0].id);
}

#[test]
fn killed_before_the_start_was_sent() {
    let site = pod(SOME_SECONDS);
    spoil(&site, fault("GetJobRuns", FaultKind::Hang).for_ever());
    let first = site.start(keyed(&[]));
    first.wait_for_calls("glue", "GetJobRuns", 1);
    first.kill();
    site.sandbox.clear_faults();
    assert_eq!(starts(&site), 0);
    let outcome = site.run(keyed(&[]));
    outcome.assert_exit(0);
    assert_eq!(outcome.json()["adopted"], false);
    assert_eq!((starts(&site), started(&site)), (1, 1));
}

#[test]
fn killed_between_the_start_and_its_answer() {
    let site = pod(SOME_SECONDS);
    spoil(&site, fault("StartJobRun", FaultKind::HangAfter));
    let first = site.start(keyed(&[]));
    first.wait_for_calls("glue", "StartJobRun", 1);
    first.kill();
    let outcome = site.run(keyed(&[]));
    outcome.assert_exit(0);
    assert_took_over(&site, &outcome);
    assert_eq!(starts(&site), 1);
}

#[test]
fn killed_while_a_start_hangs_that_starts_nothing() {
    let site = pod(SOME_SECONDS);
    spoil(&site, fault("StartJobRun", FaultKind::Hang));
    let first = site.start(keyed(&[]));
    first.wait_for_calls("glue", "StartJobRun", 1);
    first.kill();
    let outcome = site.run(keyed(&[]));
    outcome.assert_exit(0);
    assert_eq!(outcome.json()["adopted"], false);
    assert_eq!((starts(&site), started(&site)), (2, 1));
}

#[test]
fn killed_right_after_the_answer() {
    let site = pod(SOME_SECONDS);
    spoil(&site, fault("GetJobRun", FaultKind::Hang));
    let first = site.start(keyed(&[]));
    first.wait_for_calls("glue", "GetJobRun", 1);
    first.kill();
    let outcome = site.run(keyed(&[]));
    outcome.assert_exit(0);
    assert_took_over(&site, &outcome);
    assert_eq!(starts(&site), 1);
}

#[test]
fn killed_again_and_again_while_waiting() {
    let site = pod(SOME_SECONDS);
    for _ in 0..3 {
        let running = site.start(keyed(&[]));
        running.wait_for_log("new state");
        running.kill();
    }
    let outcome = site.run(keyed(&[]));
    outcome.assert_exit(0);
    assert_took_over(&site, &outcome);
    assert_eq!(starts(&site), 1);
}

#[test]
fn a_success_that_nobody_saw_is_reported_without_a_start() {
    let site = pod(QUICK);
    let first = site.start(keyed(&[]));
    first.wait_for_log("remote work");
    first.kill();
    wait_for_state(&site, "SUCCEEDED");
    for _ in 0..2 {
        let outcome = site.run(keyed(&[]));
        outcome.assert_exit(0).assert_says("already succeeded");
        assert_took_over(&site, &outcome);
    }
    assert_eq!(starts(&site), 1);
}

#[test]
fn a_failure_is_reported_or_run_again_as_told() {
    let site = pod("courses = [{ steps = [{ state = 'FAILED', error_message = 'no space left' }] }, \
         { steps = [{ state = 'RUNNING' }, { state = 'SUCCEEDED', after = '300ms' }] }]");
    let first = run_id(site.run(keyed(&[])).assert_exit(10));
    for more in [&[][..], &["--on-prior-failure", "report"]] {
        let outcome = site.run(keyed(more));
        outcome.assert_exit(10).assert_says("no space left").assert_says("--on-prior-failure rerun");
        assert_took_over(&site, &outcome);
    }
    assert_eq!(starts(&site), 1);

    let rerun = keyed(&["--on-prior-failure", "rerun"]);
    let second = site.run(&rerun);
    second.assert_exit(0);
    assert_eq!(second.json()["adopted"], false);
    assert_ne!(run_id(&second), first);
    // The success is the last word on this key, whatever is said about failures.
    for args in [&rerun, &keyed(&[])] {
        let third = site.run(args);
        assert_eq!(run_id(third.assert_exit(0)), run_id(&second));
    }
    assert_eq!((starts(&site), started(&site)), (2, 2));
}

/// Not to wait is no reason to call a failure a success.
#[test]
fn an_earlier_end_is_told_by_a_start_without_a_wait_too() {
    for (state, code) in [("SUCCEEDED", 0), ("FAILED", 10), ("STOPPED", 11)] {
        let site = pod(&format!("courses = [{{ steps = [{{ state = '{state}' }}] }}]"));
        let first = run_id(site.run(keyed(&[])).assert_exit(code));
        let outcome = site.run(keyed(&["--no-wait"]));
        assert_eq!(run_id(outcome.assert_exit(code)), first);
        assert_eq!(outcome.json()["adopted"], true);
        assert_eq!(starts(&site), 1);
    }
}

#[test]
fn a_second_attempt_is_taken_over_while_it_goes_on() {
    let site = pod("courses = [{ steps = [{ state = 'FAILED' }] }, { steps = [{ state = 'RUNNING' }] }]");
    site.run(keyed(&[])).assert_exit(10);
    let rerun = keyed(&["--on-prior-failure", "rerun"]);
    let running = site.start(&rerun);
    running.wait_for_log("RUNNING");
    running.kill();
    for args in [etl_with_timeout(&rerun), etl_with_timeout(&keyed(&[]))] {
        let outcome = site.run(args);
        outcome.assert_exit(79);
        assert_eq!(outcome.termination()["remote_id"], site.sandbox.runs("etl")[1].id);
    }
    assert_eq!((starts(&site), started(&site)), (2, 2));
}

fn etl_with_timeout<'a>(args: &[&'a str]) -> Vec<&'a str> {
    args.iter().copied().chain(["--timeout", "1s"]).collect()
}

#[test]
fn a_run_that_was_stopped_is_reported_as_stopped() {
    let site = pod(ENDLESS);
    let first = site.start(keyed(&[]));
    first.wait_for_log("RUNNING");
    first.kill();
    let run = site.sandbox.runs("etl").remove(0).id;
    site.sandbox.stop_run("etl", &run).unwrap();
    wait_for_state(&site, "STOPPED");
    let outcome = site.run(keyed(&[]));
    outcome.assert_exit(11);
    assert_took_over(&site, &outcome);
}

#[test]
fn a_run_is_found_behind_many_of_others() {
    let world = format!("{}\n[glue]\npage_size = 7\n", world(QUICK));
    let site = Site::pod(BINARY, &world);
    let first = site.start(keyed(&[]));
    first.wait_for_log("remote work");
    first.kill();
    wait_for_state(&site, "SUCCEEDED");
    site.sandbox
        .set_course(
            "etl",
            testkit::Course::new(vec![testkit::Step::new("SUCCEEDED", std::time::Duration::ZERO)]),
        )
        .unwrap();
    for number in 0..60 {
        // Keys that look alike must not be taken for this one.
        let key = if number % 2 == 0 { format!("{}-{number}", KEY[1]) } else { format!("other-{number}") };
        site.sandbox.start_run("etl", [("--glue-trigger-key", key)]).unwrap();
    }
    let ours = site.sandbox.runs("etl").remove(0).id;
    let before = calls(&site, "GetJobRuns").len();
    let outcome = site.run(keyed(&[]));
    assert_eq!(run_id(outcome.assert_exit(0)), ours);
    assert_eq!(starts(&site), 1);
    assert_eq!(calls(&site, "GetJobRuns").len() - before, 61_usize.div_ceil(7));
}

/// The failure is on one page, the run that goes on behind the border.
#[test]
fn a_run_that_goes_on_is_found_behind_a_failed_one_on_another_page() {
    let table = "courses = [{ steps = [{ state = 'RUNNING' }] }, { steps = [{ state = 'FAILED' }] }]";
    let site = Site::pod(BINARY, &format!("{}\n[glue]\npage_size = 1\n", world(table)));
    let ours =
        ["first", "second"].map(|_| site.sandbox.start_run("etl", [("--glue-trigger-key", KEY[1])]).unwrap());
    wait_for_state(&site, "FAILED");
    let outcome = site.run(etl_with_timeout(&keyed(&["--on-prior-failure", "rerun"])));
    outcome.assert_exit(79);
    assert_eq!(outcome.termination()["remote_id"], ours[0].as_str());
    assert_eq!(starts(&site), 0);
}

/// Pages may be nearly empty: the scan ends all the same, and says how far it came.
#[test]
fn a_scan_that_ends_early_is_told() {
    let table = world("courses = [{ steps = [{ state = 'SUCCEEDED' }] }]");
    let site = Site::pod(BINARY, &format!("{table}\n[glue]\npage_size = 1\n"));
    for number in 0..51 {
        site.sandbox.start_run("etl", [("--number", number.to_string())]).unwrap();
    }
    site.run(keyed(&[])).assert_exit(0).assert_says("only the newest 50 were scanned");
    assert_eq!(calls(&site, "GetJobRuns").len(), 50);
}

#[test]
fn the_look_back_is_bounded() {
    let world = world("courses = [{ steps = [{ state = 'SUCCEEDED' }] }]");
    let site = Site::pod(BINARY, &format!("{world}\n[glue]\npage_size = 200\n"));
    let ours = site.sandbox.start_run("etl", [("--glue-trigger-key", KEY[1])]).unwrap();
    for number in 0..999 {
        site.sandbox.start_run("etl", [("--number", number.to_string())]).unwrap();
    }
    // The thousandth is seen.
    assert_eq!(run_id(site.run(keyed(&[])).assert_exit(0)), ours);
    assert_eq!((starts(&site), calls(&site, "GetJobRuns").len()), (0, 5));
    // One further back is not, and costs no more calls.
    site.sandbox.start_run("etl", [("--number", "last")]).unwrap();
    assert_ne!(run_id(site.run(keyed(&[])).assert_exit(0)), ours);
    assert_eq!((starts(&site), calls(&site, "GetJobRuns").len()), (1, 10));
}

#[test]
fn without_the_right_to_look_nothing_is_started() {
    let site = pod_without("glue:GetJobRuns", QUICK);
    let outcome = site.run(keyed(&[]));
    outcome.assert_exit(77).assert_says("glue:GetJobRuns");
    let last = site.sandbox.calls().pop().unwrap();
    assert_eq!(outcome.termination()["request_id"], last.request_id.as_str());
    assert_eq!((starts(&site), started(&site)), (0, 0));

    // Nobody needs it without a key.
    site.run(etl(&[])).assert_exit(0);
    assert_eq!(started(&site), 1);
}

#[test]
fn each_index_of_an_indexed_job_is_work_of_its_own() {
    let mut seen = BTreeSet::new();
    let mut site = pod(QUICK);
    for index in ["0", "1", "0", "11", "1"] {
        site = site.env("JOB_COMPLETION_INDEX", index);
        let outcome = site.run(keyed(&[]));
        let first = seen.insert(index);
        assert_eq!(outcome.assert_exit(0).json()["adopted"], !first, "index {index}");
    }
    let key = |marker: &str| marker.rsplit_once('@').unwrap().0.to_owned();
    let runs = site.sandbox.runs("etl").into_iter();
    let keys: Vec<_> = runs.map(|run| key(&run.arguments["--glue-trigger-key"])).collect();
    assert_eq!(json!(keys), json!(["0", "1", "11"].map(|index| format!("{}-{index}", KEY[1]))));
}

#[test]
fn another_job_with_the_same_key_is_other_work() {
    let site = pod(FAILING);
    site.run(keyed(&[])).assert_exit(10);
    let nightly = ["--job-name", "nightly-etl", "--poll-interval", "200ms"];
    site.run(nightly.iter().chain(&KEY)).assert_exit(0);
    assert_eq!((started(&site), site.sandbox.started("nightly-etl")), (1, 1));
}

#[test]
fn the_key_comes_from_the_environment_too() {
    let site = pod(QUICK).env("IDEMPOTENCY_KEY", KEY[1]);
    let first = site.run(etl(&[]));
    let second = site.run(etl(&[]));
    assert_eq!(run_id(first.assert_exit(0)), run_id(second.assert_exit(0)));
    assert_eq!(starts(&site), 1);
}

/// Looking takes part in the wait: it cannot outlast it.
#[test]
fn a_search_that_hangs_does_not_outlive_the_deadline_by_much() {
    let site = pod(QUICK);
    spoil(&site, fault("GetJobRuns", FaultKind::Hang).for_ever());
    let outcome = site.run(keyed(&["--timeout", "3s"]));
    outcome.assert_exit(75).assert_says("was started");
    assert!(outcome.elapsed < std::time::Duration::from_secs(30), "{:?}", outcome.elapsed);
    assert_eq!(starts(&site), 0);
}
