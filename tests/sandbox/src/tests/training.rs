use serde_json::json;

use super::*;

const SECOND_LONG: Duration = Duration::from_secs(1);
const ROLE: &str = "arn:aws:iam::222222222222:role/sagemaker-training";
const GROUP: &str = "/aws/sagemaker/TrainingJobs";

fn with(settings: &str) -> (Bench, Keys) {
    let bench = bench(&format!("{TWO_ACCOUNTS}\n{settings}\n"));
    let keys = bench.second();
    (bench, keys)
}

fn spec(name: &str) -> Value {
    json!({
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": { "TrainingImage": "image", "TrainingInputMode": "File" },
        "HyperParameters": { "epochs": "3" },
        "InputDataConfig": [{
            "ChannelName": "train",
            "DataSource": { "S3DataSource": { "S3DataType": "S3Prefix", "S3Uri": "s3://team-data/in" } },
        }],
        "OutputDataConfig": { "S3OutputPath": "s3://team-data/models/" },
        "ResourceConfig": { "InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10 },
        "Tags": [{ "Key": "a", "Value": "b" }],
        "QuantumConfig": { "Qubits": 3 },
    })
}

fn call(bench: &Bench, keys: &Keys, operation: &str, parameters: &Value) -> (u16, Value) {
    bench.json(keys, &format!("SageMaker.{operation}"), parameters)
}

fn describe(bench: &Bench, keys: &Keys, name: &str) -> Value {
    call(bench, keys, "DescribeTrainingJob", &json!({ "TrainingJobName": name })).1
}

/// Code and text of a refusal.
fn refused((status, answer): (u16, Value)) -> (String, String) {
    assert_eq!(status, 400, "{answer}");
    let text = |member: &str| answer[member].as_str().map(str::to_owned);
    (text("__type").unwrap(), text("Message").or_else(|| text("message")).unwrap())
}

#[test]
fn a_job_from_start_to_end() {
    let (bench, keys) = with("");
    let arn = "arn:aws:sagemaker:us-east-2:222222222222:training-job/nightly-1";
    let (status, answer) = call(&bench, &keys, "CreateTrainingJob", &spec("nightly-1"));
    assert_eq!((status, answer), (200, json!({ "TrainingJobArn": arn })));
    let begun = describe(&bench, &keys, "nightly-1");
    assert_eq!(
        (&begun["TrainingJobStatus"], &begun["SecondaryStatus"]),
        (&json!("InProgress"), &json!("Starting"))
    );
    assert_eq!(begun["ResourceConfig"], spec("")["ResourceConfig"]);
    assert_eq!(begun["StoppingCondition"]["MaxRuntimeInSeconds"], 86_400);
    assert_eq!(
        (&begun["EnableNetworkIsolation"], &begun["QuantumConfig"]["Qubits"]),
        (&json!(false), &json!(3))
    );
    for absent in ["TrainingStartTime", "TrainingEndTime", "ModelArtifacts", "FailureReason", "Tags"] {
        assert!(begun.get(absent).is_none(), "{absent}");
    }
    bench.advance(SECOND_LONG);
    let training = describe(&bench, &keys, "nightly-1");
    assert_eq!(training["SecondaryStatus"], "Training");
    bench.advance(SECOND_LONG * 3);
    let ended = describe(&bench, &keys, "nightly-1");
    assert_eq!(
        (&ended["TrainingJobStatus"], &ended["TrainingTimeInSeconds"]),
        (&json!("Completed"), &json!(2))
    );
    assert_eq!(
        ended["ModelArtifacts"]["S3ModelArtifacts"],
        "s3://team-data/models/nightly-1/output/model.tar.gz"
    );
    let history = ended["SecondaryStatusTransitions"].as_array().unwrap();
    let names: Vec<&str> = history.iter().map(|one| one["Status"].as_str().unwrap()).collect();
    assert_eq!(names, ["Starting", "Downloading", "Training", "Uploading", "Completed"]);
    assert_eq!(history[0]["EndTime"], history[1]["StartTime"]);
    assert_eq!(history[4]["EndTime"], ended["TrainingEndTime"]);
    assert!(history.iter().all(|one| !one["StatusMessage"].as_str().unwrap().is_empty()));

    let (code, text) = refused(call(&bench, &keys, "CreateTrainingJob", &spec("nightly-1")));
    assert_eq!(code, "ResourceInUse");
    assert_eq!(
        text,
        format!(
            "Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})"
        )
    );
    let stop = call(&bench, &keys, "StopTrainingJob", &json!({ "TrainingJobName": "nightly-1" }));
    let text = "The request was rejected because the training job is in status Completed.";
    assert_eq!(refused(stop), ("ValidationException".into(), text.into()));
    let jobs = bench.cloud.training_jobs();
    assert_eq!((jobs.len(), jobs[0].status.as_str(), &jobs[0].request), (1, "Completed", &spec("nightly-1")));
}

#[test]
fn a_job_fails_and_a_job_is_stopped() {
    let (bench, keys) = with(
        "[[sagemaker.training_courses]]\nsteps = [{ secondary = 'Training', message = 'one' }, \
         { secondary = 'Training', message = 'two', after = '1s' }, \
         { status = 'Failed', secondary = 'Failed', after = '2s', failure_reason = 'AlgorithmError: boom' }]\n\
         [[sagemaker.training_courses]]\nsteps = [{ secondary = 'Training' }]\n\
         logs = [{ after = '1s', every = '1s', repeat = 3, text = 'epoch {n}' }, { instance = 2, text = 'second' }]\n",
    );
    for name in ["fails", "long"] {
        assert_eq!(call(&bench, &keys, "CreateTrainingJob", &spec(name)).0, 200);
    }
    bench.advance(SECOND_LONG * 2);
    let failed = describe(&bench, &keys, "fails");
    assert_eq!(
        (&failed["TrainingJobStatus"], &failed["FailureReason"]),
        (&json!("Failed"), &json!("AlgorithmError: boom"))
    );
    // A new message alone is no transition.
    let history = failed["SecondaryStatusTransitions"].as_array().unwrap();
    assert_eq!((history.len(), &history[0]["StatusMessage"]), (2, &json!("two")));

    let stop = || call(&bench, &keys, "StopTrainingJob", &json!({ "TrainingJobName": "long" }));
    assert_eq!(stop(), (200, json!({})));
    assert_eq!(describe(&bench, &keys, "long")["TrainingJobStatus"], "Stopping");
    assert!(refused(stop()).1.ends_with("in status Stopping."));
    bench.advance(SECOND_LONG * 2);
    let stopped = describe(&bench, &keys, "long");
    assert_eq!(
        (&stopped["TrainingJobStatus"], &stopped["SecondaryStatus"]),
        (&json!("Stopped"), &json!("Stopped"))
    );
    assert!(stopped.get("ModelArtifacts").is_none());

    // One stream for each instance, and nothing after the stop.
    let ask = |operation: &str, parameters: &Value| {
        bench.json(&keys, &format!("Logs_20140328.{operation}"), parameters).1
    };
    let streams = |more: Value| {
        let mut parameters = json!({ "logGroupName": GROUP, "logStreamNamePrefix": "long/" });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        ask("DescribeLogStreams", &parameters)
    };
    let first = streams(json!({ "limit": 1 }));
    let rest = streams(json!({ "limit": 1, "nextToken": first["nextToken"] }));
    let names =
        [&first, &rest].map(|page| page["logStreams"][0]["logStreamName"].as_str().unwrap().to_owned());
    assert!(names[0].starts_with("long/algo-1-") && names[1].starts_with("long/algo-2-"), "{names:?}");
    assert!(rest.get("nextToken").is_none());
    let lines = |stream: &str| {
        let answer = ask(
            "GetLogEvents",
            &json!({ "logGroupName": GROUP, "logStreamName": stream, "startFromHead": true }),
        );
        let events = answer["events"].as_array().unwrap();
        events.iter().map(|event| event["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(lines(&names[0]), ["epoch 1", "epoch 2"]);
    assert_eq!(lines(&names[1]), ["second", "epoch 1", "epoch 2"]);
    assert_eq!(streams(json!({ "logStreamNamePrefix": "fails/" }))["logStreams"], json!([]));
}

#[test]
fn refusals() {
    let (bench, keys) = with("");
    let edited = |pointer: &str, value: Value| {
        let mut spec = spec("a");
        *spec.pointer_mut(pointer).unwrap() = value;
        spec
    };
    let (validation, serialization) = ("ValidationException", "SerializationException");
    let many: serde_json::Map<_, _> = (0..101).map(|number| (format!("k{number}"), json!("v"))).collect();
    for (parameters, code, part) in [
        (json!({}), validation, "3 validation errors detected: Value null at 'trainingJobName'"),
        (edited("/TrainingJobName", json!("a_b")), validation, "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"),
        (edited("/TrainingJobName", json!("x".repeat(64))), validation, "less than or equal to 63"),
        (edited("/TrainingJobName", json!(7)), serialization, "TrainingJobName"),
        (edited("/RoleArn", json!("arn:aws:iam::222222222222:user/someone")), validation, "'roleArn'"),
        (
            edited("/RoleArn", json!(ROLE.replace('2', "1"))),
            validation,
            "RoleArn: Cross-account pass role is not allowed.",
        ),
        (edited("/OutputDataConfig", json!({})), validation, "Value null at 'outputDataConfig.s3OutputPath'"),
        (edited("/OutputDataConfig/S3OutputPath", json!("team-data")), validation, "(https|s3)://"),
        (
            edited("/AlgorithmSpecification/TrainingInputMode", json!("Fast")),
            validation,
            "[Pipe, File, FastFile]",
        ),
        (edited("/InputDataConfig", json!([])), validation, "'inputDataConfig'"),
        (
            edited("/InputDataConfig/0/ChannelName", json!("a b")),
            validation,
            "'inputDataConfig.1.member.channelName'",
        ),
        (
            edited("/InputDataConfig/0/DataSource", Value::Null),
            validation,
            "'inputDataConfig.1.member.dataSource'",
        ),
        (edited("/HyperParameters", json!(many)), validation, "'hyperParameters'"),
        (edited("/HyperParameters/epochs", json!(3)), serialization, "HyperParameters.epochs"),
        (edited("/ResourceConfig/InstanceCount", json!(-1)), validation, "'resourceConfig.instanceCount'"),
    ] {
        let (seen, text) = refused(call(&bench, &keys, "CreateTrainingJob", &parameters));
        assert_eq!(seen, code, "{text}");
        assert!(text.contains(part), "{text}");
    }
    for operation in ["DescribeTrainingJob", "StopTrainingJob"] {
        let unknown = call(&bench, &keys, operation, &json!({ "TrainingJobName": "none" }));
        assert_eq!(refused(unknown), (validation.into(), "Requested resource not found.".into()));
    }
    let denied = "AccessDeniedException";
    let (code, text) = refused(call(&bench, &bench.first(), "CreateTrainingJob", &spec("Nightly")));
    assert_eq!(code, denied);
    assert!(text.contains("sagemaker:CreateTrainingJob on resource: arn:aws:sagemaker:us-east-2:111111111111:training-job/nightly because"));
    let other = edited("/RoleArn", json!("arn:aws:iam::222222222222:role/admin"));
    let (code, text) = refused(call(&bench, &keys, "CreateTrainingJob", &other));
    assert_eq!(code, denied);
    assert!(
        text.contains("iam:PassRole on resource: arn:aws:iam::222222222222:role/admin because"),
        "{text}"
    );
    assert!(bench.cloud.training_jobs().is_empty());
}
