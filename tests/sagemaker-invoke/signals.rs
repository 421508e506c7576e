//! Signals in the middle of an inference.

use std::time::Duration;

use testkit::Signal;

use super::{KEY, asked, assert_stdout, e, sent, taking};

#[test]
fn an_answer_that_is_nearly_there_is_waited_for() {
    let site = taking("after = '1500ms'");
    let running = site.start(e(&["--body", "{}"]));
    running.wait_for_calls("sagemaker-runtime", "InvokeEndpoint", 1);
    running.signal(Signal::TERM);
    assert_stdout(running.finish().assert_exit(0), "{}");
}

/// Longer than any other work is waited for after a signal.
#[test]
fn a_model_is_waited_for_within_the_grace_period() {
    let site = taking("after = '7s'");
    let running = site.start(e(&["--body", "{}"]).into_iter().chain(KEY));
    running.wait_for_calls("sagemaker-runtime", "InvokeEndpoint", 1);
    running.signal(Signal::TERM);
    assert_stdout(running.finish().assert_exit(0), "{}");
    assert_eq!(asked(&site), 1);
}

/// A model cannot be stopped, and nothing finds its response again. A key does not change that.
#[test]
fn a_model_that_does_not_end_is_80_after_sigterm() {
    for more in [&[][..], &["--on-terminate", "cancel"], &KEY] {
        let site = taking("after = '1h'");
        let args = e(&["--body", "{}", "--grace-period", "1s"]);
        let running = site.start(args.iter().chain(more).copied());
        running.wait_for_calls("sagemaker-runtime", "InvokeEndpoint", 1);
        running.signal(Signal::TERM);
        let outcome = running.finish();
        outcome.assert_exit(80).assert_says("endpoint e: no response within 1s after SIGTERM");
        assert!(outcome.elapsed < Duration::from_secs(8), "{:?}", outcome.elapsed);
        assert_eq!((sent(&site), asked(&site)), (1, 1));
    }
}

#[test]
fn a_person_is_130_and_does_not_wait_for_the_grace_period() {
    let site = taking("after = '1h'");
    let running = site.start(e(&["--body", "{}"]));
    running.wait_for_calls("sagemaker-runtime", "InvokeEndpoint", 1);
    running.signal(Signal::INT);
    let outcome = running.finish();
    outcome.assert_exit(130).assert_says("endpoint e: no response within 3s after SIGINT");
    assert!(outcome.elapsed < Duration::from_secs(8), "{:?}", outcome.elapsed);
}

#[test]
fn what_may_be_repeated_is_143() {
    let site = taking("after = '1h'");
    let running = site.start(e(&["--body", "{}", "--repeatable", "--grace-period", "500ms"]));
    running.wait_for_calls("sagemaker-runtime", "InvokeEndpoint", 1);
    running.signal(Signal::TERM);
    running.finish().assert_exit(143);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (more, code) in [(&[][..], 80), (&["--repeatable"], 143)] {
        let site = taking("after = '1h'");
        let running = site.start(e(&["--body", "{}"]).iter().chain(more).copied());
        running.wait_for_calls("sagemaker-runtime", "InvokeEndpoint", 1);
        running.signal(Signal::TERM);
        running.wait_for_log("told to end");
        running.signal(Signal::TERM);
        let outcome = running.finish();
        outcome.assert_exit(code).assert_says("second signal");
        assert!(outcome.elapsed < Duration::from_secs(3), "{:?}", outcome.elapsed);
    }
}
