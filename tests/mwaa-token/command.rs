//! `run`: an Airflow command over the web server.

use testkit::{FaultKind, Signal};

use super::{assert_nothing_sent, calls, fault, in_world, pod, spoil, status, web_fault, world_without};

#[test]
fn what_it_prints_is_the_result_and_its_errors_are_log() {
    let site = pod("", "");
    let outcome = site.run(["run", "--", "version"]);
    outcome.assert_exit(0).assert_says("DeprecationWarning");
    assert_eq!(outcome.text(), "2.10.3\n");
    // A word with blanks arrives as one, a single argument as the command it is.
    for args in [&["run", "--", "variables", "get", "a b"][..], &["run", "--", "airflow variables get 'a b'"]]
    {
        assert_eq!(site.run(args).assert_exit(0).text(), "value of a b\n", "{args:?}");
    }
    let site = pod("", "").env("MWAA_COMMAND", "version");
    site.run(["run"]).assert_exit(0);
}

#[test]
fn bytes_arrive_as_they_are() {
    let answer = "commands = [{ command = 'tasks render', stdout = \"ü\\u0000\\r\\nno end\" }]";
    let site = pod(answer, "");
    let outcome = site.run(["run", "--", "tasks", "render"]);
    outcome.assert_exit(0);
    assert_eq!(outcome.stdout, "ü\0\r\nno end".as_bytes());
}

#[test]
fn a_fresh_token_for_each_command_and_the_text_is_not_logged() {
    let site = pod("", "").env("RUST_LOG", "trace");
    for _ in 0..2 {
        site.run(["run", "--", "variables", "get", "key-of-a-secret"])
            .assert_exit(0)
            .assert_does_not_say("key-of-a-secret");
    }
    assert_eq!((calls(&site, "CreateCliToken").len(), calls(&site, "Cli").len()), (2, 2));
}

#[test]
fn its_failure_is_ours_whatever_the_status() {
    for status in [400, 200, 500] {
        let site = pod(&format!("failure_status = {status}"), "");
        let outcome = site.run(["run", "--", "no-such-group"]);
        outcome
            .assert_exit(10)
            .assert_says("airflow command error: argument GROUP_OR_COMMAND: invalid choice");
        assert_eq!(outcome.termination()["outcome"], "failed");
        let outcome = site.run(["run", "--", "dags", "trigger", "nowhere"]);
        outcome.assert_exit(10).assert_says("DagNotFound: Dag id nowhere not found");
    }
}

#[test]
fn what_was_printed_before_a_failure_is_printed() {
    let site = pod(
        "commands = [{ command = 'db check', status = 400, stdout = 'half', stderr = 'ConnectionError: no' }]",
        "",
    );
    let outcome = site.run(["run", "--", "db", "check"]);
    outcome.assert_exit(10).assert_says("ConnectionError: no");
    assert_eq!(outcome.text(), "half");
}

/// It was sent and nobody knows: a retry is not for a Job to decide.
#[test]
fn an_answer_that_says_nothing_ends_with_80() {
    for kind in [
        FaultKind::ResetAfter,
        FaultKind::Truncated,
        FaultKind::Garbage,
        status(502, "BadGateway", ""),
        status(504, "GatewayTimeout", ""),
    ] {
        let site = pod("", "");
        spoil(&site, web_fault(kind.clone()).for_ever());
        site.run(["run", "--", "version"]).assert_exit(80).assert_says("may have been run");
        assert_eq!(calls(&site, "Cli").len(), 1, "{kind:?}");
    }
    let site = pod("", "");
    spoil(&site, web_fault(FaultKind::HangAfter));
    site.run(["run", "--timeout", "3s", "--", "version"]).assert_exit(80).assert_says("may have been run");
}

#[test]
fn patience_is_asked_for_and_had() {
    let site = pod("", "");
    spoil(&site, web_fault(status(429, "TooManyRequests", "")));
    site.run(["run", "--", "version"]).assert_exit(75).assert_says("429");
    for kind in [FaultKind::Throttle, FaultKind::ResetBefore] {
        let site = pod("", "");
        spoil(&site, fault("CreateCliToken", kind));
        site.run(["run", "--", "version"]).assert_exit(0);
    }
}

/// They live for a minute, which a pause may use up; the command was not run.
#[test]
fn a_token_that_is_refused_is_replaced_once() {
    for code in [401, 403] {
        let site = pod("", "");
        spoil(&site, web_fault(status(code, "Forbidden", "Signature has expired")));
        let outcome = site.run(["run", "--", "version"]);
        outcome.assert_exit(0).assert_says("trying another one");
        assert_eq!((calls(&site, "CreateCliToken").len(), calls(&site, "Cli").len()), (2, 2));
    }
    // One that is dead at birth: not for ever.
    let site = pod("token_life = '0s'", "");
    site.run(["run", "--", "version"]).assert_exit(77).assert_says("does not accept the token");
    assert_eq!(calls(&site, "Cli").len(), 2);
}

#[test]
fn a_private_web_server_is_not_reached_and_what_reaches_it_is_told() {
    let site = pod("access_mode = 'PRIVATE_ONLY'", "");
    let outcome = site.run(["run", "--timeout", "5s", "--", "version"]);
    outcome.assert_exit(75).assert_says("PRIVATE_ONLY").assert_says("only airflow:InvokeRestApi");
    // Nothing was sent, so that it was tried again.
    let tunnels = site
        .sandbox
        .proxied()
        .into_iter()
        .filter(|line| line.contains(".us-east-2.airflow.amazonaws.com:443"));
    assert!(tunnels.count() >= 2, "{:?}", site.sandbox.proxied());
    // And that does.
    site.run(["rest", "GET", "/version"]).assert_exit(0);
}

#[test]
fn refusals() {
    let site = in_world(&world_without("airflow:CreateCliToken", "", ""));
    site.run(["run", "--", "version"]).assert_exit(77).assert_says("airflow:CreateCliToken");
    let site = pod("", "");
    for args in [&["run"][..], &["run", "--", ""], &["run", "dags", "list"]] {
        site.run(args).assert_exit(2);
    }
    assert_nothing_sent(&site);
}

#[test]
fn a_signal_does_not_wait_for_a_command_that_nothing_stops() {
    // A Job must not run it again.
    for (signal, code) in [(Signal::TERM, 80), (Signal::INT, 130)] {
        let site = pod("", "");
        spoil(&site, web_fault(FaultKind::HangAfter));
        let running = site.start(["run", "--", "version"]);
        running.wait_for_calls("mwaa-web-server", "Cli", 1);
        running.signal(signal);
        let outcome = running.finish();
        outcome.assert_exit(code).assert_says("may have been run");
        assert!(outcome.elapsed.as_secs() < 6, "{:?}", outcome.elapsed);
    }
}
