//! All or nothing, and what may not be written at all.

use super::{assert_stdout, desk};

#[test]
fn all_or_nothing() {
    let desk = desk();
    let sql = "create table t (i int); insert into t values (1); insert into t values ('x')";
    desk.query(&["--single-transaction", "--sql", sql])
        .assert_exit(10)
        .assert_says("statement 3 of 3")
        .assert_says("the transaction is rolled back");
    assert_eq!(desk.look("select to_regclass('t') is null"), "t");
    let sql = "create table t (i int); insert into t values (1)";
    desk.query(&["--single-transaction", "--sql", sql]).assert_exit(0);
    assert_eq!(desk.look("select count(*) from t"), "1");
}

#[test]
fn what_fails_at_the_commit_has_failed() {
    let desk = desk();
    desk.sql("create table t (i int unique deferrable initially deferred)").assert_exit(0);
    desk.query(&["--single-transaction", "--sql", "insert into t values (1); insert into t values (1)"])
        .assert_exit(10)
        .assert_says("the commit of the transaction failed: duplicate key")
        .assert_says("the transaction is rolled back");
    assert_eq!(desk.look("select count(*) from t"), "0");
}

#[test]
fn a_transaction_that_nobody_commits_is_no_success() {
    let desk = desk();
    desk.sql("create table t (i int)").assert_exit(0);
    desk.sql("begin; insert into t values (1)").assert_exit(10).assert_says("leaves a transaction open");
    assert_eq!(desk.look("select count(*) from t"), "0");
    desk.sql("begin; insert into t values (1); commit").assert_exit(0);
    assert_eq!(desk.look("select count(*) from t"), "1");
    desk.query(&[
        "--single-transaction",
        "--sql",
        "insert into t values (2); commit; insert into t values (3)",
    ])
    .assert_exit(10)
    .assert_says("it ends the transaction of --single-transaction");
}

#[test]
fn a_chain_of_transactions_is_not_a_single_one() {
    let desk = desk();
    desk.sql("create table t (i int)").assert_exit(0);
    let sql = "insert into t values (1); commit and chain; insert into t values (2)";
    desk.query(&["--single-transaction", "--sql", sql])
        .assert_exit(10)
        .assert_says("it ends the transaction of --single-transaction")
        .assert_says("what was committed before stays");
    assert_eq!(desk.look("select count(*) from t"), "1");
    let sql = "insert into t values (2); rollback and chain; insert into t values (3)";
    desk.query(&["--single-transaction", "--sql", sql])
        .assert_exit(10)
        .assert_says("it ends the transaction of --single-transaction");
    assert_eq!(desk.look("select count(*) from t"), "1");
}

#[test]
fn what_is_committed_on_the_way_is_not_for_a_retry_to_do_again() {
    let desk = desk();
    desk.sql("create table t (i int)").assert_exit(0);
    let deadlock = "raise exception using errcode = 'deadlock_detected'";
    let chained =
        format!("begin; insert into t values (1); commit and chain; do $$ begin {deadlock}; end $$; commit");
    desk.sql(&chained).assert_exit(10).assert_says("what was committed before stays");
    let procedure = format!(
        "create procedure p() language plpgsql as $$ begin insert into t values (2); commit; {deadlock}; end $$"
    );
    desk.sql(&procedure).assert_exit(0);
    desk.sql("call p()").assert_exit(80).assert_says("what it has committed by itself stays");
    assert_eq!(desk.look("select count(*) from t"), "2");
    // Within a transaction it cannot commit.
    desk.query(&["--single-transaction", "--sql", "call p()"]).assert_exit(10);
    // Nor does a block that does not say so.
    desk.sql(&format!("do $$ begin insert into t values (3); {deadlock}; end $$")).assert_exit(75);
    assert_eq!(desk.look("select count(*) from t"), "2");
}

#[test]
fn read_only_lets_nothing_be_written() {
    let desk = desk();
    desk.sql("create table t (i int)").assert_exit(0);
    desk.query(&["--read-only", "--sql", "insert into t values (1)"])
        .assert_exit(10)
        .assert_says("cannot execute INSERT in a read-only transaction")
        .assert_says("--read-only allows no writing");
    assert_stdout(
        desk.query(&["--read-only", "--output", "csv", "--sql", "select count(*) from t"]).assert_exit(0),
        "count\n0\n",
    );
}
