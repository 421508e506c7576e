//! The wait: held by the service, else by looks of our own.

use std::time::Duration;

use super::{ENDLESS, on, warehouse};

#[test]
fn an_end_is_seen_at_once_and_costs_one_call() {
    let house = warehouse("[[redshift.courses]]\nwhen = '%'\nhold = '4s'\n");
    let outcome = house.run(on(&["--sql", "select 1"]));
    outcome.assert_exit(0);
    assert_eq!(house.count("DescribeStatement"), 1);
    assert!(outcome.elapsed < Duration::from_secs(6), "{:?}", outcome.elapsed);
}

#[test]
fn a_service_that_does_not_hold_is_looked_at_now_and_then() {
    for (settings, at_most) in [
        // Refused three times, each time asked again without.
        ("no_long_poll = true\n", 12),
        ("long_poll_ignored = true\n", 8),
        ("waiting_limit = 0\n", 12),
    ] {
        let house = warehouse(&format!("{settings}[[redshift.courses]]\nwhen = '%'\nhold = '5s'\n"));
        let outcome = house.run(on(&["--sql", "select 1"]));
        outcome.assert_exit(0);
        let looks = house.count("DescribeStatement");
        assert!((3..=at_most).contains(&looks), "{settings}: {looks} looks in five seconds");
    }
}

#[test]
fn every_status_on_the_way_is_told() {
    let settings =
        "[[redshift.courses]]\nwhen = '%'\npicked_after = '1s'\nstarted_after = '3s'\nhold = '2s'\n";
    let house = warehouse(&format!("long_poll_ignored = true\n{settings}"));
    let outcome = house.run(on(&["--sql", "select 1", "--poll-interval", "500ms"]));
    outcome.assert_exit(0);
    for state in ["SUBMITTED", "PICKED", "STARTED", "FINISHED"] {
        outcome.assert_says(state);
    }
}

#[test]
fn a_status_that_nobody_knows_is_waited_on() {
    let settings = "[[redshift.courses]]\nwhen = '%'\nstarted_as = 'RESIZING'\nhold = '3s'\n";
    for long_poll in ["", "long_poll_ignored = true\n"] {
        let house = warehouse(&format!("{long_poll}{settings}"));
        house.run(on(&["--sql", "select 1"])).assert_exit(0);
    }
    let house = warehouse(&format!("long_poll_ignored = true\n{settings}"));
    let outcome = house.run(on(&["--sql", "select 1"]));
    outcome.assert_exit(0).assert_says("a status that this version does not know");
}

#[test]
fn the_end_of_the_wait_is_not_the_end_of_the_statement() {
    let house = warehouse(ENDLESS);
    let outcome = house.run(on(&["--sql", "select 1", "--timeout", "3s"]));
    let id = house.newest();
    outcome.assert_exit(79).assert_says(&id).assert_says("it was last seen STARTED and goes on");
    outcome.assert_says(&format!("aws redshift-data describe-statement --id {id} --region us-east-2"));
    assert_eq!(outcome.termination()["remote_id"], id.as_str());
    assert_eq!(outcome.termination()["state"], "STARTED");
    assert!(outcome.elapsed < Duration::from_secs(6), "{:?}", outcome.elapsed);
    assert_eq!(
        (house.count("CancelStatement"), house.sandbox.statements()[0].status.as_str()),
        (0, "STARTED")
    );
}

#[test]
fn too_many_active_statements_are_waited_for() {
    let house =
        warehouse(&format!("active_limit = 1\n[[redshift.courses]]\nwhen = '%slow%'\nhold = '3s'\n{}", ""));
    let first = house.start(on(&["--sql", "select 'slow'"]));
    first.wait_for_calls("redshift-data", "DescribeStatement", 1);
    let second = house.run(on(&["--sql", "select 2 as two", "--output", "csv"]));
    super::assert_stdout(second.assert_exit(0), "two\n2\n");
    second.assert_says("ActiveStatementsExceededException").assert_says("trying again");
    first.finish();
    assert_eq!(house.started(), 2);

    let house = warehouse(&format!("active_limit = 1\n{ENDLESS}"));
    house.run(on(&["--sql", "select 1", "--no-wait"])).assert_exit(0);
    let outcome = house.run(on(&["--sql", "select 2", "--timeout", "4s"]));
    outcome.assert_exit(75).assert_says("no statement was started");
    assert_eq!(house.started(), 1);
}
