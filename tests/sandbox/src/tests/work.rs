//! What lists show late, what a service adds or overwrites, requests that take effect late, and the count of what was
//! really done.

use serde_json::json;

use super::*;
use crate::fault::{Fault, FaultKind};
use crate::{Effects, Step, WorkKind};

const SECOND_LONG: Duration = Duration::from_secs(1);

/// The documented world with settings at its end, and those of MWAA's environment.
fn with(settings: &str) -> (Bench, Keys) {
    let (environment, others) = settings.split_once("---").unwrap_or(("", settings));
    let name = "name = \"orchestrator\"\n";
    let world = TWO_ACCOUNTS.replacen(name, &format!("{name}{environment}\n"), 1);
    let bench = bench(&format!("{world}\n{others}\n"));
    let keys = bench.second();
    (bench, keys)
}

fn effects(bench: &Bench, kind: WorkKind) -> Effects {
    Effects::of(&bench.cloud.work(kind))
}

fn counted(starts: usize, stops: usize, overwrites: usize) -> Effects {
    Effects { starts, stops, overwrites }
}

fn start_run(bench: &Bench, keys: &Keys) -> Value {
    let parameters = json!({ "JobName": "nightly-etl", "Arguments": { "--day": "1" } });
    bench.json(keys, "AWSGlue.StartJobRun", &parameters).1
}

/// A request of Airflow's REST API.
fn airflow(bench: &Bench, keys: &Keys, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let ask = json!({ "Method": method, "Path": path, "Body": body }).to_string();
    let reply = bench.rest(keys, "airflow", ("POST", "/restapi/orchestrator"), &[], ask.as_bytes());
    let answer: Value = serde_json::from_slice(&reply.response.body().bytes()).unwrap();
    (reply.response.status().as_u16(), answer["RestApiResponse"].clone())
}

#[test]
fn what_glue_adds_to_a_run_can_be_left_out() {
    let shown = |settings: &str| {
        let (bench, keys) = with(settings);
        let id = start_run(&bench, &keys)["JobRunId"].clone();
        let one = json!({ "JobName": "nightly-etl", "RunId": id });
        let run = bench.json(&keys, "AWSGlue.GetJobRun", &one).1["JobRun"].clone();
        let listed = bench.json(&keys, "AWSGlue.GetJobRuns", &json!({ "JobName": "nightly-etl" })).1;
        assert_eq!(listed["JobRuns"][0], run);
        run
    };
    let run = shown("");
    assert_eq!(run["Arguments"], json!({ "--day": "1", "--job-language": "python" }));
    for member in ["WorkerType", "NumberOfWorkers", "MaxCapacity", "AllocatedCapacity", "Timeout"] {
        assert!(!run[member].is_null(), "{member}");
    }
    let run = shown("[glue]\nmerge_default_arguments = false\nfill_defaults = false");
    assert_eq!(run["Arguments"], json!({ "--day": "1" }));
    for member in
        ["WorkerType", "NumberOfWorkers", "MaxCapacity", "AllocatedCapacity", "Timeout", "ExecutionClass"]
    {
        assert!(run[member].is_null(), "{member}");
    }
}

#[test]
fn a_new_training_job_is_described_late_and_its_name_is_taken_at_once() {
    let (bench, keys) = with("[sagemaker]\ntraining_describe_lag = '1s'");
    let spec = json!({
        "TrainingJobName": "one",
        "RoleArn": "arn:aws:iam::222222222222:role/sagemaker-training",
        "AlgorithmSpecification": { "TrainingImage": "image", "TrainingInputMode": "File" },
        "OutputDataConfig": { "S3OutputPath": "s3://team-data/models/" },
        "ResourceConfig": { "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10 },
    });
    let create = || bench.json(&keys, "SageMaker.CreateTrainingJob", &spec);
    let describe =
        || bench.json(&keys, "SageMaker.DescribeTrainingJob", &json!({ "TrainingJobName": "one" })).0;
    assert_eq!((create().0, describe()), (200, 400));
    assert_eq!(create().1["__type"], "ResourceInUse");
    bench.advance(SECOND_LONG);
    assert_eq!(describe(), 200);
    assert_eq!(effects(&bench, WorkKind::TrainingJob), counted(1, 0, 0));
    bench.json(&keys, "SageMaker.StopTrainingJob", &json!({ "TrainingJobName": "one" }));
    assert_eq!(effects(&bench, WorkKind::TrainingJob), counted(1, 1, 0));
}

#[test]
fn a_new_durable_execution_is_listed_late() {
    let (bench, keys) = with("[lambda]\nlist_lag = '1s'");
    let headers = [("x-amz-durable-execution-name", "one"), ("x-amz-invocation-type", "Event")];
    let path = "/2015-03-31/functions/workflow%3Alive/invocations";
    for _ in 0..2 {
        assert_eq!(bench.rest(&keys, "lambda", ("POST", path), &headers, b"1").response.status(), 202);
    }
    let listed = || {
        let path = "/2025-12-01/functions/workflow/durable-executions?Qualifier=live";
        let reply = bench.rest(&keys, "lambda", ("GET", path), &[], b"");
        let answer: Value = serde_json::from_slice(&reply.response.body().bytes()).unwrap();
        answer["DurableExecutions"].as_array().unwrap().len()
    };
    assert_eq!(listed(), 0);
    bench.advance(SECOND_LONG);
    assert_eq!(listed(), 1);
    assert_eq!(effects(&bench, WorkKind::DurableExecution), counted(1, 0, 0));
    assert_eq!(effects(&bench, WorkKind::Invocation), counted(0, 0, 0));
}

#[tokio::test]
async fn a_new_statement_is_listed_late() {
    let (bench, keys) = with(
        "[redshift]\nlist_lag = '1s'\npostgres = 'host=/nowhere dbname=a user=a'\ncourses = [{ picked_after = '1h' }]",
    );
    let sql =
        json!({ "Sql": "select 1", "ClusterIdentifier": "analytics", "Database": "dev", "DbUser": "etl" });
    let (status, sent) = bench.json(&keys, "RedshiftData.ExecuteStatement", &sql);
    assert_eq!(status, 200, "{sent}");
    let listed = || {
        let (_, answer) = bench.json(&keys, "RedshiftData.ListStatements", &json!({ "Status": "ALL" }));
        answer["Statements"].as_array().unwrap().len()
    };
    assert_eq!(listed(), 0);
    bench.advance(SECOND_LONG);
    assert_eq!(listed(), 1);
    assert_eq!(effects(&bench, WorkKind::Statement), counted(1, 0, 0));
    bench.json(&keys, "RedshiftData.CancelStatement", &json!({ "Id": sent["Id"] }));
    assert_eq!(effects(&bench, WorkKind::Statement), counted(1, 1, 0));
}

#[test]
fn a_dag_run_is_listed_late_and_its_end_is_overwritten() {
    for (settings, end, expected) in [
        ("list_lag = '1s'\n---", "failed", counted(1, 0, 1)),
        ("list_lag = '1s'\noverwrites_ends = false\n---", "success", counted(1, 0, 0)),
    ] {
        let (bench, keys) = with(settings);
        let ask = |method: &str, path: &str, body: Value| airflow(&bench, &keys, method, path, &body);
        assert_eq!(ask("POST", "/dags/nightly/dagRuns", json!({ "dag_run_id": "one" })).0, 200);
        let listed = || ask("GET", "/dags/nightly/dagRuns", Value::Null).1["total_entries"].clone();
        let state = || ask("GET", "/dags/nightly/dagRuns/one", Value::Null).1["state"].clone();
        assert_eq!((listed(), state()), (json!(0), json!("queued")));
        bench.advance(SECOND_LONG * 2);
        assert_eq!((listed(), state()), (json!(1), json!("success")));
        assert_eq!(ask("PATCH", "/dags/nightly/dagRuns/one", json!({ "state": "failed" })).0, 200);
        assert_eq!(state(), end);
        assert_eq!(effects(&bench, WorkKind::DagRun), expected);
    }
    let (bench, keys) = with("");
    let ask = |method: &str, path: &str, body: Value| airflow(&bench, &keys, method, path, &body);
    ask("POST", "/dags/nightly/dagRuns", json!({ "dag_run_id": "one" }));
    ask("PATCH", "/dags/nightly/dagRuns/one", json!({ "state": "failed" }));
    assert_eq!(effects(&bench, WorkKind::DagRun), counted(1, 1, 0));
    // A run that was deleted was started all the same.
    ask("DELETE", "/dags/nightly/dagRuns/one", Value::Null);
    assert_eq!(effects(&bench, WorkKind::DagRun), counted(1, 1, 0));
}

#[test]
fn job_runs_and_executions_are_counted() {
    let (bench, keys) = with("");
    let id = start_run(&bench, &keys)["JobRunId"].clone();
    let stop = json!({ "JobName": "nightly-etl", "JobRunIds": [id] });
    bench.advance(SECOND_LONG * 4);
    // Too late: it has ended.
    bench.json(&keys, "AWSGlue.BatchStopJobRun", &stop);
    assert_eq!(effects(&bench, WorkKind::JobRun), counted(1, 0, 0));
    let run = &bench.cloud.work(WorkKind::JobRun)[0];
    assert_eq!((run.resource.as_str(), run.state.as_deref()), ("nightly-etl", Some("SUCCEEDED")));
    let endless = crate::Course::new(vec![Step::new("RUNNING", Duration::ZERO)]);
    bench.cloud.set_course("nightly-etl", endless).unwrap();
    let id = start_run(&bench, &keys)["JobRunId"].clone();
    for _ in 0..2 {
        let stop = json!({ "JobName": "nightly-etl", "JobRunIds": [id] });
        bench.json(&keys, "AWSGlue.BatchStopJobRun", &stop);
    }
    assert_eq!(effects(&bench, WorkKind::JobRun), counted(2, 1, 0));

    let machine = "arn:aws:states:us-east-2:222222222222:stateMachine:broken-workflow";
    let begin = json!({ "stateMachineArn": machine, "name": "one" });
    let arn = bench.json(&keys, "AWSStepFunctions.StartExecution", &begin).1["executionArn"].clone();
    bench.advance(SECOND_LONG * 2);
    bench.json(&keys, "AWSStepFunctions.RedriveExecution", &json!({ "executionArn": arn }));
    bench.json(&keys, "AWSStepFunctions.StopExecution", &json!({ "executionArn": arn }));
    assert_eq!(effects(&bench, WorkKind::Execution), counted(2, 1, 0));
    for kind in WorkKind::ALL {
        assert!(bench.cloud.work(kind).iter().all(|work| work.kind == kind), "{kind:?}");
    }
}

#[test]
fn inferences_are_counted_by_the_kind_of_their_endpoint() {
    let (bench, keys) = with("");
    let path = |endpoint: &str, operation: &str| format!("/endpoints/{endpoint}/{operation}");
    bench.rest(&keys, "sagemaker", ("POST", &path("scoring", "invocations")), &[], b"1,2");
    let input = [("x-amzn-sagemaker-inputlocation", "s3://team-data/in/one.json")];
    bench.rest(&keys, "sagemaker", ("POST", &path("scoring-async", "async-invocations")), &input, b"");
    for kind in [WorkKind::Inference, WorkKind::AsyncInference] {
        assert_eq!(effects(&bench, kind), counted(1, 0, 0), "{kind:?}");
    }
    let path = "/2015-03-31/functions/nightly-report/invocations";
    bench.rest(&keys, "lambda", ("POST", path), &[], b"{}");
    assert_eq!(effects(&bench, WorkKind::Invocation), counted(1, 0, 0));
}

#[tokio::test]
async fn a_request_takes_effect_late() {
    let (bench, keys) = with("");
    let late = FaultKind::Late(Duration::from_secs(9));
    bench.cloud.add_fault(Fault::new("glue", "StartJobRun", late)).unwrap();
    let job = json!({ "JobName": "nightly-etl" });
    let reply = bench.json_reply(&keys, "AWSGlue.StartJobRun", &job);
    assert_eq!(reply.delivery, crate::dispatch::Delivery::Reset);
    assert_eq!(effects(&bench, WorkKind::JobRun), counted(0, 0, 0));
    bench.advance(SECOND_LONG * 9);
    let late = reply.late.unwrap();
    late.wait(&bench.cloud).await;
    late.work(&bench.cloud);
    assert_eq!(effects(&bench, WorkKind::JobRun), counted(1, 0, 0));
    // It starts when it takes effect.
    let runs = bench.json(&keys, "AWSGlue.GetJobRuns", &job).1;
    assert_eq!(runs["JobRuns"][0]["JobRunState"], "STARTING");
}
