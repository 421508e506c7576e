//! What glue-trigger promises its users, tried on the real binary.
//!
//! A promise of the contract is a test here; how often something was really started is asked of the sandbox, never
//! of the binary. Tests wait for events (a call that was seen, a line in the log), not for times.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]

mod arguments;
mod check;
mod faults;
mod logs;
mod memory;
mod once;
mod other_work;
mod outcome;
mod race;
mod signals;
mod slot;
mod start;
mod stdin;
mod terminal;
mod unclear;
mod wait;

use serde_json::Value;
use testkit::remote_contract::{Course, Runner, Stop};
use testkit::{Call, Fault, FaultKind, Outcome, Site, Worlds};

testkit::contract!("glue-trigger", ["--job-name", "nightly-etl", "--poll-interval", "200ms"]);

const BINARY: &str = env!("CARGO_BIN_EXE_glue-trigger");

/// Arguments for the job of [`pod`].
const ETL: [&str; 4] = ["--job-name", "etl", "--poll-interval", "100ms"];

/// A key, as a Job's UID is one.
const KEY: [&str; 2] = ["--idempotency-key", "5f1c7e0a-0d5e-4d0e-9a53-2f0a6b1f8a11"];

/// Table of a job whose runs succeed soon.
const QUICK: &str =
    "courses = [{ steps = [{ state = 'RUNNING' }, { state = 'SUCCEEDED', after = '400ms' }] }]";

/// Table of a job whose runs fail soon.
const FAILING: &str = "courses = [{ steps = [{ state = 'RUNNING' }, { state = 'FAILED', after = '400ms', error_message = 'out of memory' }] }]";

/// Table of a job whose runs go on for longer than any test.
const ENDLESS: &str = "courses = [{ steps = [{ state = 'RUNNING' }] }]";

/// The documented world with a job `etl` in the external account; `table` are the members of its table.
fn world(table: &str) -> String {
    format!(
        "{}\n[[glue.jobs]]\naccount = '222222222222'\nname = 'etl'\nmax_concurrent_runs = 5\n{table}\n",
        Worlds::TWO_ACCOUNTS
    )
}

/// A pod in the documented world with a job `etl`.
fn pod(table: &str) -> Site {
    Site::pod(BINARY, &world(table))
}

testkit::remote_contract!(
    remote_contract,
    Runner {
        kind: testkit::WorkKind::JobRun,
        site: |course| pod(match course {
            Course::Succeeds => QUICK,
            Course::Fails => FAILING,
            Course::SucceedsLater =>
                "courses = [{ steps = [{ state = 'RUNNING' }, { state = 'SUCCEEDED', after = '2s' }] }]",
            Course::Endless => ENDLESS,
        }),
        args: &["--job-name", "etl"],
        other_work: &[
            (&["--argument", "day=swordfish"], "arguments"),
            (&["--execution-role-session-policy", r#"{"swordfish":1}"#], "role session policy"),
        ],
        start_fault: |kind| fault("StartJobRun", kind),
        pending: "RUNNING",
        stop: Stop::Guarded,
        // The job allows several runs: two processes that search at the same moment may both start one.
        starts_of_two: 2,
        lost_response: 0,
        read_timeout: true,
    }
);

/// [`pod`] where one run at a time is allowed.
fn single(table: &str) -> Site {
    Site::pod(BINARY, &world(table).replace("max_concurrent_runs = 5", "max_concurrent_runs = 1"))
}

/// [`pod`] without one of the role's permissions.
fn pod_without(action: &str, table: &str) -> Site {
    let allowed = format!("\"{action} on");
    assert!(world(table).contains(&allowed), "{action} is not allowed anyway");
    let world = world(table).replace(&allowed, "\"glue:NothingAtAll on");
    Site::pod(BINARY, &world)
}

/// [`ETL`] and more.
fn etl<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ETL.iter().chain(more).copied().collect()
}

/// [`ETL`] with a key, and more.
fn keyed<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ETL.iter().chain(&KEY).chain(more).copied().collect()
}

/// The calls of one operation, in order.
fn calls(site: &Site, operation: &str) -> Vec<Call> {
    site.sandbox.calls().into_iter().filter(|call| call.operation == operation).collect()
}

/// The calls that begin work: what must never be sent twice blindly.
fn starts(site: &Site) -> usize {
    site.sandbox.count("glue", "StartJobRun")
}

/// How many runs of `etl` were really started, by whomever.
fn started(site: &Site) -> usize {
    site.sandbox.started("etl")
}

/// Spoils calls of a Glue operation.
#[track_caller]
fn spoil(site: &Site, fault: Fault) {
    site.sandbox.add_fault(fault).expect("the sandbox plays the operation");
}

/// A fault of the next call of a Glue operation.
fn fault(operation: &str, kind: FaultKind) -> Fault {
    Fault::new("glue", operation, kind)
}

/// An error answer.
fn status(status: u16, code: &str, message: &str) -> FaultKind {
    FaultKind::Status { status, code: code.into(), message: message.into() }
}

/// The log on standard error, a value for each line.
fn log(outcome: &Outcome) -> Vec<Value> {
    let lines = outcome.stderr.lines();
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))).collect()
}

/// The states that the log tells, in order.
fn states(outcome: &Outcome) -> Vec<String> {
    let lines = log(outcome).into_iter().filter(|line| line["message"] == "new state");
    lines.map(|line| line["state"].as_str().expect("a state").to_owned()).collect()
}

/// The run of the result.
#[track_caller]
fn run_id(outcome: &Outcome) -> String {
    outcome.json()["run_id"].as_str().expect("a run id").to_owned()
}

/// Asserts that nothing at all was sent.
#[track_caller]
fn assert_nothing_sent(site: &Site) {
    assert!(site.sandbox.calls().is_empty(), "{:#?}", site.sandbox.calls());
}

/// Waits until something of the sandbox's is as it should be.
#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while !holds() {
        assert!(std::time::Instant::now() < end, "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Waits until the newest run of `etl` is in a state.
#[track_caller]
fn wait_for_state(site: &Site, state: &str) {
    wait_until(state, || site.sandbox.runs("etl").last().is_some_and(|run| run.state == state));
}
