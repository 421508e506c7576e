//! What goes in and what comes out: to the byte, with every header.

use testkit::Site;

use super::{asked, assert_nothing_sent, assert_stdout, e, pod, queued, sent, taking};

/// Every byte there is, and no end of line at the end.
fn all_bytes() -> Vec<u8> {
    (0..=255).rev().chain(0..=255).collect()
}

#[test]
fn bytes_go_in_and_come_out_as_they_are() {
    let site = pod("");
    let file = site.path("body");
    std::fs::write(&file, all_bytes()).unwrap();
    let outcome =
        site.run(e(&["--body-file", file.to_str().unwrap(), "--content-type", "application/x-npy"]));
    assert_eq!(outcome.assert_exit(0).stdout, all_bytes());
    assert_eq!(site.sandbox.inferences("e")[0].body, all_bytes());
}

/// No newline is added to text either, in either direction.
#[test]
fn text_comes_from_an_option_and_from_standard_input() {
    for (args, stdin) in [(e(&["--body", "{\"a\": 1}"]), ""), (e(&["--body-file", "-"]), "{\"a\": 1}")] {
        let site = pod("");
        let outcome = site.start_with(args, stdin).finish();
        assert_stdout(outcome.assert_exit(0), "{\"a\": 1}");
        assert_eq!(&site.sandbox.inferences("e")[0].body[..], b"{\"a\": 1}");
    }
    let site = pod("");
    let outcome = site.run(e(&["--content-type", "text/csv", "--body", ""]));
    assert_eq!(outcome.assert_exit(0).stdout, b"");
}

/// As the AWS CLI does, so that a command line copied from it does not send the name of a file to the model.
#[test]
fn a_file_is_read_where_the_aws_cli_would_read_it() {
    let queue = "async = { output = 's3://team-data/async' }";
    for (table, args) in [("", e(&[])), (queue, queued(&[]))] {
        let site = pod(table);
        let run = |body: &str| {
            site.run([&args[..], &["--content-type", "application/x-npy", "--body", body]].concat())
                .assert_exit(0);
        };
        let file = site.path("body");
        std::fs::write(&file, all_bytes()).unwrap();
        let url = format!("fileb://{}", file.display());
        run(&url);
        run("fileb://body");
        std::fs::write(&file, "1,2\n").unwrap();
        run("file://body");
        let bodies: Vec<_> = site.sandbox.inferences("e").into_iter().map(|it| it.body.to_vec()).collect();
        assert_eq!(bodies, [all_bytes(), all_bytes(), b"1,2\n".to_vec()]);
    }
}

/// Whoever sets a variable of a pod must not have another of its files sent.
#[test]
fn a_file_is_not_read_for_a_variable() {
    let site = pod("").env("SAGEMAKER_BODY", "file://body");
    site.write("body", "1,2");
    site.run(e(&["--content-type", "text/csv"])).assert_exit(0);
    assert_eq!(&site.sandbox.inferences("e")[0].body[..], b"file://body");
}

#[test]
fn a_file_that_cannot_be_read_is_named_before_any_call() {
    let site = pod("");
    let file = site.path("body");
    std::fs::write(&file, all_bytes()).unwrap();
    let url = format!("file://{}", file.display());
    for (body, told) in
        [("file://nope.json", "nope.json: No such file"), (&url, "not UTF-8 text: write fileb://")]
    {
        let outcome = site.run(e(&["--content-type", "text/csv", "--body", body]));
        outcome.assert_exit(2).assert_says("--body").assert_says(told);
    }
    assert_nothing_sent(&site);
}

/// A row of numbers may begin with a negative one.
#[test]
fn a_body_may_begin_with_a_hyphen() {
    let queue = "async = { output = 's3://team-data/async' }";
    for (table, args) in [("", e(&[])), (queue, queued(&[]))] {
        let site = pod(table);
        let outcome = site.run([&args[..], &["--content-type", "text/csv", "--body", "-1,2"]].concat());
        assert_stdout(outcome.assert_exit(0), "-1,2");
        assert_eq!(&site.sandbox.inferences("e")[0].body[..], b"-1,2");
    }
}

#[test]
fn every_option_arrives() {
    let site = pod("");
    let options = [
        ("--content-type", "text/csv", "ContentType"),
        ("--accept", "application/json", "Accept"),
        ("--custom-attributes", "trace=1; user=\"x\"", "CustomAttributes"),
        ("--target-model", "a/b.tar.gz", "TargetModel"),
        ("--target-variant", "blue", "TargetVariant"),
        ("--target-container-hostname", "second", "TargetContainerHostname"),
        ("--inference-component", "ic-1", "InferenceComponentName"),
        ("--inference-id", "id 7", "InferenceId"),
        ("--enable-explanations", "`true`", "EnableExplanations"),
        ("--session-id", "abc-1", "SessionId"),
        ("--prefix-aware-id", "prefix 1", "PrefixAwareId"),
    ];
    let args: Vec<&str> = options.iter().flat_map(|(option, value, _)| [*option, *value]).collect();
    site.run(e(&[&args[..], &["--body", "1,2"]].concat())).assert_exit(0);
    let seen = &site.sandbox.inferences("e")[0].options;
    for (option, value, member) in options {
        assert_eq!(seen.get(member).map(String::as_str), Some(value), "{option}: {seen:?}");
    }
}

/// A manifest sets variables.
#[test]
fn variables_stand_for_options() {
    let site = pod("")
        .env("SAGEMAKER_ENDPOINT_NAME", "e")
        .env("SAGEMAKER_BODY", "1,2")
        .env("SAGEMAKER_CONTENT_TYPE", "text/csv")
        .env("SAGEMAKER_TARGET_VARIANT", "blue");
    site.run(["endpoint"]).assert_exit(0);
    assert_eq!(site.sandbox.inferences("e")[0].options["TargetVariant"], "blue");
}

#[test]
fn with_an_output_file_stdout_tells_about_the_answer() {
    let site = taking("body_base64 = 'AP8K', content_type = 'application/x-npy'");
    let file = site.write("answer", "an older and longer answer");
    let args = e(&[
        "--body",
        "{}",
        "--session-id",
        "NEW_SESSION",
        "--custom-attributes",
        "a",
        "--output-file",
        "answer",
    ]);
    let outcome = site.run(&args);
    let told = outcome.assert_exit(0).json();
    assert_eq!(std::fs::read(&file).unwrap(), [0, 255, 10]);
    assert_eq!(told["endpoint_name"], "e");
    assert_eq!(told["status"], 200);
    assert_eq!(told["content_type"], "application/x-npy");
    assert_eq!(told["invoked_production_variant"], "AllTraffic");
    assert_eq!(told["custom_attributes"], "a");
    assert!(told["new_session_id"].as_str().unwrap().contains("Expires="), "{told}");
    assert!(told["closed_session_id"].is_null());
    assert_eq!(told["request_id"], site.sandbox.calls().last().unwrap().request_id.as_str());
    assert_eq!(told["bytes"], 3);

    let text = site.run(e(&["--body", "{}", "--output-file", "answer", "--output", "text"]));
    assert!(text.assert_exit(0).text().contains("variant       AllTraffic\n"), "{}", text.text());
}

/// Yesterday's answer must not stay for today's empty one.
#[test]
fn an_empty_answer_empties_the_file() {
    let site = taking("body = ''");
    let file = site.write("answer", "an older answer");
    let outcome = site.run(e(&["--body", "{}", "--output-file", "answer"]));
    assert_eq!(outcome.assert_exit(0).json()["bytes"], 0);
    assert_eq!(std::fs::read(&file).unwrap(), b"");
}

/// A failure of the model leaves the file as it was.
#[test]
fn without_an_answer_the_file_stays() {
    let site = taking("model_error = { status = 500, message = 'boom' }");
    let file = site.write("answer", "an older answer");
    site.run(e(&["--body", "{}", "--output-file", "answer"])).assert_exit(10);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "an older answer");
}

#[test]
fn a_mistake_is_found_before_any_request() {
    for (more, expected) in [
        (&["--body", "{"][..], "the body should be JSON"),
        (&[], "--body, --body-file or --batch"),
        (&["--body", "{}", "--custom-attributes", "ü"], "printable ASCII"),
        (&["--body", "{}", "--target-variant", "a_b"], "letters and digits"),
        (&["--body-file", "/nowhere/body"], "No such file"),
    ] {
        let site = pod("");
        site.run(e(more)).assert_exit(2).assert_says(expected);
        assert_nothing_sent(&site);
    }
    // The body is somebody's data, and not told.
    let site = pod("");
    site.run(e(&["--body", "{\"patient\": 7,}"])).assert_exit(2).assert_does_not_say("patient");
    // A place that cannot be written to is found before the model is asked.
    site.run(e(&["--body", "{}", "--output-file", "/nowhere/answer"]))
        .assert_exit(2)
        .assert_says("/nowhere/answer");
    let location = ["--input-location", "s3://b/k", "--output-file", "/nowhere/answer"];
    site.run(["async", "--endpoint-name", "e"].iter().chain(&location))
        .assert_exit(2)
        .assert_says("/nowhere/answer");
    assert_nothing_sent(&site);
}

/// 6 MB was the limit once; the service knows today's.
#[test]
fn a_large_body_is_left_to_the_service() {
    let site = pod("");
    let file = site.path("body");
    std::fs::write(&file, vec![b'x'; 6_291_457]).unwrap();
    let args = e(&["--content-type", "text/plain", "--body-file", "body"]);
    let outcome = site.run(&args);
    outcome.assert_exit(65).assert_says("the body of 6291457 bytes");
    assert_eq!((sent(&site), asked(&site)), (1, 0));
    std::fs::write(&file, vec![b'x'; 25 * 1024 * 1024 + 1]).unwrap();
    let site_after = sent(&site);
    site.run(&args).assert_exit(2).assert_says("26214400");
    assert_eq!(sent(&site), site_after);
}

/// The gateway's word has no code.
#[test]
fn a_body_that_is_too_large_for_the_gateway_is_65() {
    let site: Site = pod("");
    super::spoil(&site, super::fault("InvokeEndpoint", super::status(413, "", "")));
    site.run(e(&["--body", "{}"])).assert_exit(65).assert_says("body of 2 bytes").assert_says("asynchronous");
}
