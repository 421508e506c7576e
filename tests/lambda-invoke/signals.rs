//! Told to end in the middle of an invocation.

use std::time::Duration;

use testkit::{Fault, FaultKind, Signal};

use super::{assert_stdout, f, invoked, sent, spoil, taking};

#[test]
fn an_answer_that_is_nearly_there_is_waited_for() {
    let site = taking("after = '1500ms'");
    let running = site.start(f(&["--payload", "{}"]));
    running.wait_for_calls("lambda", "Invoke", 1);
    running.signal(Signal::TERM);
    let outcome = running.finish();
    assert_stdout(outcome.assert_exit(0), "{}");
}

#[test]
fn a_function_cannot_be_stopped_and_that_is_said() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let site = taking("after = '1h'");
        let running = site.start(f(&[]));
        running.wait_for_calls("lambda", "Invoke", 1);
        running.signal(signal);
        let outcome = running.finish();
        outcome.assert_exit(code).assert_says("function f may go on, and its answer is lost");
        assert!(outcome.elapsed < Duration::from_secs(8), "{:?}", outcome.elapsed);
        assert_eq!((sent(&site), invoked(&site)), (1, 1));
    }
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
