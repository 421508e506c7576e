//! The SQL has run, and what comes after it does not go well.

use std::process::Command;
use std::time::Duration;

use testkit::{Fault, FaultKind, Signal};

use super::{Warehouse, assert_stdout, keyed, on, status, warehouse};

/// A named pipe that nobody reads.
fn pipe(house: &Warehouse) -> String {
    let path = house.path("pipe").display().to_string();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

fn results_fail(house: &Warehouse) {
    let broken = status(500, "InternalServerException", "no");
    house.fault(Fault::new("redshift-data", "GetStatementResult", broken).for_ever());
}

/// With a key a retry reads the result again; without one it would run the SQL again.
#[test]
fn a_result_that_cannot_be_read_is_no_reason_to_run_the_sql_again() {
    let house = warehouse("");
    results_fail(&house);
    let sql = ["--sql", "select 1 as one", "--poll-interval", "50ms"];
    house.run(on(&sql)).assert_exit(80).assert_says("would run the SQL again");
    house.run(keyed(&sql)).assert_exit(75).assert_says("reads it again");
    house.sandbox.clear_faults();
    house.run(keyed(&sql)).assert_exit(0);
    assert_eq!(house.started(), 2);
}

/// A statement that failed has failed, whatever becomes of the results of the others.
#[test]
fn a_failure_weighs_more_than_a_result_that_is_lost() {
    let sql = [
        "--sql",
        "select 1/0; select 7 as seven",
        "--execution-mode",
        "AUTO_COMMIT",
        "--poll-interval",
        "50ms",
    ];
    let house = warehouse("");
    let full = ["--output", "csv", "--output-file", "/dev/full"];
    let outcome = house.run(on(&sql.iter().chain(&full).copied().collect::<Vec<_>>()));
    outcome.assert_exit(10).assert_says("division by zero");
    results_fail(&house);
    house.run(on(&sql)).assert_exit(10).assert_says("division by zero");
}

#[test]
fn a_failure_leaves_the_file_as_it_was() {
    let house = warehouse("");
    let file = house.write("out.csv", "old\n");
    let options = ["--sql", "select nothing", "--output", "csv", "--output-file", file.to_str().unwrap()];
    house.run(on(&options)).assert_exit(10);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "old\n");
}

/// Nobody reads the pipe: a signal is obeyed, and says how to come to the result.
#[test]
fn a_reader_that_never_comes_does_not_hold_up_the_end() {
    let house = warehouse("");
    let pipe = pipe(&house);
    let options = ["--sql", "select 1 as one", "--output", "csv", "--output-file", &pipe];
    let running = house.start(on(&options));
    running.wait_for_calls("redshift-data", "GetStatementResult", 1);
    running.signal(Signal::TERM);
    let outcome = running.finish();
    outcome.assert_exit(80).assert_says("shows its result");
    let outcome = house.run(keyed(&options).iter().chain(&["--timeout", "2s"]));
    outcome.assert_exit(79).assert_says("--timeout was over before its result was read");
    assert!(outcome.elapsed < Duration::from_secs(30), "{:?}", outcome.elapsed);
}

/// What takes a moment to stop is waited for, also where the service does not hold its answers back.
#[test]
fn a_cancel_that_takes_a_moment_is_confirmed() {
    for settings in ["", "no_long_poll = true\n", "waiting_limit = 0\n"] {
        let course = "[[redshift.courses]]\nwhen = '%'\nhold = '1h'\naborted_after = '1500ms'\n";
        let house = warehouse(&format!("{settings}{course}"));
        let running = house.start(on(&["--sql", "select 1"]));
        running.wait_for_calls("redshift-data", "DescribeStatement", 1);
        running.signal(Signal::TERM);
        running.finish().assert_exit(143).assert_says("was cancelled");
    }
}

#[test]
fn a_cancel_waits_as_long_as_it_may() {
    let course = "[[redshift.courses]]\nwhen = '%'\nhold = '1h'\naborted_after = '1h'\n";
    let house = warehouse(course);
    house.run(on(&["--sql", "select 1", "--no-wait"])).assert_exit(0);
    let id = house.newest();
    house.run(["cancel", &id, "--timeout", "2s"]).assert_exit(79);
    house.spoil("CancelStatement", FaultKind::Hang);
    let outcome = house.run(["cancel", &id, "--timeout", "2s"]);
    outcome.assert_exit(79).assert_says("did not answer the cancel");
    assert!(outcome.elapsed < Duration::from_secs(10), "{:?}", outcome.elapsed);
}

/// Each of these calls is a read, or safe to repeat.
#[test]
fn each_of_the_other_operations_survives_a_fault() {
    let house = warehouse("");
    house.prepare("create table t (i int)");
    for (operation, args) in [
        ("ListDatabases", on(&[])),
        ("ListSchemas", on(&[])),
        ("ListTables", on(&[])),
        ("DescribeTable", on(&["--schema", "public", "--table", "t"])),
    ] {
        let command = match operation {
            "ListDatabases" => "databases",
            "ListSchemas" => "schemas",
            "ListTables" => "tables",
            _ => "describe-table",
        };
        for kind in [FaultKind::Throttle, FaultKind::ResetBefore, status(500, "InternalServerException", "")]
        {
            house.spoil(operation, kind.clone());
            let outcome = house.run(std::iter::once(&command).chain(&args));
            assert_eq!(outcome.code, 0, "{operation} {kind:?}: {}", outcome.stderr);
        }
    }
}

#[test]
fn a_start_that_is_not_waited_for_has_no_result() {
    let house = warehouse("");
    for more in [["--expect-rows", "1"], ["--output-file", "out"]] {
        let options: Vec<&str> = ["--sql", "select 1", "--no-wait"].into_iter().chain(more).collect();
        house.run(on(&options)).assert_exit(2).assert_says("--no-wait has no result");
    }
    assert_eq!(house.started(), 0);
}

/// Numbers, quoted names and comments may be as private as literals.
#[test]
fn little_of_the_sql_is_in_an_error() {
    let house = warehouse("");
    for sql in [
        "-- pw Hunter2\nselec 1",
        "/* Hunter2 */ selec 1",
        "create user u password \"Hunter2\" nonsense",
        "selec ssn from t where ssn = 4711081511",
    ] {
        let outcome = house.run(on(&["--sql", sql]));
        outcome.assert_exit(10).assert_does_not_say("4711081511");
        let ours = outcome.termination()["error"]
            .as_str()
            .unwrap()
            .split(" ended FAILED")
            .next()
            .unwrap()
            .to_owned();
        assert!(!ours.contains("Hunter2"), "{ours}");
    }
}

#[test]
fn a_mark_at_the_beginning_of_a_file_is_no_sql() {
    let house = warehouse("");
    let file = house.write("one.sql", "\u{feff}select 1 as one;\n").display().to_string();
    let outcome = house.run(on(&["--sql-file", &file, "--output", "csv"]));
    assert_stdout(outcome.assert_exit(0), "one\n1\n");
    assert_eq!(house.sandbox.statements()[0].sqls, ["select 1 as one"]);
}
