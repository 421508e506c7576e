//! Whose a statement is.

use std::time::Duration;

use testkit::Worlds;

use super::{KEY, keyed, on, warehouse};

/// Only the session that has sent a statement may look at it, as a policy with
/// `redshift-data:statement-owner-iam-userid` has it.
const OF_SESSION: &str = "owner = 'session'\n[[redshift.courses]]\nwhen = '%slow%'\nhold = '3s'\n";

#[test]
fn a_refreshed_session_still_owns_its_statement() {
    // Two seconds of life, and a statement of three.
    let house = super::altered(OF_SESSION, |world| format!("session_seconds = 2\n{world}"));
    let outcome = house.run(on(&["--sql", "select 'slow' as pace", "--output", "csv"]));
    super::assert_stdout(outcome.assert_exit(0), "pace\nslow\n");
    assert!(house.sandbox.count("sts", "AssumeRole") > 1, "the session was renewed");
    let refused = house.sandbox.calls().into_iter().find(|call| call.error.is_some());
    assert!(refused.is_none(), "{refused:#?}");
}

#[test]
fn so_does_the_next_process_of_the_key() {
    // Without a name in the profile, that of the session is made of the key.
    let house = warehouse(OF_SESSION).nameless();
    let running = house.start(keyed(&["--sql", "select 'slow' as pace", "--output", "csv"]));
    running.wait_for_calls("redshift-data", "DescribeStatement", 1);
    running.kill();
    let next = house.env("HOSTNAME", "pod-2");
    super::assert_stdout(
        next.run(keyed(&["--sql", "select 'slow' as pace", "--output", "csv"])).assert_exit(0),
        "pace\nslow\n",
    );
    assert_eq!(next.started(), 1);
}

#[test]
fn another_session_name_is_told_to_be_the_reason() {
    let house = warehouse(OF_SESSION).nameless();
    house.run(on(&["--sql", "select 1"])).assert_exit(0);
    let id = house.newest();
    let other = house.run(["result", &id, "--role-session-name", "somebody-else"]);
    other.assert_exit(77).assert_says("--role-session-name").assert_says("statement-owner-iam-userid");
    // The key finds it among those of the role, and may not look.
    house.run(keyed(&["--sql", "select 2"])).assert_exit(0);
    let options = [&KEY[..], &["--sql", "select 2", "--role-session-name", "somebody-else"]].concat();
    house.run(on(&options)).assert_exit(77).assert_says("--role-session-name");
    assert_eq!(house.started(), 2, "nothing is started twice");
}

#[test]
fn the_documented_policy_is_not_enough() {
    // It gives the actions on the cluster, where those on statements take no resource.
    let narrow = |world: &str| {
        let cluster = "arn:aws:redshift:us-east-2:222222222222:cluster:analytics";
        world.replace(
            "redshift-data:DescribeStatement on *",
            &format!("redshift-data:DescribeStatement on {cluster}"),
        )
    };
    assert_ne!(narrow(Worlds::TWO_ACCOUNTS), Worlds::TWO_ACCOUNTS);
    let house = super::altered("", narrow);
    let outcome = house.run(on(&["--sql", "select 1"]));
    outcome.assert_exit(77).assert_says("redshift-data:DescribeStatement");
    assert!(outcome.elapsed < Duration::from_secs(10));
}
