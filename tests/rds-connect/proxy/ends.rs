//! How it ends: told to, or idle.

use std::net::TcpStream;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use testkit::{Database, Signal};

use super::{Proxy, text, wait_until};
use crate::{World, world};

const IAM: [(&str, &str); 2] = [("user", Database::IAM_USER), ("database", Database::NAME)];

fn wait_for(world: &World, query: &str) {
    let held = format!("select count(*) from pg_stat_activity where query = '{query}' and state = 'active'");
    wait_until("the query runs", || world.database.psql(&["-At", "-c", &held]) == "1\n");
}

#[test]
fn told_to_end_it_lets_a_transaction_finish() {
    let world = world();
    for (signal, is_new_refused) in [(Signal::TERM, true), (Signal::INT, false)] {
        let proxy = Proxy::by_token(&world, &[]);
        let mut psql = proxy.client(&world.database, "psql");
        let sql = "select pg_sleep(2)";
        let running = psql.args(["-X", "-At", "-c", sql, "-c", "select 'done'"]).stdout(Stdio::piped());
        let running = running.stderr(Stdio::piped()).spawn().unwrap();
        wait_for(&world, sql);
        proxy.running.signal(signal);
        proxy.running.wait_for_log("told to end");
        if is_new_refused {
            let mut late = proxy.wire();
            late.begin(&IAM);
            let told = late.last_words();
            assert!(told.contains("C57P03") && told.contains("takes no new clients"), "{told}");
        }
        assert_eq!(text(&running.wait_with_output().unwrap()), "done");
        let outcome = proxy.running.finish();
        outcome.assert_exit(0);
        assert_eq!(outcome.json()["sessions"], 1);
    }
}

#[test]
fn a_query_can_be_cancelled_while_it_drains() {
    let world = world();
    let proxy = Proxy::by_token(&world, &["--drain-timeout", "60s"]);
    let mut psql = proxy.client(&world.database, "psql");
    let running = psql.args(["-X", "-c", "select pg_sleep(50)"]).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&world, "select pg_sleep(50)");
    proxy.running.signal(Signal::TERM);
    proxy.running.wait_for_log("told to end");
    rustix::process::kill_process(rustix::process::Pid::from_child(&running), Signal::INT).unwrap();
    let told = super::complaint(&running.wait_with_output().unwrap());
    assert!(told.contains("canceling statement due to user request"), "{told}");
    proxy.running.finish().assert_exit(0);
}

#[test]
fn whoever_does_not_end_is_cut_off_and_told() {
    let world = world();
    let proxy = Proxy::by_token(&world, &["--drain-timeout", "1s"]);
    let mut idle = proxy.session();
    let mut busy = proxy.session();
    busy.query("select pg_sleep(70)");
    wait_for(&world, "select pg_sleep(70)");
    let since = Instant::now();
    proxy.running.signal(Signal::TERM);
    for wire in [&mut idle, &mut busy] {
        let told = wire.last_words();
        assert!(told.contains("C57P01") && told.contains("the proxy was told to end"), "{told}");
    }
    let outcome = proxy.running.finish();
    outcome.assert_exit(143).assert_says("2 sessions had not ended and were cut off");
    assert!((Duration::from_secs(1)..Duration::from_secs(10)).contains(&since.elapsed()));
}

#[test]
fn a_second_signal_ends_at_once() {
    let world = world();
    let proxy = Proxy::by_token(&world, &["--drain-timeout", "80s"]);
    let mut idle = proxy.session();
    proxy.running.signal(Signal::TERM);
    proxy.running.wait_for_log("told to end");
    let since = Instant::now();
    proxy.running.signal(Signal::TERM);
    assert!(idle.last_words().contains("C57P01"));
    proxy.running.finish().assert_exit(143);
    assert!(since.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_client_in_the_middle_of_a_message_is_not_told_into_it() {
    let world = world();
    let proxy = Proxy::by_token(&world, &["--drain-timeout", "1s"]);
    let mut slow = proxy.session();
    // More than all buffers of the way hold. The server sends 8192 bytes at once: with the description of the rows
    // (32 bytes) and what is in front of a value (11) each such part is the end of a row, so that the proxy is never
    // in the middle of one – but the client is.
    slow.query("select repeat('x', case n when 0 then 8149 else 8181 end) from generate_series(0, 5000) n");
    thread::sleep(Duration::from_millis(500));
    proxy.running.signal(Signal::TERM);
    // It reads on while the others are being told.
    thread::sleep(Duration::from_millis(1300));
    // What came is the beginning of what was asked for, and nothing else.
    let came = slow.all();
    assert!(came.len() > 1_000_000, "{}", came.len());
    assert!(!came.contains("57P01"), "it is in a row");
    proxy.running.finish().assert_exit(143);
}

#[test]
fn nobody_who_waits_or_is_silent_holds_up_the_end() {
    let world = world();
    let proxy = Proxy::by_token(&world, &["--max-connections", "1", "--drain-timeout", "60s"]);
    let holder = proxy.session();
    let mut queued = proxy.wire();
    queued.begin(&IAM);
    let mut silent = proxy.wire();
    thread::sleep(Duration::from_millis(300));
    proxy.running.signal(Signal::TERM);
    assert!(queued.last_words().contains("C57P03"));
    drop(holder);
    assert!(silent.last_words().contains("C57P01"));
    let since = Instant::now();
    proxy.running.finish().assert_exit(0);
    assert!(since.elapsed() < Duration::from_secs(9));
}

#[test]
fn idle_for_long_enough_it_ends_well() {
    let world = world();
    // The time limit of a run is not for a proxy.
    let proxy = Proxy::by_token(&world, &["--exit-when-idle", "2s", "--timeout", "1s"]);
    let session = proxy.session();
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(4) {
        // Probes of the port are no clients.
        drop(TcpStream::connect(("127.0.0.1", proxy.port)).unwrap());
        thread::sleep(Duration::from_millis(200));
    }
    assert!(proxy.running.is_running());
    drop(session);
    let since = Instant::now();
    let probe = proxy.port;
    thread::scope(|scope| {
        scope.spawn(|| {
            while TcpStream::connect(("127.0.0.1", probe)).is_ok() {
                thread::sleep(Duration::from_millis(200));
            }
        });
        let outcome = proxy.running.finish();
        outcome.assert_exit(0).assert_says("--exit-when-idle");
        assert_eq!(outcome.json()["sessions"], 1);
    });
    assert!((Duration::from_millis(1900)..Duration::from_secs(10)).contains(&since.elapsed()));
}
