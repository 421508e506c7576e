//! What mwaa-token promises its users, tried on the real binary.
//!
//! The SDK puts `api.` and `env.` before the host of MWAA, and web servers have hosts of their own: the sandbox's proxy
//! leads all of them to the sandbox, over TLS, as a proxy of a company would.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]

mod channel;
mod check;
mod command;
mod dags;
mod environments;
mod once;
mod other_work;
mod outcome;
mod rest;
mod seed_004;
mod signals;
mod start;
mod tokens;

use testkit::remote_contract::{Course, Runner, Stop};
use testkit::{Call, Fault, FaultKind, Outcome, Site, Worlds};

testkit::contract!(
    "mwaa-token",
    ["trigger", "nightly", "--environment-name", "orchestrator", "--poll-interval", "200ms"],
    testkit::Site::behind_proxy
);

const BINARY: &str = env!("CARGO_BIN_EXE_mwaa-token");

/// A key, as a Job's UID is one.
const KEY: [&str; 2] = ["--idempotency-key", "5f1c7e0a-0d5e-4d0e-9a53-2f0a6b1f8a11"];

/// Table of a DAG whose runs succeed soon.
const QUICK: &str = "courses = [{ steps = [{ state = 'queued' }, { state = 'running', after = '200ms' }, { state = 'success', after = '500ms' }] }]";

/// Table of a DAG whose runs fail soon.
const FAILING: &str = "courses = [{ steps = [{ state = 'running' }, { state = 'failed', after = '300ms' }], failed_tasks = ['extract', 'load'] }]";

/// Table of a DAG whose runs go on for longer than any test.
const ENDLESS: &str = "courses = [{ steps = [{ state = 'running' }] }]";

/// Airflow 3.
const THREE: &str = "airflow_version = '3.0.6'";

/// The documented world with an environment `flow` in the external account that has a DAG `etl`.
fn world(environment: &str, dag: &str) -> String {
    format!(
        "{}\n[[mwaa.environments]]\naccount = '222222222222'\nname = 'flow'\n{environment}\n\
         [[mwaa.environments.dags]]\nid = 'etl'\n{dag}\n",
        Worlds::TWO_ACCOUNTS
    )
}

/// A pod in that world.
fn pod(environment: &str, dag: &str) -> Site {
    in_world(&world(environment, dag))
}

testkit::remote_contract!(
    remote_contract_rest,
    Runner {
        kind: testkit::WorkKind::DagRun,
        site: |course| pod(
            THREE,
            match course {
                Course::Succeeds => QUICK,
                Course::Fails => FAILING,
                Course::SucceedsLater =>
                    "courses = [{ steps = [{ state = 'running' }, { state = 'success', after = '2s' }] }]",
                Course::Endless => ENDLESS,
            }
        ),
        args: &["trigger", "etl", "--channel", "rest"],
        other_work: &[
            (&["--conf", r#"{"swordfish":1}"#], "conf"),
            (&["--logical-date", "2026-01-31T06:00:00Z"], "logical date"),
        ],
        // The search for earlier runs and the question whether the DAG is paused come before.
        start_fault: |kind| fault("InvokeRestApi", kind).from(3),
        pending: "running",
        stop: Stop::Overwrites,
        // Airflow takes an id once.
        starts_of_two: 1,
        lost_response: 0,
        read_timeout: true,
    }
);

testkit::remote_contract!(
    remote_contract_cli,
    Runner {
        kind: testkit::WorkKind::DagRun,
        site: |course| pod(
            "",
            match course {
                Course::Succeeds => QUICK,
                Course::Fails => FAILING,
                Course::SucceedsLater =>
                    "courses = [{ steps = [{ state = 'running' }, { state = 'success', after = '2s' }] }]",
                Course::Endless => ENDLESS,
            }
        ),
        args: &["trigger", "etl", "--channel", "cli"],
        other_work: &[
            (&["--conf", r#"{"swordfish":1}"#], "conf"),
            (&["--logical-date", "2026-01-31T06:00:00Z"], "logical date"),
        ],
        // The search for earlier runs and the question whether the DAG is paused come before.
        start_fault: |kind| web_fault(kind).from(3),
        pending: "running",
        stop: Stop::None,
        // Airflow takes an id once.
        starts_of_two: 1,
        lost_response: 0,
        // A command may take long.
        read_timeout: false,
    }
);

/// A pod in a world.
fn in_world(world: &str) -> Site {
    Site::pod(BINARY, world).behind_proxy().env("MWAA_ENVIRONMENT_NAME", "flow")
}

/// [`world`] without one of the role's permissions.
fn world_without(action: &str, environment: &str, dag: &str) -> String {
    let allowed = format!("\"{action} on");
    let world = world(environment, dag);
    assert!(world.contains(&allowed), "{action} is not allowed anyway");
    world.replace(&allowed, "\"airflow:NothingAtAll on")
}

/// Arguments that start a run of `etl`, and more.
fn trigger<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["trigger", "etl", "--poll-interval", "100ms"].iter().chain(more).copied().collect()
}

/// [`trigger`] with a key, and more.
fn keyed<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let args: Vec<&str> = KEY.iter().chain(more).copied().collect();
    trigger(&args)
}

/// The calls of one operation, in order.
fn calls(site: &Site, operation: &str) -> Vec<Call> {
    site.sandbox.calls().into_iter().filter(|call| call.operation == operation).collect()
}

/// How many runs there really are in `flow`.
fn started(site: &Site) -> usize {
    site.sandbox.dag_runs("flow").len()
}

/// Spoils calls of MWAA.
#[track_caller]
fn spoil(site: &Site, fault: Fault) {
    site.sandbox.add_fault(fault).expect("the sandbox plays the operation");
}

/// A fault of the next call of MWAA.
fn fault(operation: &str, kind: FaultKind) -> Fault {
    Fault::new("mwaa", operation, kind)
}

/// A fault of the next command on a web server.
fn web_fault(kind: FaultKind) -> Fault {
    Fault::new("mwaa-web-server", "Cli", kind)
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

/// The states that the log tells, in order.
fn states(outcome: &Outcome) -> Vec<String> {
    let lines =
        outcome.stderr.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line));
    let lines = lines.filter(|line| line["message"] == "new state");
    lines.map(|line| line["state"].as_str().expect("a state").to_owned()).collect()
}
