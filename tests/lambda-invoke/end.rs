//! How a function ends, and what the exit code says about it.

use testkit::{Fault, FaultKind, Site, Worlds};

use serde_json::Value;

use super::{BINARY, assert_stdout, f, invoked, pod, sent, spoil, status, taking, world};

#[test]
fn a_function_error_is_10_with_type_text_and_stack() {
    for kind in ["Handled", "Unhandled"] {
        let site = taking(&format!(
            "answer = {{ error = {{ kind = '{kind}', type = 'KeyError', message = 'no order_id', \
             stack = ['File index.py, line 7', 'File orders.py, line 9'] }} }}"
        ));
        let outcome = site.run(f(&[]));
        outcome
            .assert_exit(10)
            .assert_says(&format!("function f failed ({kind}): KeyError: no order_id"))
            .assert_says("File orders.py, line 9");
        assert_eq!(outcome.json()["errorType"], "KeyError", "the answer is on stdout all the same");
        let message = outcome.termination();
        assert_eq!((&message["outcome"], &message["state"]), (&"failed".into(), &kind.into()));
        assert_eq!(invoked(&site), 1);
    }
}

#[test]
fn a_function_that_dies_has_failed() {
    for (course, text) in [
        ("answer = 'crash'", "Runtime.ExitError"),
        ("answer = 'out_of_memory'", "signal: killed"),
        ("answer = 'timed_out'", "Task timed out after"),
    ] {
        let site = taking(course);
        let outcome = site.run(f(&[]));
        outcome.assert_exit(10).assert_says(text);
        assert!(!outcome.stdout.is_empty());
        assert_eq!(invoked(&site), 1, "{course}");
    }
}

#[test]
fn an_answer_that_is_not_as_expected_is_10() {
    let site = taking("answer = { json = '{\"rows\": 0, \"status\": \"ok\"}' }");
    site.run(f(&["--expect", "status == 'ok'"])).assert_exit(0);
    let outcome = site.run(f(&["--expect", "rows > `0`"]));
    outcome.assert_exit(10).assert_says("--expect `rows > `0`` is not true of the response");
    assert_stdout(&outcome, r#"{"rows": 0, "status": "ok"}"#);
}

/// What Node writes after it has cut an emoji in half, and what Python writes for a division by zero.
#[test]
fn a_response_that_a_strict_reader_refuses_is_judged_all_the_same() {
    for (payload, expression, exit) in [
        (r#"{"status":"ok","text":"cut \ud83d"}"#, "status == 'ok'", 0),
        (r#"{"status":"bad","text":"cut \ud83d"}"#, "status == 'ok'", 10),
        (r#"{"score":NaN,"big":1e400,"status":"ok"}"#, "status == 'ok'", 0),
        (r#"{"score":NaN}"#, "score", 10),
    ] {
        let site = taking(&format!("answer = {{ json = '''{payload}''' }}"));
        let outcome = site.run(f(&["--expect", expression]));
        assert_stdout(outcome.assert_exit(exit), payload);
        assert_eq!(outcome.termination()["details"], Value::Null);
    }
}

/// The function has succeeded: nothing says that it has failed, and nothing that the condition holds.
#[test]
fn a_condition_that_is_neither_true_nor_false_is_10_and_says_so() {
    let many = format!("[{}1]", "[],".repeat(1_500_000));
    for (payload, expression, reason) in [
        ("a plain text", "status == 'ok'", "the response is not JSON"),
        (r#"{"failed": 1}"#, "length(failed) == `0`", "a value of another type"),
        (many.as_str(), "@", "MiB of memory"),
    ] {
        let site = taking(&format!("answer = {{ json = '''{payload}''' }}"));
        let outcome = site.run(f(&["--expect", expression, "--output-file", "out"]));
        outcome.assert_exit(10).assert_says("was not evaluated").assert_says(reason);
        assert_eq!(outcome.termination()["details"]["expect"], "not_evaluated");
        assert_eq!(outcome.json()["details"]["expect"], "not_evaluated");
        assert_eq!(outcome.json()["function_error"], Value::Null);
        assert_eq!(std::fs::read_to_string(site.path("out")).unwrap(), payload);
    }
}

#[test]
fn what_is_not_there_is_65() {
    let site = pod("");
    let outcome = site.run(["--function-name", "g"]);
    outcome
        .assert_exit(65)
        .assert_says("there is no Lambda function g in account 222222222222, region us-east-2");
    assert_eq!(outcome.termination()["request_id"], site.sandbox.calls().last().unwrap().request_id.as_str());
    site.run(f(&["--qualifier", "blue"])).assert_exit(65).assert_says("f:blue");
}

#[test]
fn what_is_not_allowed_is_77() {
    let allowed = "\"lambda:InvokeFunction on";
    let text = world("");
    assert!(text.contains(allowed), "it is not allowed anyway");
    let site = Site::pod(BINARY, &text.replace(allowed, "\"lambda:Nothing on"));
    let outcome = site.run(f(&[]));
    outcome.assert_exit(77).assert_says("lambda:InvokeFunction was refused").assert_says("not authorized");
    assert_eq!(outcome.termination()["outcome"], "denied");
}

/// They come with status 502, as if Lambda itself were in trouble.
#[test]
fn a_function_that_is_set_up_wrongly_is_told_at_once() {
    for code in [
        "KMSAccessDeniedException",
        "KMSDisabledException",
        "KMSNotFoundException",
        "KMSInvalidStateException",
        "InvalidSubnetIDException",
        "InvalidSecurityGroupIDException",
        "InvalidZipFileException",
        "InvalidRuntimeException",
        "EC2AccessDeniedException",
    ] {
        let site = pod("");
        spoil(&site, Fault::new("lambda", "Invoke", status(502, code, "the reason")).for_ever());
        site.run(f(&[])).assert_exit(65).assert_says(code).assert_says("the reason");
        assert_eq!(sent(&site), 1, "{code}");
    }
}

/// Nothing of the function has run, and soon it will be ready.
#[test]
fn a_function_that_is_not_ready_is_waited_for() {
    for (code, http) in [
        ("ENINotReadyException", 502),
        ("EC2ThrottledException", 502),
        ("ResourceNotReadyException", 502),
        ("SnapStartNotReadyException", 409),
        ("CodeArtifactUserPendingException", 409),
        ("EFSMountTimeoutException", 408),
        ("ResourceConflictException", 409),
    ] {
        let site = pod("");
        spoil(&site, Fault::new("lambda", "Invoke", status(http, code, "wait")));
        site.run(f(&[])).assert_exit(0);
        assert_eq!((sent(&site), invoked(&site)), (2, 1), "{code}");
    }
}

#[test]
fn throttles_are_waited_for_and_end_in_75() {
    let site = pod("");
    spoil(&site, Fault::new("lambda", "Invoke", FaultKind::Throttle).times(2));
    site.run(f(&[])).assert_exit(0);
    assert_eq!((sent(&site), invoked(&site)), (3, 1));

    let site = pod("");
    spoil(&site, Fault::new("lambda", "Invoke", FaultKind::Throttle).for_ever());
    let outcome = site.run(f(&["--timeout", "3s"]));
    outcome.assert_exit(75).assert_says("was not invoked").assert_says("TooManyRequestsException");
    assert_eq!(invoked(&site), 0);
}

#[test]
fn a_service_that_is_not_there_is_75() {
    let site = pod("").env("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:1");
    let outcome = site.run(f(&["--timeout", "2s"]));
    outcome.assert_exit(75).assert_says("was not invoked").assert_says("127.0.0.1:1");
}

/// The function of another account that lets ours in, by its ARN.
#[test]
fn a_function_may_be_in_a_third_account() {
    let text = format!(
        "{}\n[accounts.333333333333]\n[[lambda.functions]]\naccount = '333333333333'\nname = 'g'\n\
         allow_accounts = ['222222222222']\n",
        Worlds::TWO_ACCOUNTS.replace(
            "lambda:InvokeFunction on arn:aws:lambda:us-east-2:222222222222:function:*",
            "lambda:InvokeFunction on arn:aws:lambda:us-east-2:*:function:*"
        )
    );
    let site = Site::pod(BINARY, &text);
    site.run(["--function-name", "arn:aws:lambda:us-east-2:333333333333:function:g"]).assert_exit(0);
    assert_eq!(site.sandbox.invoked("g"), 1);
}
