//! What probes are told.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Shutdown, Signal};

use super::{Proxy, said, text, wait_until};
use crate::world;

/// Status and body that a probe gets.
fn get(address: &str, path: &str) -> (u16, Value) {
    let answer = raw(address, format!("GET {path} HTTP/1.1\r\nHost: pod\r\n\r\n").as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    (status, serde_json::from_str(body).unwrap())
}

fn raw(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let _ = stream.write_all(request);
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn in_each_state() {
    let mut world = world();
    let args = world.by_token(&[]);
    let crate::World { site, database } = &mut world;
    let proxy = Proxy::start(site, args, &["--health-listen", "127.0.0.1:0", "--drain-timeout", "60s"]);
    let address = said(&proxy.running, "answering about health", "address");
    let ready = || get(&address, "/readyz");
    // Nobody has asked for the database yet.
    assert_eq!(ready(), (200, json!({"ready": true})));
    assert_eq!(get(&address, "/livez"), (200, json!({"live": true})));
    assert_eq!(get(&address, "/").0, 404);
    assert_eq!(text(&proxy.psql(database, "select 1")), "1");
    assert_eq!(ready().0, 200);
    // Not there: known as soon as a client has tried, and found out again without one.
    database.stop(Shutdown::Fast);
    assert!(!proxy.psql(database, "select 1").status.success());
    assert_eq!(ready(), (503, json!({"ready": false, "reachable": false})));
    assert_eq!(get(&address, "/livez").0, 200);
    database.resume();
    wait_until("it is ready again", || ready().0 == 200);
    // A wrong wish of one client is no reason not to be ready.
    let mut psql = proxy.client(database, "psql");
    assert!(!psql.env("PGDATABASE", "nowhere").args(["-X", "-c", "select 1"]).status().unwrap().success());
    assert_eq!(ready().0, 200);
    let session = proxy.session();
    let (status, counts) = get(&address, "/metrics");
    assert_eq!(status, 200);
    for (name, value) in [
        ("clients", json!(4)),
        ("clients_now", json!(1)),
        ("upstream_now", json!(1)),
        ("sessions", json!(2)),
        ("refused", json!(2)),
        ("reachable", json!(true)),
        ("draining", json!(false)),
    ] {
        assert_eq!(counts[name], value, "{name} in {counts}");
    }
    proxy.running.signal(Signal::TERM);
    proxy.running.wait_for_log("told to end");
    assert_eq!(ready(), (503, json!({"ready": false, "draining": true})));
    assert_eq!(get(&address, "/livez").0, 200);
    drop(session);
    proxy.running.finish().assert_exit(0);
}

#[test]
fn strange_probes_do_no_harm() {
    let world = world();
    let proxy = Proxy::by_token(&world, &["--health-listen", "127.0.0.1:0"]);
    let address = said(&proxy.running, "answering about health", "address");
    // More than are answered at once, all of them silent.
    let silent: Vec<_> = (0..40).map(|_| TcpStream::connect(&address).unwrap()).collect();
    assert_eq!(text(&proxy.psql(&world.database, "select 1")), "1");
    for request in [&b"\r\n\r\n"[..], b"\xff\xfe \x00\r\n\r\n"] {
        assert!(raw(&address, request).starts_with("HTTP/1.1 404 "));
    }
    assert_eq!(raw(&address, &vec![b'x'; 100_000]), "");
    drop(silent);
    assert_eq!(get(&address, "/livez").0, 200);
    proxy.counts();
}
