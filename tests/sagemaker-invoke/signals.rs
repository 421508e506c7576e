//! Told to end in the middle of an invocation.

use std::time::Duration;

use testkit::Signal;

use super::{asked, assert_stdout, e, sent, taking};

#[test]
fn an_answer_that_is_nearly_there_is_waited_for() {
    let site = taking("after = '1500ms'");
    let running = site.start(e(&["--body", "{}"]));
    running.wait_for_calls("sagemaker-runtime", "InvokeEndpoint", 1);
    running.signal(Signal::TERM);
    assert_stdout(running.finish().assert_exit(0), "{}");
}

#[test]
fn a_model_cannot_be_stopped_and_that_is_said() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let site = taking("after = '1h'");
        let running = site.start(e(&["--body", "{}", "--on-terminate", "cancel"]));
        running.wait_for_calls("sagemaker-runtime", "InvokeEndpoint", 1);
        running.signal(signal);
        let outcome = running.finish();
        outcome.assert_exit(code).assert_says("may go on").assert_says("its answer is lost");
        assert!(outcome.elapsed < Duration::from_secs(8), "{:?}", outcome.elapsed);
        assert_eq!((sent(&site), asked(&site)), (1, 1));
    }
}
