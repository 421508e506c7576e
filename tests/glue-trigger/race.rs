//! Two processes at once with one key.

use std::time::Duration;

use testkit::FaultKind;

use super::{FAILING, QUICK, fault, keyed, run_id, single, spoil, started};

/// Both have looked, and found nothing, before either has started.
fn race(table: &str, code: i32, more: &[&str]) {
    let site = single(table);
    spoil(&site, fault("GetJobRuns", FaultKind::Slow(Duration::from_secs(2))).times(2));
    let args = keyed(more);
    let first = site.start(&args);
    let second = site.start(&args);
    first.wait_for_calls("glue", "GetJobRuns", 2);
    assert_eq!(started(&site), 0, "the race did not take place");
    let (first, second) = (first.finish(), second.finish());
    // Both share one termination log here, so that only the code itself is looked at.
    assert_eq!((first.code, second.code), (code, code), "{}\n{}", first.stderr, second.stderr);
    assert_eq!(started(&site), 1);
    assert_eq!(run_id(&first), run_id(&second));
    assert_ne!(first.json()["adopted"], second.json()["adopted"]);
}

#[test]
fn one_run_and_two_truthful_successes() {
    race(QUICK, 0, &[]);
}

#[test]
fn one_run_and_two_truthful_failures() {
    race(FAILING, 10, &[]);
}

#[test]
fn waiting_for_a_slot_does_not_end_in_a_second_run() {
    race(QUICK, 0, &["--wait-for-slot", "30s"]);
}

#[test]
fn a_list_that_lags_does_not_end_in_busy() {
    race(&format!("{QUICK}\n[glue]\nlist_lag = '3s'"), 0, &[]);
}

/// The failed run is the reason to start again, and must not be what the loser of the race adopts.
#[test]
fn a_rerun_is_raced_for_as_well() {
    let site = single(
        "courses = [{ steps = [{ state = 'FAILED' }] }, \
         { steps = [{ state = 'RUNNING' }, { state = 'SUCCEEDED', after = '400ms' }] }]",
    );
    site.run(keyed(&[])).assert_exit(10);
    spoil(&site, fault("GetJobRuns", FaultKind::Slow(Duration::from_secs(2))).times(2));
    let args = keyed(&["--on-prior-failure", "rerun"]);
    let (first, second) = (site.start(&args), site.start(&args));
    first.wait_for_calls("glue", "GetJobRuns", 3);
    assert_eq!(started(&site), 1, "the race did not take place");
    let (first, second) = (first.finish(), second.finish());
    assert_eq!((first.code, second.code), (0, 0), "{}\n{}", first.stderr, second.stderr);
    assert_eq!(started(&site), 2);
    assert_eq!(run_id(&first), run_id(&second));
}
