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
    let answers = answers(outcome.assert_exit(2));
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
    assert_eq!(std::fs::read_to_string(site.path("answers")).unwrap().lines().count(), 2);
    site.run(&args).assert_exit(0);
    assert_eq!(asked(&site), 2, "what was answered well is not asked again");
}
