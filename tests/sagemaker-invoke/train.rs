//! `train`: a job is started, followed, and its end is told.

use serde_json::{Value, json};
use testkit::{Fault, FaultKind, Outcome, Running, Site, Worlds};

use super::{BINARY, KEY, assert_nothing_sent, spoil, status};

/// What every specification here has.
pub(crate) fn spec() -> Value {
    json!({
        "TrainingJobName": "churn",
        "RoleArn": "arn:aws:iam::222222222222:role/sagemaker-trainer",
        "OutputDataConfig": {"S3OutputPath": "s3://team-data/models"},
        "AlgorithmSpecification": {"TrainingImage": "222222222222.dkr.ecr.us-east-2.amazonaws.com/churn:1", "TrainingInputMode": "File"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10},
        "HyperParameters": {"epochs": "3"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    })
}

/// The key's job.
pub(crate) const KEYED: &str = "churn-291b48db22247068";

/// Steps of a job that succeeds soon.
pub(crate) const QUICK: &str = "steps = [{ secondary = 'Starting', message = 'Preparing the instances' }, \
    { secondary = 'Training', message = 'Training in progress', after = '300ms' }, \
    { status = 'Completed', secondary = 'Completed', message = 'Training job completed', after = '600ms' }]";

/// Steps of a job that goes on for longer than any test.
pub(crate) const ENDLESS: &str = "steps = [{ secondary = 'Training' }]";

/// Steps of a job that fails soon.
pub(crate) const FAILING: &str = "steps = [{ secondary = 'Training' }, { status = 'Failed', secondary = 'Failed', \
    after = '300ms', failure_reason = 'AlgorithmError: out of memory' }]";

pub(crate) fn world(courses: &[&str]) -> String {
    let course = |course: &&str| format!("[[sagemaker.training_courses]]\n{course}\n");
    let courses: String = courses.iter().map(course).collect();
    format!("{}\n{courses}", Worlds::TWO_ACCOUNTS)
}

/// A pod whose jobs take these courses, with the specification in its folder.
pub(crate) fn pod(courses: &[&str]) -> Site {
    with(&world(courses), &spec())
}

/// A pod in another world, with another specification.
pub(crate) fn with(world: &str, spec: &Value) -> Site {
    let site = Site::pod(BINARY, world);
    site.write("spec.json", &spec.to_string());
    site
}

/// Trains by the specification, looking often, and more.
pub(crate) fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let first = ["train", "--spec-file", "spec.json", "--poll-interval", "100ms"];
    first.iter().chain(more).copied().collect()
}

/// [`train`] with a key, and more.
pub(crate) fn keyed<'a>(more: &[&'a str]) -> Vec<&'a str> {
    train(&[&KEY[..], more].concat())
}

/// How many requests to start a job came.
pub(crate) fn creates(site: &Site) -> usize {
    site.sandbox.count("sagemaker", "CreateTrainingJob")
}

/// Names of the jobs that were really started, oldest first.
pub(crate) fn jobs(site: &Site) -> Vec<String> {
    site.sandbox.training_jobs().into_iter().map(|job| job.name).collect()
}

/// A fault of the next call.
pub(crate) fn fault(operation: &str, kind: FaultKind) -> Fault {
    Fault::new("sagemaker", operation, kind)
}

/// Waits until the log tells a state.
pub(crate) fn wait_for_state(running: &Running<'_>, state: &str) {
    running.wait_for_log(&format!("\"state\":\"{state}\""));
}

/// The states that the log tells, in order.
fn states(outcome: &Outcome) -> Vec<String> {
    let lines = outcome.stderr.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let states = lines.filter(|line| line["message"] == "new state");
    states.map(|line| line["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_job_is_followed_to_its_end_and_told() {
    let site = pod(&[QUICK]);
    let outcome = site.run(train(&[]));
    let told = outcome.assert_exit(0).json();
    assert_eq!(told["training_job_name"], "churn");
    assert_eq!(told["training_job_arn"], "arn:aws:sagemaker:us-east-2:222222222222:training-job/churn");
    assert_eq!((&told["status"], &told["secondary_status"]), (&json!("Completed"), &json!("Completed")));
    assert_eq!(told["model_artifacts"], "s3://team-data/models/churn/output/model.tar.gz");
    assert_eq!((&told["billable_seconds"], &told["training_seconds"]), (&json!(1), &json!(1)));
    assert_eq!((&told["failure_reason"], &told["adopted"]), (&Value::Null, &json!(false)));
    assert!(told["created_at"].as_str().unwrap().ends_with('Z'));
    assert!(told["ended_at"].is_string());
    assert_eq!((&told["region"], &told["account"]), (&json!("us-east-2"), &json!("222222222222")));
    let console = "https://us-east-2.console.aws.amazon.com/sagemaker/home?region=us-east-2#/jobs/churn";
    assert_eq!(told["console_url"], console);
    outcome.assert_says(console);
    // Each step is told with its own words, once.
    for message in ["Preparing the instances", "Training in progress", "Training job completed"] {
        assert_eq!(outcome.stderr.matches(message).count(), 1, "{message}: {}", outcome.stderr);
    }
    assert_eq!(states(&outcome).last().unwrap(), "Completed");
    assert_eq!(outcome.termination()["remote_id"], "churn");
    assert_eq!(outcome.termination()["state"], "Completed");
    assert_eq!((creates(&site), jobs(&site)), (1, vec!["churn".to_owned()]));

    let text = pod(&[QUICK]).run(train(&["--output", "text"]));
    assert!(text.assert_exit(0).text().contains("status            Completed\n"), "{}", text.text());
}

/// Newer members than this program knows arrive, and numbers keep their form.
#[test]
fn the_specification_arrives_as_it_is() {
    let mut given = spec();
    given["FieldOfTomorrow"] = json!({"Factor": 0.5, "List": [{"A": null}]});
    given["Tags"] = json!([{"Key": "team", "Value": "blue"}]);
    let site = with(&world(&[QUICK]), &given);
    site.run(train(&["--job-name", "other"])).assert_exit(0);
    given["TrainingJobName"] = json!("other");
    assert_eq!(site.sandbox.training_jobs()[0].request, given);

    // From standard input, as `-`.
    let site = pod(&[QUICK]);
    site.start_with(["train", "--spec-file", "-", "--poll-interval", "100ms"], &given.to_string())
        .finish()
        .assert_exit(0);
    assert_eq!(jobs(&site), ["other"]);
}

#[test]
fn ends_have_their_exit() {
    let ended = |status: &str, secondary: &str| {
        format!(
            "steps = [{{ secondary = 'Training' }}, {{ status = '{status}', secondary = '{secondary}', after = '300ms' }}]"
        )
    };
    for (status, secondary, code) in [
        ("Failed", "Failed", 10),
        ("Stopped", "Stopped", 11),
        ("Stopped", "MaxRuntimeExceeded", 10),
        ("Stopped", "MaxWaitTimeExceeded", 10),
    ] {
        let site = pod(&[&ended(status, secondary)]);
        let outcome = site.run(train(&[]));
        outcome.assert_exit(code).assert_says(&format!("training job churn ended {status}"));
        assert_eq!(outcome.json()["secondary_status"], secondary);
    }
    let outcome = pod(&[FAILING]).run(train(&[]));
    outcome.assert_exit(10).assert_says("AlgorithmError: out of memory");
    assert_eq!(outcome.json()["failure_reason"], "AlgorithmError: out of memory");
}

#[test]
fn a_job_that_somebody_stops_is_11() {
    let site = pod(&[ENDLESS]);
    let running = site.start(train(&[]));
    wait_for_state(&running, "Training");
    site.sandbox.stop_training_job("churn").unwrap();
    let outcome = running.finish();
    outcome.assert_exit(11).assert_says("Stopped");
}

/// A state of tomorrow is waited on, and told.
#[test]
fn an_unknown_state_is_pending() {
    let course = "steps = [{ status = 'Hibernating', secondary = 'Sleeping' }, { status = 'Deleting', secondary = 'Deleting', after = '300ms' }, \
        { status = 'Completed', secondary = 'Completed', after = '600ms' }]";
    let outcome = pod(&[course]).run(train(&[]));
    outcome.assert_exit(0).assert_says("does not know").assert_says("Hibernating");
}

#[test]
fn without_waiting_the_name_is_told() {
    let site = pod(&[ENDLESS]);
    let told = site.run(train(&["--no-wait"])).assert_exit(0).json();
    assert_eq!(told["training_job_name"], "churn");
    assert_eq!(told["training_job_arn"], "arn:aws:sagemaker:us-east-2:222222222222:training-job/churn");
    assert_eq!(told["adopted"], false);
    assert_eq!(site.sandbox.count("sagemaker", "DescribeTrainingJob"), 0);
    let text = pod(&[ENDLESS]).run(train(&["--no-wait", "--output", "text"]));
    assert_eq!(text.assert_exit(0).text(), "churn\n");
}

#[test]
fn at_the_deadline_it_is_79_with_a_key_and_80_without() {
    for (args, code) in [(keyed(&["--timeout", "2s"]), 79), (train(&["--timeout", "2s"]), 80)] {
        let site = pod(&[ENDLESS]);
        let outcome = site.run(args);
        outcome.assert_exit(code).assert_says("last state Training");
        assert_eq!(outcome.termination()["state"], "Training");
        assert_eq!(site.sandbox.count("sagemaker", "StopTrainingJob"), 0);
    }
}

#[test]
fn a_mistake_in_the_specification_is_found_before_any_request() {
    for (pointer, value, expected) in [
        ("/RoleArn", json!(""), "RoleArn is empty: a skeleton's placeholder"),
        ("/RoleArn", json!("trainer"), "RoleArn should be the ARN of a role"),
        ("/OutputDataConfig/S3OutputPath", json!(null), "OutputDataConfig.S3OutputPath is missing"),
        ("/TrainingJobName", json!("a_b"), "TrainingJobName"),
        ("/TrainingJobName", json!(""), "the job has no name"),
        ("/AlgorithmSpecification/AlgorithmName", json!("x"), "both TrainingImage and AlgorithmName"),
    ] {
        let mut spec = spec();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        spec.pointer_mut(parent).unwrap()[name] = value;
        let site = with(&world(&[QUICK]), &spec);
        site.run(train(&[])).assert_exit(2).assert_says(expected);
        assert_nothing_sent(&site);
    }
    let site = pod(&[QUICK]);
    site.write("spec.json", "{\"HyperParameters\": {\"password\": \"hunter2\"");
    site.run(train(&[])).assert_exit(2).assert_says("ends too early").assert_does_not_say("hunter2");
}

#[test]
fn refusals_say_where_and_what() {
    let site =
        with(&world(&[QUICK]).replace("sagemaker:CreateTrainingJob on", "sagemaker:Nothing on"), &spec());
    site.run(train(&[]))
        .assert_exit(77)
        .assert_says("no training job churn (account 222222222222, region us-east-2) was started")
        .assert_says("CreateTrainingJob");
    let site = with(&world(&[QUICK]).replace("iam:PassRole on", "iam:Nothing on"), &spec());
    site.run(train(&[])).assert_exit(77).assert_says("iam:PassRole");
    for (limit, code) in [("is 4 Instances", 12), ("is 0 Instances", 65)] {
        let site = pod(&[QUICK]);
        let text = format!("The account-level service limit 'ml.m5.large for training job usage' {limit}");
        spoil(&site, fault("CreateTrainingJob", status(400, "ResourceLimitExceeded", &text)));
        site.run(train(&[])).assert_exit(code).assert_says("ResourceLimitExceeded");
        assert_eq!(creates(&site), 1);
    }
}

#[test]
fn a_throttled_start_is_sent_again() {
    let site = pod(&[QUICK]);
    spoil(&site, fault("CreateTrainingJob", FaultKind::Throttle).times(2));
    site.run(train(&[])).assert_exit(0);
    assert_eq!((creates(&site), jobs(&site).len()), (3, 1));
}

#[test]
fn trouble_while_waiting_is_borne() {
    let site = pod(&[QUICK]);
    spoil(&site, fault("DescribeTrainingJob", FaultKind::Throttle).times(4));
    spoil(&site, fault("DescribeTrainingJob", status(500, "InternalFailure", "")).from(5).times(6));
    spoil(&site, fault("DescribeTrainingJob", FaultKind::ResetBefore).from(11).times(3));
    site.run(train(&["--timeout", "60s"])).assert_exit(0);
}

#[test]
fn a_wait_that_is_refused_is_77_and_says_that_the_job_may_still_be_running() {
    let site =
        with(&world(&[ENDLESS]).replace("sagemaker:DescribeTrainingJob on", "sagemaker:Nothing on"), &spec());
    let outcome = site.run(train(&[]));
    outcome.assert_exit(77).assert_says("may still be running").assert_says("sagemaker:DescribeTrainingJob");
    assert_eq!(jobs(&site), ["churn"]);
}

#[test]
fn a_check_starts_nothing() {
    let site = pod(&[QUICK]);
    let shown = site.run(train(&["--check", "--logs"])).assert_exit(0).json();
    let checks: Vec<(&str, &str)> = shown["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| (check["name"].as_str().unwrap(), check["result"].as_str().unwrap()))
        .collect();
    let expected = [
        ("credentials", "ok"),
        ("sagemaker:DescribeTrainingJob", "ok"),
        ("logs:DescribeLogStreams", "ok"),
        ("logs:GetLogEvents", "ok"),
        ("sagemaker:CreateTrainingJob", "not_checked"),
        ("iam:PassRole", "not_checked"),
        ("sagemaker:StopTrainingJob", "not_checked"),
    ];
    assert_eq!(checks, expected);
    assert_eq!((creates(&site), &shown["training_job_name"]), (0, &json!("churn")));

    let denied = world(&[QUICK]).replace("sagemaker:DescribeTrainingJob on", "sagemaker:Nothing on");
    with(&denied, &spec()).run(train(&["--check"])).assert_exit(77);
}
