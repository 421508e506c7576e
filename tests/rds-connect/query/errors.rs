//! Errors of the server: what is said of them, and what the run ends with.

use testkit::{Database, Shutdown};

use super::{assert_stdout, desk};

#[test]
fn the_first_error_stops_and_its_place_is_named() {
    let desk = desk();
    let file = desk.write(
        "load.sql",
        "create table t (i int primary key);\n\ninsert into t values (1);\n-- again\ninsert into t\n  values (1);\n\
         insert into t values (3);\n",
    );
    let outcome = desk.query(&["--output", "table", "--sql-file", file.to_str().unwrap()]);
    outcome
        .assert_exit(10)
        .assert_says(
            "statement 3 of 4 (load.sql line 4: insert into t) failed: duplicate key value violates unique",
        )
        .assert_says(
            "(SQLSTATE 23505), detail: Key (i)=(1) already exists.; what was committed before stays",
        );
    assert_eq!(outcome.termination()["outcome"], "failed");
    assert_eq!(desk.look("select string_agg(i::text, ',') from t"), "1");

    let file = desk.write("two.sql", "select 1;\nselect 'ü',\n  brokn from t;\n");
    let outcome = desk.query(&["--output", "csv", "--sql-file", file.to_str().unwrap()]);
    outcome.assert_exit(10).assert_says("at two.sql line 3 column 3").assert_says("SQLSTATE 42703");
    assert_stdout(&outcome, "?column?\n1\n");
    let told = desk.sql("select 1 as a; select nope('x')");
    let told = told.assert_exit(10).assert_says("hint: No function matches").json();
    assert_eq!(told["sqlstate"], "42883");
    assert!(told["error"].as_str().unwrap().starts_with("statement 2 of 2"), "{told}");
    assert_eq!(told["results"][0][0]["a"], 1);
}

#[test]
fn where_in_a_function_it_happened_is_told() {
    let desk = desk();
    let sql = "do $$ begin raise notice 'step %', 1; raise warning 'odd'; raise exception 'stop here' \
               using hint = 'go home', detail = 'of it', errcode = 'XX123'; end $$";
    desk.sql(sql)
        .assert_exit(10)
        .assert_says("stop here (SQLSTATE XX123), detail: of it, hint: go home, context: PL/pgSQL function")
        .assert_says("the server notes: step 1")
        .assert_says("the server warns: odd");
}

#[test]
fn what_the_user_may_not_do_is_denied() {
    let desk = desk();
    desk.database.psql(&["-d", Database::NAME, "-c", "create table secret_t (i int)"]);
    desk.sql("select * from secret_t").assert_exit(77).assert_says("permission denied for table secret_t");
}

#[test]
fn a_statement_that_takes_too_long_has_failed() {
    let desk = desk();
    let outcome = desk.query(&["--statement-timeout", "300ms", "--sql", "select pg_sleep(60)"]);
    outcome.assert_exit(10).assert_says("canceling statement due to statement timeout");
}

#[test]
fn somebody_has_stopped_it() {
    let desk = desk();
    let running = desk.start(["query", "--sql", "select pg_sleep(60)"]);
    desk.wait_for_query("%pg_sleep(60)%");
    desk.look("select pg_cancel_backend(pid) from pg_stat_activity where query like 'select pg_sleep(60)%'");
    running.finish().assert_exit(11).assert_says("canceling statement due to user request");
}

#[test]
fn the_server_ends_the_session() {
    const END: &str =
        "select pg_terminate_backend(pid) from pg_stat_activity where query like 'select pg_sleep(61)%'";
    let desk = desk();
    // Before anything can be committed another try does no harm.
    let running = desk.start(["query", "--sql", "select pg_sleep(61)"]);
    desk.wait_for_query("%pg_sleep(61)%");
    desk.look(END);
    running.finish().assert_exit(75).assert_says("SQLSTATE 57P01").assert_says("nothing is committed");
    // Afterwards it does.
    let running = desk.start(["query", "--sql", "create table t (i int); select pg_sleep(61)"]);
    desk.wait_for_query("%pg_sleep(61)%");
    desk.look(END);
    running.finish().assert_exit(10).assert_says("what was committed before stays");
    let running = desk.start([
        "query",
        "--single-transaction",
        "--sql",
        "insert into t values (1); select pg_sleep(61)",
    ]);
    desk.wait_for_query("%pg_sleep(61)%");
    desk.look(END);
    running.finish().assert_exit(75).assert_says("the transaction is rolled back");
    assert_eq!(desk.look("select count(*) from t"), "0");
}

#[test]
fn the_server_is_gone_in_the_middle() {
    let mut desk = desk();
    // It may be committed: nobody can tell.
    for (options, code, says) in [
        (&["--sql", "select pg_sleep(62)"][..], 80, "it may be committed"),
        (&["--read-only", "--sql", "select pg_sleep(62)"], 75, "nothing is committed"),
        (&["--single-transaction", "--sql", "select pg_sleep(62)"], 75, "the transaction is rolled back"),
        (&["--sql", "begin; select pg_sleep(62); commit"], 75, "nothing is committed"),
        (&["--sql", "create table gone (i int); select pg_sleep(62)"], 80, "it may be committed"),
    ] {
        let running = desk.site.start(["query"].iter().chain(options));
        desk.wait_for_query("%pg_sleep(62)%");
        desk.database.stop(Shutdown::Immediate);
        running.finish().assert_exit(code).assert_says(says);
        desk.database.resume();
    }
}

#[test]
fn a_deadlock_is_worth_another_try() {
    let desk = desk();
    desk.sql("create table d (i int primary key, v int); insert into d values (1, 0), (2, 0)").assert_exit(0);
    desk.look("alter database mydb set deadlock_timeout = '100ms'");
    let one = desk.start([
        "query",
        "--single-transaction",
        "--sql",
        "update d set v = 1 where i = 1; select pg_sleep(2); update d set v = 1 where i = 2",
    ]);
    desk.wait_for_query("%pg_sleep(2)%");
    let two = desk.query(&[
        "--single-transaction",
        "--sql",
        "update d set v = 2 where i = 2; update d set v = 2 where i = 1",
    ]);
    let one = one.finish();
    let mut codes = [one.code, two.code];
    codes.sort_unstable();
    assert_eq!(codes, [0, 75], "{}\n{}", one.stderr, two.stderr);
    assert!(format!("{}{}", one.stderr, two.stderr).contains("SQLSTATE 40P01"));
}
