use clap::Parser;

use super::*;
use crate::endpoint::{Call, Input};
use crate::queued;

/// The options with those of the runtime that they look at.
#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    cli: Cli,
    #[arg(id = "runtime.idempotency-key", long = "idempotency-key", global = true)]
    key: Option<String>,
    #[arg(id = "runtime.no-wait", long = "no-wait", global = true)]
    no_wait: bool,
}

fn parse(options: &[&str]) -> Result<Work, String> {
    let words = ["sagemaker-invoke"].iter().chain(options);
    let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
    line.cli.into_request().map(|request| request.work)
}

#[test]
fn every_field_of_an_invocation() {
    let options = [
        "endpoint",
        "--endpoint-name",
        "e",
        "--body",
        "1,2",
        "--content-type",
        "text/csv",
        "--accept",
        "text/plain",
        "--custom-attributes",
        "a=b",
        "--inference-id",
        "i",
        "--target-model",
        "m.tar.gz",
        "--target-variant",
        "v",
        "--target-container-hostname",
        "c",
        "--inference-component",
        "ic",
        "--enable-explanations",
        "`true`",
        "--session-id",
        "NEW_SESSION",
        "--prefix-aware-id",
        "p",
        "--output-file",
        "/tmp/out",
    ];
    let Ok(Work::Endpoint(request)) = parse(&options) else { panic!("{:?}", parse(&options)) };
    let text = |text: &str| Some(text.to_owned());
    let expected = Call {
        endpoint_name: "e".to_owned(),
        content_type: "text/csv".to_owned(),
        accept: text("text/plain"),
        custom_attributes: text("a=b"),
        inference_id: text("i"),
        target_model: text("m.tar.gz"),
        target_variant: text("v"),
        target_container_hostname: text("c"),
        inference_component: text("ic"),
        enable_explanations: text("`true`"),
        session_id: text("NEW_SESSION"),
        prefix_aware_id: text("p"),
    };
    assert_eq!(request.call, expected);
    assert_eq!(request.output_file.as_deref(), Some(std::path::Path::new("/tmp/out")));
    assert!(matches!(&request.input, Input::Single(body) if body.bytes() == b"1,2"));

    let Ok(Work::Endpoint(request)) = parse(&["endpoint", "--endpoint-name=e", "--body={}", "--stream"])
    else {
        panic!()
    };
    assert_eq!(request.call.content_type, "application/json");
    assert!(matches!(&request.input, Input::Stream(body) if body.bytes() == b"{}"));
}

#[test]
fn an_invocation_is_refused_before_any_call() {
    let long = "x".repeat(64);
    let cases: [(&[&str], &str); 16] = [
        (&["--body", "{}", "--no-wait"], "--no-wait is for async and train"),
        (&[], "--body, --body-file or --batch"),
        (&["--batch", "-", "--body", "{}"], "leave --body and --body-file out"),
        (&["--batch", "-", "--stream"], "cannot be used with"),
        (&["--body", "{"], "the body should be JSON"),
        (&["--body", "{}", "--body-file", "/dev/null"], "cannot be used with"),
        (&["--body-file", "/nowhere/body"], "No such file"),
        (&["--body", "{}", "--endpoint-name", "e"], "cannot be used multiple times"),
        (&["--body", "{}", "--accept", "ü"], "printable ASCII"),
        (&["--body", "{}", "--content-type", "a\nb"], "printable ASCII"),
        (&["--body", "{}", "--inference-id", ""], "empty"),
        (&["--body", "{}", "--target-variant", &long], "63 are allowed"),
        (&["--body", "{}", "--session-id", "a_b"], "letters and digits"),
        (&["--body", "{}", "--stream", "--target-model", "m"], "cannot be used with"),
        (&["--body", "{}", "--stream", "--enable-explanations", "x"], "cannot be used with"),
        (&["--body", "{}", "--stream", "--session-id", "NEW_SESSION"], "cannot open a session"),
    ];
    for (options, expected) in cases {
        let options: Vec<&str> = ["endpoint", "--endpoint-name=e"].iter().chain(options).copied().collect();
        let error = parse(&options).unwrap_err();
        assert!(error.contains(expected), "{options:?}: {error}");
    }
    assert!(parse(&[]).is_err(), "something is to be done");
    let unwaited = ["--no-wait", "endpoint", "--endpoint-name=e", "--body={}"];
    assert!(parse(&unwaited).unwrap_err().contains("--no-wait"), "a common option may come first");
    assert!(parse(&["async", "--endpoint-name=e", "--body={}", "--no-wait"]).is_ok());
}

#[test]
fn every_field_of_an_asynchronous_invocation() {
    let options = [
        "async",
        "--endpoint-name",
        "e",
        "--input-location",
        "s3://b/in",
        "--content-type",
        "text/csv",
        "--request-ttl",
        "1h",
        "--invocation-timeout",
        "90s",
        "--s3-output-path-extension",
        "day/1",
        "--filename",
        "out.csv",
        "--inference-id",
        "i",
        "--claim-location",
        "s3://b/claims/",
        "--idempotency-key",
        "k",
    ];
    let Ok(Work::Async(request)) = parse(&options) else { panic!("{:?}", parse(&options)) };
    let text = |text: &str| Some(text.to_owned());
    let expected = queued::Call {
        endpoint_name: "e".to_owned(),
        content_type: "text/csv".to_owned(),
        accept: None,
        custom_attributes: None,
        inference_id: text("i"),
        input: queued::Input::Location("s3://b/in".to_owned()),
        request_ttl: Some(3600),
        invocation_timeout: Some(90),
        path_extension: text("day/1"),
        filename: text("out.csv"),
    };
    assert_eq!(request.call, expected);
    assert_eq!(request.claims.map(|at| at.to_string()).as_deref(), Some("s3://b/claims/"));
}

#[test]
fn an_asynchronous_invocation_is_refused_before_any_call() {
    let long = "1".repeat(128_001);
    let cases: [(&[&str], &str); 9] = [
        (&[], "--input-location, --body or --body-file"),
        (&["--body", "{"], "the body should be JSON"),
        (&["--body", &long], "128001 bytes"),
        (&["--body", "{}", "--input-location", "s3://b/k"], "cannot be used with"),
        (&["--input-location", "https://b/k"], "s3://bucket/key"),
        (&["--input-location", "s3://b"], "name an object"),
        (&["--input-location", "s3://b/k", "--filename", "a.b.c"], "one '.'"),
        (&["--input-location", "s3://b/k", "--request-ttl", "30s"], "1m to 6h"),
        (&["--input-location", "s3://b/k", "--idempotency-key", "k"], "needs --claim-location"),
    ];
    for (options, expected) in cases {
        let options: Vec<&str> = ["async", "--endpoint-name=e"].iter().chain(options).copied().collect();
        let error = parse(&options).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    assert!(parse(&["async", "--endpoint-name=e", "--body", &long[..128_000]]).is_ok());
    let keyed = ["--idempotency-key=k", "async", "--endpoint-name=e", "--body={}"];
    assert!(parse(&keyed).unwrap_err().contains("--claim-location"), "a common option may come first");
}

#[test]
fn a_job_needs_a_name() {
    let file = std::env::temp_dir().join(format!("sagemaker-invoke-{}.json", std::process::id()));
    let spec = |name: &str| {
        format!(
            r#"{{{name}"RoleArn": "arn:aws:iam::111122223333:role/r", "OutputDataConfig": {{"S3OutputPath": "s3://b"}}}}"#
        )
    };
    let path = file.to_str().unwrap();
    std::fs::write(&file, spec("")).unwrap();
    assert!(parse(&["train", "--spec-file", path]).unwrap_err().contains("no name"));
    assert!(parse(&["train", "--spec-file", path, "--job-name", "j"]).is_ok());
    assert!(parse(&["train", "--spec-file", path, "--idempotency-key", "k"]).is_ok());
    assert!(
        parse(&["train", "--spec-file", path, "--job-name", "a_b"])
            .unwrap_err()
            .contains("letters and digits")
    );
    std::fs::write(&file, spec(r#""TrainingJobName": "t", "#)).unwrap();
    assert!(parse(&["train", "--spec-file", path]).is_ok());
    std::fs::remove_file(&file).unwrap();
    assert!(parse(&["train"]).unwrap_err().contains("--spec-file"));
}
