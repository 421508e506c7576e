//! SIGTERM and SIGINT at every moment: what becomes of the run, and what is said about it.

use std::time::{Duration, Instant};

use testkit::{FaultKind, Outcome, Running, Signal, Site};

use super::{
    ENDLESS, ETL, QUICK, etl, fault, keyed, pod, pod_without, run_id, spoil, started, starts, status,
    wait_for_state,
};

/// Users were promised five seconds; a machine that is busy with other tests gets two more.
const SOON: Duration = Duration::from_secs(7);

/// Signals, and asserts that the end comes soon.
#[track_caller]
fn end(running: Running<'_>, signal: Signal) -> Outcome {
    let since = Instant::now();
    running.signal(signal);
    let outcome = running.finish();
    assert!(since.elapsed() < SOON, "{:?}: {}", since.elapsed(), outcome.stderr);
    outcome
}

#[track_caller]
fn assert_run_goes_on(site: &Site) {
    // A stop would be seen at once: STOPPING.
    assert_eq!(site.sandbox.runs("etl")[0].state, "RUNNING");
    assert_eq!(site.sandbox.count("glue", "BatchStopJobRun"), 0);
}

#[test]
fn while_waiting_the_run_is_stopped_or_left_as_chosen() {
    for (args, signal, code, stops) in [
        (etl(&[]), Signal::TERM, 143, true),
        (etl(&[]), Signal::INT, 130, true),
        (etl(&["--on-terminate", "cancel"]), Signal::TERM, 143, true),
        // Nothing but a person finds it again.
        (etl(&["--on-terminate", "detach"]), Signal::TERM, 80, false),
        (etl(&["--on-terminate", "detach"]), Signal::INT, 80, false),
        (keyed(&[]), Signal::TERM, 143, false),
        (keyed(&[]), Signal::INT, 130, false),
        (keyed(&["--on-terminate", "cancel"]), Signal::TERM, 143, true),
    ] {
        let site = pod(ENDLESS);
        let running = site.start(&args);
        running.wait_for_log("RUNNING");
        let outcome = end(running, signal);
        outcome.assert_exit(code);
        let run = site.sandbox.runs("etl").remove(0).id;
        let message = outcome.termination();
        assert_eq!(message["outcome"], if code == 80 { "unknown" } else { "interrupted" }, "{args:?}");
        assert_eq!(message["remote_id"], run, "{args:?}");
        assert!(outcome.stdout.is_empty());
        if stops {
            wait_for_state(&site, "STOPPED");
            outcome.assert_says("Glue has accepted to stop");
        } else {
            assert_run_goes_on(&site);
            outcome.assert_says("is still running");
            let hint = if args.contains(&"--idempotency-key") { "same idempotency key" } else { "--attach" };
            outcome.assert_says(hint);
        }
    }
}

/// The second of two stops is refused, because the first one was carried out and its answer lost.
#[test]
fn a_stop_whose_answer_is_lost_was_asked_for_all_the_same() {
    for kind in [FaultKind::ResetAfter, FaultKind::HangAfter] {
        let site = pod(&format!("stop_delay = '0s'\n{ENDLESS}"));
        spoil(&site, fault("BatchStopJobRun", kind));
        let running = site.start(etl(&["--read-timeout", "500ms"]));
        running.wait_for_log("RUNNING");
        let outcome = end(running, Signal::TERM);
        assert_eq!(outcome.assert_exit(143).termination()["outcome"], "interrupted");
        outcome.assert_says("has accepted to stop");
        assert_eq!(site.sandbox.runs("etl")[0].state, "STOPPED");
    }
}

#[test]
fn the_next_process_takes_over_what_was_left() {
    let site = pod("courses = [{ steps = [{ state = 'RUNNING' }, { state = 'SUCCEEDED', after = '3s' }] }]");
    let running = site.start(keyed(&[]));
    running.wait_for_log("RUNNING");
    end(running, Signal::TERM).assert_exit(143);
    let outcome = site.run(keyed(&[]));
    outcome.assert_exit(0);
    assert_eq!(outcome.json()["adopted"], true);
    assert_eq!((starts(&site), started(&site)), (1, 1));
}

/// Someone else has started an attached run: a signal stops it only where the user has asked for that. The hint is one that
/// leads to this run: the key is not its key.
#[test]
fn an_attached_run_is_left_unless_the_user_says() {
    for (more, signal, code) in [
        (&[][..], Signal::TERM, 143),
        (&[], Signal::INT, 130),
        (&super::KEY, Signal::TERM, 143),
        (&["--on-terminate", "detach"], Signal::TERM, 143),
    ] {
        let site = pod(ENDLESS);
        let run = site.sandbox.start_run("etl", [("--day", "monday")]).unwrap();
        let running = site.start(etl(&["--attach", &run]).into_iter().chain(more.iter().copied()));
        running.wait_for_log("RUNNING");
        let outcome = end(running, signal);
        outcome
            .assert_exit(code)
            .assert_says(&format!("--attach {run}"))
            .assert_does_not_say("same idempotency key");
        assert_run_goes_on(&site);
    }
    for more in [&[][..], &super::KEY] {
        let site = pod(ENDLESS);
        let run = site.sandbox.start_run("etl", [("--day", "monday")]).unwrap();
        let cancel = etl(&["--attach", &run, "--on-terminate", "cancel"]);
        let running = site.start(cancel.into_iter().chain(more.iter().copied()));
        running.wait_for_log("RUNNING");
        end(running, Signal::TERM).assert_exit(143);
        wait_for_state(&site, "STOPPED");
    }
}

/// The answer of a start holds the only id there is, so that it is waited for.
#[test]
fn during_the_start_its_answer_is_awaited() {
    for (args, stops) in [(etl(&[]), true), (keyed(&[]), false)] {
        let site = pod(ENDLESS);
        spoil(&site, fault("StartJobRun", FaultKind::Slow(Duration::from_millis(800))));
        let running = site.start(&args);
        running.wait_for_calls("glue", "StartJobRun", 1);
        let outcome = end(running, Signal::TERM);
        outcome.assert_exit(143);
        assert_eq!(outcome.termination()["remote_id"], site.sandbox.runs("etl")[0].id, "{}", outcome.stderr);
        assert_eq!((starts(&site), started(&site)), (1, 1));
        if stops {
            wait_for_state(&site, "STOPPED");
        } else {
            assert_run_goes_on(&site);
        }
    }
}

/// The truth about a start that is still unanswered when time is up.
#[test]
fn a_start_without_a_response_is_searched_for_once() {
    for (args, exit, text) in [
        // Nothing can find it again.
        (etl(&[]), 80, "may have been started"),
        (keyed(&[]), 143, "is still running"),
    ] {
        let site = pod(ENDLESS);
        spoil(&site, fault("StartJobRun", FaultKind::HangAfter));
        let running = site.start(&args);
        running.wait_for_calls("glue", "StartJobRun", 1);
        let outcome = end(running, Signal::TERM);
        outcome.assert_exit(exit).assert_says(text);
        assert_eq!(starts(&site), 1);
    }
}

#[test]
fn before_the_start_nothing_is_started() {
    let site = pod(ENDLESS);
    spoil(&site, fault("GetJobRuns", FaultKind::Hang).for_ever());
    let running = site.start(keyed(&[]));
    running.wait_for_calls("glue", "GetJobRuns", 1);
    let outcome = end(running, Signal::TERM);
    outcome.assert_exit(143).assert_says("was started");
    assert_eq!(starts(&site), 0);
}

/// The exit is that of the end which the program comes to: a refusal is not a signal's doing.
#[test]
fn a_start_that_is_refused_after_the_signal_is_told_as_such() {
    let site = pod(ENDLESS);
    spoil(&site, fault("StartJobRun", FaultKind::Slow(Duration::from_millis(800))));
    let running = site.start(["--job-name", "another"]);
    running.wait_for_calls("glue", "StartJobRun", 1);
    end(running, Signal::TERM).assert_exit(65).assert_says("EntityNotFoundException");
}

/// Between two sends of a throttled start.
#[test]
fn a_pause_before_another_try_is_broken_off() {
    let site = pod(ENDLESS);
    spoil(&site, fault("StartJobRun", FaultKind::Throttle).for_ever());
    let running = site.start(ETL);
    running.wait_for_log("nothing was started; trying again");
    end(running, Signal::TERM).assert_exit(143);
    assert_eq!(started(&site), 0);
}

/// While it is looked for a run that may have been started.
#[test]
fn during_the_search_for_a_lost_run() {
    let site = pod(ENDLESS);
    spoil(&site, fault("StartJobRun", status(500, "InternalServiceException", "")));
    let running = site.start(keyed(&[]));
    running.wait_for_log("searching for the job run of this idempotency key");
    running.wait_for_calls("glue", "GetJobRuns", 2);
    let outcome = end(running, Signal::TERM);
    outcome.assert_exit(143).assert_says("may have been started");
    assert_eq!((starts(&site), started(&site)), (1, 0));
}

/// The same where the search gets no answer.
#[test]
fn during_a_silent_search_for_a_lost_run() {
    let site = pod(ENDLESS);
    spoil(&site, fault("StartJobRun", FaultKind::ResetAfter));
    spoil(&site, fault("GetJobRuns", FaultKind::Hang).from(2).for_ever());
    let running = site.start(keyed(&[]));
    running.wait_for_calls("glue", "GetJobRuns", 2);
    end(running, Signal::TERM).assert_exit(143).assert_says("may have been started");
    assert_eq!((starts(&site), started(&site)), (1, 1));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let site = pod(ENDLESS);
    spoil(&site, fault("BatchStopJobRun", FaultKind::Hang).for_ever());
    let running = site.start(ETL);
    running.wait_for_log("RUNNING");
    running.signal(Signal::TERM);
    running.wait_for_calls("glue", "BatchStopJobRun", 1);
    let since = Instant::now();
    running.signal(Signal::TERM);
    let outcome = running.finish();
    // Well before the stop would be given up on.
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    outcome.assert_exit(143);
    assert_eq!(outcome.termination()["remote_id"], site.sandbox.runs("etl")[0].id);
}

/// Without a key, nothing finds a run again that may be running: 80.
#[test]
fn a_stop_that_was_not_accepted_is_told() {
    let cancel = ["--on-terminate", "cancel"];
    for (args, code) in [(etl(&[]), 80), (keyed(&cancel), 143)] {
        // Refused.
        let site = pod_without("glue:BatchStopJobRun", ENDLESS);
        let running = site.start(&args);
        running.wait_for_log("RUNNING");
        let outcome = end(running, Signal::TERM);
        outcome
            .assert_exit(code)
            .assert_says("glue:BatchStopJobRun")
            .assert_says("may still be running")
            .assert_says(&site.sandbox.runs("etl")[0].id);
        assert_eq!(site.sandbox.runs("etl")[0].state, "RUNNING");

        // Not answered at all.
        let site = pod(ENDLESS);
        spoil(&site, fault("BatchStopJobRun", FaultKind::Hang).for_ever());
        let running = site.start(&args);
        running.wait_for_log("RUNNING");
        let outcome = end(running, Signal::TERM);
        outcome.assert_exit(code).assert_says("did not respond").assert_says("may still be running");
    }
}

/// Whatever a signal does to a run, one that has ended by itself is the result. Where the poll after the signal does not
/// show that, Glue refuses the stop of a run that is over, with 200 and an error inside.
#[test]
fn a_run_that_was_over_before_the_stop_is_reported() {
    for (state, code) in [("SUCCEEDED", 0), ("FAILED", 10), ("STOPPED", 11)] {
        let steps = format!("[{{ state = 'RUNNING' }}, {{ state = '{state}', after = '2s' }}]");
        let detach = ["--on-terminate", "detach"];
        for (more, hangs) in [(&[][..], false), (&[], true), (&super::KEY, false), (&detach, false)] {
            let site = pod(&format!("courses = [{{ steps = {steps} }}]"));
            let args = ["--job-name", "etl", "--poll-interval", "1h"];
            let running = site.start(args.iter().chain(more));
            running.wait_for_log("RUNNING");
            wait_for_state(&site, state);
            if hangs {
                spoil(&site, fault("GetJobRun", FaultKind::Hang));
            }
            let outcome = end(running, Signal::TERM);
            outcome.assert_exit(code).assert_does_not_say("Glue has accepted");
            assert_eq!(outcome.json()["state"], state);
            assert_eq!(outcome.termination()["state"], state);
            assert_eq!(site.sandbox.count("glue", "BatchStopJobRun"), usize::from(hangs));
        }
    }
}

/// Nobody knows whether it is over: the look is refused as well.
#[test]
fn a_stop_and_a_look_that_are_refused_leave_a_run_that_may_go_on() {
    let site = pod_without("glue:BatchStopJobRun", ENDLESS);
    spoil(&site, fault("GetJobRun", FaultKind::Hang).from(2).for_ever());
    let running = site.start(["--job-name", "etl", "--poll-interval", "1h"]);
    running.wait_for_log("RUNNING");
    end(running, Signal::TERM).assert_exit(80).assert_says("may still be running");
}

/// A late answer of the start and a silent stop together still fit into the time that there is.
#[test]
fn after_a_slow_start_and_without_an_answer_to_the_stop_the_truth_is_told() {
    let site = pod(ENDLESS);
    spoil(&site, fault("StartJobRun", FaultKind::Slow(Duration::from_millis(1200))));
    spoil(&site, fault("BatchStopJobRun", FaultKind::Hang).for_ever());
    let running = site.start(ETL);
    running.wait_for_calls("glue", "StartJobRun", 1);
    let outcome = end(running, Signal::TERM);
    let run = site.sandbox.runs("etl").remove(0).id;
    outcome
        .assert_exit(80)
        .assert_says("did not respond")
        .assert_says("may still be running")
        .assert_says(&run);
}

#[test]
fn a_look_that_hangs_does_not_hold_up_the_end() {
    let site = pod(ENDLESS);
    spoil(&site, fault("GetJobRun", FaultKind::Hang).from(2).for_ever());
    let running = site.start(ETL);
    running.wait_for_calls("glue", "GetJobRun", 2);
    end(running, Signal::TERM).assert_exit(143);
    wait_for_state(&site, "STOPPED");
}

/// The result is known and only the logs are missing: nothing is left to interrupt.
#[test]
fn an_end_that_was_seen_is_reported_in_spite_of_a_signal() {
    let site = pod(QUICK);
    spoil(&site, testkit::Fault::new("logs", "GetLogEvents", FaultKind::Hang).for_ever());
    let running = site.start(etl(&["--logs"]));
    running.wait_for_log("SUCCEEDED");
    let outcome = end(running, Signal::TERM);
    outcome.assert_exit(0);
    assert_eq!(run_id(&outcome), site.sandbox.runs("etl")[0].id);
}

#[test]
fn no_wait_does_not_stop_what_it_started() {
    let site = pod(ENDLESS);
    spoil(&site, fault("StartJobRun", FaultKind::Slow(Duration::from_secs(1))));
    let running = site.start(etl(&["--no-wait", "--on-terminate", "detach"]));
    running.wait_for_calls("glue", "StartJobRun", 1);
    running.signal(Signal::TERM);
    let outcome = running.finish();
    assert!([0, 143].contains(&outcome.code), "{}", outcome.stderr);
    assert_eq!(outcome.termination()["remote_id"], site.sandbox.runs("etl")[0].id);
    assert_run_goes_on(&site);
}
