//! A batch that was killed, and the one that goes on with it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use testkit::Site;

use super::{f, invoked, numbered, pod};

const LINES: usize = 400;

fn lines(site: &Site) -> String {
    site.write("lines.jsonl", &numbered(LINES)).display().to_string()
}

/// The whole answers of a file by line: a line may have been answered more than once.
fn answered(text: &str) -> BTreeMap<u64, Vec<String>> {
    let mut answers = BTreeMap::<u64, Vec<String>>::new();
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let answer: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let line = answer["line"].as_u64().expect("a line");
        answers.entry(line).or_default().push(answer["status"].as_str().expect("a status").to_owned());
    }
    answers
}

/// SIGKILL in the middle, then the same command again: every line is answered, and none that was already.
#[test]
fn a_killed_batch_is_resumed() {
    let site = pod("courses = [{ after = '10ms' }]");
    let lines = lines(&site);
    let file = site.path("answers.jsonl");
    let path = file.to_str().unwrap().to_owned();
    let args = f(&["--batch", &lines, "--concurrency", "4", "--output-file", &path, "--resume", &path]);
    let running = site.start(&args);
    running.wait_for_calls("lambda", "Invoke", LINES / 3);
    running.kill();
    let before = answered(&std::fs::read_to_string(&file).unwrap());
    assert!(before.len() > 20 && before.len() < LINES, "{} lines before", before.len());
    let count = |n: u64| {
        let payload = format!("{{\"n\":{n}}}");
        site.sandbox.invocations("f").iter().filter(|it| it.payload == payload).count()
    };
    let outcome = site.run(&args);
    assert_eq!(outcome.assert_exit(0).json()["skipped"], before.len());
    let text = std::fs::read_to_string(&file).unwrap();
    let after = answered(&text);
    assert_eq!(after.len(), LINES);
    assert!(after.values().all(|statuses| statuses.as_slice() == ["ok"]), "a line was answered twice");
    for line in before.keys() {
        assert_eq!(count(*line), 1, "line {line} had its answer and was invoked again");
    }
    // What was in flight, or answered and not yet written, at the moment of the kill.
    assert!(invoked(&site) <= LINES + 4 * 4, "{} invocations", invoked(&site));
}

/// Only what went well is skipped, wherever and however often it stands.
#[test]
fn what_failed_is_done_again() {
    let site = pod("");
    let lines =
        site.write("lines.jsonl", "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n").display().to_string();
    let earlier = site.write(
        "earlier.jsonl",
        "{\"line\":3,\"status\":\"ok\",\"payload\":null}\n{\"line\":1,\"status\":\"failed\",\"error\":\"x\"}\n\
         {\"line\":2,\"status\":\"unknown\",\"error\":\"x\"}\n{\"line\":1,\"status\":\"ok\"}\n{\"line\":4,\"sta",
    );
    let outcome = site.run(f(&["--batch", &lines, "--resume", earlier.to_str().unwrap()]));
    let answers = answered(outcome.assert_exit(0).text());
    assert_eq!(answers.keys().copied().collect::<Vec<_>>(), [2, 4]);
    assert_eq!(invoked(&site), 2);
    assert!(
        std::fs::read_to_string(&earlier).unwrap().ends_with("\"sta"),
        "the earlier file is left as it is"
    );
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
    let lines = site.write("lines.jsonl", "{\"n\":1}\n").display().to_string();
    let outcome = site.run(f(&["--batch", &lines, "--resume", site.path("none.jsonl").to_str().unwrap()]));
    outcome.assert_exit(0);
    assert!(outcome.elapsed < Duration::from_secs(30));
}
