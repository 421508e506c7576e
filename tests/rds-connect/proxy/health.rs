//! What probes are told.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{Shutdown, Signal};

use super::{Proxy, said, text, wait_until};
use crate::world;

/// Status and body that a probe gets.
pub(super) fn get(address: &str, path: &str) -> (u16, Value) {
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

/// What the kubelet does: a new connection, an answer within a second.
fn probe(address: &str) -> Result<(), String> {
    let second = Duration::from_secs(1);
    let failed = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect_timeout(&address.parse().unwrap(), second).map_err(failed)?;
    stream.set_read_timeout(Some(second)).map_err(failed)?;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: pod\r\n\r\n").map_err(failed)?;
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).map_err(failed)?;
    if answer == *b"HTTP/1.1 200 OK" { Ok(()) } else { Err(format!("{answer:?}")) }
}

#[test]
fn connections_that_say_nothing_do_not_starve_a_probe() {
    let world = world();
    let proxy = Proxy::by_token(&world, &["--health-listen", "127.0.0.1:0"]);
    let address = said(&proxy.running, "answering about health", "address");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..100 {
            let hold = || {
                while !is_over.load(Ordering::Relaxed) {
                    // One that is dropped comes again at once.
                    let Ok(mut stream) = TcpStream::connect(&address) else { continue };
                    // Longer than it is held.
                    stream.set_read_timeout(Some(Duration::from_secs(6))).unwrap();
                    let _ = stream.read(&mut [0]);
                }
            };
            thread::Builder::new().stack_size(128 * 1024).spawn_scoped(scope, hold).unwrap();
        }
        thread::sleep(Duration::from_secs(1));
        let probes: Vec<_> = (0..20)
            .map(|_| {
                thread::sleep(Duration::from_millis(100));
                probe(&address)
            })
            .collect();
        is_over.store(true, Ordering::Relaxed);
        assert!(probes.iter().all(Result::is_ok), "{probes:?}");
    });
    proxy.counts();
}

#[test]
fn a_request_has_a_second_and_one_read() {
    let world = world();
    let proxy = Proxy::by_token(&world, &["--health-listen", "127.0.0.1:0"]);
    let address = said(&proxy.running, "answering about health", "address");
    let since = Instant::now();
    assert_eq!(raw(&address, b""), "", "one that says nothing");
    assert!((Duration::from_millis(500)..Duration::from_secs(3)).contains(&since.elapsed()));
    let since = Instant::now();
    assert_eq!(raw(&address, b"GET /li"), "", "one that says it in parts");
    assert!(since.elapsed() < Duration::from_millis(500), "{:?}", since.elapsed());
    proxy.counts();
}
