//! One key, other work: what defines the result is compared, and nothing is started or reported for something else.

use super::{ENDLESS, FAILING, QUICK, keyed, pod, started, wait_for_state};

#[test]
fn work_of_the_key_with_other_arguments_is_refused_and_named() {
    for (world, state) in [(ENDLESS, "RUNNING"), (QUICK, "SUCCEEDED")] {
        let site = pod(world);
        site.run(keyed(&["--no-wait", "--argument", "password=hunter2"])).assert_exit(0);
        wait_for_state(&site, state);
        let outcome = site.run(keyed(&["--timeout", "20s", "--argument", "password=swordfish"]));
        outcome
            .assert_exit(65)
            .assert_says("arguments")
            .assert_says("--step")
            .assert_says("--on-difference resume");
        outcome.assert_does_not_say("hunter2").assert_does_not_say("swordfish");
        assert!(outcome.stdout.is_empty());
        assert_eq!(started(&site), 1);
    }
}

/// How many workers a run has does not define its result.
#[test]
fn size_is_not_compared() {
    let site = pod(QUICK);
    site.run(keyed(&["--number-of-workers", "2", "--worker-type", "G.1X"])).assert_exit(0);
    let outcome = site.run(keyed(&["--number-of-workers", "4", "--worker-type", "G.1X"]));
    assert_eq!(outcome.assert_exit(0).json()["adopted"], true);
    assert_eq!(started(&site), 1);
}

#[test]
fn a_difference_can_be_accepted() {
    let site = pod(QUICK);
    site.run(keyed(&["--argument", "day=monday"])).assert_exit(0);
    let other = keyed(&["--argument", "day=tuesday", "--on-difference", "resume"]);
    let outcome = site.run(other);
    assert_eq!(outcome.assert_exit(0).json()["adopted"], true);
    outcome.assert_says("differs from what is asked for now");
    assert_eq!(started(&site), 1);
}

/// What has failed is started again with what is asked for now.
#[test]
fn a_rerun_may_differ() {
    let site = pod(FAILING);
    site.run(keyed(&["--argument", "day=monday"])).assert_exit(10);
    let again = ["--on-prior-failure", "rerun", "--argument", "day=tuesday"];
    site.run(keyed(&again)).assert_exit(10).assert_says("\"changed\":\"arguments\"");
    assert_eq!(started(&site), 2);
    // Without it, the failure is reported, whatever is asked for.
    site.run(keyed(&["--argument", "day=friday"])).assert_exit(10);
    assert_eq!(started(&site), 2);
}

#[test]
fn each_step_of_a_job_is_work_of_its_own() {
    let site = pod(QUICK);
    for (step, adopted) in [("load", false), ("report", false), ("load", true)] {
        let args = keyed(&["--step", step, "--argument", if step == "load" { "a=1" } else { "a=2" }]);
        assert_eq!(site.run(args).assert_exit(0).json()["adopted"], adopted, "{step}");
    }
    assert_eq!(started(&site), 2);
}

#[test]
fn the_work_of_a_key_can_be_cancelled_without_starting_any() {
    let site = pod(ENDLESS);
    site.run(keyed(&["--cancel"])).assert_exit(65).assert_says("nothing to cancel");
    site.run(keyed(&["--no-wait"])).assert_exit(0);
    // Other arguments do not matter.
    let outcome = site.run(keyed(&["--cancel", "--argument", "day=friday"]));
    assert_eq!(outcome.assert_exit(0).json()["state"], "STOPPED");
    assert_eq!(started(&site), 1);
    site.run(keyed(&["--cancel"])).assert_exit(0);
    assert_eq!(site.sandbox.count("glue", "BatchStopJobRun"), 1);
    site.run(super::etl(&["--cancel"])).assert_exit(2).assert_says("--idempotency-key");
}
