//! What is sent.

use serde_json::json;

use super::{on, warehouse};

#[test]
fn a_statement_runs_and_its_result_is_printed() {
    let house = warehouse("");
    let outcome = house.run(on(&["--sql", "select 1 as one, 'x' as label, null::int as nothing"]));
    let printed = outcome.assert_exit(0).json();
    let statement = &house.sandbox.statements()[0];
    assert_eq!(printed["statement_id"], statement.id.as_str());
    assert_eq!(printed["status"], "FINISHED");
    assert_eq!(printed["rows"], 1);
    assert_eq!(printed["adopted"], false);
    assert_eq!((&printed["cluster_identifier"], &printed["database"]), (&json!("analytics"), &json!("dev")));
    assert_eq!((&printed["region"], &printed["account"]), (&json!("us-east-2"), &json!("222222222222")));
    let seconds = printed["duration_seconds"].as_f64().unwrap();
    assert!((0.0..30.0).contains(&seconds), "{printed}");
    assert_eq!(printed["results"], json!([[{ "one": 1, "label": "x", "nothing": null }]]));
    assert_eq!(outcome.termination()["remote_id"], statement.id.as_str());
    assert_eq!(outcome.termination()["state"], "FINISHED");
    assert_eq!(house.count("ListStatements"), 0, "without a key nothing is looked for");
    assert!(!statement.batch && !statement.with_event);
    assert_eq!((statement.name.as_ref(), statement.client_token.as_ref().map(String::len)), (None, Some(64)));
}

#[test]
fn the_statement_is_told_before_it_is_waited_for() {
    let house = warehouse("[[redshift.courses]]\nwhen = '%'\nhold = '1s'\n");
    let running = house.start(on(&["--sql", "select 1"]));
    running.wait_for_log("aws redshift-data describe-statement --id ");
    assert_ne!(house.sandbox.statements()[0].status, "FINISHED");
    running.finish().assert_exit(0);
}

#[test]
fn several_statements_are_one_batch() {
    for (mode, expected) in [(&[][..], "TRANSACTION"), (&["--execution-mode", "AUTO_COMMIT"], "AUTO_COMMIT")]
    {
        let house = warehouse("");
        let sql = "create table t (i int); insert into t values (1), (2); select i from t order by i; select 'end' e";
        let outcome = house.run(on(&[&["--sql", sql], mode].concat()));
        let printed = outcome.assert_exit(0).json();
        assert_eq!(printed["results"], json!([[{ "i": 1 }, { "i": 2 }], [{ "e": "end" }]]));
        let parts = printed["statements"].as_array().unwrap();
        let rows: Vec<_> = parts.iter().map(|part| part["rows"].as_i64().unwrap()).collect();
        assert_eq!(rows, [0, 2, 2, 1]);
        assert_eq!(parts[1]["statement_id"], format!("{}:2", printed["statement_id"].as_str().unwrap()));
        let statement = &house.sandbox.statements()[0];
        assert_eq!((statement.sqls.len(), statement.execution_mode.as_deref()), (4, Some(expected)));
        assert_eq!((house.sent(), house.started()), (1, 1));
        assert_eq!(house.psql("dev", "select count(*) from t"), "2");
    }
}

#[test]
fn a_transaction_is_rolled_back_and_auto_commit_is_not() {
    for (mode, exists) in [("TRANSACTION", "f"), ("AUTO_COMMIT", "t")] {
        let house = warehouse("");
        let sql = "create table t (i int); select 1 / 0; select 7 as seven";
        let outcome = house.run(on(&["--sql", sql, "--execution-mode", mode]));
        outcome.assert_exit(10).assert_says("statement 2 of 3").assert_says("division by zero");
        assert_eq!(house.psql("dev", "select to_regclass('t') is not null"), exists, "{mode}");
        let results = if mode == "TRANSACTION" { json!([]) } else { json!([[{ "seven": 7 }]]) };
        assert_eq!(outcome.json()["results"], results, "{mode}: what was committed has a result");
    }
}

#[test]
fn parameters_are_values() {
    let house = warehouse("");
    let hostile = "o'; drop table t; --";
    let outcome = house.run(on(&[
        "--sql",
        "select :who::varchar as who; select :day::date as day, :who::varchar as again",
        "--parameter",
        &format!("who={hostile}"),
        "--parameters",
        r#"{"day": "2026-01-31"}"#,
    ]));
    let printed = outcome.assert_exit(0).json();
    let expected = json!([[{ "who": hostile }], [{ "day": "2026-01-31", "again": hostile }]]);
    assert_eq!(printed["results"], expected);
    assert_eq!(house.sandbox.statements()[0].parameters["who"], hostile);
}

#[test]
fn name_and_event_are_passed_on() {
    let house = warehouse("");
    house.run(on(&["--sql", "select 1", "--statement-name", "nightly", "--with-event"])).assert_exit(0);
    let statement = &house.sandbox.statements()[0];
    assert_eq!((statement.name.as_deref(), statement.with_event), (Some("nightly"), true));
}

#[test]
fn no_wait_prints_the_id() {
    for (output, bare) in [("json", false), ("csv", true), ("table", true)] {
        let house = warehouse(super::ENDLESS);
        let outcome = house.run(on(&["--sql", "select 1", "--no-wait", "--output", output]));
        outcome.assert_exit(0);
        let id = house.newest();
        if bare {
            super::assert_stdout(&outcome, &format!("{id}\n"));
        } else {
            assert_eq!(outcome.json()["statement_id"], id.as_str());
        }
        assert_eq!(house.count("DescribeStatement"), 0);
    }
}

#[test]
fn every_option_has_a_variable() {
    let house = warehouse("")
        .env("REDSHIFT_CLUSTER_IDENTIFIER", "analytics")
        .env("REDSHIFT_DATABASE", "dev")
        .env("REDSHIFT_DB_USER", "etl")
        .env("REDSHIFT_SQL", "select :a::int as a; select 2 as b")
        .env("REDSHIFT_PARAMETER", "a=1")
        .env("REDSHIFT_EXECUTION_MODE", "AUTO_COMMIT")
        .env("REDSHIFT_STATEMENT_NAME", "nightly")
        .env("REDSHIFT_WITH_EVENT", "true")
        .env("REDSHIFT_EXPECT_ROWS", "2")
        .env("REDSHIFT_NULL", "-")
        .env("JOB_OUTPUT", "csv");
    super::assert_stdout(house.run::<&str>([]).assert_exit(0), "a\n1\n\nb\n2\n");
    let statement = &house.sandbox.statements()[0];
    assert_eq!(statement.execution_mode.as_deref(), Some("AUTO_COMMIT"));
    assert_eq!((statement.name.as_deref(), statement.with_event), (Some("nightly"), true));
    // What is set for run is no hindrance to the others, and the command line counts more.
    house.run(["list"]).assert_exit(0);
    super::assert_stdout(
        house.run(["--sql", "select :a::int as c, null as d", "--expect-rows", "1"]).assert_exit(0),
        "c,d\n1,-\n",
    );
}
