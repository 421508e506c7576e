//! One invocation for each run, whatever happens to its answer.

use std::time::Duration;

use testkit::{Fault, FaultKind, Signal};

use super::{assert_stdout, f, invoked, keyed, pod, sent, spoil, spoil_next, status, taking};

/// Every way in which an answer can be lost, and whether the function ran.
fn lost() -> Vec<(FaultKind, usize)> {
    vec![
        (FaultKind::ResetAfter, 1),
        (FaultKind::HangThenReset(Duration::from_secs(2)), 1),
        (FaultKind::Truncated, 1),
        (FaultKind::ResetBefore, 0),
        (status(500, "ServiceException", "please wait"), 0),
        (status(502, "BadGateway", ""), 0),
        (status(503, "ServiceUnavailable", ""), 0),
        (status(504, "GatewayTimeout", ""), 0),
    ]
}

#[test]
fn a_lost_answer_is_80_and_nothing_is_sent_again() {
    for (kind, begun) in lost() {
        let name = format!("{kind:?}");
        let site = pod("");
        spoil_next(&site, kind);
        let outcome = site.run(f(&["--payload", "{\"a\":1}"]));
        assert_eq!(outcome.code, 80, "{name}: {}", outcome.stderr);
        outcome.assert_exit(80).assert_says("may have run").assert_says("#/functions/f?tab=monitoring");
        assert!(outcome.stdout.is_empty(), "{name}");
        assert_eq!((sent(&site), invoked(&site)), (1, begun), "{name}");
    }
}

/// The key of a plain function settles nothing, and does not pretend to.
#[test]
fn with_a_key_it_is_the_same() {
    for (kind, begun) in lost() {
        let name = format!("{kind:?}");
        let site = pod("");
        // The first request asks with the key's name and is refused: the function is not durable.
        spoil(&site, Fault::new("lambda", "Invoke", kind).from(2));
        let outcome = site.run(keyed(&["--payload", "{\"a\":1}"]));
        assert_eq!(outcome.code, 80, "{name}: {}", outcome.stderr);
        outcome.assert_says("no durable function");
        assert_eq!((sent(&site), invoked(&site)), (2, begun), "{name}");
    }
}

/// With a body, since a cut answer without one is none.
#[test]
fn silence_ends_with_the_wait_in_80() {
    for kind in [FaultKind::Hang, FaultKind::HangAfter] {
        let site = pod("");
        spoil_next(&site, kind.clone());
        let outcome = site.run(f(&["--timeout", "3s", "--read-timeout", "1s"]));
        outcome.assert_exit(80).assert_says("function f has not ended within 3s");
        assert_eq!(sent(&site), 1);

        // A function that is not durable has refused the key's name, and then been asked without.
        let site = pod("");
        spoil(&site, Fault::new("lambda", "Invoke", kind).from(2));
        let outcome = site.run(keyed(&["--timeout", "3s", "--read-timeout", "1s"]));
        outcome.assert_exit(80).assert_says("no durable function").assert_says("has not ended within 3s");
        assert_eq!(sent(&site), 2);
    }
}

/// The AWS CLI gives up after a minute and sends again. Nothing of ours is shorter than the wait.
#[test]
fn an_answer_after_70_seconds_is_an_answer() {
    let site = taking("after = '70s'");
    let outcome = site.run(f(&["--payload", "{\"slow\":true}", "--read-timeout", "5s"]));
    assert_stdout(outcome.assert_exit(0), "{\"slow\":true}");
    assert!(outcome.elapsed > Duration::from_secs(70), "{:?}", outcome.elapsed);
    assert_eq!((sent(&site), invoked(&site)), (1, 1));
}

/// Refused at the door, and then let in.
#[test]
fn what_started_nothing_is_sent_again() {
    let site = pod("");
    spoil(&site, Fault::new("lambda", "Invoke", FaultKind::Throttle));
    let outcome = site.run(f(&[]));
    outcome.assert_exit(0).assert_says("nothing was started; trying again");
    assert_eq!((sent(&site), invoked(&site)), (2, 1));

    // Nobody listens there: nothing can have been started, so that it is tried again.
    let site = pod("").env("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:1");
    let outcome = site.run(f(&["--timeout", "3s"]));
    outcome.assert_exit(75).assert_says("nothing was started; trying again");
}

/// The function has run: an answer that cannot be kept is no reason to run it again.
#[test]
fn an_answer_that_cannot_be_written_is_80() {
    let site = pod("");
    let outcome = site.run(f(&["--payload", "{}", "--output-file", "/dev/full"]));
    outcome.assert_exit(80).assert_says("could not write the result to /dev/full");
    let outcome = site.run(f(&["--payload", "{}", "--stream", "--output-file", "/dev/full"]));
    outcome.assert_exit(80).assert_says("could not write the result to /dev/full");
    assert_eq!(invoked(&site), 2);
}

/// Nobody reads the pipe: that holds up the answer, and neither the invocation nor the end. The function has run: 143
/// would have the Job run it again.
#[test]
fn a_pipe_without_a_reader_does_not_hold_up_a_signal() {
    let site = pod("");
    let pipe = site.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.to_str().unwrap();
    let running = site.start(f(&["--payload", "{}", "--output-file", pipe, "--grace-period", "2s"]));
    running.wait_for_calls("lambda", "Invoke", 1);
    running.signal(Signal::TERM);
    let outcome = running.finish();
    outcome.assert_exit(80);
    assert!(outcome.elapsed < Duration::from_secs(10), "{:?}", outcome.elapsed);
}
