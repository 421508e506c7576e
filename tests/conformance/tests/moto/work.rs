//! Functions, endpoints and training jobs, as far as moto goes: it looks for no function and no endpoint by name.

use serde_json::json;

use crate::{A, B, Place};

/// A place where functions need no container.
fn lambda() -> Place {
    let place = Place::of("lambda-invoke");
    place.moto.post("config", &json!({ "lambda": { "use_docker": false } }));
    place
}

fn answers(place: &Place, answers: &[&str]) {
    let results = json!({ "account_id": B, "region": "us-east-2", "results": answers });
    place.moto.post("static/lambda-simple/response", &results);
}

#[test]
fn a_function_is_invoked_once_and_its_answer_told() {
    let place = lambda();
    let invoke = |more: &[&str]| place.run([&["--function-name=report"], more].concat());
    answers(&place, &[r#"{"rows": 1204}"#, r#"{"rows": 0}"#]);
    assert_eq!(invoke(&["--payload={}"]).assert_exit(0).text(), r#"{"rows": 1204}"#);
    invoke(&["--payload={}", "--expect=rows > `0`"]).assert_exit(10);
    // Without an answer of its own the function gives back what it got.
    assert_eq!(
        invoke(&[r#"--payload={"day":"2026-11-25"}"#]).assert_exit(0).text(),
        r#"{"day":"2026-11-25"}"#
    );
    invoke(&["--invocation-type=Event", "--payload={}"]).assert_exit(0);
    invoke(&["--check"]).assert_exit(0);
}

/// The one failure of a function that moto plays: it answers 200, as AWS does, and says so in a header.
#[test]
fn an_answer_that_is_too_large_is_the_functions_failure() {
    let place = lambda();
    place.site.write("large.json", &format!("\"{}\"", "x".repeat(6_100_000)));
    let outcome = place.run(["--function-name=report", "--payload-file=large.json"]);
    outcome.assert_exit(10).assert_says("Function.ResponseSizeTooLarge");
    assert_eq!(outcome.termination()["outcome"], "failed");
}

#[test]
fn a_batch_is_answered_in_its_order() {
    let place = lambda();
    let lines: Vec<String> = (0..40).map(|number| format!("{{\"number\":{number}}}\n")).collect();
    place.site.write("lines.jsonl", &lines.concat());
    let outcome = place.run(["--function-name=report", "--batch=lines.jsonl", "--concurrency=8"]);
    let told: Vec<serde_json::Value> =
        outcome.assert_exit(0).text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<_> = told.iter().map(|line| line["payload"]["number"].as_u64()).collect();
    assert_eq!(numbers, (0..40).map(Some).collect::<Vec<_>>());
}

#[test]
fn an_endpoint_answers() {
    let place = Place::of("sagemaker-invoke");
    let body = json!({ "Body": "[0.7]", "ContentType": "application/json", "InvokedProductionVariant": "blue", "CustomAttributes": "" });
    let results = json!({ "account_id": B, "region": "us-east-2", "results": [body] });
    place.moto.post("static/sagemaker/endpoint-results", &results);
    let args = ["endpoint", "--endpoint-name=scoring", "--body=[1]", "--output-file=answer"];
    let told = place.run(args).assert_exit(0).json();
    assert_eq!(std::fs::read_to_string(place.site.path("answer")).unwrap(), "[0.7]");
    assert!(told.to_string().contains("blue"), "{told}");
}

#[test]
fn a_queued_answer_is_fetched_from_s3_and_a_failure_told() {
    let place = Place::of("sagemaker-invoke");
    let results = json!([{ "data": "[0.7]" }, { "is_failure": true, "data": "out of memory" }]);
    let results = json!({ "account_id": B, "region": "us-east-2", "results": results });
    place.moto.post("static/sagemaker/async-endpoint-results", &results);
    let ask = |input| {
        let input = format!("--input-location=s3://team-data/{input}");
        place.run(["async", "--endpoint-name=scoring", &input, "--poll-interval=100ms"])
    };
    assert_eq!(ask("one.json").assert_exit(0).text().trim_end(), "[0.7]");
    ask("two.json").assert_exit(10).assert_says("out of memory");
}

#[test]
fn a_model_is_trained_once_in_account_b() {
    let place = Place::of("sagemaker-invoke");
    let spec = json!({
        "TrainingJobName": "churn", "RoleArn": format!("arn:aws:iam::{B}:role/sagemaker-trainer"),
        "OutputDataConfig": { "S3OutputPath": "s3://team-data/models" },
        "AlgorithmSpecification": { "TrainingImage": "i", "TrainingInputMode": "File" },
        "ResourceConfig": { "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10 },
        "StoppingCondition": { "MaxRuntimeInSeconds": 3600 },
    });
    place.site.write("spec.json", &spec.to_string());
    let args = ["train", "--spec-file=spec.json", "--poll-interval=100ms", "--idempotency-key=k-1"];
    let told = place.run(args).assert_exit(0).json();
    let name = told["training_job_name"].as_str().expect("a name").to_owned();
    // The next process finds it by its name.
    place.run(args).assert_exit(0);
    let jobs = |account| {
        let jobs = place.call(account, "sagemaker", "ListTrainingJobs", json!({}));
        let jobs = jobs["TrainingJobSummaries"].as_array().unwrap();
        jobs.iter().map(|job| job["TrainingJobName"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((jobs(A), jobs(B)), (vec![], vec![name]));
}
