//! What makes the proxy not ready: the way to the server and its own login, and nothing that one client asks for.

use testkit::{Database, Shutdown, Site};

use super::health::get;
use super::wire::Wire;
use super::{Proxy, said, text, wait_until};
use crate::{World, world};

const IAM: [(&str, &str); 2] = [("user", Database::IAM_USER), ("database", Database::NAME)];
const HEALTH: [&str; 2] = ["--health-listen", "127.0.0.1:0"];

impl<'s> Proxy<'s> {
    /// One that answers probes, and where.
    pub(super) fn with_health(site: &'s Site, args: Vec<String>, more: &[&str]) -> (Self, String) {
        let proxy = Self::start(site, args, &[&HEALTH, more].concat());
        let address = said(&proxy.running, "answering about health", "address");
        (proxy, address)
    }

    /// The error that a session with these parameters ends with.
    fn refused(&self, parameters: &[(&str, &str)]) -> String {
        let mut wire: Wire = self.wire();
        wire.begin(parameters);
        wire.last_words()
    }
}

#[test]
fn a_mistake_of_one_client_leaves_the_proxy_ready() {
    let world = world();
    let database = &world.database;
    database.psql(&["-c", "create database closed"]);
    database.psql(&["-c", "revoke connect on database closed from public"]);
    database.psql(&["-c", "create database narrow connection limit 0"]);
    let (proxy, health) = Proxy::with_health(&world.site, world.by_token(&[]), &[]);
    let user = ("user", Database::IAM_USER);
    // A packet that the proxy takes and that is too long for the server with what the proxy adds.
    let long = format!("-c search_path={}", "x".repeat(9_920));
    let mistakes: [(&str, &[(&str, &str)]); 8] = [
        ("C42501", &[user, ("database", "closed")]),
        ("C53300", &[user, ("database", "narrow")]),
        ("C3D000", &[user, ("database", "nowhere")]),
        // No line of pg_hba.conf is for it.
        ("C28000", &[user, ("database", Database::NAME), ("replication", "true")]),
        ("C42501", &[user, ("database", Database::NAME), ("replication", "database")]),
        ("C42704", &[user, ("database", Database::NAME), ("options", "-c no.such=1 -c nor_such=1")]),
        ("C22023", &[user, ("database", Database::NAME), ("client_encoding", "nothing")]),
        ("C54000", &[user, ("database", Database::NAME), ("options", &long)]),
    ];
    for (code, parameters) in mistakes {
        let told = proxy.refused(parameters);
        assert!(told.contains(code), "{parameters:?}: {told}");
        assert_eq!(get(&health, "/readyz").0, 200, "{told}");
    }
    // A limit of the role is no reason, either: its sessions work.
    database.psql(&["-c", "alter role iam_demo_user connection limit 1"]);
    let holder = proxy.session();
    assert!(proxy.refused(&IAM).contains("C53300"));
    assert_eq!(get(&health, "/readyz").0, 200);
    drop(holder);
    let outcome = proxy.end();
    outcome.assert_exit(0).assert_does_not_say("readiness changed");
    assert_eq!(outcome.json()["reachable"], true);
}

#[test]
fn a_client_that_asks_for_a_read_only_session_leaves_a_proxy_to_the_writer_ready() {
    let world = world();
    let args = world.by_token(&["--target-session-attrs", "read-write"]);
    let (proxy, health) = Proxy::with_health(&world.site, args, &[]);
    let told = proxy.refused(&[IAM[0], IAM[1], ("options", "-c default_transaction_read_only=on")]);
    assert!(told.contains("C08001") && told.contains("takes no writes"), "{told}");
    assert_eq!(get(&health, "/readyz").0, 200);
    assert_eq!(text(&proxy.psql(&world.database, "select 1")), "1");
    proxy.end().assert_exit(0).assert_does_not_say("readiness changed");
}

#[test]
fn it_is_ready_again_although_its_own_database_is_not_there() {
    let mut world = world();
    let args = crate::replaced(world.by_token(&[]), "--database", "nowhere");
    let World { site, database } = &mut world;
    let (proxy, health) = Proxy::with_health(site, args, &[]);
    assert_eq!(text(&proxy.psql(database, "select 1")), "1");
    database.stop(Shutdown::Fast);
    assert!(!proxy.psql(database, "select 1").status.success());
    assert_eq!(get(&health, "/readyz").0, 503);
    proxy.running.wait_for_log("readiness changed");
    assert_eq!(said(&proxy.running, "readiness changed", "ready"), "false");
    let reason = said(&proxy.running, "readiness changed", "reason");
    assert!(reason.contains("Connection refused"), "{reason}");
    database.resume();
    // Without a client.
    wait_until("it is ready again", || get(&health, "/readyz").0 == 200);
    proxy.running.wait_for_log(r#""ready":"true""#);
    proxy.end().assert_exit(0);
}

#[test]
fn a_login_that_is_refused_makes_it_not_ready_until_it_is_let_in() {
    let world = world();
    let file = world.site.write("password", "wrong");
    let mut args = world.way();
    args.extend(["--user", Database::USER, "--password-file", file.to_str().unwrap()].map(str::to_owned));
    let (proxy, health) = Proxy::with_health(&world.site, args, &[]);
    let told = proxy.refused(&[("user", Database::USER), ("database", Database::NAME)]);
    assert!(told.contains("C28P01"), "{told}");
    assert_eq!(get(&health, "/readyz").0, 503);
    proxy.running.wait_for_log("readiness changed");
    assert!(said(&proxy.running, "readiness changed", "reason").contains("password authentication failed"));
    std::fs::write(&file, Database::PASSWORD).unwrap();
    wait_until("it is ready again", || get(&health, "/readyz").0 == 200);
    proxy.end().assert_exit(0);
}

#[test]
fn a_secret_that_cannot_be_read_makes_it_not_ready() {
    let world = world();
    let mut args = world.way();
    args.extend(["--secret-id", "no-such-secret"].map(str::to_owned));
    let (proxy, health) = Proxy::with_health(&world.site, args, &[]);
    let told = proxy.refused(&[("user", Database::USER), ("database", Database::NAME)]);
    assert!(told.contains("no-such-secret"), "{told}");
    assert_eq!(get(&health, "/readyz").0, 503);
    proxy.running.wait_for_log("readiness changed");
    assert!(said(&proxy.running, "readiness changed", "reason").contains("no-such-secret"));
    proxy.end().assert_exit(0);
}
