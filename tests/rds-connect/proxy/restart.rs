//! The database goes and comes back while clients are at work.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use testkit::{Database, Shutdown};

use super::{Proxy, text, wait_until};
use crate::{World, world};

#[test]
fn under_load_every_client_is_told_and_the_next_ones_work() {
    let mut world = world();
    world.database.psql(&["-d", "mydb", "-c", "grant create on schema public to iam_demo_user"]);
    let args = world.by_token(&[]);
    let World { site, database } = &mut world;
    let proxy = Proxy::start(site, args, &[]);
    let begin = ["-i", "-q", "-s", "1"];
    text(&proxy.client(database, "pgbench").args(begin).output().unwrap());
    for how in [Shutdown::Fast, Shutdown::Immediate] {
        let mut pgbench = proxy.client(database, "pgbench");
        let pgbench = pgbench.args(["-n", "-S", "-c", "20", "-T", "60"]);
        let load = pgbench.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // Those that wait for a lock, and those that do nothing.
        let mut idle: Vec<_> = (0..5).map(|_| proxy.session()).collect();
        let mut busy = proxy.session();
        busy.query("select pg_sleep(60)");
        wait_until("all of them are there", || {
            let sql = "select count(*) from pg_stat_activity where usename = 'iam_demo_user'";
            database.psql(&["-At", "-c", sql]) == "26\n"
        });
        database.stop(how);
        let since = Instant::now();
        // Each with an error, or at least an end; pgbench gives up once all of its clients have.
        let told = String::from_utf8(load.wait_with_output().unwrap().stderr).unwrap();
        let aborted = told.lines().filter(|line| line.contains("aborted")).count();
        assert!(aborted >= 20, "{how:?}: {told}");
        for wire in idle.iter_mut().chain([&mut busy]) {
            let words = wire.last_words();
            let codes = ["C57P01", "C57P02", "C08006"];
            assert!(codes.iter().any(|code| words.contains(code)), "{how:?}: {words}");
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{how:?}: {:?}", since.elapsed());
        // While it is away they are refused, with a reason.
        let mut wire = proxy.wire();
        wire.begin(&[("user", Database::IAM_USER), ("database", "mydb")]);
        let words = wire.last_words();
        assert!(words.contains("C08001") && words.contains("Connection refused"), "{words}");
        database.resume();
        assert_eq!(text(&proxy.psql(database, "select 1")), "1");
    }
    let counts = proxy.counts();
    assert_eq!(counts["upstream_now"], 0, "{counts}");
}

#[test]
fn a_server_that_vanishes_without_a_word_is_told_in_its_place() {
    let world = world();
    let proxy = Proxy::by_token(&world, &[]);
    let mut idle = proxy.session();
    let pid = idle.ask("select pg_backend_pid()");
    // So that nobody of the server says anything.
    world.database.psql(&["-c", "select 1"]);
    let pid: i32 = pid.parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), testkit::Signal::KILL)
        .unwrap();
    let words = idle.last_words();
    assert!(words.contains("C08006") && words.contains("ended unexpectedly"), "{words}");
    wait_until("the server has recovered", || proxy.psql(&world.database, "select 1").status.success());
    let counts = proxy.counts();
    assert_eq!(counts["broken"], 1, "{counts}");
}

#[test]
fn a_failover_is_borne_by_those_who_wait() {
    let mut world = world();
    let args = world.by_token(&["--wait", "60s"]);
    let World { site, database } = &mut world;
    let proxy = Proxy::start(site, args, &[]);
    database.stop(Shutdown::Fast);
    let mut wire = proxy.wire();
    wire.begin(&[("user", Database::IAM_USER), ("database", "mydb")]);
    thread::sleep(Duration::from_millis(500));
    database.resume();
    wire.ready();
    assert_eq!(wire.ask("select 5"), "5");
    drop(wire);
    proxy.counts();
}
