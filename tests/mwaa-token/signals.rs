//! SIGTERM and SIGINT: what becomes of the run, and what is said about it.

use std::time::Duration;

use testkit::{FaultKind, Outcome, Running, Signal};

use super::{ENDLESS, THREE, fault, keyed, pod, spoil, started, trigger};

/// Users were promised five seconds; a machine that is busy with other tests gets two more.
const SOON: Duration = Duration::from_secs(7);

#[track_caller]
fn end(running: Running<'_>, signal: Signal) -> Outcome {
    let since = std::time::Instant::now();
    running.signal(signal);
    let outcome = running.finish();
    assert!(since.elapsed() < SOON, "{:?}: {}", since.elapsed(), outcome.stderr);
    outcome
}

/// Without a key nothing finds a run that was left running, so that a retry would start a second one: 80.
#[test]
fn while_waiting_the_run_is_stopped_or_left_as_chosen() {
    let cancel = ["--on-terminate", "cancel"];
    for (environment, args, signal, code, stops) in [
        ("", trigger(&[]), Signal::TERM, 80, false),
        (THREE, trigger(&[]), Signal::INT, 80, false),
        ("", trigger(&["--on-terminate", "detach"]), Signal::TERM, 80, false),
        ("", trigger(&cancel), Signal::TERM, 143, true),
        (THREE, trigger(&cancel), Signal::INT, 130, true),
        ("", keyed(&[]), Signal::TERM, 143, false),
        (THREE, keyed(&[]), Signal::INT, 130, false),
        ("", keyed(&cancel), Signal::TERM, 143, true),
    ] {
        let site = pod(environment, ENDLESS);
        let running = site.start(&args);
        running.wait_for_log("running");
        let outcome = end(running, signal);
        outcome.assert_exit(code);
        let run = site.sandbox.dag_runs("flow").remove(0);
        assert_eq!(outcome.termination()["remote_id"], run.run_id.as_str());
        assert_eq!(run.state, if stops { "failed" } else { "running" }, "{args:?}");
        if stops {
            outcome.assert_says("has accepted to stop");
        } else {
            outcome.assert_says("is still running");
        }
    }
}

/// Airflow would overwrite its state: a run that has ended since the last poll is the result, and stays what it is.
#[test]
fn a_run_that_has_ended_is_the_result_and_is_not_overwritten() {
    let cancel = ["--on-terminate", "cancel", "--poll-interval", "1h"];
    let default = ["--poll-interval", "1h"];
    for (environment, state, code, more) in [
        ("", "success", 0, &cancel[..]),
        (THREE, "success", 0, &cancel),
        ("", "failed", 10, &cancel),
        ("", "success", 0, &default),
    ] {
        let dag = format!(
            "courses = [{{ steps = [{{ state = 'running' }}, {{ state = '{state}', after = '2s' }}] }}]"
        );
        for key in [&[][..], &super::KEY] {
            let site = pod(environment, &dag);
            let running = site.start(["trigger", "etl"].iter().chain(more).chain(key));
            running.wait_for_log("running");
            let now = || site.sandbox.dag_runs("flow")[0].state.clone();
            while now() != state {
                std::thread::sleep(Duration::from_millis(20));
            }
            let outcome = end(running, Signal::TERM);
            outcome.assert_exit(code);
            assert_eq!(outcome.json()["state"], state);
            assert_eq!(outcome.termination()["state"], state);
            assert_eq!(now(), state, "{more:?} {key:?}");
        }
    }
}

#[test]
fn the_next_process_takes_over_what_was_left() {
    let site =
        pod("", "courses = [{ steps = [{ state = 'running' }, { state = 'success', after = '3s' }] }]");
    let running = site.start(keyed(&[]));
    running.wait_for_log("running");
    end(running, Signal::TERM).assert_exit(143).assert_says("the same idempotency key resumes the wait");
    assert_eq!(site.run(keyed(&[])).assert_exit(0).json()["adopted"], true);
    assert_eq!(started(&site), 1);
}

/// Airflow's command line has nothing that stops a run.
#[test]
fn a_run_that_cannot_be_stopped_is_told_to_go_on() {
    let site = pod("", ENDLESS);
    let running = site.start(trigger(&["--channel", "cli", "--on-terminate", "cancel"]));
    running.wait_for_log("running");
    end(running, Signal::TERM)
        .assert_exit(80)
        .assert_says("cannot stop a run")
        .assert_says("may still be running");
    assert_eq!(site.sandbox.dag_runs("flow")[0].state, "running");

    // Whether it has ended is not known, or whether the stop was carried out.
    for (from, says) in [(1, "did not respond in time"), (3, "did not respond to the stop")] {
        for (key, code) in [(&[][..], 80), (&super::KEY, 143)] {
            let site = pod("", ENDLESS);
            let args = ["trigger", "etl", "--poll-interval", "1h", "--on-terminate", "cancel"];
            let running = site.start(args.iter().chain(key));
            running.wait_for_log("running");
            spoil(&site, fault("InvokeRestApi", FaultKind::Hang).from(from).for_ever());
            let outcome = end(running, Signal::TERM);
            outcome.assert_exit(code).assert_says("may still be running").assert_says(says);
        }
    }
}

/// The answer of a start is worth a wait: its run may have to be stopped, and is named.
#[test]
fn during_the_start_its_answer_is_awaited() {
    let cancel = trigger(&["--on-terminate", "cancel"]);
    for (args, at, code, state) in
        [(cancel, 2, 143, "failed"), (trigger(&[]), 2, 80, "running"), (keyed(&[]), 3, 143, "running")]
    {
        let site = pod("", ENDLESS);
        spoil(&site, fault("InvokeRestApi", FaultKind::Slow(Duration::from_millis(800))).from(at));
        let running = site.start(&args);
        running.wait_for_calls("mwaa", "InvokeRestApi", usize::try_from(at).unwrap());
        end(running, Signal::TERM).assert_exit(code);
        assert_eq!((started(&site), site.sandbox.dag_runs("flow")[0].state.as_str()), (1, state));
    }
}

#[test]
fn a_start_without_a_response_is_searched_for_once() {
    // Without a key by the id, which holds the nonce of the process.
    for (args, at, exit) in [(trigger(&[]), 2, 80), (keyed(&[]), 3, 143)] {
        let site = pod("", ENDLESS);
        spoil(&site, fault("InvokeRestApi", FaultKind::HangAfter).from(at));
        let running = site.start(&args);
        running.wait_for_calls("mwaa", "InvokeRestApi", usize::try_from(at).unwrap());
        end(running, Signal::TERM).assert_exit(exit).assert_says("is still running");
    }
}

#[test]
fn before_the_start_nothing_is_started() {
    for operation in ["GetEnvironment", "InvokeRestApi"] {
        let site = pod("", ENDLESS);
        spoil(&site, fault(operation, FaultKind::Hang).for_ever());
        let running = site.start(keyed(&[]));
        running.wait_for_calls("mwaa", operation, 1);
        end(running, Signal::TERM).assert_exit(143).assert_does_not_say("may have been started");
        assert_eq!(started(&site), 0);
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let site = pod("", ENDLESS);
    let running = site.start(["trigger", "etl", "--poll-interval", "1h", "--on-terminate", "cancel"]);
    running.wait_for_log("running");
    spoil(&site, fault("InvokeRestApi", FaultKind::Hang).for_ever());
    let seen = site.sandbox.count("mwaa", "InvokeRestApi");
    running.signal(Signal::TERM);
    running.wait_for_calls("mwaa", "InvokeRestApi", seen + 1);
    let since = std::time::Instant::now();
    running.signal(Signal::TERM);
    running.finish().assert_exit(143);
    assert!(since.elapsed() < Duration::from_secs(2));
}
