//! `--logs`: the words of all instances on stderr, and never a harm to the job.

use std::time::Duration;

use serde_json::Value;
use testkit::{Fault, FaultKind, Outcome};

use super::train::{QUICK, pod, spec, train, with, world};
use super::{spoil, status};

/// A job of two instances that write before and after the end is seen.
fn talking() -> String {
    format!(
        "{QUICK}\nlogs = [{{ after = '100ms', text = 'hello' }}, {{ instance = 2, after = '200ms', every = '50ms', \
         repeat = 4, text = 'epoch {{n}}' }}]"
    )
}

/// The lines of the job's own, with the instance that wrote them.
fn lines(outcome: &Outcome) -> Vec<(String, String)> {
    let all = outcome.stderr.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let of_streams = all.filter(|line| line["stream"].is_string());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    of_streams.map(|line| (text(&line["stream"]), text(&line["message"]))).collect()
}

#[test]
fn every_instance_is_heard_to_its_end() {
    let site = pod(&[&talking()]);
    let outcome = site.run(train(&["--logs"]));
    outcome.assert_exit(0);
    let lines = lines(&outcome);
    let of = |instance: &str| {
        lines
            .iter()
            .filter(|(stream, _)| stream == instance)
            .map(|(_, text)| text.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("algo-1"), ["hello"]);
    assert_eq!(of("algo-2"), ["hello", "epoch 1", "epoch 2", "epoch 3", "epoch 4"]);
    assert_eq!(lines.len(), 6);
    assert!(outcome.stderr.contains("\"at\":\""));
}

/// They are there while the job goes on.
#[test]
fn lines_come_while_the_job_goes_on() {
    let course = talking().replace("after = '600ms'", "after = '60s'");
    let site = pod(&[&course]);
    let running = site.start(train(&["--logs"]));
    running.wait_for_log("epoch 4");
    assert!(running.is_running());
    running.signal(testkit::Signal::TERM);
    running.finish().assert_exit(143);
}

#[test]
fn without_the_option_nothing_is_asked() {
    let site = pod(&[&talking()]);
    let outcome = site.run(train(&[]));
    assert!(lines(outcome.assert_exit(0)).is_empty());
    assert_eq!(site.sandbox.count("logs", "DescribeLogStreams"), 0);
}

/// Refused, in trouble, silent: the job is told as it is, soon.
#[test]
fn logs_never_fail_or_delay_the_job() {
    for (from, to, told) in [
        (
            "logs:DescribeLogStreams on arn:aws:logs:us-east-2:222222222222:log-group:/aws/sagemaker",
            "logs:Nothing on arn:aws:logs:us-east-2:222222222222:log-group:/aws/sagemaker",
            "logs:DescribeLogStreams",
        ),
        (
            "logs:GetLogEvents on arn:aws:logs:us-east-2:222222222222:log-group:/aws/sagemaker",
            "logs:Nothing on arn:aws:logs:us-east-2:222222222222:log-group:/aws/sagemaker",
            "logs:GetLogEvents",
        ),
    ] {
        let world = world(&[&talking()]);
        assert!(world.contains(from), "{from}");
        let site = with(&world.replace(from, to), &spec());
        let outcome = site.run(train(&["--logs"]));
        outcome.assert_exit(0).assert_says(told).assert_says("was refused");
        assert!(lines(&outcome).is_empty());
        assert!(outcome.elapsed < Duration::from_secs(8), "{:?}", outcome.elapsed);
    }
}

/// As long as late lines are waited for, and no longer.
#[track_caller]
fn trouble_with(operation: &str) {
    for kind in
        [FaultKind::Throttle, FaultKind::Hang, FaultKind::ResetBefore, status(500, "InternalFailure", "")]
    {
        let site = pod(&[&talking()]);
        spoil(&site, Fault::new("logs", operation, kind).for_ever());
        let outcome = site.run(train(&["--logs"]));
        outcome.assert_exit(0);
        assert!(outcome.elapsed < Duration::from_secs(16), "{operation} {:?}", outcome.elapsed);
    }
}

#[test]
fn trouble_with_the_search_for_streams_is_no_trouble_of_the_job() {
    trouble_with("DescribeLogStreams");
}

#[test]
fn trouble_with_the_streams_is_no_trouble_of_the_job() {
    trouble_with("GetLogEvents");
}

/// A failure that passes costs nothing of the log.
#[test]
fn what_was_missed_is_read_later() {
    let site = pod(&[&talking()]);
    spoil(&site, Fault::new("logs", "DescribeLogStreams", FaultKind::Throttle));
    let outcome = site.run(train(&["--logs"]));
    assert_eq!(lines(outcome.assert_exit(0)).len(), 6);
}

/// A job of a prefix of another's name hears only itself.
#[test]
fn other_jobs_are_not_heard() {
    let site = pod(&[&talking()]);
    site.run(train(&["--no-wait", "--job-name", "churn-2"])).assert_exit(0);
    let outcome = site.run(train(&["--logs"]));
    assert_eq!(lines(outcome.assert_exit(0)).len(), 6);
}

/// Streams are there some seconds after an instance has begun to write, and the words of a failure come last.
#[test]
fn what_appears_after_the_end_is_waited_for() {
    let late = QUICK.to_owned() + "\nlogs = [{ after = '5s', text = 'late' }]";
    let site = pod(&[&late]);
    let outcome = site.run(train(&["--logs"]));
    let late = |instance: &str| (instance.to_owned(), "late".to_owned());
    assert_eq!(lines(outcome.assert_exit(0)), [late("algo-1"), late("algo-2")]);
    outcome.assert_does_not_say("never appeared");
}

#[test]
fn streams_that_never_appear_are_named() {
    let site = pod(&[QUICK]);
    let outcome = site.run(train(&["--logs"]));
    let all = outcome.assert_exit(0).stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told: Vec<Value> = all
        .filter(|line| line["message"].as_str().is_some_and(|text| text.contains("never appeared")))
        .collect();
    assert_eq!(told.len(), 1, "{}", outcome.stderr);
    assert_eq!(told[0]["log_group"], "/aws/sagemaker/TrainingJobs");
    assert!(told[0]["log_stream"].as_str().unwrap().ends_with("/*"), "{}", told[0]);
}
