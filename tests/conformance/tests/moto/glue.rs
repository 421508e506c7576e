//! Runs of Glue jobs: every end, taken once, followed in the logs.

use serde_json::{Value, json};
use testkit::Outcome;

use crate::{B, Place};

const JOB: &str = "--job-name=etl";
const OFTEN: &str = "--poll-interval=100ms";
const KEY: &str = "--idempotency-key=5f1c7e0a-0d5e-4d0e-9a53-2f0a6b1f8a11";

pub(crate) fn job(name: &str) -> Value {
    let command = json!({ "Name": "glueetl", "ScriptLocation": "s3://team-etl/etl.py" });
    json!({ "Name": name, "Role": "glue-service", "Command": command, "ExecutionProperty": { "MaxConcurrentRuns": 1 } })
}

impl Place {
    /// How many runs the job has in account B.
    pub(crate) fn runs(&self, job: &str) -> usize {
        self.call(B, "glue", "GetJobRuns", json!({ "JobName": job }))["JobRuns"].as_array().unwrap().len()
    }

    /// What a run does of itself: nothing, `n` looks, or seconds.
    fn transition(&self, transition: &Value) {
        self.moto.post(
            "state-manager/set-transition",
            &json!({ "model_name": "glue::job_run", "transition": transition }),
        );
    }

    /// Runs go on until they are ended.
    fn until_ended(&self) {
        self.transition(&json!({ "progression": "manual", "times": 1_000_000 }));
    }

    /// The end of a process whose run comes to `state` while it is waited for.
    fn ends_as(&self, state: &str, args: &[&str]) -> Outcome {
        let running = self.site.start(args);
        running.wait_for_log("STARTING");
        self.moto.end_run(state);
        self.finish(running)
    }
}

fn place() -> Place {
    let place = Place::of("glue-trigger");
    place.call(B, "glue", "CreateJob", job("etl"));
    place
}

#[test]
fn a_run_is_followed_through_its_states() {
    let place = place();
    for transition in [
        json!({ "progression": "manual", "times": 2 }),
        json!({ "progression": "time", "seconds": 1 }),
        json!({ "progression": "immediate" }),
    ] {
        place.transition(&transition);
        let outcome = place.run([JOB, OFTEN]);
        assert_eq!(outcome.assert_exit(0).json()["state"], "SUCCEEDED", "{transition}");
        if transition["progression"] != "immediate" {
            outcome.assert_says("STARTING").assert_says("RUNNING");
        }
    }
    assert_eq!(place.runs("etl"), 3);
}

#[test]
fn every_end_has_its_exit() {
    let place = place();
    place.until_ended();
    for (state, code) in
        [("SUCCEEDED", 0), ("FAILED", 10), ("TIMEOUT", 10), ("ERROR", 10), ("EXPIRED", 10), ("STOPPED", 11)]
    {
        let outcome = place.ends_as(state, &[JOB, OFTEN]);
        outcome.assert_exit(code);
        assert_eq!(outcome.termination()["state"], state);
    }
}

#[test]
fn with_a_key_the_work_is_started_once() {
    let place = place();
    place.until_ended();
    // The first process hands its run over.
    place.run([JOB, OFTEN, KEY, "--timeout=1s"]).assert_exit(79);
    let running = place.site.start([JOB, OFTEN, KEY]);
    running.wait_for_log("STARTING");
    place.moto.end_run("SUCCEEDED");
    place.finish(running).assert_exit(0);
    // And what is over is told again.
    place.run([JOB, OFTEN, KEY]).assert_exit(0);
    assert_eq!(place.runs("etl"), 1);
    place.transition(&json!({ "progression": "immediate" }));
    place.run([JOB, OFTEN, "--idempotency-key=another"]).assert_exit(0);
    assert_eq!(place.runs("etl"), 2);
}

#[test]
fn a_job_that_runs_already_is_busy_or_waited_for() {
    let place = place();
    place.until_ended();
    place.call(B, "glue", "StartJobRun", json!({ "JobName": "etl" }));
    place.run([JOB, OFTEN]).assert_exit(12).assert_says("ConcurrentRunsExceeded");
    let running = place.site.start([JOB, OFTEN, "--wait-for-slot=1m"]);
    running.wait_for_log("no free slot");
    assert_eq!(place.runs("etl"), 1);
    place.moto.end_run("SUCCEEDED");
    running.wait_for_log("STARTING");
    place.moto.end_run("SUCCEEDED");
    place.finish(running).assert_exit(0);
    assert_eq!(place.runs("etl"), 2);
}

#[test]
fn a_job_that_is_not_there_is_rejected() {
    let place = place();
    for more in [&[][..], &[KEY], &["--check"]] {
        let outcome = place.run([&["--job-name=elt", OFTEN], more].concat());
        outcome.assert_exit(65).assert_says("elt");
    }
}

#[test]
fn arguments_reach_the_run() {
    let place = place();
    let outcome = place.run([
        JOB,
        OFTEN,
        KEY,
        "--argument=--day=2026-11-25",
        "--worker-type=G.1X",
        "--number-of-workers=2",
    ]);
    outcome.assert_exit(0);
    let run = place.call(B, "glue", "GetJobRuns", json!({ "JobName": "etl" }))["JobRuns"][0].clone();
    assert_eq!(
        (&run["Arguments"]["--day"], &run["NumberOfWorkers"]),
        (&json!("2026-11-25"), &json!(2)),
        "{run}"
    );
}

#[test]
fn the_lines_of_a_run_are_told() {
    let place = place();
    place.until_ended();
    let running = place.site.start([JOB, OFTEN, "--logs"]);
    running.wait_for_log("STARTING");
    let run = place.call(B, "glue", "GetJobRuns", json!({ "JobName": "etl" }))["JobRuns"][0].clone();
    // Which moto names so, and AWS `/aws-glue/jobs`.
    for group in ["test/log/output", "test/log/error"] {
        place.call(B, "logs", "CreateLogGroup", json!({ "logGroupName": group }));
        let stream = json!({ "logGroupName": group, "logStreamName": run["Id"] });
        place.call(B, "logs", "CreateLogStream", stream.clone());
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
        let mut lines = stream;
        lines["logEvents"] = json!([{ "timestamp": now, "message": format!("a line of {group}") }]);
        place.call(B, "logs", "PutLogEvents", lines);
    }
    running.wait_for_log("a line of test/log/output");
    running.wait_for_log("a line of test/log/error");
    place.moto.end_run("SUCCEEDED");
    let outcome = place.finish(running);
    assert_eq!(outcome.assert_exit(0).stderr.matches("a line of test/log/output").count(), 1);
}
