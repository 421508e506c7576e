//! One key, other work: the specification is compared, and nothing is started or reported for another one.

use serde_json::json;
use testkit::{FaultKind, Site};

use super::spoil;
use super::train::{
    ENDLESS, FAILING, KEYED, QUICK, creates, fault, jobs, keyed, pod, spec, train, with, world,
};

/// Asks for another number of epochs, and for another password.
fn change(site: &Site, epochs: &str) {
    let mut other = spec();
    other["HyperParameters"] = json!({"epochs": epochs, "password": "swordfish"});
    site.write("spec.json", &other.to_string());
}

/// The names of the fields are shown, their values never.
#[test]
fn a_job_of_the_key_with_another_specification_is_refused_and_the_field_is_named() {
    for course in [ENDLESS, QUICK] {
        let mut first = spec();
        first["HyperParameters"] = json!({"epochs": "3", "password": "hunter2"});
        let site = with(&world(&[course]), &first);
        site.run(keyed(&["--no-wait"])).assert_exit(0);
        change(&site, "3");
        let outcome = site.run(keyed(&["--timeout", "20s"]));
        outcome
            .assert_exit(65)
            .assert_says("other values of: HyperParameters.password")
            .assert_says("--step")
            .assert_says("--on-difference resume");
        outcome.assert_does_not_say("hunter2").assert_does_not_say("swordfish");
        assert!(outcome.stdout.is_empty());
        assert_eq!(jobs(&site), [KEYED]);
    }
}

#[test]
fn a_difference_can_be_accepted() {
    let site = pod(&[QUICK]);
    site.run(keyed(&[])).assert_exit(0);
    change(&site, "4");
    let outcome = site.run(keyed(&["--on-difference", "resume"]));
    assert_eq!(outcome.assert_exit(0).json()["adopted"], true);
    outcome.assert_says("differs from what is asked for now");
    assert_eq!(jobs(&site), [KEYED]);
}

/// What has failed is started again with what is asked for now.
#[test]
fn a_rerun_may_differ() {
    let site = pod(&[FAILING, QUICK]);
    site.run(keyed(&[])).assert_exit(10);
    change(&site, "4");
    // Without the option the failure is reported, whatever is asked for.
    site.run(keyed(&[])).assert_exit(10);
    let outcome = site.run(keyed(&["--on-prior-failure", "rerun"]));
    outcome.assert_exit(0).assert_says("\"changed\":\"HyperParameters.epochs\"");
    assert_eq!(jobs(&site), [KEYED.to_owned(), format!("{KEYED}-2")]);
    assert_eq!(site.sandbox.training_jobs()[1].request["HyperParameters"]["epochs"], "4");
    // The newest attempt counts.
    assert_eq!(site.run(keyed(&[])).assert_exit(0).json()["training_job_name"], format!("{KEYED}-2"));
}

#[test]
fn each_step_of_a_job_is_work_of_its_own() {
    let site = pod(&[QUICK]);
    for (step, epochs, adopted) in [("first", "3", false), ("second", "4", false), ("first", "3", true)] {
        change(&site, epochs);
        assert_eq!(site.run(keyed(&["--step", step])).assert_exit(0).json()["adopted"], adopted, "{step}");
    }
    assert_eq!(jobs(&site).len(), 2);
}

#[test]
fn the_job_of_a_key_can_be_cancelled_without_starting_any() {
    let site = pod(&[ENDLESS]);
    site.run(keyed(&["--cancel"])).assert_exit(65).assert_says("nothing to cancel");
    site.run(keyed(&["--no-wait"])).assert_exit(0);
    // Another specification does not matter.
    change(&site, "4");
    let outcome = site.run(keyed(&["--cancel"]));
    assert_eq!(outcome.assert_exit(0).json()["status"], "Stopped");
    assert_eq!(
        (&outcome.termination()["remote_id"], &outcome.termination()["state"]),
        (&json!(KEYED), &json!("Stopped"))
    );
    site.run(keyed(&["--cancel"])).assert_exit(0);
    assert_eq!((creates(&site), site.sandbox.count("sagemaker", "StopTrainingJob")), (1, 1));
    site.run(train(&["--cancel"])).assert_exit(2).assert_says("--idempotency-key");
}

/// A name that was typed is not a key: the job of another process is not this one's own.
#[test]
fn without_a_key_the_job_of_another_process_is_other_work() {
    let site = pod(&[QUICK]);
    site.run(train(&[])).assert_exit(0);
    let describes = || site.sandbox.count("sagemaker", "DescribeTrainingJob");
    let before = describes();
    let refused = site.run(train(&["--on-prior-failure", "rerun"]));
    refused.assert_exit(65).assert_says("the name is taken by other work").assert_says("#/jobs/churn");
    // No earlier request of this process can have taken the name.
    assert_eq!(describes(), before);
    // One can have, but the job has another specification.
    change(&site, "4");
    spoil(&site, fault("CreateTrainingJob", FaultKind::ResetBefore));
    site.run(train(&[])).assert_exit(65).assert_says("the name is taken by other work");
    assert_eq!(jobs(&site), ["churn"]);
}
