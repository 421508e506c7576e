//! Start once: a process that is killed and started again with the same key starts nothing twice.

use std::time::Duration;

use testkit::{Fault, FaultKind};

use super::{assert_stdout, keyed, warehouse};

/// Counts how often it is run.
const COUNTING: [&str; 4] =
    ["--sql", "insert into runs values (1); select count(*) as runs from runs", "--output", "csv"];

fn counting(settings: &str) -> super::Warehouse {
    let house = warehouse(settings);
    house.prepare("create table runs (i int)");
    house
}

#[track_caller]
fn assert_once(house: &super::Warehouse) {
    assert_eq!(house.started(), 1, "{:#?}", house.sandbox.statements());
    assert_eq!(house.psql("dev", "select count(*) from runs"), "1");
}

#[test]
fn a_key_goes_into_name_and_token() {
    let house = counting("");
    assert_stdout(house.run(keyed(&COUNTING)).assert_exit(0), "runs\n1\n");
    let statement = &house.sandbox.statements()[0];
    let (name, token) = (statement.name.as_deref().unwrap(), statement.client_token.as_deref().unwrap());
    let digest = name.strip_prefix("redshift-query.").unwrap();
    assert_eq!((digest.len(), token.len()), (16, 64));
    assert!(token.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!(!name.contains("5f1c7e0a"), "the key itself is nobody else's business");

    let named: Vec<&str> = keyed(&["--statement-name", "nightly", "--sql", "select 1"]);
    house.run(named).assert_exit(0);
    assert!(house.sandbox.statements()[1].name.as_deref().unwrap().starts_with("nightly."));
}

#[test]
fn a_finished_statement_is_not_run_again_but_printed_again() {
    let house = counting("page_rows = 1\n");
    let first = house.run(keyed(&COUNTING));
    for _ in 0..2 {
        let again = house.run(keyed(&COUNTING));
        assert_stdout(again.assert_exit(0), first.text());
        again.assert_says("already done");
    }
    assert_once(&house);
    assert_eq!(house.sent(), 1);
    let json = house.run(keyed(&COUNTING[..2])).assert_exit(0).json();
    assert_eq!(json["adopted"], true);
}

#[test]
fn another_statement_under_the_same_key_is_other_work() {
    let house = counting("");
    for sql in ["select 1", "select 2", "select 1"] {
        house.run(keyed(&["--sql", sql])).assert_exit(0);
    }
    house.run(keyed(&["--sql", "select :a::int", "--parameter", "a=1"])).assert_exit(0);
    house.run(keyed(&["--sql", "select :a::int", "--parameter", "a=2"])).assert_exit(0);
    assert_eq!(house.started(), 4);
}

#[test]
fn each_index_of_an_indexed_job_is_work_of_its_own() {
    let house = counting("").env("JOB_COMPLETION_INDEX", "0");
    house.run(keyed(&["--sql", "select 1"])).assert_exit(0);
    let house = house.env("JOB_COMPLETION_INDEX", "1");
    house.run(keyed(&["--sql", "select 1"])).assert_exit(0);
    house.run(keyed(&["--sql", "select 1"])).assert_exit(0);
    assert_eq!(house.started(), 2);
}

/// Killed while `operation` is without an answer, then started again.
#[track_caller]
fn killed_at(operation: &str, kind: FaultKind, settings: &str) {
    let house = counting(settings);
    house.spoil(operation, kind);
    let running = house.start(keyed(&COUNTING));
    running.wait_for_calls("redshift-data", operation, 1);
    // What was asked for is being done.
    std::thread::sleep(Duration::from_millis(300));
    running.kill();
    house.sandbox.clear_faults();
    assert_stdout(house.run(keyed(&COUNTING)).assert_exit(0), "runs\n1\n");
    assert_once(&house);
}

#[test]
fn killed_while_looking_for_earlier_statements() {
    killed_at("ListStatements", FaultKind::Hang, "");
}

#[test]
fn killed_before_the_start_arrived() {
    killed_at("BatchExecuteStatement", FaultKind::Hang, "");
}

#[test]
fn killed_after_the_start_and_before_its_answer() {
    killed_at("BatchExecuteStatement", FaultKind::HangAfter, "");
}

#[test]
fn killed_while_waiting() {
    killed_at("DescribeStatement", FaultKind::Hang, "");
    killed_at(
        "DescribeStatement",
        FaultKind::Slow(Duration::from_secs(9)),
        "[[redshift.courses]]\nwhen = '%'\nhold = '2s'\n",
    );
}

#[test]
fn killed_while_the_result_is_read() {
    killed_at("GetStatementResult", FaultKind::Hang, "");
}

#[test]
fn what_the_list_does_not_show_is_covered_by_the_token() {
    let house = counting("");
    house.run(keyed(&COUNTING)).assert_exit(0);
    // By another name it is not found; but it is the same work, and the service knows its token.
    let renamed = house.run(keyed(&[&COUNTING[..], &["--statement-name", "other"]].concat()));
    renamed.assert_exit(65).assert_says("client token");
    assert_once(&house);
}

#[test]
fn two_at_once_share_one_statement() {
    let house = counting("[[redshift.courses]]\nwhen = '%'\nhold = '2s'\n");
    let (one, other) = (house.start(keyed(&COUNTING)), house.start(keyed(&COUNTING)));
    for running in [one, other] {
        assert_stdout(&running.finish(), "runs\n1\n");
    }
    assert_once(&house);
}

#[test]
fn an_unclear_start_is_sent_again_with_the_same_token() {
    for key in [true, false] {
        for kind in [FaultKind::ResetAfter, FaultKind::ResetBefore, FaultKind::Garbage, FaultKind::Truncated]
        {
            let house = counting("");
            house.spoil("BatchExecuteStatement", kind.clone());
            let options = if key { keyed(&COUNTING) } else { super::on(&COUNTING) };
            let outcome = house.run(options);
            assert_stdout(outcome.assert_exit(0), "runs\n1\n");
            outcome.assert_says("its token makes safe");
            assert_eq!(house.sent(), 2, "{kind:?}");
            assert_once(&house);
        }
    }
}

#[test]
fn an_unclear_start_that_stays_unclear() {
    for (key, code, said) in
        [(true, 75, "the next process with the same key"), (false, 80, "list-statements")]
    {
        let house = counting("");
        house.fault(Fault::new("redshift-data", "BatchExecuteStatement", FaultKind::ResetAfter).for_ever());
        let options = if key { keyed(&COUNTING) } else { super::on(&COUNTING) };
        let options: Vec<&str> = options.into_iter().chain(["--timeout", "4s"]).collect();
        house.run(&options).assert_exit(code).assert_says(said);
        assert!(house.sent() > 1);
        assert_eq!(house.started(), 1, "however often it was sent");
        house.sandbox.clear_faults();
        if key {
            assert_stdout(house.run(keyed(&COUNTING)).assert_exit(0), "runs\n1\n");
            assert_once(&house);
        }
    }
}

#[test]
fn without_the_right_to_look_nothing_is_started() {
    let house = super::altered("", |world| world.replace("\n    \"redshift-data:ListStatements on *\",", ""));
    let outcome = house.run(keyed(&["--sql", "select 1"]));
    outcome.assert_exit(77).assert_says("nothing was started").assert_says("redshift-data:ListStatements");
    assert_eq!(house.sent(), 0);
    house.run(super::on(&["--sql", "select 1"])).assert_exit(0);
}

#[test]
fn an_earlier_failure_is_reported_or_run_again() {
    let house = counting("");
    let failing = ["--sql", "insert into missing values (1)"];
    house.run(keyed(&failing)).assert_exit(10);
    let reported = house.run(keyed(&failing));
    reported.assert_exit(10).assert_says("has ended badly").assert_says("missing");
    house.run(keyed(&[&failing[..], &["--no-wait"]].concat())).assert_exit(10);
    assert_eq!((house.sent(), house.started()), (1, 1));

    house.prepare("create table missing (i int)");
    let rerun = house.run(keyed(&[&failing[..], &["--on-prior-failure", "rerun"]].concat()));
    rerun.assert_exit(0);
    assert_eq!(house.started(), 2, "its token is another one");
    // From now on it is done.
    house.run(keyed(&failing)).assert_exit(0);
    house.run(keyed(&[&failing[..], &["--on-prior-failure", "rerun"]].concat())).assert_exit(0);
    assert_eq!(house.started(), 2);
    assert_eq!(house.psql("dev", "select count(*) from missing"), "1");
}
