//! Servers that send without end: the process says so and ends, in little memory.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use testkit::{Outcome, Site, Worlds};

use crate::BINARY;

/// `AuthenticationOk`.
const ACCEPTED: &[u8] = b"R\0\0\0\x08\0\0\0\0";
const READY: &[u8] = b"Z\0\0\0\x05I";
/// A row with one column of text, `v`.
const DESCRIPTION: &[u8] = b"T\0\0\0\x1a\0\x01v\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0";
/// So much is sent at most, so that a test that fails does no harm.
const MOST_SENT: u64 = 400 * 1024 * 1024;
/// The most memory that a process may have, in KiB. Its limit in a pod is 64 MiB.
const MOST_MEMORY: u64 = 40 * 1024;

/// A server that sends the first text after the startup packet, the second after a query, and then `flood` without end.
struct Server {
    port: u16,
    sent: Arc<AtomicU64>,
}

impl Server {
    fn start(greeting: &'static [u8], answer: Option<&'static [u8]>, flood: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        let piece = flood.repeat(64 * 1024 / flood.len() + 1);
        thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let _ = client.read(&mut [0; 4096]);
                let _ = client.write_all(greeting);
                if let Some(answer) = answer {
                    let _ = client.read(&mut [0; 4096]);
                    let _ = client.write_all(answer);
                }
                while count.load(Ordering::Relaxed) < MOST_SENT && client.write_all(&piece).is_ok() {
                    count.fetch_add(piece.len() as u64, Ordering::Relaxed);
                }
            }
        });
        Self { port, sent }
    }

    /// Runs the binary against it; gives its end and the most memory that it has had, in KiB.
    fn run(&self, args: &[&str]) -> (Outcome, u64) {
        let site = Site::pod(BINARY, Worlds::TWO_ACCOUNTS);
        let port = self.port.to_string();
        let way = ["--host", "127.0.0.1", "--port", &port, "--user", "app", "--database", "mydb"];
        let args = [args, &way, &["--sslmode", "disable", "--timeout", "60s"]].concat();
        let running = site.start(&args);
        let mut most = 0;
        while running.is_running() {
            most = most.max(peak(running.id()));
            thread::sleep(Duration::from_millis(5));
        }
        (running.finish(), most)
    }

    #[track_caller]
    fn assert_stopped(&self, memory: u64) {
        assert!(memory > 0 && memory < MOST_MEMORY, "{memory} KiB");
        let sent = self.sent.load(Ordering::Relaxed);
        assert!(sent < MOST_SENT / 2, "{sent} bytes were read");
    }
}

/// The most memory that the process has had, in KiB.
fn peak(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

#[test]
fn a_greeting_has_a_limit() {
    let long = [&b"S\0\0\x10\x06a\0"[..], &[b'x'; 4095], b"\0"].concat().leak();
    let too_much = "more than 262144 bytes before it is ready";
    for (greeting, flood, says) in [
        (ACCEPTED, &b"S\0\0\0\x06\0\0"[..], "more than 256 parameters"),
        (ACCEPTED, long, too_much),
        // Before the login.
        (b"", b"N\0\0\0\x05\0", too_much),
    ] {
        for command in [&["check"][..], &["query", "--sql", "select 1"]] {
            let server = Server::start(greeting, None, flood);
            let (outcome, memory) = server.run(command);
            outcome.assert_exit(78).assert_says(says);
            server.assert_stopped(memory);
        }
    }
}

#[test]
fn the_answer_to_the_first_query_has_a_limit() {
    let greeting = [ACCEPTED, READY].concat().leak();
    for (answer, flood) in [(&b""[..], &b"N\0\0\0\x05\0"[..]), (DESCRIPTION, b"D\0\0\0\x0b\0\x01\0\0\0\x011")]
    {
        let server = Server::start(greeting, Some(answer), flood);
        let (outcome, memory) = server.run(&["check"]);
        outcome.assert_exit(75).assert_says("more than 262144 bytes");
        server.assert_stopped(memory);
    }
}

#[test]
fn a_row_of_two_gigabytes_is_refused_before_it_is_read() {
    let greeting = [ACCEPTED, READY].concat().leak();
    for (answer, what) in [
        // A row of one value; a row of COPY.
        (&b"D\x7f\xff\xff\xff\0\x01\x7f\xff\xff\xf5"[..], "a row of 2147483643 bytes"),
        (b"H\0\0\0\x07\0\0\0d\x7f\xff\xff\xff", "a row of 2147483643 bytes"),
        (b"N\x7f\xff\xff\xff", "a message of 2147483643 bytes"),
    ] {
        let answer = [DESCRIPTION, answer].concat().leak();
        let server = Server::start(greeting, Some(answer), b"x");
        let (outcome, memory) = server.run(&["query", "--output", "csv", "--sql", "insert into t select 1"]);
        // The statement may have done its work: no Job should run it again blindly.
        outcome.assert_exit(80).assert_says(what).assert_says("--max-row-size");
        server.assert_stopped(memory);
        assert!(server.sent.load(Ordering::Relaxed) < 16 * 1024 * 1024, "little of it was read");
    }
}
