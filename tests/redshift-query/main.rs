//! What redshift-query promises its users, tried on the real binary and a real `PostgreSQL`.
//!
//! How many statements were really started is asked of the sandbox, and what they did of the database; never of the
//! binary.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]

mod check;
mod commands;
mod connection;
mod expect;
mod failure;
mod faults;
mod large;
mod once;
mod ownership;
mod ran;
mod result;
mod session;
mod signals;
mod sources;
mod start;
mod wait;

use std::ops::Deref;

use testkit::{Fault, FaultKind, Outcome, Postgres, Site, Worlds};

// Without a database behind it the sandbox still lists statements.
testkit::contract!("redshift-query", ["list"]);

const BINARY: &str = env!("CARGO_BIN_EXE_redshift-query");

/// The documented cluster.
const CLUSTER: [&str; 6] = ["--cluster-identifier", "analytics", "--database", "dev", "--db-user", "etl"];

/// A key, as a Job's UID is one.
const KEY: [&str; 2] = ["--idempotency-key", "5f1c7e0a-0d5e-4d0e-9a53-2f0a6b1f8a11"];

/// A course that takes longer than any test.
const ENDLESS: &str = "[[redshift.courses]]\nwhen = '%'\nhold = '1h'\n";

/// A pod of the documented world, whose statements a `PostgreSQL` runs.
struct Warehouse {
    site: Site,
    postgres: Postgres,
}

impl Deref for Warehouse {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

/// A warehouse; `settings` are keys of `[redshift]` and further tables.
fn warehouse(settings: &str) -> Warehouse {
    altered(settings, ToOwned::to_owned)
}

/// The same in a world that was changed first.
fn altered(settings: &str, alter: impl Fn(&str) -> String) -> Warehouse {
    let postgres = Postgres::start();
    let world = format!("{}{}{settings}", alter(Worlds::TWO_ACCOUNTS), postgres.world());
    Warehouse { site: Site::pod(BINARY, &world), postgres }
}

/// [`CLUSTER`] and more.
fn on<'a>(more: &[&'a str]) -> Vec<&'a str> {
    CLUSTER.iter().chain(more).copied().collect()
}

/// [`CLUSTER`] with a key, and more.
fn keyed<'a>(more: &[&'a str]) -> Vec<&'a str> {
    CLUSTER.iter().chain(&KEY).chain(more).copied().collect()
}

impl Warehouse {
    /// Sets a variable.
    fn env(self, name: &str, value: impl Into<String>) -> Self {
        let Self { site, postgres } = self;
        Self { site: site.env(name, value), postgres }
    }

    /// Runs SQL of the test's own.
    fn prepare(&self, sql: &str) {
        // The sandbox makes the database where it is not there yet, and so must the test.
        let there = self.psql("postgres", "select 1 from pg_database where datname = 'dev'");
        if there.is_empty() {
            self.postgres.psql(&["-q", "-c", "create database dev"]);
        }
        self.postgres.psql(&["-q", "-d", "dev", "-c", sql]);
    }

    /// What the database answers, bare.
    fn psql(&self, database: &str, sql: &str) -> String {
        self.postgres.psql(&["-At", "-d", database, "-c", sql]).trim_end().to_owned()
    }

    /// How many statements were really started.
    fn started(&self) -> usize {
        self.sandbox.statements().len()
    }

    /// How many requests came.
    fn count(&self, operation: &str) -> usize {
        self.sandbox.count("redshift-data", operation)
    }

    /// How many requests to start something came.
    fn sent(&self) -> usize {
        self.count("ExecuteStatement") + self.count("BatchExecuteStatement")
    }

    /// Id of the statement that was started last.
    fn newest(&self) -> String {
        self.sandbox.statements().last().expect("a statement").id.clone()
    }

    /// Spoils the next call of an operation.
    #[track_caller]
    fn spoil(&self, operation: &str, kind: FaultKind) {
        self.fault(Fault::new("redshift-data", operation, kind));
    }

    #[track_caller]
    fn fault(&self, fault: Fault) {
        self.sandbox.add_fault(fault).expect("the sandbox plays the operation");
    }
}

/// An error answer.
fn status(status: u16, code: &str, message: &str) -> FaultKind {
    FaultKind::Status { status, code: code.into(), message: message.into() }
}

/// Asserts that the result is exactly this.
#[track_caller]
fn assert_stdout(outcome: &Outcome, expected: &str) {
    assert_eq!(outcome.text(), expected, "{}", outcome.stderr);
}

impl Warehouse {
    /// The same pod without a session name in its profile.
    fn nameless(self) -> Self {
        let config = std::fs::read_to_string(self.path("aws-config")).expect("the pod has one");
        self.write("aws-config", &config.replace("role_session_name = lambda-trigger\n", ""));
        self
    }
}
