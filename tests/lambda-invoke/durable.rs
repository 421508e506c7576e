//! Durable functions: the key names the execution, and Lambda starts it once.

use std::time::Duration;

use testkit::{Fault, FaultKind, Signal};

use super::{assert_stdout, durable, invoked, keyed, sent, spoil, spoil_next, status};

/// A durable function is invoked by version or alias.
const LIVE: [&str; 4] = ["--qualifier", "live", "--payload", "{\"n\":1}"];

fn live<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let args: Vec<&str> = LIVE.iter().chain(more).copied().collect();
    keyed(&args)
}

#[test]
fn the_key_names_the_execution_and_a_restart_takes_it_over() {
    let site = durable("after = '2s', answer = { json = '{\"ok\":true}' }");
    let running = site.start(live(&[]));
    running.wait_for_calls("lambda", "Invoke", 1);
    running.kill();
    let outcome = site.run(live(&[]));
    assert_stdout(outcome.assert_exit(0), r#"{"ok":true}"#);
    assert_eq!((sent(&site), invoked(&site)), (2, 1));
    let again = site.run(live(&[]));
    assert_stdout(again.assert_exit(0), r#"{"ok":true}"#);
    assert_eq!(invoked(&site), 1, "the end of the work is told again");
    assert_eq!(site.sandbox.invocations("f")[0].durable_name.as_deref(), Some(super::KEY[1]));
    let id = again.termination()["remote_id"].clone();
    assert!(id.as_str().unwrap().contains("/durable-execution/"), "{id}");
}

/// The name and the payload make it safe to ask again.
#[test]
fn a_lost_answer_is_asked_for_again() {
    for kind in
        [FaultKind::ResetAfter, FaultKind::HangThenReset(Duration::from_secs(1)), FaultKind::Truncated]
    {
        let name = format!("{kind:?}");
        let site = durable("answer = { json = '{\"ok\":true}' }");
        spoil_next(&site, kind);
        let outcome = site.run(live(&[]));
        assert_eq!(outcome.code, 0, "{name}: {}", outcome.stderr);
        assert_stdout(&outcome, r#"{"ok":true}"#);
        assert_eq!((sent(&site), invoked(&site)), (2, 1), "{name}");
    }
}

/// A name that is only the key's is no proof that the function is durable; a name of the user's is.
#[test]
fn a_request_that_did_nothing_is_sent_again_only_where_the_user_named_the_execution() {
    let site = durable("answer = { json = '{\"ok\":true}' }");
    spoil_next(&site, FaultKind::ResetBefore);
    site.run(live(&[])).assert_exit(80);
    assert_eq!((sent(&site), invoked(&site)), (1, 0));

    let site = durable("answer = { json = '{\"ok\":true}' }");
    spoil_next(&site, status(503, "ServiceUnavailable", ""));
    site.run(super::f(&["--qualifier", "live", "--durable-execution-name", "n-1"])).assert_exit(0);
    assert_eq!((sent(&site), invoked(&site)), (2, 1));
    assert_eq!(site.sandbox.invocations("f")[0].durable_name.as_deref(), Some("n-1"));
}

#[test]
fn one_key_is_one_payload() {
    let site = durable("answer = 'echo'");
    site.run(live(&[])).assert_exit(0);
    let outcome = site.run(keyed(&["--qualifier", "live", "--payload", "{\"n\":2}"]));
    outcome.assert_exit(65).assert_says("was started with another payload");
    assert_eq!(invoked(&site), 1);
}

#[test]
fn an_execution_on_its_own_is_waited_for() {
    let event = ["--invocation-type", "Event", "--poll-interval", "100ms"];
    let site = durable("after = '1s', answer = { json = '{\"ok\":true}' }");
    let outcome = site.run(live(&event));
    assert_stdout(outcome.assert_exit(0), r#"{"ok":true}"#);
    assert_eq!(outcome.termination()["state"], "SUCCEEDED");
    assert_eq!(invoked(&site), 1);

    let site = durable("after = '1s', answer = { error = { type = 'E', message = 'boom' } }");
    let outcome = site.run(live(&event));
    outcome.assert_exit(10).assert_says("ended FAILED: E: boom");

    let site = durable("after = '1h'");
    let outcome = site.run(live(&["--invocation-type", "Event", "--no-wait"]));
    assert!(outcome.assert_exit(0).json()["durable_execution_arn"].is_string());
    site.run(live(&["--invocation-type", "Event", "--timeout", "2s", "--poll-interval", "100ms"]))
        .assert_exit(79)
        .assert_says("has not ended within 2s");
    assert_eq!(invoked(&site), 1);
}

/// The key's name leads the next process to the execution, where Lambda shows one.
#[test]
fn at_the_deadline_an_execution_that_can_be_found_again_goes_on() {
    for (before, exit, begun) in [(None, 79, 1), (Some(FaultKind::Hang), 80, 0)] {
        let site = durable("after = '1h'");
        if let Some(kind) = before {
            spoil(&site, Fault::new("lambda", "Invoke", kind));
        }
        site.run(live(&["--timeout", "2s"])).assert_exit(exit).assert_says("has not ended within 2s");
        assert_eq!(invoked(&site), begun);
    }
}

#[test]
fn a_failure_is_reported_again_or_tried_again() {
    let failing = "answer = { error = { type = 'E', message = 'boom' } }";
    let site = durable(failing);
    site.run(live(&[])).assert_exit(10);
    site.run(live(&[])).assert_exit(10).assert_says("E: boom");
    assert_eq!(invoked(&site), 1);
    site.run(live(&["--on-prior-failure", "rerun"])).assert_exit(10);
    assert_eq!(invoked(&site), 2);
    let names: Vec<_> = site.sandbox.invocations("f").into_iter().filter_map(|it| it.durable_name).collect();
    assert_eq!(names, [super::KEY[1].to_owned(), format!("{}-2", super::KEY[1])]);
}

#[test]
fn told_to_end_it_leaves_or_stops_the_execution() {
    for event in [false, true] {
        let kind = if event { "Event" } else { "RequestResponse" };
        let args = live(&["--invocation-type", kind, "--poll-interval", "100ms"]);
        let site = durable("after = '1h'");
        let running = site.start(&args);
        running.wait_for_calls("lambda", if event { "GetDurableExecution" } else { "Invoke" }, 1);
        running.signal(Signal::TERM);
        let outcome = running.finish();
        outcome.assert_exit(143);
        assert_eq!(site.sandbox.count("lambda", "StopDurableExecution"), 0, "{kind}");

        let running = site.start(args.iter().chain(&["--on-terminate", "cancel"]));
        running.wait_for_calls("lambda", "Invoke", 2);
        running.signal(Signal::TERM);
        let outcome = running.finish();
        outcome.assert_exit(143).assert_says("was stopped");
        assert!(outcome.elapsed < Duration::from_secs(10));
        assert_eq!(site.sandbox.count("lambda", "StopDurableExecution"), 1, "{kind}");
        // What was stopped has failed, for the next process with the same key.
        site.run(live(&["--invocation-type", "Event", "--poll-interval", "100ms"]))
            .assert_exit(11)
            .assert_says("ended STOPPED");
        assert_eq!(invoked(&site), 1, "{kind}");
    }
}

/// Lambda accepts the stop of an execution that has ended, and changes nothing. Its end is the result.
#[test]
fn an_execution_that_has_ended_by_itself_is_the_result() {
    let long = ["--invocation-type", "Event", "--poll-interval", "1h"];
    let cancel = ["--on-terminate", "cancel"];
    for (answer, code) in
        [("{ json = '{\"ok\":true}' }", 0), ("{ error = { type = 'E', message = 'x' } }", 10)]
    {
        for (more, hangs) in [(&cancel[..], 0), (&cancel, 1), (&[], 0)] {
            let site = durable(&format!("after = '2s', answer = {answer}"));
            let running = site.start(live(&long).iter().chain(more));
            running.wait_for_calls("lambda", "GetDurableExecution", 1);
            std::thread::sleep(Duration::from_millis(2500));
            if hangs > 0 {
                spoil(&site, Fault::new("lambda", "GetDurableExecution", FaultKind::Hang).times(hangs));
            }
            running.signal(Signal::TERM);
            let outcome = running.finish();
            outcome.assert_exit(code);
            assert_eq!(site.sandbox.count("lambda", "StopDurableExecution"), hangs as usize, "{more:?}");
        }
    }
}

/// One that has a name of the user's may be someone else's.
#[test]
fn an_execution_of_the_user_s_name_is_left_unless_the_user_says() {
    for (more, stops) in [(&[][..], 0), (&["--on-terminate", "cancel"], 1)] {
        let site = durable("after = '1h'");
        let args = ["--qualifier", "live", "--durable-execution-name", "n-1"];
        let args = super::f(&args).into_iter().chain(more.iter().copied());
        let running = site.start(args);
        running.wait_for_calls("lambda", "Invoke", 1);
        running.signal(Signal::TERM);
        running.finish().assert_exit(143);
        assert_eq!(site.sandbox.count("lambda", "StopDurableExecution"), stops);
    }
}

#[test]
fn an_execution_that_cannot_be_looked_at_is_lost() {
    let site = durable("after = '1h'");
    let denied = status(
        403,
        "AccessDeniedException",
        "User: x is not authorized to perform: lambda:GetDurableExecution",
    );
    spoil(&site, Fault::new("lambda", "GetDurableExecution", denied).for_ever());
    let outcome = site.run(live(&["--invocation-type", "Event"]));
    outcome.assert_exit(77).assert_says("lambda:GetDurableExecution").assert_says("may well go on");
}

/// A durable function that is named without a version is refused in similar words as one that is not durable.
#[test]
fn without_a_version_it_is_refused_and_not_taken_for_a_plain_one() {
    let site = durable("answer = 'echo'");
    let outcome = site.run(keyed(&["--payload", "{}"]));
    outcome.assert_exit(65).assert_does_not_say("no durable function");
    assert_eq!((sent(&site), invoked(&site)), (1, 0));
}

#[test]
fn a_failed_line_of_a_batch_can_be_tried_again() {
    let site = super::pod(
        "durable = true\ncourses = [{ answer = { error = { type = 'E', message = 'boom' } } }, { answer = 'echo' }]",
    );
    let lines = site.write("lines.jsonl", "{\"n\":1}\n").display().to_string();
    let batch = keyed(&["--qualifier", "live", "--batch", &lines]);
    site.run(&batch).assert_exit(10);
    site.run(&batch).assert_exit(10);
    assert_eq!(invoked(&site), 1, "one key and line is one execution");
    site.run(batch.iter().chain(&["--on-prior-failure", "rerun"])).assert_exit(0);
    assert_eq!(invoked(&site), 2);
}

#[test]
fn a_stream_has_no_name_and_says_so() {
    let site = super::pod("");
    site.run(keyed(&["--stream"])).assert_exit(0).assert_says("the idempotency key settles nothing");
}
