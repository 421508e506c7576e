//! One key, other work; and an end that a stop would overwrite.

use super::{ENDLESS, QUICK, THREE, calls, keyed, pod, started, trigger};
use testkit::Signal;

/// Both channels, both generations of Airflow.
const CHANNELS: [(&str, &str); 3] = [("", "rest"), (THREE, "rest"), ("", "cli")];

#[test]
fn work_of_the_key_with_another_conf_is_refused_and_named() {
    for (environment, channel) in CHANNELS {
        let site = pod(environment, QUICK);
        let conf = |conf| keyed(&["--channel", channel, "--conf", conf]);
        site.run(conf(r#"{"b": 1, "a": "hunter2"}"#)).assert_exit(0);
        // The order of members does not count.
        let same = site.run(conf(r#"{"a": "hunter2", "b": 1}"#));
        assert_eq!(same.assert_exit(0).json()["adopted"], true);
        let outcome = site.run(conf(r#"{"a": "swordfish", "b": 1}"#));
        outcome.assert_exit(65).assert_says("other values of: conf").assert_says("--step");
        outcome.assert_does_not_say("hunter2").assert_does_not_say("swordfish");
        assert_eq!(started(&site), 1, "{channel}");
        let resumed = ["--channel", channel, "--conf", "{}", "--on-difference", "resume"];
        assert_eq!(site.run(keyed(&resumed)).assert_exit(0).json()["adopted"], true);
    }
}

#[test]
fn each_step_of_a_job_is_work_of_its_own() {
    let site = pod("", QUICK);
    for (step, adopted) in [("load", false), ("report", false), ("load", true)] {
        assert_eq!(site.run(keyed(&["--step", step])).assert_exit(0).json()["adopted"], adopted, "{step}");
    }
    assert_eq!(started(&site), 2);
}

/// Airflow sets a run that has succeeded to failed if it is asked to: its state is read first.
#[test]
fn a_signal_does_not_overwrite_the_end_of_a_run() {
    let ends = "courses = [{ steps = [{ state = 'running' }, { state = 'success', after = '2s' }] }]";
    let site = pod("", ends);
    let args =
        ["trigger", "etl", "--idempotency-key", "k", "--poll-interval", "60s", "--on-terminate", "cancel"];
    let running = site.start(args);
    running.wait_for_log("running");
    while site.sandbox.dag_runs("flow")[0].state != "success" {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    running.signal(Signal::TERM);
    let outcome = running.finish();
    assert_eq!(outcome.assert_exit(0).json()["state"], "success");
    assert_eq!(site.sandbox.dag_runs("flow")[0].state, "success");
    assert!(calls(&site, "InvokeRestApi").iter().all(|call| call.parameters["Method"] != "PATCH"));
    assert_eq!(site.run(args).assert_exit(0).json()["adopted"], true);
}

#[test]
fn the_work_of_a_key_can_be_cancelled_without_starting_any() {
    let site = pod("", ENDLESS);
    site.run(keyed(&["--cancel"])).assert_exit(65).assert_says("nothing to cancel");
    site.run(keyed(&["--no-wait"])).assert_exit(0);
    let outcome = site.run(keyed(&["--cancel", "--conf", r#"{"a": 1}"#]));
    assert_eq!(outcome.assert_exit(0).json()["state"], "failed");
    assert_eq!(started(&site), 1);
    site.run(trigger(&["--cancel"])).assert_exit(2).assert_says("--idempotency-key");
}
