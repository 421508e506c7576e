//! Signals and the end of patience.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use testkit::Signal;

use super::{active, desk};

#[test]
fn a_signal_cancels_the_statement_in_the_server() {
    let desk = desk();
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let running = desk.start([
            "query",
            "--sql",
            "create table if not exists t (i int); select pg_sleep(600); select 2",
        ]);
        desk.wait_for_query("%pg_sleep(600)%");
        running.signal(signal);
        let outcome = running.finish();
        outcome
            .assert_exit(10)
            .assert_says(&format!("ended by {name}: statement 2 of 3"))
            .assert_says("was cancelled; what was committed before stays");
        assert!(outcome.elapsed < Duration::from_secs(5), "{:?}", outcome.elapsed);
        assert_eq!(desk.look(&active("%pg_sleep(600)%")), "0");
        assert_eq!(outcome.json()["statements"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_signal_exits_with_its_own_code_while_nothing_is_committed() {
    let desk = desk();
    for (signal, code, name) in [(Signal::TERM, 143, "SIGTERM"), (Signal::INT, 130, "SIGINT")] {
        for options in [
            &["--sql", "select pg_sleep(600)"][..],
            &["--read-only", "--sql", "select 1; select pg_sleep(600)"],
        ] {
            let running = desk.start(["query"].iter().chain(options));
            desk.wait_for_query("%pg_sleep(600)%");
            running.signal(signal);
            let outcome = running.finish();
            outcome.assert_exit(code).assert_says(&format!("ended by {name}: statement "));
            outcome.assert_says("was cancelled; nothing is committed");
        }
    }
}

#[test]
fn a_retry_after_a_signal_or_a_timeout_inserts_nothing_twice() {
    let desk = desk();
    desk.sql("create table t (i int)").assert_exit(0);
    let sql = "insert into t values (1); select pg_sleep(600)";
    let running = desk.start(["query", "--sql", sql]);
    desk.wait_for_query("%pg_sleep(600)%");
    running.signal(Signal::TERM);
    running.finish().assert_exit(10).assert_says("what was committed before stays");
    let outcome = desk.query(&["--timeout", "8s", "--sql", sql]);
    outcome.assert_exit(10).assert_says("--timeout was over").assert_says("what was committed before stays");
    assert_eq!(desk.look("select count(*) from t"), "2");
}

#[test]
fn a_second_signal_does_not_hide_what_may_be_committed() {
    let desk = desk();
    desk.sql("create table t (i int)").assert_exit(0);
    // It goes on after the cancel of the first signal, says so, and inserts.
    let stubborn = "do $$ begin perform pg_sleep(600); exception when query_canceled then \
                    perform set_config('application_name', 'stubborn', false); perform pg_sleep(3); \
                    insert into t values (1); end $$";
    let sessions = "select count(*) from pg_stat_activity where application_name = 'stubborn'";
    for (more, code) in [(&[][..], 80), (&["--read-only"], 143)] {
        let running = desk.start(["query", "--sql", stubborn].iter().chain(more));
        desk.wait_for_query("do %pg_sleep(600)%");
        // The query is shown before its handler of exceptions is in place.
        std::thread::sleep(std::time::Duration::from_millis(500));
        running.signal(Signal::TERM);
        desk.wait_until(sessions, "1");
        running.signal(Signal::TERM);
        running.finish().assert_exit(code).assert_says("the server has not answered");
        desk.wait_until(sessions, "0");
        assert_eq!(desk.look("select count(*) from t"), "1");
    }
}

#[test]
fn a_cancelled_procedure_may_have_committed() {
    let desk = desk();
    desk.sql("create table t (i int)").assert_exit(0);
    let procedure = "create procedure p() language plpgsql as $$ begin insert into t values (1); commit; \
                     perform pg_sleep(600); end $$";
    desk.sql(procedure).assert_exit(0);
    let running = desk.start(["query", "--sql", "call p()"]);
    desk.wait_for_query("call p()%");
    desk.wait_until("select count(*) from t", "1");
    running.signal(Signal::TERM);
    running.finish().assert_exit(80).assert_says("what it has committed by itself stays");
    desk.query(&["--timeout", "8s", "--sql", "call p()"])
        .assert_exit(80)
        .assert_says("what it has committed by itself stays");
}

#[test]
fn a_signal_rolls_a_single_transaction_back() {
    let desk = desk();
    desk.sql("create table t (i int)").assert_exit(0);
    let sql = "insert into t values (1); select pg_sleep(600)";
    let running = desk.start(["query", "--single-transaction", "--sql", sql]);
    desk.wait_for_query("%pg_sleep(600)%");
    running.signal(Signal::TERM);
    running.finish().assert_exit(143).assert_says("the transaction is rolled back");
    assert_eq!(desk.look("select count(*) from t"), "0");
}

#[test]
fn patience_ends_in_the_server_too() {
    let desk = desk();
    let outcome = desk.query(&["--timeout", "6s", "--sql", "select pg_sleep(600)"]);
    outcome
        .assert_exit(79)
        .assert_says("--timeout was over")
        .assert_says("was cancelled; nothing is committed");
    assert!(outcome.elapsed < Duration::from_secs(12), "{:?}", outcome.elapsed);
    assert_eq!(desk.look(&active("%pg_sleep(600)%")), "0");
}

#[test]
fn rows_that_nobody_takes_do_not_hold_up_a_signal() {
    let desk = desk();
    let pipe = desk.path("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    // A reader that reads nothing.
    let reader = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let sql = "select repeat('x', 1000) from generate_series(1, 100000)";
    let options = ["query", "--output", "csv", "--output-file", pipe.to_str().unwrap(), "--sql", sql];
    // A function in a query can write.
    for (more, code) in [(&["--read-only"][..], 143), (&[], 80)] {
        let running = desk.start(options.iter().chain(more));
        desk.wait_for_query("%repeat%");
        running.signal(Signal::TERM);
        let outcome = running.finish();
        outcome.assert_exit(code);
        assert!(outcome.elapsed < Duration::from_secs(8), "{:?}", outcome.elapsed);
    }
    drop(reader);
}

/// A server that lets everybody in and reads nothing of what is asked of it then.
fn deaf() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let _ = client.read(&mut [0; 1024]);
            // Accepted, and ready.
            let _ = client.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
            held.push(client);
        }
    });
    port
}

#[test]
fn a_server_that_takes_nothing_does_not_hold_up_the_end() {
    let desk = desk();
    // More than the kernel takes for it.
    let text = format!("select '{}'", "x".repeat(16 * 1024 * 1024));
    let file = desk.write("long.sql", &text);
    let port = deaf().to_string();
    let options =
        ["--sslmode", "disable", "--port", &port, "--timeout", "15s", "--sql-file", file.to_str().unwrap()];
    // The server may have the statement as a whole.
    for (more, code) in [(&[][..], 80), (&["--read-only"], 79)] {
        let options: Vec<&str> = options.iter().chain(more).copied().collect();
        let outcome = desk.query(&options);
        outcome.assert_exit(code).assert_says("the server has not answered");
        assert!(outcome.elapsed < Duration::from_secs(30), "{:?}", outcome.elapsed);
    }
}

#[test]
fn what_a_run_cannot_be_is_refused() {
    let desk = desk();
    for (options, says) in [
        (&["--on-terminate", "detach", "--sql", "select 1"][..], "--on-terminate detach is not for it"),
        (&["--no-wait", "--sql", "select 1"], "--no-wait is not for it"),
    ] {
        desk.query(options).assert_exit(2).assert_says(says);
    }
    let keyed = ["--idempotency-key", "k", "--sql", "select 1"];
    desk.query(&keyed).assert_exit(0).assert_says("SQL has no idempotency key");
}

#[test]
fn nothing_begins_after_a_signal() {
    let desk = desk();
    // This one does not let itself be cancelled.
    let stubborn = "do $$ begin perform pg_sleep(600); exception when query_canceled then null; end $$";
    let running = desk.start(["query", "--sql", &format!("{stubborn}; create table t (i int)")]);
    desk.wait_for_query("do %pg_sleep(600)%");
    running.signal(Signal::TERM);
    running.finish().assert_exit(10).assert_says("ended by SIGTERM before statement 2 of 2");
    assert_eq!(desk.look("select to_regclass('t') is null"), "t");
}
