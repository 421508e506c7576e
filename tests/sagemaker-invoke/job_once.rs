//! A key: one job, however often it is killed and run again.

use std::time::Duration;

use serde_json::json;
use testkit::{FaultKind, Signal, Site};

use super::train::{
    ENDLESS, FAILING, KEYED, QUICK, creates, fault, jobs, keyed, pod, spec, train, wait_for_state, with,
    world,
};
use super::{spoil, status, wait_until};

#[test]
fn the_key_makes_the_name() {
    let site = pod(&[QUICK]);
    let told = site.run(keyed(&[])).assert_exit(0).json();
    assert_eq!((&told["training_job_name"], &told["adopted"]), (&json!(KEYED), &json!(false)));
    // The job of the key is the work, also once it is over.
    let told = site.run(keyed(&[])).assert_exit(0).json();
    assert_eq!((&told["training_job_name"], &told["adopted"]), (&json!(KEYED), &json!(true)));
    assert_eq!((creates(&site), jobs(&site)), (1, vec![KEYED.to_owned()]));
    // A name that is given wins.
    site.run(keyed(&["--job-name", "mine"])).assert_exit(0);
    assert_eq!(jobs(&site), [KEYED, "mine"]);
}

#[test]
fn the_next_process_takes_over() {
    let course = QUICK.replace("600ms", "4s");
    let site = pod(&[&course]);
    let running = site.start(keyed(&[]));
    wait_for_state(&running, "Training");
    running.signal(Signal::TERM);
    running.finish().assert_exit(143).assert_says("is still running").assert_says("same idempotency key");
    assert_eq!(site.sandbox.count("sagemaker", "StopTrainingJob"), 0);
    let outcome = site.run(keyed(&[]));
    assert_eq!(outcome.assert_exit(0).json()["adopted"], true);
    outcome.assert_says("resuming the wait");
    assert_eq!((creates(&site), jobs(&site).len()), (1, 1));
}

/// At each point of the way.
#[test]
fn killed_anywhere_it_is_one_job() {
    // While it is looked for, while it is started (before and after), and while it is waited for.
    for (operation, kind, after) in [
        ("DescribeTrainingJob", FaultKind::Hang, 0),
        ("CreateTrainingJob", FaultKind::Hang, 0),
        ("CreateTrainingJob", FaultKind::HangAfter, 1),
    ] {
        let name = format!("{operation} {kind:?}");
        let site = pod(&[QUICK]);
        spoil(&site, fault(operation, kind));
        let running = site.start(keyed(&[]));
        running.wait_for_calls("sagemaker", operation, 1);
        wait_until("the work of the call", || jobs(&site).len() == after);
        running.kill();
        site.run(keyed(&[])).assert_exit(0);
        assert_eq!(jobs(&site).len(), 1, "{name}");
    }
    let site = pod(&[&QUICK.replace("600ms", "3s")]);
    let running = site.start(keyed(&[]));
    wait_for_state(&running, "Training");
    running.kill();
    assert_eq!(site.run(keyed(&[])).assert_exit(0).json()["adopted"], true);
    assert_eq!(jobs(&site).len(), 1);
}

/// The second request is refused, because the name is taken: by the first one, whose response was lost.
#[test]
fn a_job_whose_start_got_no_response_is_found_by_its_name() {
    for kind in [FaultKind::ResetAfter, FaultKind::HangAfter, FaultKind::Garbage, FaultKind::Truncated] {
        for args in [keyed(&["--read-timeout", "1s"]), train(&["--read-timeout", "1s"])] {
            let name = format!("{kind:?} {args:?}");
            let site = pod(&[QUICK]);
            spoil(&site, fault("CreateTrainingJob", kind.clone()));
            let outcome = site.run(args);
            assert_eq!(outcome.code, 0, "{name}: {}", outcome.stderr);
            assert_eq!((creates(&site), jobs(&site).len()), (2, 1), "{name}");
        }
    }
}

/// The name makes it safe to send the same again, with a key and without.
#[test]
fn a_start_that_got_lost_is_sent_again() {
    for kind in
        [FaultKind::ResetBefore, status(500, "InternalFailure", ""), status(503, "ServiceUnavailable", "")]
    {
        for args in [keyed(&[]), train(&[])] {
            let name = format!("{kind:?} {args:?}");
            let site = pod(&[QUICK]);
            spoil(&site, fault("CreateTrainingJob", kind.clone()));
            let outcome = site.run(args);
            assert_eq!(outcome.code, 0, "{name}: {}", outcome.stderr);
            assert_eq!((creates(&site), jobs(&site).len()), (2, 1), "{name}");
        }
    }
}

#[test]
fn what_cannot_be_settled_is_left_to_the_next_process() {
    let site = pod(&[QUICK]);
    spoil(&site, fault("CreateTrainingJob", FaultKind::ResetBefore).for_ever());
    let outcome = site.run(keyed(&["--timeout", "4s"]));
    outcome.assert_exit(75).assert_says("may have been started").assert_says("same idempotency key");
    assert_eq!((creates(&site) > 1, jobs(&site).len()), (true, 0));
    site.sandbox.clear_faults();
    site.run(keyed(&[])).assert_exit(0);
    assert_eq!(jobs(&site).len(), 1);

    // Without a key no other process can tell whose it is.
    let site = pod(&[QUICK]);
    spoil(&site, fault("CreateTrainingJob", FaultKind::ResetBefore).for_ever());
    let outcome = site.run(train(&["--timeout", "4s"]));
    outcome.assert_exit(80).assert_says("may have been started").assert_says("#/jobs/churn");
}

/// The look that would settle it fails: nothing more is sent.
#[test]
fn a_look_that_fails_never_leads_to_a_second_start() {
    let site = pod(&[QUICK]);
    spoil(&site, fault("CreateTrainingJob", FaultKind::ResetAfter));
    spoil(&site, fault("DescribeTrainingJob", status(500, "InternalFailure", "")).from(2).for_ever());
    site.run(keyed(&[])).assert_exit(75);
    assert_eq!((creates(&site), jobs(&site).len()), (2, 1));
    site.sandbox.clear_faults();
    assert_eq!(site.run(keyed(&[])).assert_exit(0).json()["adopted"], true);
    assert_eq!(jobs(&site).len(), 1);
}

#[test]
fn another_specification_under_the_name_is_65_and_the_difference_is_named() {
    for (pointer, value, path) in [
        ("/HyperParameters/epochs", json!("4"), "HyperParameters.epochs"),
        ("/ResourceConfig/InstanceCount", json!(1), "ResourceConfig.InstanceCount"),
        ("/RoleArn", json!("arn:aws:iam::222222222222:role/sagemaker-other"), "RoleArn"),
    ] {
        let site = pod(&[ENDLESS]);
        site.run(keyed(&["--no-wait"])).assert_exit(0);
        let mut other = spec();
        *other.pointer_mut(pointer).unwrap() = value;
        site.write("spec.json", &other.to_string());
        let outcome = site.run(keyed(&["--no-wait"]));
        outcome
            .assert_exit(65)
            .assert_says(&format!("was started with other values of: {path}"))
            .assert_says("--step")
            .assert_says("--on-difference resume")
            .assert_does_not_say("sagemaker-trainer");
        assert_eq!(jobs(&site).len(), 1);
    }
}

/// What the service adds, or does not show, is no difference; nor is the form of a number.
#[test]
fn the_same_specification_is_known_again() {
    let mut given = spec();
    given["Tags"] = json!([{"Key": "team", "Value": "blue"}]);
    given["EnableNetworkIsolation"] = json!(false);
    let site = with(&world(&[QUICK]), &given);
    site.run(keyed(&[])).assert_exit(0);
    let text = given.to_string().replace("3600", "3.6e3");
    site.write("spec.json", &text);
    assert_eq!(site.run(keyed(&[])).assert_exit(0).json()["adopted"], true);
    assert_eq!(jobs(&site).len(), 1);
}

#[test]
fn without_a_key_a_taken_name_is_65() {
    let site = pod(&[QUICK]);
    site.run(train(&[])).assert_exit(0);
    let outcome = site.run(train(&[]));
    outcome.assert_exit(65).assert_says("the name is taken by other work").assert_says("--idempotency-key");
    assert_eq!((creates(&site), jobs(&site).len()), (2, 1));
}

#[test]
fn a_failure_is_reported_or_done_again_under_the_next_name() {
    let site = pod(&[FAILING, FAILING, QUICK]);
    for _ in 0..2 {
        site.run(keyed(&[])).assert_exit(10).assert_says("out of memory");
    }
    assert_eq!(jobs(&site), [KEYED]);
    // A failure is told even where nobody waits.
    site.run(keyed(&["--no-wait"])).assert_exit(10);
    let rerun = keyed(&["--on-prior-failure", "rerun"]);
    site.run(&rerun).assert_exit(10);
    let second = format!("{KEYED}-2");
    assert_eq!(jobs(&site), [KEYED, &second]);
    let told = site.run(&rerun).assert_exit(0).json();
    let third = format!("{KEYED}-3");
    assert_eq!(told["training_job_name"], third.as_str());
    assert_eq!(site.run(&rerun).assert_exit(0).json()["adopted"], true);
    assert_eq!(jobs(&site), [KEYED, &second, &third]);
}

#[test]
fn a_right_to_look_that_is_missing_is_77_before_anything_is_started() {
    let denied = world(&[QUICK]).replace("sagemaker:DescribeTrainingJob on", "sagemaker:Nothing on");
    let site = with(&denied, &spec());
    site.run(keyed(&[]))
        .assert_exit(77)
        .assert_says("no training job churn-")
        .assert_says("sagemaker:DescribeTrainingJob");
    assert_eq!(creates(&site), 0);
}

/// The service's clock is told by its answers, and kept from one call to the next.
#[test]
fn a_clock_that_is_wrong_is_made_up_for() {
    let site = with(&format!("clock_ahead_seconds = 600\n{}", world(&[QUICK])), &spec());
    site.run(keyed(&[])).assert_exit(0);
    assert_eq!(jobs(&site), [KEYED]);
}

/// Two that look at the same time: the name is given once.
#[test]
fn two_at_the_same_time_are_one_job() {
    let site: Site = pod(&[&QUICK.replace("600ms", "2s")]);
    spoil(&site, fault("DescribeTrainingJob", FaultKind::Slow(Duration::from_millis(500))).times(2));
    let pair = [site.start(keyed(&[])), site.start(keyed(&[]))];
    for running in pair {
        running.finish().assert_exit(0);
    }
    assert_eq!(jobs(&site).len(), 1);
}
