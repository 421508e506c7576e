//! `--stream`: the answer as the function writes it.

use std::time::Duration;

use testkit::{Fault, FaultKind, Signal};

use super::{assert_stdout, f, invoked, sent, spoil, taking};

const CHUNKS: &str = "chunks = ['one ', 'two ', 'three'], every = '100ms'";

#[test]
fn parts_are_handed_on_as_they_come() {
    let site = taking(CHUNKS);
    let outcome = site.run(f(&["--stream", "--payload", "{}"]));
    assert_stdout(outcome.assert_exit(0), "one two three");
    assert_eq!(invoked(&site), 1);
}

/// What has come is there before the function has ended.
#[test]
fn a_part_does_not_wait_for_the_next() {
    let site = taking("chunks = ['one ', 'two'], every = '60s'");
    let file = site.path("answer");
    let file_name = file.to_str().unwrap();
    let running = site.start(f(&["--stream", "--output-file", file_name, "--grace-period", "1s"]));
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while !std::fs::read_to_string(&file).is_ok_and(|text| text == "one ") {
        assert!(std::time::Instant::now() < end, "the first part never came\n{}", running.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
    running.signal(Signal::TERM);
    let outcome = running.finish();
    outcome.assert_exit(80).assert_says("may still be running");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "one ");
}

#[test]
fn with_an_output_file_stdout_tells_what_is_known() {
    let site = taking(CHUNKS);
    let file = site.path("answer");
    let outcome = site.run(f(&["--stream", "--output-file", file.to_str().unwrap()]));
    assert_eq!(outcome.assert_exit(0).json()["status_code"], 200);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "one two three");
}

#[test]
fn an_error_at_the_end_is_10_and_what_came_stays() {
    let site =
        taking(&format!("{CHUNKS}, stream_error = {{ code = 'Runtime.StreamError', details = 'boom' }}"));
    let outcome = site.run(f(&["--stream"]));
    outcome.assert_exit(10).assert_says("Runtime.StreamError").assert_says("boom");
    assert_stdout(&outcome, "one two three");
}

#[test]
fn a_stream_that_breaks_off_is_80() {
    let site = taking(&format!("{CHUNKS}, cut = true"));
    let outcome = site.run(f(&["--stream"]));
    outcome.assert_exit(80).assert_says("ran, but how it ended is not known");
    assert!(outcome.termination()["request_id"].is_string());
    assert_eq!((sent(&site), invoked(&site)), (1, 1));
}

#[test]
fn a_lost_answer_is_80_and_nothing_is_sent_again() {
    let short = Duration::from_secs(1);
    for kind in [FaultKind::ResetAfter, FaultKind::ResetBefore, FaultKind::HangThenReset(short)] {
        let site = taking(CHUNKS);
        spoil(&site, Fault::new("lambda", "InvokeWithResponseStream", kind));
        site.run(f(&["--stream"])).assert_exit(80).assert_says("may have run");
        assert_eq!(sent(&site), 1);
    }
}

#[test]
fn the_end_of_the_log_comes_with_the_end_of_the_stream() {
    let site = taking(&format!("{CHUNKS}, logs = ['wrote it all']"));
    site.run(f(&["--stream", "--log-tail"])).assert_exit(0).assert_says("wrote it all");
}
