//! `--batch`: one invocation a line. What a batch promises is tested with lambda-invoke; here is what a model adds.

use serde_json::{Value, json};
use testkit::{FaultKind, Outcome};

use super::{asked, e, fault, pod, sent, spoil, taking};

/// The answers, a value for each line.
fn answers(outcome: &Outcome) -> Vec<Value> {
    outcome.text().lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[test]
fn each_line_is_a_body() {
    let site = pod("");
    let lines = "{\"n\":1}\n{\"n\":2}\nno json\n{\"n\":4}\n";
    let outcome = site.start_with(e(&["--batch", "-", "--target-variant", "blue"]), lines).finish();
    let answers = answers(outcome.assert_exit(10));
    let statuses: Vec<&Value> = answers.iter().map(|answer| &answer["status"]).collect();
    assert_eq!(statuses, ["ok", "ok", "usage", "ok"]);
    assert_eq!(answers[1]["payload"], json!({"n": 2}));
    assert_eq!(asked(&site), 3);
    assert!(
        site.sandbox.inferences("e").iter().all(|inference| inference.options["TargetVariant"] == "blue")
    );
}

/// Lines of another type are not JSON, and need not be.
#[test]
fn lines_may_be_of_another_type() {
    let site = pod("");
    let outcome = site.start_with(e(&["--batch", "-", "--content-type", "text/csv"]), "1,2\n3,4\n").finish();
    let answers = answers(outcome.assert_exit(0));
    assert_eq!((&answers[0]["payload"], &answers[1]["payload"]), (&json!("1,2"), &json!("3,4")));
}

#[test]
fn a_failed_line_says_what_is_known() {
    let site = pod("courses = [{}, { model_error = { status = 500, message = 'boom' } }, {}]");
    let outcome = site.start_with(e(&["--batch", "-", "--concurrency", "1"]), "1\n2\n3\n").finish();
    let answers = answers(outcome.assert_exit(10));
    assert_eq!(answers[1]["status"], "failed");
    assert_eq!(answers[1]["detail"]["original_status_code"], 500);
    assert_eq!(answers[1]["detail"]["original_message"], "boom");
    assert!(answers[1]["detail"]["log_stream_arn"].as_str().unwrap().contains("Endpoints/e"));
    assert!(answers[1]["request_id"].is_string());
    assert_eq!(answers[2]["status"], "ok");
}

#[test]
fn a_line_is_sent_again_only_where_the_model_was_not_asked() {
    let site = pod("courses = [{ not_ready = true }, {}]");
    spoil(&site, fault("InvokeEndpoint", FaultKind::ResetAfter).from(3));
    let outcome = site.start_with(e(&["--batch", "-", "--concurrency", "1"]), "1\n2\n3\n").finish();
    let answers = answers(outcome.assert_exit(80));
    let statuses: Vec<&Value> = answers.iter().map(|answer| &answer["status"]).collect();
    assert_eq!(statuses, ["ok", "unknown", "ok"]);
    assert_eq!((sent(&site), asked(&site)), (4, 3));
}

#[test]
fn answers_may_go_to_a_file_and_be_taken_up_again() {
    let site = taking("body = '1'");
    let lines = site.write("lines", "1\n2\n");
    let args = e(&["--batch", lines.to_str().unwrap(), "--output-file", "answers", "--resume", "answers"]);
    let outcome = site.run(&args);
    assert_eq!(outcome.assert_exit(0).json()["ok"], 2);
    let text = std::fs::read_to_string(site.path("answers")).unwrap();
    assert_eq!(text.lines().count(), 2);
    // printf '%s\n%s' '{"service":"sagemaker","region":"us-east-2","account":"222222222222","endpoint":"e",
    // "content_type":"application/json"}' '1' (the first in one line) | sha256sum | cut -c1-32
    let golden = r#"{"line":1,"status":"ok","digest":"f5221177885d7df352115248a67685db","payload":1,"#;
    assert!(text.starts_with(golden), "{text}");
    site.run(&args).assert_exit(0);
    assert_eq!(asked(&site), 2, "what was answered well is not asked again");
    // Of another model of the endpoint nothing was asked yet.
    let other: Vec<&str> = args.iter().copied().chain(["--target-variant", "blue"]).collect();
    assert_eq!(site.run(&other).assert_exit(0).json()["skipped"], 0);
    assert_eq!(asked(&site), 4);
}

/// Every shard has its own file of answers, and goes on with it.
#[test]
fn a_shard_is_taken_up_again_in_its_own_file() {
    let site = pod("courses = [{}, { model_error = { status = 500, message = 'boom' } }, {}]");
    let lines = site.write("lines", "1\n2\n3\n4\n5\n6\n");
    let shard = |index: &'static str, answers: &'static str| {
        let file = ["--batch", lines.to_str().unwrap(), "--output-file", answers, "--resume", answers];
        let share = ["--shard", index, "--shard-count", "2", "--concurrency", "1"];
        site.run(e(&[&file[..], &share].concat()))
    };
    let answered = |file: &str| -> Vec<(u64, String)> {
        let text = std::fs::read_to_string(site.path(file)).unwrap();
        let answers = text.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
        answers.map(|it| (it["line"].as_u64().unwrap(), it["status"].as_str().unwrap().to_owned())).collect()
    };
    let told = |lines: &[(u64, &str)]| -> Vec<(u64, String)> {
        lines.iter().map(|(line, status)| (*line, (*status).to_owned())).collect()
    };
    shard("0", "even").assert_exit(10);
    assert_eq!(answered("even"), told(&[(1, "ok"), (3, "failed"), (5, "ok")]));
    shard("1", "odd").assert_exit(0);
    assert_eq!(answered("odd"), told(&[(2, "ok"), (4, "ok"), (6, "ok")]));
    assert_eq!(asked(&site), 6);
    // Only the line that failed is asked again, and only by its own shard.
    let summary = shard("0", "even").assert_exit(0).json();
    assert_eq!((&summary["ok"], &summary["skipped"]), (&json!(1), &json!(2)));
    assert_eq!(answered("even"), told(&[(1, "ok"), (3, "failed"), (5, "ok"), (3, "ok")]));
    shard("0", "even").assert_exit(0);
    shard("1", "odd").assert_exit(0);
    assert_eq!(asked(&site), 7);
    let bodies: Vec<Vec<u8>> = site.sandbox.inferences("e").into_iter().map(|it| it.body.to_vec()).collect();
    assert_eq!(bodies, [b"1", b"3", b"5", b"2", b"4", b"6", b"3"]);
}
