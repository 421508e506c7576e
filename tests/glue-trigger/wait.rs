//! The wait: what is told on the way, and by which states it is led.

use std::time::Duration;

use testkit::{FaultKind, Site};

use super::{
    BINARY, ENDLESS, ETL, QUICK, etl, fault, keyed, log, pod, run_id, single, spoil, started, states, status,
};

#[test]
fn id_and_console_are_told_before_the_wait() {
    let site = pod(ENDLESS);
    let running = site.start(ETL);
    running.wait_for_log("RUNNING");
    let run = site.sandbox.runs("etl").remove(0).id;
    let outcome = running.kill();
    let lines = log(&outcome);
    let told = lines.iter().position(|line| line["id"] == run.as_str()).expect("the id is told");
    let waited = lines.iter().position(|line| line["message"] == "new state").expect("a state is told");
    assert!(told < waited, "{lines:#?}");
    let console = lines[told]["console"].as_str().unwrap_or_default();
    assert!(console.starts_with("https://console.aws.amazon.com/") && console.ends_with(&run), "{console}");
}

#[test]
fn each_state_is_told_once() {
    let site = pod("courses = [{ steps = [{ state = 'STARTING' }, { state = 'RUNNING', after = '1s' }, \
         { state = 'STOPPING', after = '2500ms' }, { state = 'STOPPED', after = '4s' }] }]");
    let outcome = site.run(ETL);
    outcome.assert_exit(11);
    assert_eq!(states(&outcome), ["STARTING", "RUNNING", "STOPPING", "STOPPED"]);
    let last = log(&outcome).pop().unwrap();
    assert_eq!((last["level"].as_str(), last["outcome"].as_str()), (Some("ERROR"), Some("stopped")));
}

#[test]
fn a_state_of_the_future_is_pending_and_told() {
    let site =
        pod("courses = [{ steps = [{ state = 'HIBERNATING' }, { state = 'SUCCEEDED', after = '1500ms' }] }]");
    let outcome = site.run(ETL);
    outcome.assert_exit(0).assert_says("HIBERNATING").assert_says("does not know");
    assert_eq!(started(&site), 1);

    // It is no end for a later process of the same key either.
    let site = pod("courses = [{ steps = [{ state = 'HIBERNATING' }] }]");
    let first = site.start(keyed(&[]));
    first.wait_for_log("HIBERNATING");
    first.kill();
    site.run(keyed(&["--timeout", "1s", "--on-prior-failure", "rerun"])).assert_exit(79);
    assert_eq!(started(&site), 1);
}

#[test]
fn a_queue_is_waited_in_and_its_reason_told() {
    let site =
        single("courses = [{ steps = [{ state = 'RUNNING' }, { state = 'SUCCEEDED', after = '2s' }] }]");
    let other = site.sandbox.start_run("etl", [("--day", "monday")]).unwrap();
    let outcome = site.run(etl(&["--job-run-queuing"]));
    outcome.assert_exit(0).assert_says("Waiting for a concurrent run to finish");
    assert_eq!(states(&outcome).first().map(String::as_str), Some("WAITING"));
    assert_ne!(run_id(&outcome), other);
}

#[test]
fn a_run_that_cannot_be_seen_at_once_is_no_failure() {
    let site = pod(QUICK);
    let unseen = status(400, "EntityNotFoundException", "Job Run jr_ not found");
    spoil(&site, fault("GetJobRun", unseen.clone()).times(3));
    let outcome = site.run(ETL);
    // No state of Glue's is invented.
    assert_eq!(states(outcome.assert_exit(0))[0], "not yet visible");
    assert_eq!(started(&site), 1);

    spoil(&site, fault("GetJobRun", unseen).for_ever());
    let outcome = site.run(etl(&["--timeout", "2s"]));
    outcome.assert_exit(80).assert_says("it was never visible").assert_does_not_say("last state");
}

/// An answer of HTTP 200 without a run says nothing about the run.
#[test]
fn an_answer_without_a_run_is_no_state() {
    let site = pod(ENDLESS);
    let empty = status(200, "", "");
    spoil(&site, fault("GetJobRun", empty).from(2).for_ever());
    site.run(ETL).assert_exit(80).assert_says("the response has no run");
}

#[test]
fn a_run_that_is_taken_away_under_way_is_told() {
    let site = pod(ENDLESS);
    let unseen = status(400, "EntityNotFoundException", "Job Run jr_ not found");
    let run = site.sandbox.start_run("etl", [("--day", "monday")]).unwrap();
    spoil(&site, fault("GetJobRun", unseen).from(3).for_ever());
    site.run(etl(&["--attach", &run])).assert_exit(65).assert_says(&run);
}

#[test]
fn a_second_look_is_not_needed_for_a_run_that_is_over() {
    let site = Site::documented(BINARY);
    let run = site.sandbox.start_run("broken-etl", [("--day", "monday")]).unwrap();
    super::wait_until("the run has failed", || site.sandbox.runs("broken-etl")[0].state == "FAILED");
    let outcome = site.run(["--job-name", "broken-etl", "--poll-interval", "1h", "--attach", &run]);
    outcome.assert_exit(10).assert_says("KeyError: 'order_id'");
    assert_eq!(site.sandbox.count("glue", "GetJobRun"), 1);
}

/// Glue's own timeout has status 400 and is not a refusal: it passes, and counts as a failed poll.
#[test]
fn a_timeout_of_the_service_s_own_is_borne() {
    let timeout = || status(400, "OperationTimeoutException", "Operation timed out");
    let site = pod(QUICK);
    spoil(&site, fault("GetJobRuns", timeout()).times(2));
    spoil(&site, fault("GetJobRun", timeout()).times(4));
    site.run(keyed(&[])).assert_exit(0);
    assert_eq!(started(&site), 1);

    let site = pod(ENDLESS);
    spoil(&site, fault("GetJobRun", timeout()).from(2).for_ever());
    site.run(keyed(&[])).assert_exit(79).assert_says("OperationTimeoutException");
    assert_eq!(site.sandbox.count("glue", "GetJobRun"), 6);

    // Of a stop as well, which is asked for again.
    let site = pod(ENDLESS);
    spoil(&site, fault("BatchStopJobRun", timeout()));
    let running = site.start(ETL);
    running.wait_for_log("RUNNING");
    running.signal(testkit::Signal::TERM);
    running.finish().assert_exit(143).assert_says("has accepted to stop");
}

/// The SDK sends a throttled call three times before it counts as one poll.
#[test]
fn throttled_polls_add_a_little_and_are_told_from_the_second_on() {
    let site = pod(ENDLESS);
    let running = site.start(["--job-name", "etl", "--poll-interval", "500ms"]);
    running.wait_for_log("RUNNING");
    spoil(&site, fault("GetJobRun", FaultKind::Throttle).times(9));
    let run = site.sandbox.runs("etl").remove(0).id;
    running.wait_for_log("poll throttled");
    site.sandbox.stop_run("etl", &run).unwrap();
    let outcome = running.finish();
    outcome.assert_exit(11);
    assert!(outcome.elapsed < Duration::from_secs(45), "{:?}", outcome.elapsed);
    let lines = log(&outcome).into_iter().filter(|line| line["message"] == "poll throttled");
    let told: Vec<_> = lines.map(|line| (line["level"].clone(), line["throttles"].clone())).collect();
    assert_eq!(told, [("INFO".into(), 2.into()), ("INFO".into(), 3.into())]);
}
