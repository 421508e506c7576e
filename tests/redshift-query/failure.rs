//! Statements that end badly.

use serde_json::json;

use super::{assert_stdout, on, warehouse};

#[test]
fn an_sql_error_is_told_with_its_place() {
    let house = warehouse("");
    let file = house.write("load.sql", "create table t (i int);\n\ninsert into t\n  select nothing;\n");
    let file = file.display().to_string();
    let outcome = house.run(on(&["--sql-file", &file]));
    outcome
        .assert_exit(10)
        .assert_says("statement 2 of 2")
        .assert_says("(load.sql line 3: insert into t)")
        .assert_says("column \\\"nothing\\\" does not exist")
        .assert_says("that is load.sql line 4 column 10");
    assert_eq!(outcome.termination()["state"], "FAILED");
    let printed = outcome.json();
    assert_eq!((&printed["status"], &printed["results"]), (&json!("FAILED"), &json!([])));
    assert!(printed["statements"][1]["error"].as_str().unwrap().contains("nothing"), "{printed}");
}

#[test]
fn one_statement_that_fails() {
    let house = warehouse("");
    let outcome = house.run(on(&["--sql", "select 1\nfrom nowhere", "--output", "csv"]));
    outcome.assert_exit(10).assert_says("--sql line 2 column 6").assert_says("nowhere");
    assert_stdout(&outcome, "");
}

#[test]
fn what_is_shown_of_a_statement_has_no_literals() {
    let house = warehouse("");
    let outcome = house.run(on(&["--sql", "create user u password 'Hunter2' nonsense"]));
    outcome.assert_exit(10).assert_says("create user u password '…' nonsense").assert_does_not_say("Hunter2");
}

#[test]
fn one_that_somebody_else_cancelled_is_no_success() {
    let house = warehouse("[[redshift.courses]]\nwhen = '%'\naborted = true\n");
    let outcome = house.run(on(&["--sql", "select 1"]));
    outcome.assert_exit(11).assert_says("ended ABORTED");
    assert_eq!(outcome.json()["status"], "ABORTED");
    assert_eq!(outcome.termination()["outcome"], "stopped");
}

#[test]
fn a_failed_one_is_not_sent_again() {
    let house = warehouse("[[redshift.courses]]\nwhen = '%'\nerror = 'ERROR: disk full'\n");
    house.run(on(&["--sql", "select 1"])).assert_exit(10).assert_says("disk full");
    assert_eq!((house.sent(), house.started()), (1, 1));
}
