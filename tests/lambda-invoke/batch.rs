//! `--batch`: one invocation a line, answers in order.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Fault, FaultKind, Outcome, Signal};

use super::{assert_nothing_sent, f, invoked, keyed, numbered, pod, sent, spoil, status, taking};

/// The answers, a value for each line.
fn answers(outcome: &Outcome) -> Vec<Value> {
    outcome.text().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn statuses(outcome: &Outcome) -> Vec<String> {
    answers(outcome).iter().map(|answer| answer["status"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn answers_come_in_the_order_of_the_lines() {
    // The first of them takes longest.
    let courses: Vec<String> = (0..8).map(|n| format!("{{ after = '{}ms' }}", 800 - 100 * n)).collect();
    let site = pod(&format!("courses = [{}]", courses.join(", ")));
    let outcome = site.start_with(f(&["--batch", "-", "--concurrency", "8"]), &numbered(8)).finish();
    let answers = answers(outcome.assert_exit(0));
    for (index, answer) in answers.iter().enumerate() {
        assert_eq!(answer["line"], index + 1);
        assert_eq!(answer["payload"], json!({ "n": index + 1 }));
        assert_eq!(answer["status"], "ok");
        assert!(answer["request_id"].is_string());
    }
    assert_eq!((answers.len(), invoked(&site)), (8, 8));
    outcome.assert_says("\"lines\":8,\"ok\":8").assert_says("p99_ms");
}

#[test]
fn a_failed_line_is_in_the_answers_and_decides_the_exit() {
    let failing = "{ answer = { error = { type = 'E', message = 'boom', stack = ['File f.py, line 1'] } } }";
    let site = pod(&format!("courses = [{{}}, {failing}, {{}}]"));
    let outcome = site.start_with(f(&["--batch", "-", "--concurrency", "1"]), &numbered(3)).finish();
    outcome.assert_exit(10).assert_says("1 of 3 lines");
    assert_eq!(statuses(&outcome), ["ok", "failed", "ok"]);
    outcome.assert_does_not_say("File f.py");
    let failed = &answers(&outcome)[1];
    assert_eq!(failed["detail"], json!({ "function_error": "Unhandled", "stack": ["File f.py, line 1"] }));
    assert!(failed["error"].as_str().unwrap().contains("E: boom"), "{failed}");
    assert_eq!(failed["payload"]["errorType"], "E");
    assert_eq!(outcome.termination()["exit_code"], 10);
}

/// A stream cannot be read twice: what is fit to be sent is sent.
#[test]
fn a_bad_line_of_a_stream_is_not_sent_and_is_10() {
    let site = pod("");
    let outcome = site.start_with(f(&["--batch", "-"]), "{\"n\":1}\nno json\n\n{\"n\":4}").finish();
    outcome.assert_exit(10);
    let answers = answers(&outcome);
    let lines: Vec<_> =
        answers.iter().map(|answer| (answer["line"].clone(), answer["status"].clone())).collect();
    assert_eq!(lines, [(json!(1), json!("ok")), (json!(2), json!("usage")), (json!(4), json!("ok"))]);
    assert_eq!(invoked(&site), 2);
}

/// A file is read whole before anything is sent.
#[test]
fn a_bad_line_of_a_file_is_2_and_nothing_is_sent() {
    let site = pod("");
    let good = numbered(3000);
    let long = format!("\"{}\"", "x".repeat(6 * 1024 * 1024));
    for (bad, why) in [("no json", "Lambda takes JSON"), (&long, "6291456 bytes")] {
        let lines = site.write("lines.jsonl", &format!("{good}{bad}\n{{}}\n")).display().to_string();
        let outcome = site.run(f(&["--batch", &lines]));
        outcome.assert_exit(2).assert_says("lines.jsonl: line 3001").assert_says(why);
        outcome.assert_says("nothing was sent");
        assert!(outcome.stdout.is_empty());
        // Another shard's.
        let shard = ["--batch", &lines, "--shard", "1", "--shard-count", "3001"];
        site.run(f(&shard)).assert_exit(0);
    }
    assert_eq!(sent(&site), 2);
}

/// Nothing is sent twice for a line, whatever happened to its answer.
#[test]
fn each_line_is_sent_once() {
    for kind in [
        FaultKind::ResetAfter,
        FaultKind::ResetBefore,
        FaultKind::HangThenReset(Duration::from_secs(1)),
        status(502, "BadGateway", ""),
        status(503, "ServiceUnavailable", ""),
    ] {
        let name = format!("{kind:?}");
        let site = pod("");
        spoil(&site, Fault::new("lambda", "Invoke", kind).from(2));
        let outcome = site.start_with(f(&["--batch", "-", "--concurrency", "1"]), &numbered(4)).finish();
        assert_eq!(outcome.code, 80, "{name}: {}", outcome.stderr);
        assert_eq!(statuses(&outcome), ["ok", "unknown", "ok", "ok"], "{name}");
        assert_eq!(sent(&site), 4, "{name}");
    }
}

/// A function with a few places only: everybody slows down, every line is answered, none runs twice.
#[test]
fn throttles_slow_all_down_and_lose_nothing() {
    let site = pod("throttle_above = 3\ncourses = [{ after = '20ms' }]");
    let outcome = site.start_with(f(&["--batch", "-", "--concurrency", "32"]), &numbered(150)).finish();
    assert_eq!(answers(outcome.assert_exit(0)).len(), 150);
    assert_eq!(invoked(&site), 150);
    assert!(sent(&site) > 150, "nothing was throttled");
    assert!(sent(&site) < 450, "{} requests for 150 lines", sent(&site));
}

#[test]
fn too_many_failures_end_it() {
    let site = taking("answer = { error = { type = 'E', message = 'boom' } }");
    let args = f(&["--batch", "-", "--concurrency", "2", "--max-failures", "5"]);
    let outcome = site.start_with(args, &numbered(100)).finish();
    outcome.assert_exit(10);
    let count = invoked(&site);
    assert!((5..=6).contains(&count), "{count} invocations");
    assert_eq!(answers(&outcome).len(), count);
}

#[test]
fn a_refusal_ends_it() {
    let site = pod("");
    let denied =
        status(403, "AccessDeniedException", "User: x is not authorized to perform: lambda:InvokeFunction");
    spoil(&site, Fault::new("lambda", "Invoke", denied).from(3).for_ever());
    let outcome = site.start_with(f(&["--batch", "-", "--concurrency", "1"]), &numbered(50)).finish();
    outcome.assert_exit(77).assert_says("not authorized");
    assert_eq!(statuses(&outcome), ["ok", "ok", "denied"]);
    assert_eq!(sent(&site), 3);
}

/// Without --resume a retry would send all lines again, those included that have run.
#[test]
fn a_signal_is_80_once_a_line_was_sent() {
    for (signal, more, code) in [
        (Signal::TERM, &["--grace-period", "1s"][..], 80),
        (Signal::INT, &[], 80),
        (Signal::TERM, &["--grace-period", "1s", "--repeatable"], 143),
    ] {
        let site = pod("courses = [{}, {}, { after = '1h' }]");
        let file = site.path("answers.jsonl");
        let args = f(&["--batch", "-", "--concurrency", "2", "--output-file", file.to_str().unwrap()]);
        let running = site.start_with(args.iter().chain(more).copied(), &numbered(20));
        running.wait_for_calls("lambda", "Invoke", 4);
        running.signal(signal);
        let outcome = running.finish();
        outcome.assert_exit(code);
        let text = std::fs::read_to_string(&file).unwrap();
        let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let told: Vec<_> =
            answers.iter().map(|it| (it["line"].as_u64().unwrap(), it["status"].as_str().unwrap())).collect();
        assert_eq!(told, [(1, "ok"), (2, "ok"), (3, "unknown"), (4, "unknown")]);
        assert_eq!(sent(&site), 4);
    }
}

/// Lines in flight get the grace period.
#[test]
fn what_ends_in_time_after_a_signal_is_ok() {
    let site = pod("courses = [{ after = '5s' }]");
    let running = site.start_with(f(&["--batch", "-", "--concurrency", "2"]), &numbered(2));
    running.wait_for_calls("lambda", "Invoke", 2);
    running.signal(Signal::TERM);
    let outcome = running.finish();
    assert_eq!(statuses(outcome.assert_exit(0)), ["ok", "ok"]);
}

#[test]
fn a_signal_before_any_line_has_run_is_143() {
    let site = pod("");
    spoil(&site, Fault::new("lambda", "Invoke", FaultKind::Throttle).for_ever());
    let running = site.start_with(f(&["--batch", "-", "--concurrency", "2"]), &numbered(20));
    running.wait_for_calls("lambda", "Invoke", 2);
    running.signal(Signal::TERM);
    running.finish().assert_exit(143);
    assert_eq!(invoked(&site), 0);
}

/// 75 and 79 would have the Job send all lines again.
#[test]
fn an_early_end_without_resume_is_80_once_a_line_was_sent() {
    for resume in [false, true] {
        let site = pod("courses = [{}]");
        spoil(&site, Fault::new("lambda", "Invoke", FaultKind::Throttle).from(2).for_ever());
        let file = site.path("earlier.jsonl").display().to_string();
        let more = if resume { &["--resume", &file][..] } else { &[] };
        let args = f(&["--batch", "-", "--concurrency", "1", "--timeout", "3s"]);
        let outcome = site.start_with(args.iter().chain(more).copied(), &numbered(5)).finish();
        outcome.assert_exit(if resume { 75 } else { 80 });
        assert_eq!(statuses(&outcome)[..2], ["ok", "unavailable"]);
    }
}

/// A line that was sent and has no answer weighs more than the end of the wait.
#[test]
fn what_is_in_flight_at_the_deadline_is_unknown() {
    let site = pod("courses = [{}, { after = '1h' }]");
    let args = f(&["--batch", "-", "--concurrency", "1", "--timeout", "2s"]);
    let outcome = site.start_with(args, &numbered(5)).finish();
    assert_eq!(statuses(&outcome), ["ok", "unknown"]);
    outcome.assert_exit(80).assert_says("--timeout has passed");
}

#[test]
fn with_an_output_file_stdout_has_the_summary() {
    let site = pod("");
    let lines = site.write("lines.jsonl", &numbered(3)).display().to_string();
    let file = site.path("answers.jsonl").display().to_string();
    let outcome = site.run(f(&["--batch", &lines, "--output-file", &file]));
    let summary = outcome.assert_exit(0).json();
    assert_eq!((&summary["ok"], &summary["failed"]), (&json!(3), &json!(0)));
    assert!(summary["p50_ms"].is_number() && summary["per_second"].is_number(), "{summary}");
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 3);
}

#[test]
fn shards_share_the_lines_out() {
    let site = pod("");
    let lines = site.write("lines.jsonl", &numbered(10)).display().to_string();
    let site = site.env("BATCH_SHARD", "auto").env("BATCH_SHARD_COUNT", "3");
    let mut seen = Vec::new();
    let mut site = site;
    for index in 0..3 {
        site = site.env("JOB_COMPLETION_INDEX", index.to_string());
        let outcome = site.run(f(&["--batch", &lines]));
        seen.extend(answers(outcome.assert_exit(0)).iter().map(|it| it["line"].as_u64().unwrap()));
    }
    assert_eq!(seen, [1, 4, 7, 10, 2, 5, 8, 3, 6, 9]);
    assert_eq!(invoked(&site), 10);
}

#[test]
fn a_shard_without_an_index_is_refused_before_any_line() {
    let site = pod("");
    let lines = site.write("lines.jsonl", &numbered(10)).display().to_string();
    site.run(f(&["--batch", &lines, "--shard", "auto", "--shard-count", "3"]))
        .assert_exit(2)
        .assert_says("JOB_COMPLETION_INDEX");
    assert_eq!(sent(&site), 0);
    let elsewhere = pod("");
    elsewhere.run(f(&["--shard", "0", "--shard-count", "3"])).assert_exit(2).assert_says("--batch");
    elsewhere
        .run(f(&["--batch", "-", "--shard", "3", "--shard-count", "3"]))
        .assert_exit(2)
        .assert_says("there is no shard 3");
    assert_nothing_sent(&elsewhere);
    elsewhere.run(f(&["--batch", "/nowhere"])).assert_exit(2).assert_says("/nowhere");
    assert_nothing_sent(&elsewhere);
    assert_eq!(sent(&site), 0);
}

/// Each line is an execution of its own.
#[test]
fn lines_of_a_durable_function_are_started_once() {
    let site = super::durable("answer = 'echo'");
    for _ in 0..2 {
        let outcome = site.start_with(keyed(&["--qualifier", "live", "--batch", "-"]), &numbered(3)).finish();
        assert_eq!(answers(outcome.assert_exit(0)).len(), 3);
    }
    assert_eq!(invoked(&site), 3);
    let names: Vec<_> = site.sandbox.invocations("f").into_iter().filter_map(|it| it.durable_name).collect();
    assert!(names.contains(&format!("{}-3", super::KEY[1])), "{names:?}");
}

/// A plain function takes no name. That is learnt from the first refusal, while other lines are on their way with theirs.
#[test]
fn a_key_does_not_keep_a_plain_function_from_its_lines() {
    let site = taking("answer = 'echo'");
    let args = keyed(&["--batch", "-", "--concurrency", "16"]);
    let outcome = site.start_with(args, &numbered(64)).finish();
    assert_eq!(answers(outcome.assert_exit(0)).len(), 64);
    assert_eq!(invoked(&site), 64);
}

#[test]
fn options_of_one_payload_do_not_go_with_a_batch() {
    let site = pod("");
    for more in [["--payload", "{}"], ["--stream", "--log-tail"], ["--durable-execution-name", "n"]] {
        site.run(f(&["--batch", "-"]).into_iter().chain(more)).assert_exit(2);
    }
    assert_nothing_sent(&site);
}

/// A person sees how far it is.
#[test]
fn a_terminal_shows_progress() {
    let site = taking("after = '500ms'");
    let lines = site.write("lines.jsonl", &numbered(6)).display().to_string();
    let outcome = site.start_on_a_terminal(&f(&["--batch", &lines, "--concurrency", "1"])).finish();
    assert!(outcome.text().contains('%'), "{}", outcome.text());
}

/// A batch that reads its own answers would never end, and the lines would be gone.
#[test]
fn lines_and_answers_are_two_files() {
    let site = pod("");
    let lines = site.write("lines.jsonl", &numbered(5));
    let path = lines.to_str().unwrap();
    let outcome = site.run(f(&["--batch", path, "--output-file", path]));
    outcome.assert_exit(2).assert_says("the file that --batch reads");
    assert_eq!(std::fs::read_to_string(&lines).unwrap(), numbered(5));
    assert_eq!(sent(&site), 0);
}

#[test]
fn no_lines_leave_no_old_answers() {
    let site = pod("");
    let lines = site.write("lines.jsonl", "").display().to_string();
    let answers = site.write("answers.jsonl", "old\n");
    site.run(f(&["--batch", &lines, "--output-file", answers.to_str().unwrap()])).assert_exit(0);
    assert_eq!(std::fs::read_to_string(answers).unwrap(), "");
}

/// Nobody writes into the pipe that the lines are to come from.
#[test]
fn a_pipe_without_a_writer_ends_with_the_wait() {
    let site = pod("");
    let pipe = site.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let outcome = site.run(f(&["--batch", pipe.to_str().unwrap(), "--timeout", "1s"]));
    outcome.assert_exit(75).assert_says("no line was taken");
    assert!(outcome.elapsed < Duration::from_secs(10), "{:?}", outcome.elapsed);
}

/// The counts are told although nobody reads the answers.
#[test]
fn a_slow_reader_does_not_keep_the_summary_back() {
    let site = taking("answer = { bytes = 200000 }");
    let pipe = site.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.to_str().unwrap();
    let args = f(&["--batch", "-", "--concurrency", "4", "--output-file", pipe, "--grace-period", "1s"]);
    let running = site.start_with(args, &numbered(40));
    running.wait_for_calls("lambda", "Invoke", 16);
    running.signal(Signal::TERM);
    let outcome = running.finish();
    outcome.assert_exit(80).assert_says("the batch has ended").assert_says("could not be written in time");
    assert!(outcome.termination()["state"].as_str().unwrap().contains(" ok"));
}
