//! The session: settings that the reading of texts stands on, servers that fit.

use testkit::{Database, DatabaseSettings};

use super::{assert_stdout, desk, desk_with};

#[test]
fn texts_are_utf_8_and_backslashes_plain_whatever_the_server_prefers() {
    let settings = vec![
        "standard_conforming_strings=off".to_owned(),
        "backslash_quote=off".to_owned(),
        "client_encoding=LATIN1".to_owned(),
    ];
    let desk = desk_with(DatabaseSettings { settings, ..DatabaseSettings::default() });
    let sql = "select 'back\\' as a, 'ü' as b";
    assert_stdout(desk.query(&["--output", "csv", "--sql", sql]).assert_exit(0), "a,b\nback\\,ü\n");
    for sql in ["set client_encoding = 'LATIN1'; select 1", "set standard_conforming_strings = off; select 1"]
    {
        desk.sql(sql)
            .assert_exit(10)
            .assert_says("statement 1 of 2")
            .assert_says("but the text is read with");
    }
}

#[test]
fn bytes_that_are_no_text_are_told() {
    let desk = desk();
    desk.database.psql(&["-c", "create database bytes encoding 'SQL_ASCII' template template0 locale 'C'"]);
    let sql = "select convert_from('\\xff41', 'SQL_ASCII') as v";
    desk.query(&["--database", "bytes", "--sql", sql]).assert_exit(10).assert_says("SQLSTATE 22021");
}

#[test]
fn a_server_that_fits_is_looked_for() {
    let desk = desk();
    desk.sql("create table t as select 1 as i").assert_exit(0);
    let reader = desk.database.reader();
    let (hosts, ports) = (
        format!("{},{}", Database::READER, Database::HOST),
        format!("{},{}", reader.port(), desk.database.port()),
    );
    let both = ["--host", &hosts, "--hostaddr", "127.0.0.1,127.0.0.1", "--port", &ports];
    let with = |more: &[&'static str]| {
        both.into_iter().chain(more.iter().copied()).map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |more: &[&'static str]| desk.run(std::iter::once("query".to_owned()).chain(with(more)));
    let told = run(&["--sql", "select pg_is_in_recovery() as reader"]);
    assert_eq!(told.assert_exit(0).json()["results"][0][0]["reader"], true);
    run(&["--sql", "insert into t values (2)"]).assert_exit(10).assert_says(
        "this server takes no writes: --target-session-attrs read-write looks for one that does",
    );
    run(&["--target-session-attrs", "read-write", "--sql", "insert into t values (2)"]).assert_exit(0);
    // Read-only is what the statements are, not what the server has to be.
    run(&["--target-session-attrs", "read-write", "--read-only", "--sql", "select 1"]).assert_exit(0);
}

#[test]
fn what_is_at_work_is_told_before_it_ends() {
    let desk = desk();
    let outcome = desk.sql("select pg_backend_pid() as pid");
    let told = outcome.assert_exit(0).json();
    let pid = &told["results"][0][0]["pid"];
    assert_eq!(&told["pid"], pid);
    outcome.assert_says(&format!("select * from pg_stat_activity where pid = {pid}"));
    assert!(outcome.termination()["remote_id"].as_str().unwrap().ends_with(&format!("/mydb pid {pid}")));
}
