//! Many clients at once: none is lost, and the database sees no more of them than it is told.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use testkit::{Database, DatabaseSettings, Site};

use super::health::get;
use super::{Proxy, wait_until};
use crate::{BINARY, world, world_of};

const IAM: [(&str, &str); 2] = [("user", Database::IAM_USER), ("database", Database::NAME)];

#[test]
fn of_a_thousand_sessions_none_is_lost_and_the_database_sees_only_some_at_once() {
    const SESSIONS: usize = 1000;
    const CONNECTIONS: usize = 20;
    let world = world();
    let most = CONNECTIONS.to_string();
    let proxy = Proxy::by_token(&world, &["--max-connections", &most, "--queue-timeout", "80s"]);
    // All are there before the first one begins.
    let wires: Vec<_> = (0..SESSIONS).map(|_| proxy.wire()).collect();
    let seen = AtomicUsize::new(0);
    thread::scope(|scope| {
        let answered: Vec<_> = wires
            .into_iter()
            .enumerate()
            .map(|(number, mut wire)| {
                let work = move || {
                    wire.begin(&IAM);
                    wire.ready();
                    wire.ask(&format!("select {number}")) == number.to_string()
                };
                thread::Builder::new().stack_size(128 * 1024).spawn_scoped(scope, work).unwrap()
            })
            .collect();
        let backends = "select count(*) from pg_stat_activity where usename = 'iam_demo_user'";
        while !answered.iter().all(thread::ScopedJoinHandle::is_finished) {
            let now = world.database.psql(&["-At", "-c", backends]).trim().parse().unwrap();
            seen.fetch_max(now, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(
            answered.into_iter().map(|one| one.join().unwrap()).filter(|good| *good).count(),
            SESSIONS
        );
    });
    // A server process takes a moment to be gone.
    let seen = seen.into_inner();
    assert!((2..=CONNECTIONS + 5).contains(&seen), "{seen}");
    let logins = world.site.sandbox.logins();
    assert_eq!(logins.iter().filter(|login| login.refused.is_none()).count(), SESSIONS);
    let counts = proxy.counts();
    for (name, count) in [("sessions", SESSIONS), ("clients", SESSIONS), ("upstream_most", CONNECTIONS)] {
        assert_eq!(counts[name], count, "{name} in {counts}");
    }
    assert_eq!((&counts["refused"], &counts["broken"]), (&0.into(), &0.into()), "{counts}");
}

#[test]
fn a_client_waits_for_its_turn_but_not_for_ever() {
    let world = world();
    let proxy = Proxy::by_token(&world, &["--max-connections", "1", "--queue-timeout", "3s"]);
    let holder = proxy.session();
    let since = Instant::now();
    let mut late = proxy.wire();
    late.begin(&IAM);
    let told = late.last_words();
    assert!(told.contains("C53300") && told.contains("every connection of the proxy is in use"), "{told}");
    assert!((Duration::from_secs(3)..Duration::from_secs(20)).contains(&since.elapsed()));
    let mut next = proxy.wire();
    next.begin(&IAM);
    thread::sleep(Duration::from_millis(300));
    drop(holder);
    next.ready();
    drop(next);
    let counts = proxy.counts();
    assert_eq!(counts["sessions"], 2, "{counts}");
    assert_eq!(counts["upstream_most"], 1, "{counts}");
}

#[test]
fn one_that_goes_while_it_waits_takes_nobody_s_turn() {
    let world = world();
    let proxy = Proxy::by_token(&world, &["--max-connections", "1"]);
    let holder = proxy.session();
    let mut gone = proxy.wire();
    gone.begin(&IAM);
    let mut next = proxy.wire();
    thread::sleep(Duration::from_millis(300));
    next.begin(&IAM);
    drop(gone);
    thread::sleep(Duration::from_millis(700));
    drop(holder);
    next.ready();
    drop(next);
    assert_eq!(proxy.counts()["sessions"], 2);
    assert_eq!(world.site.sandbox.logins().len(), 2, "nobody logs in for one that has gone");
}

#[test]
fn a_rotated_secret_is_read_once_for_all() {
    let world = world();
    let mut args = world.way();
    args.extend(["--secret-id", "orders-db"].map(str::to_owned));
    let proxy = Proxy::start(&world.site, args, &[]);
    let app = [("user", Database::USER), ("database", Database::NAME)];
    let begin = || {
        let mut wire = proxy.wire();
        wire.begin(&app);
        wire.ready();
        wire
    };
    let mut old = begin();
    begin();
    let reads = || world.site.sandbox.count("secretsmanager", "GetSecretValue");
    assert_eq!(reads(), 1);
    let newer = "pa55-of-app-after-the-rotation";
    world.database.psql(&["-c", &format!("alter role app password '{newer}'")]);
    let secret = world.database.secret().replace(Database::PASSWORD, newer);
    world.site.sandbox.rotate_secret("orders-db", secret).unwrap();
    thread::scope(|scope| {
        let many: Vec<_> = (0..12).map(|_| scope.spawn(|| begin().ask("select 7"))).collect();
        assert!(many.into_iter().all(|one| one.join().unwrap() == "7"));
    });
    assert_eq!(reads(), 2, "once more, for all of them");
    assert_eq!(old.ask("select 8"), "8");
    drop(old);
    let outcome = proxy.end();
    outcome.assert_exit(0).assert_says("the secret is read again").assert_does_not_say(newer);
    assert_eq!(outcome.json()["sessions"], 14);
}

#[test]
fn clients_that_wait_are_bounded_by_memory() {
    let settings = DatabaseSettings { max_connections: 10, ..DatabaseSettings::default() };
    let world = world_of(Site::documented(BINARY), settings);
    // The memory for waiting clients, what they send, and how many of them at least and at most are let in.
    let long = format!("-c search_path={}", "x".repeat(9_900));
    let many: Vec<String> = (0..1_400).map(|number| format!("a{number}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).chain([IAM[0]]).collect();
    let with_options = [IAM[0], IAM[1], ("options", &long)];
    for (memory, parameters, least, most) in [
        // Nobody of them says anything.
        ("16Mi", None, 1_900, 2_200),
        ("1Mi", None, 100, 140),
        ("16Mi", Some(&with_options[..]), 800, 1_000),
        // Many short texts would take more memory than one long one.
        ("16Mi", Some(&many), 800, 1_200),
    ] {
        let options = ["--max-connections", "1", "--queue-memory", memory, "--queue-timeout", "80s"];
        let (proxy, health) = Proxy::with_health(&world.site, world.by_token(&[]), &options);
        let holder = proxy.session();
        let come = || {
            let mut wire = proxy.wire();
            if let Some(parameters) = parameters {
                wire.begin(parameters);
            }
            wire
        };
        let waiting: Vec<_> = (0..2_300).map(|_| come()).collect();
        let told = come().last_words();
        assert!(told.contains("C53300") && told.contains("--queue-memory"), "{told}");
        // Those that are refused are gone soon.
        let held = || get(&health, "/metrics").1["clients_now"].as_u64().unwrap();
        wait_until("those for whom there is no memory are gone", || held() <= most);
        assert!(held() >= least, "{} with {memory}", held());
        let rss = rss_kib(proxy.running.id());
        assert!(rss < 48 * 1024, "{rss} KiB");
        drop((waiting, holder));
        wait_until("there is room again", || proxy.psql(&world.database, "select 1").status.success());
        proxy.counts();
    }
}

/// A script that runs the binary with a limit of open files.
fn limited(folder: &Path, limit: &str) -> PathBuf {
    let script = folder.join("rds-connect");
    std::fs::write(&script, format!("#!/bin/sh\nulimit {limit}\nexec {BINARY} \"$@\"\n")).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

#[test]
fn clients_that_wait_leave_files_for_sessions_and_probes() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::documented(limited(folder.path(), "-n 256"));
    let world = world_of(site, DatabaseSettings::default());
    let (proxy, health) = Proxy::with_health(&world.site, world.by_token(&[]), &["--max-connections", "10"]);
    let mut session = proxy.session();
    // Nobody of them says anything.
    let silent: Vec<_> = (0..300).map(|_| proxy.wire()).collect();
    assert!(proxy.wire().last_words().contains("no memory for another client"));
    assert_eq!(get(&health, "/livez").0, 200);
    assert_eq!(session.ask("select 1"), "1");
    drop((silent, session));
    proxy.end().assert_exit(0).assert_does_not_say("Too many open files");
}

#[test]
fn a_low_limit_of_open_files_is_raised() {
    let folder = tempfile::tempdir().unwrap();
    let script = limited(folder.path(), "-S -n 64");
    let world = world_of(Site::documented(script), DatabaseSettings::default());
    let proxy = Proxy::by_token(&world, &["--max-connections", "50"]);
    let mut sessions: Vec<_> = (0..50).map(|_| proxy.session()).collect();
    assert!(sessions.iter_mut().all(|session| session.ask("select 1") == "1"));
    drop(sessions);
    proxy.counts();
}

/// Resident memory of a process.
pub(super) fn rss_kib(id: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
