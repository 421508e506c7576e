//! Values for names.

use super::{assert_stdout, desk};

#[test]
fn values_are_values_whatever_is_in_them() {
    let desk = desk();
    let evil = "'; drop table t; -- \\";
    desk.sql("create table t (i int, v text, d date, n int)").assert_exit(0);
    let insert =
        "insert into t values (:i, :v, :day, :n::int); insert into t values (:i + 1, :'v', :'day', :'n')";
    let parameters =
        format!(r#"{{"day": "2026-01-31", "n": null, "i": 7, "v": {}}}"#, serde_json::json!(evil));
    desk.query(&["--parameters", &parameters, "--sql", insert]).assert_exit(0);
    let row = format!("{evil}|2026-01-31|");
    assert_eq!(desk.look("select * from t order by i"), format!("7|{row}\n8|{row}"));

    let sql =
        "select :a::int + :b::int as sum, ':a' as text, (array[1,2,3])[1:2] as slice, :a::text as again";
    let options = ["--output", "csv", "--parameter", "a=4", "--parameter", "b=-1", "--sql", sql];
    assert_stdout(desk.query(&options).assert_exit(0), "sum,text,slice,again\n3,:a,\"{1,2}\",4\n");
}

#[test]
fn literals_and_names_go_where_no_value_can() {
    let desk = desk();
    desk.database.psql(&["-c", "alter user app createrole"]);
    let password = desk.write("pw", "it's Hunter2\\\n");
    desk.site.sandbox.secrets();
    let outcome = desk.query(&[
        "--parameter",
        "who=My \"User\"",
        "--parameter-file",
        &format!("pw={}", password.display()),
        "--sql",
        "create user :\"who\" password :'pw'; comment on role :\"who\" is :'pw'",
    ]);
    outcome.assert_exit(0).assert_does_not_say("Hunter2");
    let comment = "select shobj_description(oid, 'pg_authid') from pg_roles where rolname = 'My \"User\"'";
    assert_eq!(desk.look(comment), "it's Hunter2\\");
}

#[test]
fn an_error_is_placed_in_what_was_written() {
    let desk = desk();
    let sql = "select :first, :'second',\n  :first + brokn";
    let options = ["--parameter", "first=1", "--parameter", "second=Hunter2", "--sql", sql];
    let outcome = desk.query(&options);
    outcome.assert_exit(10).assert_says("at --sql line 2 column 12").assert_does_not_say("Hunter2");
}

#[test]
fn what_does_not_fit_is_refused_before_the_first_call() {
    let desk = desk();
    for (options, says) in [
        (
            &["--parameter", "a=1", "--sql", "create table t (i int)"][..],
            "the parameter a is used by no statement",
        ),
        (&["--parameter", "a=1", "--parameter", "a=2", "--sql", "select :a"], "a is given twice"),
        (&["--parameter", "a", "--sql", "select :a"], "NAME=VALUE"),
        (&["--parameter", "1=a", "--sql", "select :1"], "begins with no digit"),
        (&["--parameters", "[Hunter2]", "--sql", "select :a"], "it should be a JSON object"),
        (&["--parameter-file", "a=/nowhere/a", "--sql", "select :a"], "could not read /nowhere/a"),
    ] {
        desk.query(options).assert_exit(2).assert_says(says).assert_does_not_say("Hunter2");
    }
    assert_eq!(desk.look("select to_regclass('t') is null"), "t");
}
