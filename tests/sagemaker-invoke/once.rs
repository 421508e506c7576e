//! One run, one request: nothing is sent again that may have reached the model.

use std::time::Duration;

use testkit::{FaultKind, Signal};

use super::{asked, assert_nothing_sent, assert_stdout, e, fault, pod, sent, spoil, status, taking};

#[test]
fn a_lost_answer_is_80_and_the_model_was_asked_once() {
    let short = Duration::from_secs(1);
    for kind in [FaultKind::ResetAfter, FaultKind::HangThenReset(short), FaultKind::Truncated] {
        let name = format!("{kind:?}");
        let site = pod("");
        spoil(&site, fault("InvokeEndpoint", kind));
        let outcome = site.run(e(&["--body", "{}"]));
        assert_eq!(outcome.code, 80, "{name}: {}", outcome.stderr);
        outcome.assert_exit(80).assert_says("may have been asked");
        assert_eq!(outcome.termination()["outcome"], "unknown");
        assert_stdout(&outcome, "");
        assert_eq!((sent(&site), asked(&site)), (1, 1), "{name}");
    }
}

/// To the one who asked it looks the same.
#[test]
fn an_answer_that_proves_nothing_is_80_and_nothing_is_sent_again() {
    for kind in [
        FaultKind::ResetBefore,
        status(500, "InternalFailure", ""),
        status(502, "BadGateway", ""),
        status(503, "ServiceUnavailable", ""),
        status(504, "GatewayTimeout", ""),
    ] {
        let name = format!("{kind:?}");
        let site = pod("");
        spoil(&site, fault("InvokeEndpoint", kind));
        let outcome = site.run(e(&["--body", "{}"]));
        assert_eq!(outcome.code, 80, "{name}: {}", outcome.stderr);
        assert_eq!((sent(&site), asked(&site)), (1, 0), "{name}");
    }
}

/// 30 s, the limit of other calls, is no limit for a model.
#[test]
fn a_slow_model_is_waited_for() {
    let site = taking("after = '33s', body = 'late'");
    let outcome = site.run(e(&["--body", "{}"]));
    assert_stdout(outcome.assert_exit(0), "late");
    assert_eq!((sent(&site), asked(&site)), (1, 1));
}

/// A model may take 60 s, and what is between it and us some more; the limit of other calls is no limit here.
#[test]
fn an_answer_after_70_seconds_is_an_answer() {
    let site = taking("body = 'late'");
    spoil(&site, fault("InvokeEndpoint", FaultKind::Slow(Duration::from_secs(70))));
    let outcome = site.run(e(&["--body", "{}", "--read-timeout", "5s"]));
    assert_stdout(outcome.assert_exit(0), "late");
    assert!(outcome.elapsed > Duration::from_secs(70), "{:?}", outcome.elapsed);
    assert_eq!((sent(&site), asked(&site)), (1, 1));
}

#[test]
fn at_the_deadline_the_model_may_go_on() {
    let site = taking("after = '1h'");
    let outcome = site.run(e(&["--body", "{}", "--timeout", "3s"]));
    outcome.assert_exit(80).assert_says("has not answered within").assert_says("may go on");
    assert!(outcome.elapsed < Duration::from_secs(10), "{:?}", outcome.elapsed);
    assert_eq!((sent(&site), asked(&site)), (1, 1));
}

/// The key of a Job is no key of the model's: it has no way to know one.
#[test]
fn a_key_does_not_make_it_safe_to_send_again() {
    let site = pod("");
    spoil(&site, fault("InvokeEndpoint", FaultKind::ResetAfter));
    let args: Vec<&str> = e(&["--body", "{}"]).into_iter().chain(super::KEY).collect();
    site.run(args).assert_exit(80).assert_says("the idempotency key settles nothing");
    assert_eq!(sent(&site), 1);
}

/// There is nothing to come back for.
#[test]
fn an_answer_that_nobody_waits_for_is_refused_before_any_request() {
    let site = pod("").env("SAGEMAKER_ENDPOINT_NAME", "e").env("SAGEMAKER_BODY", "{}");
    for args in
        [&["endpoint", "--no-wait"][..], &["--no-wait", "endpoint"], &["endpoint", "--no-wait", "--check"]]
    {
        site.run(args).assert_exit(2).assert_says("--no-wait is for async and train");
    }
    let site = site.env("JOB_NO_WAIT", "true");
    site.run(["endpoint"]).assert_exit(2).assert_says("--no-wait is for async and train");
    assert_nothing_sent(&site);
    let site = site.env("JOB_NO_WAIT", "false");
    site.run(["endpoint"]).assert_exit(0).assert_does_not_say("idempotency key");
}

#[test]
fn a_connection_that_is_refused_is_tried_again() {
    let site = pod("");
    // A port nobody listens on.
    let site = site.env("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "http://127.0.0.1:1");
    let outcome = site.run(e(&["--body", "{}", "--timeout", "4s"]));
    outcome.assert_exit(75).assert_says("trying again").assert_says("was not invoked");
    assert_eq!(sent(&site), 0);
}

#[test]
fn a_signal_ends_the_wait_for_a_model_that_is_not_ready() {
    let site = taking("not_ready = true");
    let running = site.start(e(&["--body", "{}"]));
    running.wait_for_log("trying again");
    running.signal(Signal::TERM);
    running.finish().assert_exit(143).assert_says("was not invoked");
    assert_eq!(asked(&site), 0);
}
