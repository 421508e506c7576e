//! What lambda-invoke promises its users, tried on the real binary.
//!
//! How often a function was really begun is asked of the sandbox, never of the binary.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]

mod batch;
mod check;
mod durable;
mod end;
mod invocation;
mod large;
mod once;
mod resume;
mod signals;
mod stream;

use std::fmt::Write as _;

use testkit::{Fault, FaultKind, Outcome, Site, Worlds};

testkit::contract!("lambda-invoke", ["--function-name", "nightly-report", "--payload", "{}"]);

const BINARY: &str = env!("CARGO_BIN_EXE_lambda-invoke");

/// The function of [`pod`].
const FUNCTION: [&str; 2] = ["--function-name", "f"];

/// A key, as a Job's UID is one.
const KEY: [&str; 2] = ["--idempotency-key", "5f1c7e0a-0d5e-4d0e-9a53-2f0a6b1f8a11"];

/// The documented world with a function `f` in the external account; `table` are the members of its table.
fn world(table: &str) -> String {
    format!(
        "{}\n[[lambda.functions]]\naccount = '222222222222'\nname = 'f'\nversions = ['1']\n\
         aliases = {{ live = '1' }}\n{table}\n",
        Worlds::TWO_ACCOUNTS
    )
}

/// A pod in the documented world with a function `f`.
fn pod(table: &str) -> Site {
    Site::pod(BINARY, &world(table))
}

/// A pod with a function `f` whose invocations take this course.
fn taking(course: &str) -> Site {
    pod(&format!("courses = [{{ {course} }}]"))
}

/// A pod with a durable function `f` whose executions take this course.
fn durable(course: &str) -> Site {
    pod(&format!("durable = true\ncourses = [{{ {course} }}]"))
}

/// [`FUNCTION`] and more.
fn f<'a>(more: &[&'a str]) -> Vec<&'a str> {
    FUNCTION.iter().chain(more).copied().collect()
}

/// [`FUNCTION`] with a key, and more.
fn keyed<'a>(more: &[&'a str]) -> Vec<&'a str> {
    FUNCTION.iter().chain(&KEY).chain(more).copied().collect()
}

/// So many lines of a batch: `{"n":1}`, `{"n":2}` and so on.
fn numbered(count: usize) -> String {
    let mut lines = String::new();
    for n in 1..=count {
        writeln!(lines, "{{\"n\":{n}}}").unwrap();
    }
    lines
}

/// How often `f` was really begun.
fn invoked(site: &Site) -> usize {
    site.sandbox.invoked("f")
}

/// How many requests to invoke it came.
fn sent(site: &Site) -> usize {
    site.sandbox.count("lambda", "Invoke") + site.sandbox.count("lambda", "InvokeWithResponseStream")
}

/// Spoils calls.
#[track_caller]
fn spoil(site: &Site, fault: Fault) {
    site.sandbox.add_fault(fault).expect("the sandbox plays the operation");
}

/// Spoils the next invocation.
#[track_caller]
fn spoil_next(site: &Site, kind: FaultKind) {
    spoil(site, Fault::new("lambda", "Invoke", kind));
}

/// An error answer.
fn status(status: u16, code: &str, message: &str) -> FaultKind {
    FaultKind::Status { status, code: code.into(), message: message.into() }
}

/// Asserts that nothing at all was sent.
#[track_caller]
fn assert_nothing_sent(site: &Site) {
    assert!(site.sandbox.calls().is_empty(), "{:#?}", site.sandbox.calls());
}

/// Asserts that the result is exactly this.
#[track_caller]
fn assert_stdout(outcome: &Outcome, expected: &str) {
    assert_eq!(outcome.text(), expected, "{}", outcome.stderr);
}
