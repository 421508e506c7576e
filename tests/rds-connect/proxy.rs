//! `proxy`: clients of PostgreSQL work through it unchanged.

mod clients;
mod crowd;
mod ends;
mod health;
mod readiness;
mod restart;
mod sockets;
mod strange;
mod wire;

use std::process::{Command, Output};

use serde_json::Value;
use testkit::{Database, Outcome, Running, Signal, Site};

use self::wire::Wire;
use crate::World;

/// A proxy that runs.
struct Proxy<'s> {
    running: Running<'s>,
    port: u16,
}

impl<'s> Proxy<'s> {
    /// Starts one on a port of its own, and waits until it listens.
    fn start(site: &'s Site, mut args: Vec<String>, more: &[&str]) -> Self {
        args.extend(["proxy", "--listen", "127.0.0.1:0"].iter().chain(more).map(|arg| (*arg).to_owned()));
        let running = site.start(args);
        running.wait_for_log("\"listening\"");
        let place = said(&running, "listening", "place");
        let port = place.strip_prefix("127.0.0.1:").expect("a port of the loopback interface");
        let port = port.parse().expect("a port");
        Self { running, port }
    }

    /// One that logs in by token.
    fn by_token(world: &'s World, more: &[&str]) -> Self {
        Self::start(&world.site, world.by_token(&[]), more)
    }

    /// A program of PostgreSQL that goes through the proxy: no password, no roots.
    fn client(&self, database: &Database, program: &str) -> Command {
        let mut client = database.client(program, Database::IAM_USER, "");
        self.lead(&mut client);
        client
    }

    /// Gives a program the variables of libpq that lead through the proxy.
    fn lead(&self, client: &mut Command) {
        for name in ["PGHOSTADDR", "PGPASSWORD", "PGSSLROOTCERT", "PGSSLMODE"] {
            client.env_remove(name);
        }
        client.env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string());
    }

    /// What psql does with one statement.
    fn psql(&self, database: &Database, sql: &str) -> Output {
        let mut psql = self.client(database, "psql");
        psql.args(["-X", "-At", "-c", sql]).output().expect("psql runs")
    }

    fn wire(&self) -> Wire {
        Wire::tcp(self.port)
    }

    /// A session of the IAM user that stands.
    fn session(&self) -> Wire {
        let mut wire = self.wire();
        wire.begin(&[("user", Database::IAM_USER), ("database", Database::NAME)]);
        wire.ready();
        wire
    }

    /// Ends it by a signal.
    fn end(self) -> Outcome {
        self.running.signal(Signal::TERM);
        self.running.finish()
    }

    /// Ends it well, and gives its counts.
    fn counts(self) -> Value {
        let outcome = self.end();
        // They are in the log, too.
        outcome.assert_exit(0).assert_says("\"served\"").assert_says("\\\"bytes_down\\\":");
        outcome.json()
    }
}

/// The value of a field in the last line of the log with this message.
fn said(running: &Running<'_>, message: &str, field: &str) -> String {
    running.wait_for_log(message);
    let log = running.stderr();
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.rfind(|line| line["message"] == message).expect("it is in the log");
    line[field].as_str().expect("a text").to_owned()
}

/// What a program printed, which must have ended well.
#[track_caller]
fn text(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What a program complained of, which must have ended badly.
#[track_caller]
fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until something is so.
#[track_caller]
fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while !is() {
        assert!(std::time::Instant::now() < end, "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
