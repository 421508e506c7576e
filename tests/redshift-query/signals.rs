//! Told to end.

use std::time::{Duration, Instant};

use testkit::{Fault, FaultKind, Signal};

use super::{ENDLESS, Warehouse, keyed, on, warehouse};

#[test]
fn without_a_key_the_statement_is_cancelled() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let house = warehouse("");
        // Held in the database itself.
        let running = house.start(on(&["--sql", "select pg_sleep(600)"]));
        running.wait_for_calls("redshift-data", "DescribeStatement", 1);
        running.signal(signal);
        let outcome = running.finish();
        let id = house.newest();
        outcome.assert_exit(code).assert_says(&format!("statement {id} was cancelled"));
        assert!(outcome.elapsed < Duration::from_secs(8), "{:?}", outcome.elapsed);
        assert_eq!(house.sandbox.statements()[0].status, "ABORTED");
        let sleeping =
            "select count(*) from pg_stat_activity where query like '%pg_sleep(600)' and state = 'active'";
        assert_eq!(house.psql("postgres", sleeping), "0");
    }
}

#[test]
fn with_a_key_it_goes_on_and_the_next_process_takes_over() {
    let house = warehouse("[[redshift.courses]]\nwhen = '%'\nhold = '3s'\n");
    let sql = ["--sql", "select 1 as one", "--output", "csv"];
    let running = house.start(keyed(&sql));
    running.wait_for_calls("redshift-data", "DescribeStatement", 1);
    running.signal(Signal::TERM);
    let outcome = running.finish();
    outcome.assert_exit(143).assert_says("the next process with the same key takes over");
    assert!(outcome.elapsed < Duration::from_secs(3), "a look in flight is given up: {:?}", outcome.elapsed);
    assert_eq!(house.count("CancelStatement"), 0);
    let next = house.run(keyed(&sql));
    super::assert_stdout(next.assert_exit(0), "one\n1\n");
    next.assert_says("taking over the wait");
    assert_eq!(house.started(), 1);
}

#[test]
fn what_the_user_says_counts() {
    let house = warehouse(ENDLESS);
    let running = house.start(keyed(&["--sql", "select 1", "--on-terminate", "cancel"]));
    running.wait_for_calls("redshift-data", "DescribeStatement", 1);
    running.signal(Signal::TERM);
    running.finish().assert_exit(143).assert_says("was cancelled");
    let running = house.start(on(&["--sql", "select 2", "--on-terminate", "detach"]));
    running.wait_for_log("remote work");
    running.signal(Signal::TERM);
    // Without a key a retry would run the SQL again.
    running.finish().assert_exit(80).assert_says("`redshift-query result ");
    assert_eq!(house.count("CancelStatement"), 1, "of the first alone");
}

/// Someone else has started it.
#[test]
fn a_statement_whose_result_is_asked_for_is_left_unless_the_user_says() {
    for (more, cancels) in [(&[][..], 0), (&super::KEY, 0), (&["--on-terminate", "cancel"], 1)] {
        let house = warehouse(ENDLESS);
        house.run(on(&["--sql", "select 1", "--no-wait"])).assert_exit(0);
        let id = house.newest();
        let running = house.start(["result", &id].iter().chain(more));
        running.wait_for_calls("redshift-data", "DescribeStatement", 1);
        running.signal(Signal::TERM);
        running.finish().assert_exit(143);
        assert_eq!(house.count("CancelStatement"), cancels, "{more:?}");
    }
}

#[test]
fn the_answer_of_a_start_is_worth_waiting_for() {
    let house = warehouse(ENDLESS);
    house.spoil("ExecuteStatement", FaultKind::Slow(Duration::from_secs(1)));
    let running = house.start(on(&["--sql", "select 1"]));
    running.wait_for_calls("redshift-data", "ExecuteStatement", 1);
    running.signal(Signal::TERM);
    running.finish().assert_exit(143).assert_says("was cancelled");
    assert_eq!(house.sandbox.statements()[0].status, "ABORTED");
}

#[test]
fn a_start_without_an_answer_is_told_to_be_unclear() {
    let house = warehouse(ENDLESS);
    house.spoil("ExecuteStatement", FaultKind::HangAfter);
    let running = house.start(on(&["--sql", "select 1"]));
    running.wait_for_calls("redshift-data", "ExecuteStatement", 1);
    running.signal(Signal::TERM);
    let outcome = running.finish();
    outcome.assert_exit(80).assert_says("a statement may have been started");
    assert!(outcome.elapsed < Duration::from_secs(5), "{:?}", outcome.elapsed);
}

#[test]
fn no_further_attempt_is_made() {
    let house = warehouse("");
    house.fault(Fault::new("redshift-data", "ExecuteStatement", FaultKind::Throttle).for_ever());
    let running = house.start(on(&["--sql", "select 1"]));
    running.wait_for_log("trying again");
    running.signal(Signal::TERM);
    running.finish().assert_exit(143).assert_says("no statement was started");
    assert_eq!(house.started(), 0);
}

#[test]
fn a_cancel_that_is_refused_or_slow_is_told() {
    let denied = |world: &str| world.replace("\n    \"redshift-data:CancelStatement on *\",", "");
    let house = super::altered(ENDLESS, denied);
    let running = house.start(on(&["--sql", "select 1"]));
    running.wait_for_calls("redshift-data", "DescribeStatement", 1);
    running.signal(Signal::TERM);
    running
        .finish()
        .assert_exit(80)
        .assert_says("may go on, cancelling it failed")
        .assert_says("CancelStatement");

    let house = warehouse("[[redshift.courses]]\nwhen = '%'\nhold = '1h'\naborted_after = '1m'\n");
    let running = house.start(on(&["--sql", "select 1"]));
    running.wait_for_calls("redshift-data", "DescribeStatement", 1);
    running.signal(Signal::TERM);
    let outcome = running.finish();
    outcome.assert_exit(143).assert_says("has accepted to cancel");
    assert!(outcome.elapsed < Duration::from_secs(6), "{:?}", outcome.elapsed);
}

fn wait_for_status(house: &Warehouse, status: &str) {
    let end = Instant::now() + Duration::from_mins(1);
    while house.sandbox.statements().first().is_none_or(|statement| statement.status != status) {
        assert!(Instant::now() < end, "never {status}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A statement that has ended by itself is the result, whatever a signal does. A poll that hangs as well leaves the
/// cancel, which is refused, to show it.
#[test]
fn one_that_has_just_finished_is_the_result() {
    let detach = ["--on-terminate", "detach"];
    for (more, hang, cancels) in [(&[][..], 1, 0), (&[], 2, 1), (&super::KEY, 1, 0), (&detach, 1, 0)] {
        let house = warehouse("");
        // The poll that would have shown it never comes.
        house.fault(Fault::new("redshift-data", "DescribeStatement", FaultKind::Hang).times(hang));
        let sql = on(&["--sql", "select 1 as one", "--output", "csv"]);
        let running = house.start(sql.into_iter().chain(more.iter().copied()));
        running.wait_for_calls("redshift-data", "DescribeStatement", 1);
        wait_for_status(&house, "FINISHED");
        running.signal(Signal::TERM);
        let outcome = running.finish();
        super::assert_stdout(outcome.assert_exit(0), "one\n1\n");
        assert_eq!(house.count("CancelStatement"), cancels, "{}", outcome.stderr);
    }
    let house = warehouse("");
    house.spoil("DescribeStatement", FaultKind::Hang);
    let running = house.start(on(&["--sql", "select 1 / 0"]));
    running.wait_for_calls("redshift-data", "DescribeStatement", 1);
    wait_for_status(&house, "FAILED");
    running.signal(Signal::TERM);
    running.finish().assert_exit(10).assert_says("division by zero");
}

/// The key leads to the result again; without one a retry would run the SQL again.
#[test]
fn in_the_middle_of_a_result() {
    for (key, code) in [(&[][..], 80), (&super::KEY, 143)] {
        let house = warehouse("page_rows = 1\n");
        house.fault(Fault::new("redshift-data", "GetStatementResult", FaultKind::Hang).from(3).for_ever());
        let sql = on(&["--sql", "select generate_series(1, 5) as n", "--output", "csv"]);
        let running = house.start(sql.into_iter().chain(key.iter().copied()));
        running.wait_for_calls("redshift-data", "GetStatementResult", 3);
        running.signal(Signal::TERM);
        let outcome = running.finish();
        outcome.assert_exit(code).assert_says("has finished").assert_says("`redshift-query result ");
        assert_eq!(house.count("CancelStatement"), 0);
    }
}
