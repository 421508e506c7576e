//! Waits that outlive sessions.

use std::time::Duration;

use testkit::{Fault, FaultKind, Site, Worlds};

use super::{BINARY, calls};

/// A run of twenty seconds.
const LONG_RUN: &str = r#"
[[glue.jobs]]
account = "222222222222"
name = "long-etl"
role = "arn:aws:iam::222222222222:role/glue-service"
script_location = "s3://team-etl/scripts/long.py"

[[glue.jobs.courses]]
steps = [{ state = "RUNNING" }, { state = "SUCCEEDED", after = "20s" }]
"#;

const WAIT: [&str; 4] = ["--job-name", "long-etl", "--poll-interval", "500ms"];

fn world(session_seconds: u32) -> String {
    format!("session_seconds = {session_seconds}\n{}{LONG_RUN}", Worlds::TWO_ACCOUNTS)
}

#[test]
fn a_run_of_twenty_seconds_over_sessions_of_two() {
    let site = Site::pod(BINARY, &world(2));
    // The first token dies under way; the kubelet has put another in its place by then.
    site.write_token(
        "system:serviceaccount:team-ns:glue-trigger",
        "sts.amazonaws.com",
        Duration::from_secs(8),
    );
    let running = site.start(WAIT);
    running.wait_for_calls("glue", "GetJobRun", 2);
    std::thread::sleep(Duration::from_secs(4));
    site.write_token(
        "system:serviceaccount:team-ns:glue-trigger",
        "sts.amazonaws.com",
        Duration::from_hours(1),
    );
    running.finish().assert_exit(0);

    let (first, second) = (calls(&site, "AssumeRoleWithWebIdentity"), calls(&site, "AssumeRole"));
    // Renewed by a look at the run once a third of the two seconds is left: the looks come at growing intervals, and
    // none renews twice.
    assert!((4..=17).contains(&first.len()), "{} times hop 1", first.len());
    assert_eq!(first.len(), second.len());
    let refused = site.sandbox.calls().into_iter().find(|call| call.error.is_some());
    assert!(refused.is_none(), "an expired session was used: {refused:#?}");
}

#[test]
fn sessions_that_last_are_not_renewed() {
    let site = Site::pod(BINARY, &world(900));
    site.run(WAIT).assert_exit(0);
    assert_eq!((calls(&site, "AssumeRoleWithWebIdentity").len(), calls(&site, "AssumeRole").len()), (1, 1));
}

#[test]
fn a_renewal_that_fails_does_no_harm_while_the_old_session_lives() {
    // Thirty seconds of life, renewed when ten are left; with --logs something is asked at least every five.
    let site = Site::pod(BINARY, &world(30).replace("after = \"20s\"", "after = \"27s\""));
    let kind = FaultKind::Status { status: 403, code: "AccessDenied".into(), message: "not now".into() };
    site.sandbox.add_fault(Fault::new("sts", "AssumeRoleWithWebIdentity", kind).from(2)).unwrap();
    let outcome = site.run(WAIT.iter().chain(&["--logs"]));
    outcome.assert_exit(0).assert_says("session not renewed; the old one still works");
    assert!(calls(&site, "AssumeRoleWithWebIdentity").len() >= 2);
}
