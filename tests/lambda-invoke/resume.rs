//! A batch that ended early, and the one that does the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::{Fault, FaultKind, Outcome, Signal, Site};

use super::{f, invoked, keyed, numbered, pod, sent, spoil};

const LINES: usize = 400;

/// The digest of the line `{"n":1}` for the function `f` of the documented world.
// printf '%s\n%s' '{"service":"lambda","region":"us-east-2","account":"222222222222","function":"f",
// "invocation_type":"RequestResponse"}' '{"n":1}' (the first in one line) | sha256sum | cut -c1-32
const GOLDEN: &str = "23965d07da0db52510d7bf6e0b0d6092";

/// A batch over a file, which resumes its own responses.
struct Batch<'s> {
    site: &'s Site,
    lines: PathBuf,
    answers: PathBuf,
}

impl<'s> Batch<'s> {
    fn new(site: &'s Site, lines: &str) -> Self {
        Self { site, lines: site.write("lines.jsonl", lines), answers: site.path("answers.jsonl") }
    }

    fn args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let answers = self.answers.to_str().unwrap();
        let own = ["--batch", self.lines.to_str().unwrap(), "--output-file", answers, "--resume", answers];
        f(&own).into_iter().chain(more.iter().copied()).collect()
    }

    fn run(&self, more: &[&str]) -> Outcome {
        self.site.run(self.args(more))
    }

    /// Puts other lines in the place of its own.
    fn rewrite(&self, lines: &str) {
        std::fs::write(&self.lines, lines).unwrap();
    }

    fn answered(&self) -> BTreeMap<u64, Vec<String>> {
        answered(&self.answers)
    }
}

/// The whole answers of a file by line: a line may have been answered more than once.
fn answered(file: &Path) -> BTreeMap<u64, Vec<String>> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut answers = BTreeMap::<u64, Vec<String>>::new();
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let answer: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let line = answer["line"].as_u64().expect("a line");
        answers.entry(line).or_default().push(answer["status"].as_str().expect("a status").to_owned());
    }
    answers
}

/// How often `f` was begun with this payload.
fn begun(site: &Site, payload: &str) -> usize {
    site.sandbox.invocations("f").iter().filter(|it| it.payload == payload).count()
}

/// SIGKILL in the middle, then the same command again: every line is answered, and none that was already.
#[test]
fn a_killed_batch_is_resumed() {
    let site = pod("courses = [{ after = '10ms' }]");
    let batch = Batch::new(&site, &numbered(LINES));
    let running = site.start(batch.args(&["--concurrency", "4"]));
    running.wait_for_calls("lambda", "Invoke", LINES / 3);
    running.kill();
    let before = batch.answered();
    assert!(before.len() > 20 && before.len() < LINES, "{} lines before", before.len());
    let outcome = batch.run(&["--concurrency", "4"]);
    assert_eq!(outcome.assert_exit(0).json()["skipped"], before.len());
    let after = batch.answered();
    assert_eq!(after.len(), LINES);
    assert!(after.values().all(|statuses| statuses.as_slice() == ["ok"]), "a line was answered twice");
    for line in before.keys() {
        let count = begun(&site, &format!("{{\"n\":{line}}}"));
        assert_eq!(count, 1, "line {line} had its answer and was invoked again");
    }
    // What was in flight, or answered and not yet written, at the moment of the kill.
    assert!(invoked(&site) <= LINES + 4 * 4, "{} invocations", invoked(&site));
}

/// What links two runs: files of earlier releases must stay readable.
#[test]
fn a_golden_response() {
    let site = pod("");
    let batch = Batch::new(&site, "{\"n\":1}\r\n");
    batch.run(&[]).assert_exit(0);
    let text = std::fs::read_to_string(&batch.answers).unwrap();
    let (head, request_id) = text.split_once(",\"request_id\":\"").expect("a request id");
    assert_eq!(
        head,
        format!("{{\"line\":1,\"status\":\"ok\",\"digest\":\"{GOLDEN}\",\"payload\":{{\"n\":1}}")
    );
    assert!(request_id.ends_with("\"}\n"), "{request_id}");
    // The ARN is another name of the same function.
    let arn = "arn:aws:lambda:us-east-2:222222222222:function:f";
    let answers = batch.answers.to_str().unwrap();
    let args = ["--function-name", arn, "--batch", batch.lines.to_str().unwrap(), "--resume", answers];
    site.run(args).assert_exit(0).assert_says("\"skipped\":1");
    assert_eq!(invoked(&site), 1);
}

/// Tomorrow's file has the same name.
#[test]
fn another_file_at_the_same_path_is_sent() {
    let site = pod("");
    let batch = Batch::new(&site, "{\"day\":1}\n{\"day\":1,\"n\":2}\n");
    batch.run(&[]).assert_exit(0);
    batch.rewrite("{\"day\":2}\n{\"day\":2,\"n\":2}\n");
    let outcome = batch.run(&[]);
    let summary = outcome.assert_exit(0).json();
    assert_eq!((&summary["ok"], &summary["skipped"]), (&2.into(), &0.into()));
    outcome.assert_says("earlier responses belong to other lines or to another target");
    assert_eq!(begun(&site, "{\"day\":2}"), 1);
    assert_eq!(invoked(&site), 4);
}

/// The responses are those of what was asked for.
#[test]
fn another_target_is_sent_to() {
    for more in [&["--qualifier", "live"][..], &["--client-context", "{\"a\":1}"]] {
        let site = pod("");
        let batch = Batch::new(&site, &numbered(3));
        batch.run(&[]).assert_exit(0);
        assert_eq!(batch.run(more).assert_exit(0).json()["skipped"], 0, "{more:?}");
        assert_eq!(batch.run(more).assert_exit(0).json()["skipped"], 3, "{more:?}");
        assert_eq!(batch.run(&[]).assert_exit(0).json()["skipped"], 3, "{more:?}");
        assert_eq!(invoked(&site), 6, "{more:?}");
    }
}

/// Where a line stands does not matter, but how often it does.
#[test]
fn lines_are_known_by_what_they_say_and_counted() {
    let site = pod("");
    let batch = Batch::new(&site, "{\"n\":1}\n{\"n\":2}\n{\"n\":1}\n");
    batch.run(&[]).assert_exit(0);
    batch.rewrite("{\"n\":0}\n\n{\"n\":2}\n{\"n\":1}\n{\"n\":1}\n{\"n\":1}\n");
    let summary = batch.run(&[]).assert_exit(0).json();
    assert_eq!((&summary["ok"], &summary["skipped"]), (&2.into(), &3.into()));
    assert_eq!(["{\"n\":0}", "{\"n\":1}", "{\"n\":2}"].map(|payload| begun(&site, payload)), [1, 3, 1]);
}

/// Only what went well is skipped, wherever and however often it stands.
#[test]
fn what_failed_is_done_again() {
    let failing = "{ answer = { error = { type = 'E', message = 'boom' } } }";
    let site = pod(&format!("courses = [{{}}, {failing}, {{}}]"));
    let batch = Batch::new(&site, &numbered(3));
    batch.run(&["--concurrency", "1"]).assert_exit(10);
    let whole = std::fs::read_to_string(&batch.answers).unwrap();
    std::fs::write(&batch.answers, format!("{whole}{{\"line\":3,\"sta")).unwrap();
    assert_eq!(batch.run(&[]).assert_exit(0).json()["skipped"], 2);
    assert_eq!(batch.answered()[&2], ["failed", "ok"]);
    assert_eq!(invoked(&site), 4);
}

#[test]
fn responses_without_digests_are_refused() {
    let site = pod("");
    let batch = Batch::new(&site, &numbered(2));
    let earlier = "{\"line\":1,\"status\":\"ok\",\"payload\":null}\n";
    std::fs::write(&batch.answers, earlier).unwrap();
    let outcome = batch.run(&[]);
    outcome
        .assert_exit(2)
        .assert_says("the response in line 1 has no digest")
        .assert_says("move the file away");
    assert_eq!(std::fs::read_to_string(&batch.answers).unwrap(), earlier, "the file is left as it is");
    assert_eq!(sent(&site), 0);
}

/// It may have run: a second time is not ours to decide.
#[test]
fn what_is_unknown_is_not_sent_again_unless_a_repeat_does_no_harm() {
    let site = pod("");
    spoil(&site, Fault::new("lambda", "Invoke", FaultKind::ResetAfter).from(2));
    let batch = Batch::new(&site, &numbered(3));
    batch.run(&["--concurrency", "1"]).assert_exit(80);
    assert_eq!(batch.answered()[&2], ["unknown"]);
    for _ in 0..2 {
        let outcome = batch.run(&[]);
        outcome.assert_exit(80).assert_says("the first of them line 2").assert_says("--repeatable");
        let summary = outcome.json();
        assert_eq!((&summary["skipped"], &summary["kept_unknown"]), (&2.into(), &1.into()));
    }
    assert_eq!(invoked(&site), 3);
    let outcome = batch.run(&["--repeatable"]);
    assert_eq!(outcome.assert_exit(0).json()["skipped"], 2);
    batch.run(&[]).assert_exit(0);
    assert_eq!(begun(&site, "{\"n\":2}"), 2);
}

/// The next pod does the rest, but not what was in flight: that it would run twice.
#[test]
fn a_signal_leaves_lines_unknown_and_the_next_run_does_the_rest() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let site = pod("courses = [{}, {}, { after = '1h' }, { after = '1h' }, {}]");
        let batch = Batch::new(&site, &numbered(6));
        let running = site.start(batch.args(&["--concurrency", "2", "--grace-period", "1s"]));
        running.wait_for_calls("lambda", "Invoke", 4);
        running.signal(signal);
        running.finish().assert_exit(code);
        let before = batch.answered();
        assert_eq!(
            before.values().map(|them| them[0].as_str()).collect::<Vec<_>>(),
            ["ok", "ok", "unknown", "unknown"]
        );
        let outcome = batch.run(&[]);
        outcome.assert_exit(80);
        let summary = outcome.json();
        assert_eq!((&summary["ok"], &summary["kept_unknown"]), (&2.into(), &2.into()));
        assert_eq!(invoked(&site), 6);
    }
}

/// What was in flight is written down all the same.
#[test]
fn a_second_signal_is_80_at_once() {
    for (more, code) in [(&[][..], 80), (&["--repeatable"], 143)] {
        let site = pod("courses = [{}, { after = '1h' }]");
        let batch = Batch::new(&site, &numbered(6));
        let running = site.start(batch.args(&["--concurrency", "1"]).into_iter().chain(more.iter().copied()));
        running.wait_for_calls("lambda", "Invoke", 2);
        running.signal(Signal::TERM);
        running.wait_for_log("told to end");
        running.signal(Signal::TERM);
        running.finish().assert_exit(code);
        assert_eq!(batch.answered()[&2], ["unknown"]);
    }
}

/// Each line is an execution, which the next run finds by the key: nothing is unknown.
#[test]
fn lines_of_a_durable_function_are_found_again() {
    let site = super::durable("after = '4s'");
    let lines = site.write("lines.jsonl", &numbered(2)).display().to_string();
    let file = site.path("answers.jsonl").display().to_string();
    let args = ["--qualifier", "live", "--batch", &lines, "--output-file", &file, "--resume", &file];
    let running = site.start(keyed(&args).into_iter().chain(["--grace-period", "1s"]));
    running.wait_for_calls("lambda", "Invoke", 2);
    running.signal(Signal::TERM);
    running.finish().assert_exit(143);
    assert!(answered(file.as_ref()).values().all(|statuses| statuses[0] == "interrupted"));
    site.run(keyed(&args)).assert_exit(0);
    assert_eq!(invoked(&site), 2);
}

/// The function has done its work: to call it again would repeat it, and would tell no more.
#[test]
fn what_could_not_be_judged_is_not_invoked_again_and_stays_10() {
    let site = pod("courses = [{ answer = { json = '''a plain text''' } }]");
    let lines = site.write("lines.jsonl", "{\"n\":1}\n{\"n\":2}\n").display().to_string();
    let file = site.path("answers.jsonl").display().to_string();
    let args = f(&["--batch", &lines, "--expect", "ok", "--output-file", &file, "--resume", &file]);
    for _ in 0..2 {
        let outcome = site.run(&args);
        outcome.assert_exit(10).assert_says("not evaluated");
        assert_eq!(outcome.termination()["details"]["expect"], "not_evaluated");
        assert_eq!(invoked(&site), 2);
    }
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 2);
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&row["status"], &row["detail"]["expect"]), (&"ok".into(), &"not_evaluated".into()));
        assert_eq!(row["payload"], "a plain text");
    }
    // Without a condition there is nothing to judge.
    site.run(f(&["--batch", &lines, "--output-file", &file, "--resume", &file])).assert_exit(0);
    assert_eq!(invoked(&site), 2);
}

#[test]
fn the_first_run_of_a_job_has_nothing_to_resume() {
    let site = pod("");
    let batch = Batch::new(&site, "{\"n\":1}\n");
    batch.run(&[]).assert_exit(0);
    let none = site.path("none.jsonl").display().to_string();
    let args = ["--batch", batch.lines.to_str().unwrap(), "--resume", &none];
    site.run(f(&args)).assert_exit(0).assert_says("there are no earlier responses");
    assert_eq!(invoked(&site), 2);
}
