//! `--logs`: the run's own words on standard error. A courtesy that never fails or delays the run.

use std::time::Duration;

use testkit::{Fault, FaultKind, Outcome, Site};

use super::{BINARY, FAILING, QUICK, calls, etl, log, pod, run_id, spoil, starts, status, world};

/// Two streams that grow while the run goes on, up to its last moment.
const TALKING: &str = "
courses = [{ steps = [{ state = 'RUNNING' }, { state = 'SUCCEEDED', after = '3s' }], logs = [
    { text = 'reading orders' },
    { after = '200ms', every = '40ms', repeat = 60, text = 'partition {n} of 60' },
    { after = '2950ms', text = 'wrote 1204 rows' },
    { stream = 'error', after = '100ms', text = 'Preparing ...' },
    { stream = 'error', after = '2900ms', text = 'Traceback (most recent call last): \"none\"' },
] }]";

/// The lines of a stream as they were shown.
fn shown(outcome: &Outcome, stream: &str) -> Vec<String> {
    let lines = log(outcome).into_iter().filter(|line| line["stream"] == stream);
    lines.map(|line| line["message"].as_str().expect("a text").to_owned()).collect()
}

#[track_caller]
fn assert_told_all(outcome: &Outcome) {
    let mut expected = vec!["reading orders".to_owned()];
    expected.extend((1..=60).map(|number| format!("partition {number} of 60")));
    expected.push("wrote 1204 rows".to_owned());
    assert_eq!(shown(outcome, "output"), expected);
    let errors = ["Preparing ...", "Traceback (most recent call last): \"none\""];
    assert_eq!(shown(outcome, "error"), errors);
}

/// Faults of the logs: of the calls from the `from`-th on.
fn spoil_logs(site: &Site, kind: FaultKind, from: u32, count: u32) {
    spoil(site, Fault::new("logs", "GetLogEvents", kind).from(from).times(count));
}

#[test]
fn both_streams_are_shown_whole_and_in_order() {
    let site = pod(TALKING);
    let outcome = site.run(etl(&["--logs"]));
    outcome.assert_exit(0);
    assert_told_all(&outcome);
    // The result is as ever.
    assert_eq!(run_id(&outcome), site.sandbox.runs("etl")[0].id);
    // And none of it without being asked.
    let silent = site.run(super::ETL);
    silent.assert_exit(0).assert_does_not_say("partition");
    assert_eq!(starts(&site), 2);
}

/// What was asked for is shown, and where to look is told, however quiet the rest is.
#[test]
fn no_level_of_the_log_holds_them_back() {
    for level in ["warn", "off"] {
        let site = pod(TALKING).env("RUST_LOG", level);
        let outcome = site.run(etl(&["--logs"]));
        outcome.assert_exit(0);
        assert_told_all(&outcome);
        let lines = log(&outcome);
        assert!(lines.iter().any(|line| line["id"] == run_id(&outcome).as_str()), "{lines:#?}");
        assert!(lines.iter().all(|line| line["message"] != "new state"), "{lines:#?}");
    }
}

#[test]
fn pages_are_read_to_the_end_even_where_some_are_empty() {
    for settings in ["page_size = 10", "page_size = 15\nempty_pages = true"] {
        let site = Site::pod(BINARY, &format!("{}\n[logs]\n{settings}\n", world(TALKING)));
        let outcome = site.run(etl(&["--logs"]));
        outcome.assert_exit(0);
        assert_told_all(&outcome);
    }
}

#[test]
fn a_run_that_had_ended_before_is_shown_too() {
    let site = pod(TALKING);
    let run = site.sandbox.start_run("etl", [("--day", "monday")]).unwrap();
    super::wait_for_state(&site, "SUCCEEDED");
    let outcome = site.run(etl(&["--logs", "--attach", &run]));
    outcome.assert_exit(0);
    assert_told_all(&outcome);
}

#[test]
fn a_log_group_of_the_job_s_own() {
    let site = pod(&format!("log_group = '/aws-glue/team'\n{TALKING}"));
    let outcome = site.run(etl(&["--logs"]));
    outcome.assert_exit(0);
    assert_eq!(outcome.json()["log_group"], "/aws-glue/team");
    assert_told_all(&outcome);
}

#[test]
fn the_words_of_a_failure_are_shown() {
    let site = pod(
        "courses = [{ steps = [{ state = 'RUNNING' }, { state = 'FAILED', after = '500ms', error_message = 'KeyError' }], \
         logs = [{ stream = 'error', after = '450ms', text = \"KeyError: 'order_id'\" }] }]",
    );
    let outcome = site.run(etl(&["--logs"]));
    outcome.assert_exit(10);
    assert_eq!(shown(&outcome, "error"), ["KeyError: 'order_id'"]);
}

/// `CloudWatch` shows lines some time after they were written.
#[test]
fn lines_that_come_after_the_end_are_waited_for() {
    let site =
        pod("courses = [{ steps = [{ state = 'RUNNING' }, { state = 'SUCCEEDED', after = '500ms' }], \
         logs = [{ text = 'first' }, { after = '1200ms', text = 'late' }] }]");
    let outcome = site.run(etl(&["--logs"]));
    outcome.assert_exit(0);
    assert_eq!(shown(&outcome, "output"), ["first", "late"]);
}

/// A stack trace may be shown seconds after the end, behind lines that were there before.
#[test]
fn the_words_of_a_failure_are_waited_for() {
    let site = pod(
        "courses = [{ steps = [{ state = 'RUNNING' }, { state = 'FAILED', after = '500ms', error_message = 'x' }], \
         logs = [{ text = 'first' }, { after = '6s', stream = 'error', text = \"KeyError: 'order_id'\" }] }]",
    );
    let outcome = site.run(etl(&["--logs"]));
    outcome.assert_exit(10).assert_does_not_say("never appeared");
    assert_eq!(shown(&outcome, "output"), ["first"]);
    assert_eq!(shown(&outcome, "error"), ["KeyError: 'order_id'"]);
}

/// So may the first stream of a run that was short.
#[test]
fn a_stream_that_appears_after_the_end_is_waited_for() {
    let site =
        pod("courses = [{ steps = [{ state = 'RUNNING' }, { state = 'SUCCEEDED', after = '500ms' }], \
         logs = [{ after = '5s', text = 'late' }] }]");
    let outcome = site.run(etl(&["--logs"]));
    outcome.assert_exit(0).assert_does_not_say("never appeared");
    assert_eq!(shown(&outcome, "output"), ["late"]);
    assert!(outcome.elapsed < Duration::from_secs(15), "no longer than it takes: {:?}", outcome.elapsed);
}

#[test]
fn groups_that_never_appear_do_no_harm_and_are_named() {
    let site = pod(QUICK);
    let outcome = site.run(etl(&["--logs"]));
    outcome.assert_exit(0).assert_does_not_say("WARN");
    assert!(calls(&site, "GetLogEvents").len() >= 2);
    assert!(outcome.elapsed < Duration::from_secs(20), "{:?}", outcome.elapsed);
    let lines = log(&outcome)
        .into_iter()
        .filter(|line| line["message"].as_str().is_some_and(|message| message.contains("never appeared")));
    let told: Vec<_> = lines.map(|line| (line["log_group"].clone(), line["log_stream"].clone())).collect();
    let run = run_id(&outcome);
    let groups = ["/aws-glue/jobs/output", "/aws-glue/jobs/error"];
    assert_eq!(told, groups.map(|group| (group.into(), run.as_str().into())));
}

#[test]
fn refused_logs_are_a_warning_for_each_group_and_nothing_else() {
    let world = world(TALKING).replace("\"logs:GetLogEvents on", "\"logs:NothingAtAll on");
    let site = Site::pod(BINARY, &world);
    let outcome = site.run(etl(&["--logs"]));
    outcome.assert_exit(0);
    let lines = log(&outcome);
    let warnings: Vec<_> = lines.iter().filter(|line| line["level"] == "WARN").collect();
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
    for (warning, group) in warnings.iter().zip(["/aws-glue/jobs/output", "/aws-glue/jobs/error"]) {
        let text = warning["message"].as_str().unwrap();
        assert!(text.contains("logs:GetLogEvents") && text.contains(group), "{text}");
    }
    assert_eq!(calls(&site, "GetLogEvents").len(), 2, "a refusal is not tried again");
}

/// Logs that fail for good, from the first read on.
fn failing_logs(kind: FaultKind) {
    let site = pod(FAILING);
    spoil_logs(&site, kind, 1, u32::MAX);
    let outcome = site.run(etl(&["--logs"]));
    outcome.assert_exit(10);
    // The drain is bounded by ten seconds.
    assert!(outcome.elapsed < Duration::from_secs(20), "{:?}", outcome.elapsed);
    // One warning, whatever was tried.
    let told = log(&outcome).iter().filter(|line| line["level"] == "WARN").count();
    assert!((1..=2).contains(&told), "{told} warnings:\n{}", outcome.stderr);
}

#[test]
fn throttled_logs_change_nothing() {
    failing_logs(FaultKind::Throttle);
}

#[test]
fn logs_out_of_order_change_nothing() {
    failing_logs(status(500, "ServiceUnavailableException", ""));
}

#[test]
fn reset_logs_change_nothing() {
    failing_logs(FaultKind::ResetBefore);
}

#[test]
fn senseless_logs_change_nothing() {
    failing_logs(FaultKind::Garbage);
}

#[test]
fn broken_logs_change_nothing() {
    failing_logs(FaultKind::Truncated);
}

#[test]
fn rejected_reads_of_logs_change_nothing() {
    failing_logs(status(400, "InvalidParameterException", "The specified nextToken is invalid."));
}

#[test]
fn silent_logs_do_not_hold_up_the_run() {
    let site = pod(FAILING);
    spoil_logs(&site, FaultKind::Hang, 1, u32::MAX);
    let outcome = site.run(etl(&["--logs"]));
    outcome.assert_exit(10);
    assert!(outcome.elapsed < Duration::from_secs(20), "{:?}", outcome.elapsed);
}

/// The wait goes on beside logs that hang: the looks at the run are not held up.
#[test]
fn looks_go_on_beside_silent_logs() {
    let site = pod(super::ENDLESS);
    spoil_logs(&site, FaultKind::Hang, 1, u32::MAX);
    let running = site.start(etl(&["--logs"]));
    running.wait_for_calls("logs", "GetLogEvents", 1);
    let before = site.sandbox.count("glue", "GetJobRun");
    running.wait_for_calls("glue", "GetJobRun", before + 3);
    running.kill();
}

/// A fault on the way: the same page is read again.
fn hiccup(kind: FaultKind) {
    let site = Site::pod(BINARY, &format!("{}\n[logs]\npage_size = 25\n", world(TALKING)));
    spoil_logs(&site, kind, 3, 2);
    let outcome = site.run(etl(&["--logs"]));
    outcome.assert_exit(0);
    assert_told_all(&outcome);
}

#[test]
fn throttles_neither_lose_nor_double_lines() {
    hiccup(FaultKind::Throttle);
}

#[test]
fn resets_neither_lose_nor_double_lines() {
    hiccup(FaultKind::ResetAfter);
}

#[test]
fn broken_pages_neither_lose_nor_double_lines() {
    hiccup(FaultKind::Truncated);
}

#[test]
fn senseless_pages_neither_lose_nor_double_lines() {
    hiccup(FaultKind::Garbage);
}
