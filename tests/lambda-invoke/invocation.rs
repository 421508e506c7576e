//! What goes with an invocation, and how its answer is handed on.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::{assert_nothing_sent, assert_stdout, f, invoked, pod, sent, taking};

/// The documented script: a payload, and nothing else.
#[test]
fn the_answer_comes_out_as_it_was_made() {
    let odd = r#"{ "b":1,  "a" : [1.0,2e3],"ü":"\u00e4" }"#;
    let site = taking(&format!("answer = {{ json = '''{odd}''' }}"));
    let outcome = site.run(f(&["--payload", "{}"]));
    assert_stdout(outcome.assert_exit(0), odd);
    assert_eq!(invoked(&site), 1);
    assert_eq!(outcome.termination()["remote_id"], site.sandbox.invocations("f")[0].request_id.as_str());
}

#[test]
fn a_payload_is_sent_to_the_byte_from_wherever_it_comes() {
    let text = "{\"a\": \"ü\",\n  \"b\": 1.50}";
    for from in ["option", "file", "stdin", "variable"] {
        let mut site = pod("");
        let path = site.write("payload.json", text).display().to_string();
        let mut args = f(&[]);
        match from {
            "option" => args.extend(["--payload", text]),
            "file" => args.extend(["--payload-file", &path]),
            "stdin" => args.extend(["--payload-file", "-"]),
            _ => site = site.env("LAMBDA_PAYLOAD", text),
        }
        let outcome = site.start_with(args, text).finish();
        assert_stdout(outcome.assert_exit(0), text);
        assert_eq!(site.sandbox.invocations("f")[0].payload, text, "{from}");
    }
}

/// As the AWS CLI does.
#[test]
fn a_file_is_read_where_the_aws_cli_would_read_it() {
    let site = pod("");
    let text = "{\"a\": \"ü\"}";
    site.write("payload.json", text);
    site.write("context.json", "{\"client\": 1}\n");
    for url in ["file://payload.json", "fileb://payload.json"] {
        let outcome = site.run(f(&["--payload", url, "--client-context", "file://context.json"]));
        assert_stdout(outcome.assert_exit(0), text);
        site.run(f(&["--payload-file", url])).assert_exit(0);
    }
    for invocation in site.sandbox.invocations("f") {
        assert_eq!(invocation.payload, text);
    }
    assert_eq!(site.sandbox.invocations("f").len(), 4);
    // A variable is data.
    let site = pod("").env("LAMBDA_PAYLOAD", "file://payload.json");
    site.write("payload.json", text);
    site.run(f(&[])).assert_exit(2).assert_says("LAMBDA_PAYLOAD");
    assert_nothing_sent(&site);
}

#[test]
fn no_payload_is_no_payload() {
    let site = pod("");
    site.run(f(&[])).assert_exit(0);
    assert_eq!(site.sandbox.invocations("f")[0].payload_length, 0);
}

#[test]
fn what_is_wrong_with_a_payload_is_told_before_any_call() {
    let site = pod("");
    let file = site.write("payload.json", "{\"password\": \"s3cret\",}").display().to_string();
    let outcome = site.run(f(&["--payload-file", &file]));
    outcome.assert_exit(2).assert_says("line 1 column").assert_says("--payload-file");
    outcome.assert_does_not_say("s3cret");
    let long = site.write("long.json", &format!("\"{}\"", "x".repeat(1024 * 1024))).display().to_string();
    site.run(f(&["--payload-file", &long, "--invocation-type", "Event"]))
        .assert_exit(2)
        .assert_says("1048578 bytes, Lambda takes 1048576 for --invocation-type Event");
    let longer =
        site.write("longer.json", &format!("\"{}\"", "x".repeat(6 * 1024 * 1024))).display().to_string();
    site.run(f(&["--payload-file", &longer])).assert_exit(2).assert_says("more than 6291456 bytes");
    assert_nothing_sent(&site);
}

/// Six megabytes there and back.
#[test]
fn the_longest_payload_goes_through() {
    let site = pod("");
    let text = format!("\"{}\"", "x".repeat(6 * 1024 * 1024 - 2));
    let file = site.write("payload.json", &text).display().to_string();
    let outcome = site.run(f(&["--payload-file", &file]));
    assert_eq!(outcome.assert_exit(0).stdout.len(), 6 * 1024 * 1024);
}

#[test]
fn a_function_is_named_in_every_form() {
    let arn = "arn:aws:lambda:us-east-2:222222222222:function:f";
    for (args, qualifier) in [
        (vec!["--function-name", "f:live"], Some("live")),
        (vec!["--function-name", "f", "--qualifier", "1"], Some("1")),
        (vec!["--function-name", arn], None),
        (vec!["--function-name", "222222222222:function:f:live"], Some("live")),
    ] {
        let site = pod("");
        site.run(&args).assert_exit(0);
        assert_eq!(site.sandbox.invocations("f")[0].qualifier.as_deref(), qualifier, "{args:?}");
    }
    let site = pod("");
    site.run(["--function-name", "f:live", "--qualifier", "1"])
        .assert_exit(2)
        .assert_says("leave one of them out");
    assert_nothing_sent(&site);
    site.run(["--function-name", "arn:aws:lambda:eu-west-1:222222222222:function:f"])
        .assert_exit(78)
        .assert_says("region eu-west-1")
        .assert_says("us-east-2");
    assert_eq!(sent(&site), 0);
}

#[test]
fn context_and_tenant_reach_the_function() {
    let site = pod("tenants = true");
    site.run(f(&["--client-context", r#"{"custom":{"job":"nightly"}}"#, "--tenant-id", "blue"]))
        .assert_exit(0);
    let invocation = &site.sandbox.invocations("f")[0];
    assert_eq!(invocation.client_context, Some(json!({ "custom": { "job": "nightly" } })));
    assert_eq!(invocation.tenant.as_deref(), Some("blue"));
}

#[test]
fn the_end_of_the_log_is_shown_decoded() {
    let site = taking("logs = ['reading orders', 'wrote 1204 rows']");
    let outcome = site.run(f(&["--log-tail"]));
    outcome.assert_exit(0).assert_says("wrote 1204 rows").assert_says("REPORT RequestId");
    site.run(f(&[])).assert_does_not_say("wrote 1204 rows");
}

#[test]
fn with_an_output_file_stdout_tells_what_is_known() {
    let site = taking("answer = { json = '{\"ok\":true}' }");
    let file = site.write("answer.json", "an older and longer answer");
    let outcome = site.run(f(&["--qualifier", "live", "--output-file", file.to_str().unwrap()]));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), r#"{"ok":true}"#);
    let facts = outcome.assert_exit(0).json();
    let id = &site.sandbox.invocations("f")[0].request_id;
    assert_eq!(
        facts,
        json!({
            "function": "f:live", "status_code": 200, "function_error": null, "executed_version": "1",
            "durable_execution_arn": null, "request_id": id, "region": "us-east-2", "account": "222222222222",
        })
    );
    let outcome = site.run(f(&["--output-file", "/nowhere/answer"]));
    outcome.assert_exit(2).assert_says("/nowhere/answer");
    assert_eq!(invoked(&site), 1, "nothing is invoked whose answer could not be kept");
}

/// A payload may come from a pipe of the shell; one that never comes is not waited for beyond `--timeout`.
#[test]
fn a_payload_that_does_not_come_ends_with_the_timeout() {
    let site = pod("");
    let pipe = site.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let args = f(&["--payload-file", pipe.to_str().unwrap(), "--timeout", "500ms"]);
    site.run(args).assert_exit(75).assert_says("--timeout");
    assert_nothing_sent(&site);
}

/// Found before the first call of all, whatever it is that keeps an answer from being written.
#[test]
fn the_place_of_an_answer_is_checked_before_any_call() {
    let site = pod("");
    let directory = site.path("directory");
    std::fs::create_dir(&directory).unwrap();
    let socket = site.path("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in ["/nowhere/answer", directory.to_str().unwrap(), socket.to_str().unwrap()] {
        let outcome = site.run(f(&["--output-file", path]));
        outcome.assert_exit(2).assert_says(path).assert_says("--output-file");
    }
    assert!(site.sandbox.calls().is_empty(), "{:#?}", site.sandbox.calls());
}

#[test]
fn a_new_file_is_its_owner_s_alone_and_an_old_one_keeps_its_mode() {
    let site = pod("");
    let file = site.path("answer");
    let args = f(&["--payload", "{}", "--output-file", file.to_str().unwrap()]);
    site.run(&args).assert_exit(0);
    let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    site.run(&args).assert_exit(0);
    assert_eq!(mode(), 0o644);
    // The standard output by its name.
    let outcome = site.run(f(&["--payload", "{}", "--output-file", "/dev/stdout"]));
    assert!(outcome.assert_exit(0).text().starts_with("{}"), "{}", outcome.text());
}

/// In a shared directory any user can put a link to a file of root's.
#[test]
fn as_root_an_answer_does_not_go_through_the_link_of_another_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let site = pod("");
    let precious = site.write("precious", "kept");
    for (name, target) in [("link", "precious"), ("dangling", "new")] {
        let link = site.path(name);
        std::os::unix::fs::symlink(target, &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(65532), None).unwrap();
        let outcome = site.run(f(&["--payload", "{}", "--output-file", link.to_str().unwrap()]));
        outcome.assert_exit(2).assert_says("another owner");
    }
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "kept");
    assert!(!site.path("new").exists());
    assert!(site.sandbox.calls().is_empty());
}

#[test]
fn events_are_queued_and_not_awaited() {
    let site = taking("after = '1h'");
    let outcome = site.run(f(&["--invocation-type", "Event", "--payload", "{}"]));
    assert_eq!(outcome.assert_exit(0).json()["status_code"], 202);
    assert_eq!(invoked(&site), 1);
}

#[test]
fn a_dry_run_runs_nothing() {
    let site = pod("");
    assert_eq!(site.run(f(&["--invocation-type", "DryRun"])).assert_exit(0).json()["status_code"], 204);
    assert_eq!(invoked(&site), 0);
}

#[test]
fn not_to_wait_is_for_events() {
    let site = pod("");
    site.run(f(&["--no-wait"])).assert_exit(2).assert_says("--invocation-type Event");
    assert_eq!(sent(&site), 0);
    site.run(f(&["--no-wait", "--invocation-type", "Event"])).assert_exit(0);
}
