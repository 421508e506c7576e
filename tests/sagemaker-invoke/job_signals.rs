//! SIGTERM and SIGINT while a job is started and waited for.

use std::time::{Duration, Instant};

use testkit::{FaultKind, Outcome, Running, Signal};

use super::train::{
    ENDLESS, QUICK, creates, fault, jobs, keyed, pod, spec, train, wait_for_state, with, world,
};
use super::{spoil, wait_until};

/// Users were promised five seconds; a machine that is busy with other tests gets two more.
const SOON: Duration = Duration::from_secs(7);

#[track_caller]
fn end(running: Running<'_>, signal: Signal) -> Outcome {
    let since = Instant::now();
    running.signal(signal);
    let outcome = running.finish();
    assert!(since.elapsed() < SOON, "{:?}: {}", since.elapsed(), outcome.stderr);
    outcome
}

#[test]
fn the_job_is_stopped_or_left_as_chosen() {
    for (args, signal, code, stops) in [
        (train(&[]), Signal::TERM, 143, true),
        (train(&[]), Signal::INT, 130, true),
        (train(&["--on-terminate", "detach"]), Signal::TERM, 80, false),
        (keyed(&[]), Signal::TERM, 143, false),
        (keyed(&["--on-terminate", "cancel"]), Signal::INT, 130, true),
    ] {
        let site = pod(&[ENDLESS]);
        let running = site.start(&args);
        wait_for_state(&running, "Training");
        let outcome = end(running, signal);
        outcome.assert_exit(code);
        assert_eq!(site.sandbox.count("sagemaker", "StopTrainingJob"), usize::from(stops), "{args:?}");
        outcome.assert_says(if stops { "has accepted to stop" } else { "is still running" });
        assert!(outcome.stdout.is_empty());
        if stops {
            wait_until("Stopped", || site.sandbox.training_jobs()[0].status == "Stopped");
        }
    }
}

/// A job that has ended by itself is the result, whatever a signal does; that the stop of one is refused is the last way to
/// see it.
#[test]
fn a_job_that_ends_at_that_moment_is_the_result() {
    let detach = ["--on-terminate", "detach"];
    for (more, slow) in [(&[][..], 1), (&[], 2), (&detach, 1)] {
        let site = pod(&[QUICK]);
        let hangs = FaultKind::Slow(Duration::from_secs(30));
        spoil(&site, fault("DescribeTrainingJob", hangs).from(2).times(slow));
        let running = site.start(train(more));
        running.wait_for_calls("sagemaker", "DescribeTrainingJob", 2);
        wait_until("Completed", || site.sandbox.training_jobs()[0].status == "Completed");
        let outcome = end(running, Signal::TERM);
        assert_eq!(outcome.assert_exit(0).json()["status"], "Completed");
        assert_eq!(site.sandbox.count("sagemaker", "StopTrainingJob"), usize::from(slow == 2));
    }
}

/// The second of two stops is refused, because the first one was carried out and its answer lost.
#[test]
fn a_stop_whose_answer_is_lost_was_asked_for_all_the_same() {
    let site = pod(&[ENDLESS]);
    spoil(&site, fault("StopTrainingJob", FaultKind::ResetAfter));
    let running = site.start(train(&[]));
    wait_for_state(&running, "Training");
    let outcome = end(running, Signal::TERM);
    assert_eq!(outcome.assert_exit(143).termination()["outcome"], "interrupted");
    wait_until("Stopped", || site.sandbox.training_jobs()[0].status == "Stopped");
}

#[test]
fn a_stop_that_is_refused_is_told() {
    let denied = world(&[ENDLESS]).replace("sagemaker:StopTrainingJob on", "sagemaker:Nothing on");
    let site = with(&denied, &spec());
    let running = site.start(train(&[]));
    wait_for_state(&running, "Training");
    end(running, Signal::TERM)
        .assert_exit(80)
        .assert_says("may still be running")
        .assert_says("StopTrainingJob");

    let site = pod(&[ENDLESS]);
    spoil(&site, fault("StopTrainingJob", FaultKind::Hang).for_ever());
    let running = site.start(train(&[]));
    wait_for_state(&running, "Training");
    end(running, Signal::TERM).assert_exit(80).assert_says("did not respond to the stop in time");
}

#[test]
fn while_it_is_started_the_answer_is_waited_for_and_no_longer() {
    // The job is found by its name. Without a key it is stopped, and with one the next process finds it as well.
    for (args, stops) in [(train(&[]), true), (keyed(&[]), false)] {
        let site = pod(&[ENDLESS]);
        spoil(&site, fault("CreateTrainingJob", FaultKind::HangAfter));
        let running = site.start(&args);
        running.wait_for_calls("sagemaker", "CreateTrainingJob", 1);
        let outcome = end(running, Signal::TERM);
        outcome.assert_exit(143).assert_says(if stops { "has accepted to stop" } else { "is still running" });
        assert_eq!((creates(&site), jobs(&site).len()), (1, 1));
        assert_eq!(site.sandbox.count("sagemaker", "StopTrainingJob"), usize::from(stops));
    }

    let site = pod(&[ENDLESS]);
    spoil(&site, fault("CreateTrainingJob", FaultKind::Hang));
    let running = site.start(train(&[]));
    running.wait_for_calls("sagemaker", "CreateTrainingJob", 1);
    end(running, Signal::TERM)
        .assert_exit(80)
        .assert_says("may have been started")
        .assert_says("#/jobs/churn");

    let site = pod(&[ENDLESS]);
    spoil(&site, fault("CreateTrainingJob", FaultKind::Slow(Duration::from_secs(1))));
    let running = site.start(train(&[]));
    running.wait_for_calls("sagemaker", "CreateTrainingJob", 1);
    end(running, Signal::TERM).assert_exit(143).assert_says("has accepted to stop");

    let site = pod(&[ENDLESS]);
    spoil(&site, fault("DescribeTrainingJob", FaultKind::Hang).for_ever());
    let running = site.start(keyed(&[]));
    running.wait_for_calls("sagemaker", "DescribeTrainingJob", 1);
    end(running, Signal::TERM).assert_exit(143).assert_says("no training job churn-");
    assert_eq!(creates(&site), 0);
}
