//! Where SQL comes from.

use std::fs;
use std::os::unix::fs::symlink;

use super::{on, warehouse};

#[test]
fn a_mounted_config_map() {
    let house = warehouse("");
    let folder = house.path("sql");
    // As the kubelet mounts it: files are links into ..data, itself a link to a folder with a date.
    let data = folder.join("..2026_11_24_10_00_00.1");
    fs::create_dir_all(&data).unwrap();
    symlink("..2026_11_24_10_00_00.1", folder.join("..data")).unwrap();
    for (name, text) in [
        ("20-load.sql", "-- load\ninsert into t values (1);\ninsert into t values (2);\n"),
        ("10-create.sql", "create table t (i int)"),
        ("30-tell.sql", "select sum(i) as total from t;"),
    ] {
        fs::write(data.join(name), text).unwrap();
        symlink(format!("..data/{name}"), folder.join(name)).unwrap();
    }
    let outcome = house.run(on(&["--sql-dir", folder.to_str().unwrap(), "--output", "csv"]));
    super::assert_stdout(outcome.assert_exit(0), "total\n3\n");
    assert_eq!(house.sandbox.statements()[0].sqls.len(), 4);
}

#[test]
fn standard_input_and_files_in_the_order_given() {
    let house = warehouse("");
    let file = house.write("b.sql", "select 'b' as x").display().to_string();
    let options =
        on(&["--sql", "select 'a' as x", "--sql-file", &file, "--sql-file", "-", "--output", "jsonl"]);
    let outcome = house.start_with(options, "select 'c' as x;\nselect 'd' as x").finish();
    super::assert_stdout(
        outcome.assert_exit(0),
        "{\"x\":\"a\"}\n{\"x\":\"b\"}\n{\"x\":\"c\"}\n{\"x\":\"d\"}\n",
    );
}

/// As the AWS CLI does.
#[test]
fn a_file_is_read_where_the_aws_cli_would_read_it() {
    let house = warehouse("");
    house.write("q.sql", "select :day as day");
    house.write("parameters.json", r#"{"day": "monday"}"#);
    let options = ["--sql", "file://q.sql", "--parameters", "file://parameters.json", "--output", "csv"];
    super::assert_stdout(house.run(on(&options)).assert_exit(0), "day\nmonday\n");
}

#[test]
fn what_looks_like_a_semicolon() {
    let house = warehouse("");
    let sql = "select ';' as a, $$;$$ as b /* ; /* ; */ */ -- ;\n; do $x$ begin perform 1; end $x$; select \"c;\" from (select 1 as \"c;\") q";
    let outcome = house.run(on(&["--sql", sql, "--output", "csv"]));
    super::assert_stdout(outcome.assert_exit(0), "a,b\n;,;\n\nc;\n1\n");
    assert_eq!(house.sandbox.statements()[0].sqls.len(), 3);
}

#[test]
fn limits_are_told_before_any_call() {
    let house = warehouse("");
    let long = format!("select '{}'", "x".repeat(100 * 1024));
    let long = house.write("long.sql", &long).display().to_string();
    let many = "select 1;".repeat(41);
    let cases: [(&[&str], &str); 9] = [
        (&["--sql-file", &long], "statement 1 (long.sql line 1) has 102409 bytes"),
        (&["--sql", &many], "there are 41 statements"),
        (&["--sql", "-- nothing"], "no SQL statement"),
        (&["--sql", "select 'x"], "never ended"),
        (&["--sql", "select 1", "--parameter", "a=1"], "the parameter a is used by no statement"),
        (&["--sql-file", "/nowhere/x.sql"], "could not read /nowhere/x.sql"),
        (&["--sql-dir", "/nowhere"], "could not read the folder /nowhere"),
        (&[], "nothing to run"),
        // A value without quotes around it; its words are not repeated.
        (&["--sql", "select", "hunter2"], "is a value with spaces in quotes?"),
    ];
    for (options, expected) in cases {
        let outcome = house.run(on(options));
        outcome.assert_exit(2).assert_says(expected).assert_does_not_say("hunter2");
        assert_eq!(outcome.termination()["outcome"], "usage");
    }
    assert!(house.sandbox.calls().is_empty(), "{:#?}", house.sandbox.calls());
    // At the limits all is well.
    let most = format!("select length('{}') as n", "x".repeat(100 * 1024 - 22));
    assert_eq!(most.len(), 100 * 1024);
    let most = house.write("most.sql", &most).display().to_string();
    house.run(on(&["--sql-file", &most])).assert_exit(0);
    house.run(on(&["--sql", &"select 1;".repeat(40)])).assert_exit(0);
}
