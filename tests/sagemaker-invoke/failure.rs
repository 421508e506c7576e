//! What is said when there is no answer.

use super::{asked, assert_stdout, e, fault, pod, sent, spoil, status, taking};

#[test]
fn a_model_that_failed_is_10_with_everything_that_is_known() {
    let site = taking("model_error = { status = 503, message = 'CUDA out of memory' }");
    let outcome = site.run(e(&["--body", "{}"]));
    outcome
        .assert_exit(10)
        .assert_says("the model of endpoint e failed")
        .assert_says("HTTP 503")
        .assert_says("CUDA out of memory")
        .assert_says("log-group:/aws/sagemaker/Endpoints/e");
    assert_stdout(&outcome, "");
    let message = outcome.termination();
    assert_eq!(message["outcome"], "failed");
    assert_eq!(message["remote_id"], "e");
    assert_eq!(message["request_id"], site.sandbox.calls().last().unwrap().request_id.as_str());
    assert_eq!((sent(&site), asked(&site)), (1, 1));
}

/// Status 0 is what the service calls a container that let its minute pass.
#[test]
fn a_container_that_did_not_answer_is_explained() {
    let site = taking("model_error = { status = 0, message = 'Your invocation timed out' }");
    site.run(e(&["--body", "{}"]))
        .assert_exit(10)
        .assert_says("60 s")
        .assert_says("Your invocation timed out");
}

#[test]
fn a_long_word_of_the_model_is_cut() {
    let site = taking(&format!("model_error = {{ status = 500, message = '{}' }}", "x".repeat(1500)));
    let outcome = site.run(e(&["--body", "{}"]));
    outcome.assert_exit(10).assert_says(&"x".repeat(1024)).assert_does_not_say(&"x".repeat(1025));
}

#[test]
fn an_endpoint_that_is_not_there_is_65() {
    let site = pod("");
    let outcome = site.run(["endpoint", "--endpoint-name", "nowhere", "--body", "{}"]);
    outcome
        .assert_exit(65)
        .assert_says("endpoint nowhere was not invoked")
        .assert_says("account 222222222222, region us-east-2")
        .assert_says("not found");
}

#[test]
fn a_right_that_is_missing_is_77() {
    let world = super::world("").replace("sagemaker:InvokeEndpoint on", "sagemaker:Nothing on");
    let site = testkit::Site::pod(super::BINARY, &world);
    let outcome = site.run(e(&["--body", "{}"]));
    outcome.assert_exit(77).assert_says("sagemaker:InvokeEndpoint was refused").assert_says("endpoint/e");
    assert_eq!(asked(&site), 0);
}

/// A model that is not ready, and a throttle, are waited out; nothing has run.
#[test]
fn a_model_that_is_not_ready_is_waited_for() {
    let site = pod("courses = [{ not_ready = true }, { not_ready = true }, { body = '0.93' }]");
    spoil(&site, fault("InvokeEndpoint", testkit::FaultKind::Throttle).from(2));
    let outcome = site.run(e(&["--body", "{}"]));
    assert_stdout(outcome.assert_exit(0), "0.93");
    outcome.assert_says("trying again");
    assert_eq!((sent(&site), asked(&site)), (4, 1));
}

#[test]
fn a_model_that_never_gets_ready_is_75_at_the_deadline() {
    let site = taking("not_ready = true");
    let outcome = site.run(e(&["--body", "{}", "--timeout", "4s"]));
    outcome.assert_exit(75).assert_says("was not invoked").assert_says("ModelNotReadyException");
    assert!(sent(&site) > 1);
    assert_eq!(asked(&site), 0);
}

/// What the service says of itself says nothing of the model.
#[test]
fn trouble_of_the_service_is_80() {
    for kind in [status(500, "InternalFailure", "oops"), status(530, "InternalDependencyException", "kms")] {
        let site = pod("");
        spoil(&site, fault("InvokeEndpoint", kind));
        site.run(e(&["--body", "{}"])).assert_exit(80).assert_says("may have been asked");
        assert_eq!(sent(&site), 1);
    }
}
