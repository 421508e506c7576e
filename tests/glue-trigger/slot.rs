//! As many runs as the job allows are going already.

use std::time::Duration;

use super::{ENDLESS, ETL, etl, keyed, run_id, single, started, starts};

/// A run of somebody else's that ends soon, and those after it.
const SOON_FREE: &str =
    "courses = [{ steps = [{ state = 'RUNNING' }, { state = 'SUCCEEDED', after = '2s' }] }]\nslot_lag = '1s'";

#[test]
fn it_is_busy() {
    let site = single(ENDLESS);
    let other = site.sandbox.start_run("etl", [("--day", "monday")]).unwrap();
    let outcome = site.run(ETL);
    outcome.assert_exit(12).assert_says("ConcurrentRunsExceededException").assert_says("--wait-for-slot");
    assert_eq!(outcome.termination()["outcome"], "busy");
    assert_eq!((starts(&site), started(&site)), (1, 1));
    assert_eq!(site.sandbox.runs("etl")[0].id, other);
    assert_eq!(site.sandbox.runs("etl")[0].state, "RUNNING");
}

#[test]
fn with_a_key_a_foreign_run_is_not_taken_for_ours() {
    let site = single(ENDLESS);
    site.sandbox.start_run("etl", [("--glue-trigger-key", "of-somebody-else")]).unwrap();
    site.run(keyed(&[])).assert_exit(12);
    assert_eq!(started(&site), 1);
}

#[test]
fn a_slot_is_waited_for() {
    for args in [etl(&["--wait-for-slot", "1m"]), keyed(&["--wait-for-slot", "1m"])] {
        let site = single(SOON_FREE);
        let other = site.sandbox.start_run("etl", [("--day", "monday")]).unwrap();
        let outcome = site.run(args);
        outcome.assert_exit(0);
        assert_ne!(run_id(&outcome), other);
        assert_eq!(outcome.json()["adopted"], false);
        assert!(starts(&site) >= 2);
        assert_eq!(started(&site), 2);
    }
}

#[test]
fn the_wait_for_a_slot_ends() {
    let site = single(ENDLESS);
    site.sandbox.start_run("etl", [("--day", "monday")]).unwrap();
    let outcome = site.run(etl(&["--wait-for-slot", "2s"]));
    outcome.assert_exit(12);
    assert!(outcome.elapsed >= Duration::from_secs(2), "{:?}", outcome.elapsed);
    assert!(starts(&site) >= 2, "it never tried again");
    assert_eq!(started(&site), 1);
}

/// Nobody waits for a slot longer than for the whole.
#[test]
fn the_deadline_ends_the_wait_for_a_slot_too() {
    let site = single(ENDLESS);
    site.sandbox.start_run("etl", [("--day", "monday")]).unwrap();
    let outcome = site.run(etl(&["--wait-for-slot", "1h", "--timeout", "2s"]));
    outcome.assert_exit(12);
    assert!(outcome.elapsed < Duration::from_secs(30), "{:?}", outcome.elapsed);
    assert_eq!(started(&site), 1);
}

#[test]
fn a_signal_ends_the_wait_for_a_slot() {
    let site = single(ENDLESS);
    let other = site.sandbox.start_run("etl", [("--day", "monday")]).unwrap();
    let running = site.start(etl(&["--wait-for-slot", "1h"]));
    running.wait_for_log("no free slot");
    let since = std::time::Instant::now();
    running.signal(testkit::Signal::TERM);
    running.finish().assert_exit(143).assert_says("was started");
    assert!(since.elapsed() < Duration::from_secs(7), "{:?}", since.elapsed());
    // The foreign run is none of our business.
    assert_eq!(site.sandbox.runs("etl")[0].id, other);
    assert_eq!(site.sandbox.runs("etl")[0].state, "RUNNING");
    assert_eq!(started(&site), 1);
}
