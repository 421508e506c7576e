//! How a DAG run ends, and what is told of it: by both ways, for both generations of Airflow.

use serde_json::json;

use super::{ENDLESS, FAILING, QUICK, THREE, calls, pod, started, states, trigger};

/// Every way to both generations.
const WAYS: [(&str, &str); 4] = [("", "rest"), (THREE, "rest"), ("", "cli"), (THREE, "cli")];

#[test]
fn success_is_waited_for() {
    for (environment, channel) in WAYS {
        let site = pod(environment, QUICK);
        let outcome =
            site.run(trigger(&["--channel", channel, "--conf", r#"{"day": "it's monday", "n": 3}"#]));
        let told = outcome.assert_exit(0).json();
        let run = site.sandbox.dag_runs("flow").remove(0);
        assert_eq!(run.conf, json!({ "day": "it's monday", "n": 3 }), "{channel}");
        assert_eq!(told["dag_run_id"], run.run_id.as_str());
        assert_eq!(
            (&told["state"], &told["dag_id"], &told["adopted"]),
            (&json!("success"), &json!("etl"), &json!(false))
        );
        assert_eq!((&told["channel"], &told["account"]), (&json!(channel), &json!("222222222222")));
        assert_eq!(told["failed_tasks"], json!([]));
        assert!(told["end_date"].is_string(), "{told}");
        assert_eq!(states(&outcome).last().unwrap(), "success");
        let message = outcome.termination();
        assert_eq!((&message["remote_id"], &message["state"]), (&told["dag_run_id"], &json!("success")));
        // Each way is the only one where it is chosen.
        let other = if channel == "rest" { "CreateCliToken" } else { "InvokeRestApi" };
        assert!(calls(&site, other).is_empty());
        assert_eq!(started(&site), 1);
    }
}

#[test]
fn a_failure_names_the_tasks() {
    for (environment, channel) in WAYS {
        let site = pod(environment, FAILING);
        let outcome = site.run(trigger(&["--channel", channel]));
        let told = outcome.assert_exit(10).assert_says("of DAG etl ended failed: extract, load").json();
        assert_eq!(told["state"], "failed");
        let tasks: Vec<_> =
            told["failed_tasks"].as_array().unwrap().iter().map(|task| task["task_id"].clone()).collect();
        assert_eq!(tasks, ["extract", "load"], "{channel}");
        assert_eq!(outcome.termination()["outcome"], "failed");
    }
}

#[test]
fn a_state_that_is_not_known_is_waited_on() {
    let site =
        pod("", "courses = [{ steps = [{ state = 'deferred' }, { state = 'success', after = '500ms' }] }]");
    let outcome = site.run(trigger(&[]));
    outcome.assert_exit(0).assert_says("does not know; counts as pending");
    assert_eq!(states(&outcome), ["deferred", "success"]);
}

#[test]
fn text_for_people() {
    let site = pod("", FAILING);
    let outcome = site.run(trigger(&["--output", "text"]));
    let text = outcome.assert_exit(10).text();
    assert!(text.contains("dag           etl\n") && text.contains("failed tasks  extract, load\n"), "{text}");
    assert!(text.contains("/dags/etl/grid?dag_run_id=once-"), "{text}");
    let site = pod(THREE, QUICK);
    let outcome = site.run(trigger(&["--output", "text"]));
    assert!(outcome.assert_exit(0).text().contains("/dags/etl/runs/once-"));
}

#[test]
fn no_wait_prints_the_id() {
    let site = pod("", ENDLESS);
    let outcome = site.run(trigger(&["--no-wait", "--output", "text"]));
    assert_eq!(outcome.assert_exit(0).text().trim(), site.sandbox.dag_runs("flow")[0].run_id);
    let told = site.run(trigger(&["--no-wait"])).assert_exit(0).json();
    assert_eq!(told["dag_run_id"], site.sandbox.dag_runs("flow")[1].run_id.as_str());
}

#[test]
fn the_end_of_our_wait_is_not_the_run_s() {
    let site = pod("", ENDLESS);
    let outcome = site.run(trigger(&["--timeout", "2s"]));
    outcome.assert_exit(80).assert_says("last state running");
    assert_eq!(site.sandbox.dag_runs("flow")[0].state, "running");
}

/// The id is logged before any wait, with where to look.
#[test]
fn the_id_is_told_before_the_wait() {
    let site = pod("", ENDLESS);
    let running = site.start(trigger(&[]));
    running.wait_for_log("remote work");
    let id = site.sandbox.dag_runs("flow")[0].run_id.clone();
    running.wait_for_log(&id);
    running.wait_for_log("airflow.amazonaws.com/dags/etl/grid?dag_run_id=");
    running.kill();
}
