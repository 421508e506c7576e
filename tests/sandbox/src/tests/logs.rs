use serde_json::json;

use super::*;

const GROUP: &str = "/aws-glue/jobs/output";

fn world(settings: &str, lines: u32) -> String {
    let course = format!(
        "logs = [{{ after = '1s', text = 'line {{n}}', repeat = {lines} }}]\nsteps = [{{ state = 'RUNNING' }}]\n"
    );
    format!(
        "{TWO_ACCOUNTS}\n[[glue.jobs]]\naccount = '222222222222'\nname = 'talker'\n[[glue.jobs.courses]]\n{course}[logs]\n{settings}\n"
    )
}

fn read(bench: &Bench, keys: &Keys, stream: &str, token: Option<&str>) -> (Vec<String>, String, Value) {
    let mut parameters = json!({ "logGroupName": GROUP, "logStreamName": stream, "startFromHead": true });
    if let Some(token) = token {
        parameters["nextToken"] = json!(token);
    }
    let (_, answer) = bench.json(keys, "Logs_20140328.GetLogEvents", &parameters);
    let events = answer["events"].as_array().cloned().unwrap_or_default();
    let texts = events.iter().map(|event| event["message"].as_str().unwrap().to_owned()).collect();
    (texts, answer["nextForwardToken"].as_str().unwrap_or_default().to_owned(), answer)
}

/// Reads to the end: where the token stays the same.
fn follow(bench: &Bench, keys: &Keys, stream: &str) -> (Vec<String>, usize) {
    let (mut all, mut token, _) = read(bench, keys, stream, None);
    let mut pages = 1;
    loop {
        let (lines, next, _) = read(bench, keys, stream, Some(&token));
        all.extend(lines);
        if next == token {
            return (all, pages);
        }
        token = next;
        pages += 1;
    }
}

#[test]
fn streams_come_with_their_first_line_and_are_paged() {
    for (settings, pages) in [("", 1), ("page_size = 3", 3), ("page_size = 3\nempty_pages = true", 5)] {
        let bench = bench(&world(settings, 7));
        let keys = bench.second();
        let id = bench.cloud.start_run("talker", [].into()).unwrap();
        let (_, _, answer) = read(&bench, &keys, &id, None);
        assert_eq!(answer["__type"], "ResourceNotFoundException");
        assert_eq!(answer["message"], "The specified log group does not exist.");
        bench.advance(Duration::from_secs(1));
        let (_, _, answer) = read(&bench, &keys, "jr_other", None);
        assert_eq!(answer["message"], "The specified log stream does not exist.");
        let expected: Vec<String> = (1..=7).map(|number| format!("line {number}")).collect();
        assert_eq!(follow(&bench, &keys, &id), (expected, pages), "{settings}");
    }
}

#[test]
fn a_page_is_at_most_one_mebibyte() {
    let bench =
        bench(&world("", 1).replace("line {n}", &"x".repeat(600_000)).replace("repeat = 1", "repeat = 3"));
    let keys = bench.second();
    let id = bench.cloud.start_run("talker", [].into()).unwrap();
    bench.advance(Duration::from_secs(1));
    let (lines, pages) = follow(&bench, &keys, &id);
    assert_eq!((lines.len(), pages), (3, 3));
}

#[test]
fn a_stopped_run_writes_no_more() {
    let bench = bench(&world("", 2));
    let keys = bench.second();
    let id = bench.cloud.start_run("talker", [].into()).unwrap();
    bench.cloud.stop_run("talker", &id).unwrap();
    bench.advance(Duration::from_secs(9));
    assert_eq!(read(&bench, &keys, &id, None).2["__type"], "ResourceNotFoundException");
}

#[test]
fn the_other_operations() {
    let groups = "[[logs.groups]]\naccount = '222222222222'\nname = '/aws-glue/mine'\n\
                  streams = { a = [{ text = 'alpha one' }, { text = 'alpha two' }], b = [{ text = 'beta one' }] }\n";
    let bench = bench(&format!("{TWO_ACCOUNTS}\n{groups}"));
    let keys = bench.second();
    let ask = |operation: &str, mut parameters: Value| {
        parameters["logGroupName"] = json!("/aws-glue/mine");
        bench.json(&keys, &format!("Logs_20140328.{operation}"), &parameters).1
    };
    let names = |answer: &Value| -> Vec<String> {
        answer["logStreams"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["logStreamName"].as_str().unwrap().into())
            .collect()
    };
    assert_eq!(names(&ask("DescribeLogStreams", json!({}))), ["a", "b"]);
    assert_eq!(names(&ask("DescribeLogStreams", json!({ "descending": true, "limit": 1 }))), ["b"]);
    assert_eq!(names(&ask("DescribeLogStreams", json!({ "limit": 1, "nextToken": "1" }))), ["b"]);
    assert_eq!(names(&ask("DescribeLogStreams", json!({ "logStreamNamePrefix": "a" }))), ["a"]);
    let texts = |answer: &Value| -> Vec<String> {
        answer["events"].as_array().unwrap().iter().map(|s| s["message"].as_str().unwrap().into()).collect()
    };
    assert_eq!(texts(&ask("FilterLogEvents", json!({ "filterPattern": "one" }))), ["alpha one", "beta one"]);
    assert_eq!(texts(&ask("FilterLogEvents", json!({ "logStreamNames": ["b"] }))), ["beta one"]);
    let page = ask("FilterLogEvents", json!({ "limit": 2 }));
    assert_eq!((texts(&page).len(), page["nextToken"].as_str()), (2, Some("2")));
    for (operation, parameters, code) in [
        ("DescribeLogStreams", json!({ "limit": 51 }), "InvalidParameterException"),
        (
            "DescribeLogStreams",
            json!({ "orderBy": "LastEventTime", "logStreamNamePrefix": "a" }),
            "InvalidParameterException",
        ),
        ("FilterLogEvents", json!({ "logStreamNames": ["c"] }), "ResourceNotFoundException"),
        (
            "FilterLogEvents",
            json!({ "logStreamNames": ["a"], "logStreamNamePrefix": "a" }),
            "InvalidParameterException",
        ),
        ("GetLogEvents", json!({}), "InvalidParameterException"),
        (
            "GetLogEvents",
            json!({ "logStreamName": "a", "nextToken": "nonsense" }),
            "InvalidParameterException",
        ),
    ] {
        assert_eq!(ask(operation, parameters)["__type"], code, "{operation}");
    }
    let tail = ask("GetLogEvents", json!({ "logStreamName": "a", "limit": 1 }));
    assert_eq!(texts(&tail), ["alpha two"]);
    let back = ask(
        "GetLogEvents",
        json!({ "logStreamName": "a", "limit": 1, "nextToken": tail["nextBackwardToken"] }),
    );
    assert_eq!(texts(&back), ["alpha one"]);
}
