//! `--stream`: the answer as the model writes it.

use std::time::Duration;

use testkit::{FaultKind, Signal};

use super::{asked, assert_stdout, e, fault, sent, spoil, taking, wait_until};

const CHUNKS: &str = "chunks = ['one ', 'two ', 'three'], every = '100ms'";

#[test]
fn parts_are_handed_on_as_they_come() {
    let site = taking(CHUNKS);
    let outcome = site.run(e(&["--stream", "--body", "{}"]));
    assert_stdout(outcome.assert_exit(0), "one two three");
    assert_eq!((sent(&site), asked(&site)), (1, 1));
}

/// What has come is there before the model has ended, and a signal does not take it away.
#[test]
fn a_part_does_not_wait_for_the_next() {
    let site = taking("chunks = ['one ', 'two'], every = '60s'");
    let file = site.path("answer");
    let args = ["--stream", "--body", "{}", "--output-file", "answer", "--grace-period", "1s"];
    let running = site.start(e(&args));
    wait_until("the first part", || std::fs::read_to_string(&file).is_ok_and(|text| text == "one "));
    running.signal(Signal::TERM);
    let outcome = running.finish();
    outcome.assert_exit(80).assert_says("may still be at work");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "one ");
}

#[test]
fn a_deadline_in_the_middle_is_80() {
    let site = taking("chunks = ['one ', 'two'], every = '60s'");
    let outcome = site.run(e(&["--stream", "--body", "{}", "--timeout", "3s"]));
    assert_stdout(outcome.assert_exit(80), "one ");
}

#[test]
fn with_an_output_file_stdout_tells_what_is_known() {
    let site = taking(&format!("{CHUNKS}, content_type = 'text/plain'"));
    let args = e(&["--stream", "--body", "{}", "--custom-attributes", "a", "--output-file", "answer"]);
    let told = site.run(args).assert_exit(0).json();
    assert_eq!(std::fs::read_to_string(site.path("answer")).unwrap(), "one two three");
    assert_eq!((&told["content_type"], &told["bytes"]), (&"text/plain".into(), &13.into()));
    assert_eq!(told["custom_attributes"], "a");
}

#[test]
fn a_model_that_fails_in_the_middle_is_10_and_what_came_stays() {
    for code in ["ModelInvocationTimeExceeded", "StreamBroken"] {
        let site = taking(&format!("{CHUNKS}, stream_error = {{ code = '{code}', message = 'too long' }}"));
        let outcome = site.run(e(&["--stream", "--body", "{}"]));
        outcome.assert_exit(10).assert_says(code).assert_says("too long");
        assert_stdout(&outcome, "one two three");
    }
}

#[test]
fn a_model_that_fails_before_the_first_part_is_10() {
    let site = taking("model_error = { status = 500, message = 'boom' }");
    site.run(e(&["--stream", "--body", "{}"])).assert_exit(10).assert_says("HTTP 500").assert_says("boom");
}

#[test]
fn a_stream_that_breaks_off_is_80() {
    let site = taking(&format!("{CHUNKS}, cut = true"));
    let outcome = site.run(e(&["--stream", "--body", "{}"]));
    outcome.assert_exit(80).assert_says("after 13 bytes").assert_says("how it ended is not known");
    assert_stdout(&outcome, "one two three");
    assert_eq!((sent(&site), asked(&site)), (1, 1));
}

#[test]
fn a_lost_answer_is_80_and_nothing_is_sent_again() {
    let short = Duration::from_secs(1);
    for kind in [FaultKind::ResetAfter, FaultKind::ResetBefore, FaultKind::HangThenReset(short)] {
        let site = taking(CHUNKS);
        spoil(&site, fault("InvokeEndpointWithResponseStream", kind));
        site.run(e(&["--stream", "--body", "{}"])).assert_exit(80);
        assert_eq!(sent(&site), 1);
    }
}

#[test]
fn a_throttle_is_waited_out() {
    let site = taking(CHUNKS);
    spoil(&site, fault("InvokeEndpointWithResponseStream", FaultKind::Throttle));
    let outcome = site.run(e(&["--stream", "--body", "{}"]));
    assert_stdout(outcome.assert_exit(0), "one two three");
    assert_eq!((sent(&site), asked(&site)), (2, 1));
}
