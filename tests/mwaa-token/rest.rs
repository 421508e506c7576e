//! `rest`: Airflow's REST API by `InvokeRestApi`.

use serde_json::{Value, json};
use testkit::FaultKind;

use super::{THREE, assert_nothing_sent, calls, fault, in_world, pod, spoil, status, world_without};

#[test]
fn answers_are_printed_as_they_came() {
    for environment in ["", THREE] {
        let site = pod(environment, "");
        let told = site.run(["rest", "GET", "/dags/etl"]).assert_exit(0).json();
        assert_eq!((&told["dag_id"], &told["is_paused"]), (&json!("etl"), &json!(false)));
        let body = r#"{"conf": {"day": "monday", "n": [1, 2.5, -3]}, "dag_run_id": "mine", "logical_date": "2026-01-01T00:00:00Z"}"#;
        let told = site.run(["rest", "POST", "/dags/etl/dagRuns", body]).assert_exit(0).json();
        assert_eq!(told["conf"], json!({ "day": "monday", "n": [1, 2.5, -3] }));
        assert_eq!(site.sandbox.dag_runs("flow")[0].conf["n"][1], 2.5);
        let told = site
            .run(["rest", "PATCH", "/dags/etl/dagRuns/mine", r#"{"state": "failed"}"#])
            .assert_exit(0)
            .json();
        assert_eq!(told["state"], "failed");
        let call = calls(&site, "InvokeRestApi").remove(0);
        assert_eq!(call.parameters["Host"], "env.airflow.us-east-2.amazonaws.com");
    }
}

#[test]
fn query_parameters_and_a_body_from_standard_input() {
    let site = pod("", "").env("MWAA_QUERY_PARAMETERS", r#"{"limit": 3, "dag_id_pattern": "x"}"#);
    let told = site.run(["rest", "get", "/dags", "--query", "dag_id_pattern=et"]).assert_exit(0).json();
    assert_eq!(told["total_entries"], 1);
    let query = calls(&site, "InvokeRestApi")[0].parameters["QueryParameters"].clone();
    assert_eq!(query, json!({ "limit": 3, "dag_id_pattern": "et" }));

    let site = pod("", "");
    let running = site.start_with(["rest", "POST", "/dags/etl/dagRuns", "-"], r#"{"dag_run_id": "piped"}"#);
    running.finish().assert_exit(0);
    assert_eq!(site.sandbox.dag_runs("flow")[0].run_id, "piped");
}

/// As the AWS CLI does.
#[test]
fn a_file_is_read_where_the_aws_cli_would_read_it() {
    let site = pod("", "");
    site.write("body.json", r#"{"dag_run_id": "mine"}"#);
    site.write("query.json", r#"{"limit": 3}"#);
    site.run(["rest", "POST", "/dags/etl/dagRuns", "file://body.json"]).assert_exit(0);
    assert_eq!(site.sandbox.dag_runs("flow")[0].run_id, "mine");
    site.run(["rest", "GET", "/dags", "--query-parameters", "file://query.json"]).assert_exit(0);
    assert_eq!(calls(&site, "InvokeRestApi")[1].parameters["QueryParameters"], json!({ "limit": 3 }));
    let site = pod("", "");
    site.write("conf.json", r#"{"day": "monday"}"#);
    site.run(["trigger", "etl", "--no-wait", "--conf", "file://conf.json"]).assert_exit(0);
    assert_eq!(site.sandbox.dag_runs("flow")[0].conf, json!({ "day": "monday" }));
    let site = pod("", "").env("MWAA_CONF", "file://conf.json");
    site.write("conf.json", r#"{"day": "monday"}"#);
    site.run(["trigger", "etl", "--no-wait"]).assert_exit(2).assert_says("MWAA_CONF");
    assert_nothing_sent(&site);
}

/// Both kinds of error are HTTP 400 of MWAA, and what Airflow says is inside.
#[test]
fn errors_of_airflow_are_printed_and_decide_the_exit() {
    for environment in ["", THREE] {
        let site = pod(environment, "");
        let outcome = site.run(["rest", "GET", "/dags/nowhere"]);
        outcome.assert_exit(65).assert_says("404").assert_says("The DAG with dag_id: nowhere was not found");
        assert_eq!(outcome.json()["detail"], "The DAG with dag_id: nowhere was not found");
    }
    let site = pod(THREE, "");
    let outcome = site.run(["rest", "POST", "/dags/etl/dagRuns", "{}"]);
    outcome.assert_exit(65).assert_says("422").assert_says("body.logical_date: Field required");

    for (method, code, exit) in [("GET", 75, 75), ("POST", 80, 80)] {
        let site = pod("", "");
        spoil(&site, fault("InvokeRestApi", status(400, "RestApiServerException", "")).for_ever());
        let args = ["rest", method, "/dags/etl/dagRuns"];
        let outcome = site.run(args);
        outcome.assert_exit(exit).assert_says("airflow:InvokeRestApi");
        assert_eq!(outcome.termination()["exit_code"], code);
        assert_eq!(calls(&site, "InvokeRestApi").len(), 1);
    }
}

/// A read is sent again; what changes something is not, unless nothing of it was begun.
#[test]
fn requests_are_sent_again_only_where_that_is_safe() {
    for (kind, get, post, sent) in [
        (FaultKind::ResetAfter, 0, 80, 1),
        (FaultKind::Truncated, 0, 80, 1),
        (status(500, "InternalServerException", "no"), 0, 80, 1),
        (FaultKind::Throttle, 0, 0, 2),
    ] {
        let site = pod("", "");
        spoil(&site, fault("InvokeRestApi", kind.clone()));
        site.run(["rest", "GET", "/dags"]).assert_exit(get);
        let site = pod("", "");
        spoil(&site, fault("InvokeRestApi", kind.clone()));
        site.run(["rest", "POST", "/dags/etl/dagRuns", "{}"]).assert_exit(post);
        assert_eq!(calls(&site, "InvokeRestApi").len(), sent, "{kind:?}");
    }
}

#[test]
fn refusals() {
    let site = in_world(&world_without("airflow:InvokeRestApi", "", ""));
    site.run(["rest", "GET", "/dags"]).assert_exit(77).assert_says("No Airflow role granted in IAM");
    let site = pod("rest_api = false", "");
    site.run(["rest", "GET", "/dags"]).assert_exit(65).assert_says("Update your environment");
    let site = pod("", "");
    let long = format!("/dags/{}", "d".repeat(59));
    for (args, told) in [
        (["rest", "GET", long.as_str()], "64 characters"),
        (["rest", "GET", "/api/v1/dags"], "relative"),
        (["rest", "GET", "/dags?limit=1"], "--query"),
        (["rest", "TRACE", "/dags"], "possible values: GET, PUT, POST, PATCH, DELETE"),
    ] {
        site.run(args).assert_exit(2).assert_says(told);
    }
    site.run(["rest", "POST", "/dags", "[]"]).assert_exit(2).assert_says("not a JSON object");
    let outcome = site.run(["rest", "POST", "/dags", r#"{"password": "#]);
    outcome.assert_exit(2).assert_says("not a JSON object").assert_does_not_say("password");
    assert_nothing_sent(&site);
}

#[test]
fn an_answer_is_not_logged() {
    let site = pod("", "").env("RUST_LOG", "trace");
    let outcome =
        site.run(["rest", "POST", "/dags/etl/dagRuns", r#"{"conf": {"password": "half-a-secret"}}"#]);
    let told: Value = outcome.assert_exit(0).assert_does_not_say("half-a-secret").json();
    assert_eq!(told["conf"]["password"], "half-a-secret");
}
