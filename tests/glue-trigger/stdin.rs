//! A standard input that keeps its reader waiting.

use std::time::Duration;

use testkit::Signal;

use super::{QUICK, assert_nothing_sent, etl, pod};

/// Options are read before there is a log or a wait. As process 1 of a container, the binary has to handle signals
/// from then on: the kernel does nothing for it.
#[test]
fn a_signal_ends_the_wait_for_arguments() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let site = pod(QUICK);
        let running = site.start_with_silence(etl(&["--arguments-file", "-"]));
        running.wait_for_handler(signal);
        running.signal(signal);
        let outcome = running.finish();
        outcome.assert_exit(code);
        // Its own last word, so that it was not the kernel that ended it.
        assert_eq!(outcome.termination()["outcome"], "interrupted");
        assert!(outcome.elapsed < Duration::from_secs(5), "{:?}", outcome.elapsed);
        assert_nothing_sent(&site);
    }
}
