//! Signals in the middle of an invocation.

use std::time::Duration;

use testkit::{Fault, FaultKind, Signal};

use super::{KEY, assert_stdout, durable, f, invoked, keyed, sent, spoil, taking};

#[test]
fn an_answer_that_is_nearly_there_is_waited_for() {
    let site = taking("after = '1500ms'");
    let running = site.start(f(&["--payload", "{}"]));
    running.wait_for_calls("lambda", "Invoke", 1);
    running.signal(Signal::TERM);
    let outcome = running.finish();
    assert_stdout(outcome.assert_exit(0), "{}");
}

/// Longer than any other work is waited for after a signal: what it returns is the result, with a key or without.
#[test]
fn a_plain_function_is_waited_for_within_the_grace_period() {
    for args in [f(&["--payload", "{}"]), keyed(&["--payload", "{}"])] {
        let site = taking("after = '7s'");
        let running = site.start(&args);
        while invoked(&site) < 1 {
            std::thread::sleep(Duration::from_millis(20));
        }
        running.signal(Signal::TERM);
        let outcome = running.finish();
        assert_stdout(outcome.assert_exit(0), "{}");
        assert_eq!(invoked(&site), 1);
    }
}

/// 143 would have the Job run the function a second time. No key changes that.
#[test]
fn a_plain_function_that_does_not_end_is_80_after_sigterm() {
    for args in [f(&[]), keyed(&[]), keyed(&["--on-terminate", "cancel"]), f(&["--stream"])] {
        let site = taking("after = '1h', chunks = ['one'], every = '1h'");
        let running = site.start(args.iter().copied().chain(["--grace-period", "1s"]));
        while invoked(&site) < 1 {
            std::thread::sleep(Duration::from_millis(20));
        }
        running.signal(Signal::TERM);
        let outcome = running.finish();
        outcome
            .assert_exit(80)
            .assert_says("function f: no response within 1s after SIGTERM")
            .assert_says("#/functions/f?tab=monitoring");
        assert!(outcome.elapsed < Duration::from_secs(10), "{args:?}: {:?}", outcome.elapsed);
        assert_eq!(invoked(&site), 1);
    }
}

#[test]
fn a_person_is_130_and_does_not_wait_for_the_grace_period() {
    let site = taking("after = '1h'");
    let running = site.start(f(&[]));
    running.wait_for_calls("lambda", "Invoke", 1);
    running.signal(Signal::INT);
    let outcome = running.finish();
    outcome.assert_exit(130).assert_says("function f: no response within 3s after SIGINT");
    assert!(outcome.elapsed < Duration::from_secs(8), "{:?}", outcome.elapsed);
    assert_eq!((sent(&site), invoked(&site)), (1, 1));
}

#[test]
fn what_may_be_repeated_is_143() {
    let site = taking("after = '1h'");
    let running = site.start(f(&["--repeatable", "--grace-period", "500ms"]));
    running.wait_for_calls("lambda", "Invoke", 1);
    running.signal(Signal::TERM);
    running.finish().assert_exit(143);
}

/// At once, and the exit says what the first signal's would have said.
#[test]
fn a_second_signal_ends_it_at_once() {
    for (signal, more, code) in [
        (Signal::TERM, &[][..], 80),
        (Signal::INT, &[], 80),
        (Signal::TERM, &["--repeatable"], 143),
        (Signal::INT, &["--repeatable"], 130),
    ] {
        let site = taking("after = '1h'");
        let running = site.start(f(more));
        running.wait_for_calls("lambda", "Invoke", 1);
        running.signal(signal);
        running.wait_for_log("told to end");
        running.signal(signal);
        let outcome = running.finish();
        outcome.assert_exit(code).assert_says("second signal");
        assert!(outcome.elapsed < Duration::from_secs(3), "{:?}", outcome.elapsed);
        assert_eq!(invoked(&site), 1);
    }
}

/// The next process finds the execution by its name: nothing is unknown, and there is nothing to wait for.
#[test]
fn a_durable_function_with_a_key_is_143() {
    let site = durable("after = '1h'");
    let running = site.start(keyed(&["--qualifier", "live"]));
    running.wait_for_calls("lambda", "Invoke", 1);
    running.signal(Signal::TERM);
    let outcome = running.finish();
    outcome.assert_exit(143).assert_says(KEY[1]);
    assert!(outcome.elapsed < Duration::from_secs(8), "{:?}", outcome.elapsed);
}

#[test]
fn no_further_attempt_is_made() {
    let site = taking("after = '0s'");
    spoil(&site, Fault::new("lambda", "Invoke", FaultKind::Throttle).for_ever());
    let running = site.start(f(&[]));
    running.wait_for_log("trying again");
    running.signal(Signal::TERM);
    running.finish().assert_exit(143).assert_says("was not invoked");
    assert_eq!(invoked(&site), 0);
}

/// A signal that comes before the request has been sent keeps it from being sent.
#[test]
fn nothing_is_sent_after_a_signal() {
    let site = taking("after = '0s'");
    spoil(
        &site,
        Fault::new(
            "lambda",
            "ListDurableExecutionsByFunction",
            FaultKind::HangThenReset(Duration::from_secs(1)),
        ),
    );
    let running = site.start(keyed(&["--on-prior-failure", "rerun"]));
    running.wait_for_calls("lambda", "ListDurableExecutionsByFunction", 1);
    running.signal(Signal::TERM);
    running.finish().assert_exit(143);
    assert_eq!(sent(&site), 0);
}
