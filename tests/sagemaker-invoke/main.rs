//! What sagemaker-invoke promises its users, tried on the real binary.
//!
//! How often a model was really asked, and how many jobs were really started, is asked of the sandbox, never of the
//! binary. Tests wait for events (a call that was seen, a line in the log), not for times.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]

mod batch;
mod body;
mod check;
mod claim;
mod claim_in_time;
mod claim_work;
mod failure;
mod help;
mod job_logs;
mod job_once;
mod job_other_work;
mod job_signals;
mod network;
mod once;
mod queued;
mod signals;
mod stream;
mod train;

use testkit::remote_contract::{Course, Runner, Stop};
use testkit::{Fault, FaultKind, Outcome, Site, WorkKind, Worlds};

testkit::contract!("sagemaker-invoke", ["endpoint", "--endpoint-name", "scoring", "--body", "{}"]);

testkit::remote_contract!(
    remote_contract_train,
    Runner {
        kind: WorkKind::TrainingJob,
        site: |course| {
            let site = train::pod(&[match course {
                Course::Succeeds => train::QUICK,
                Course::Fails => train::FAILING,
                Course::SucceedsLater => {
                    "steps = [{ secondary = 'Training' }, { status = 'Completed', secondary = 'Completed', after = '2s' }]"
                }
                Course::Endless => train::ENDLESS,
            }]);
            let mut other = train::spec();
            other["HyperParameters"]["epochs"] = "4".into();
            site.write("other.json", &other.to_string());
            site.env("SAGEMAKER_SPEC_FILE", "spec.json")
        },
        args: &["train"],
        other_work: &[(&["--spec-file", "other.json"], "HyperParameters.epochs")],
        start_fault: |kind| train::fault("CreateTrainingJob", kind),
        pending: "\"state\":\"Training\"",
        stop: Stop::Guarded,
        // SageMaker takes a name once.
        starts_of_two: 1,
        lost_response: 0,
        read_timeout: true,
    }
);

const BINARY: &str = env!("CARGO_BIN_EXE_sagemaker-invoke");

/// A key, as a Job's UID is one.
const KEY: [&str; 2] = ["--idempotency-key", "5f1c7e0a-0d5e-4d0e-9a53-2f0a6b1f8a11"];

/// What the key makes: the first digits of its SHA-256.
const DIGEST: &str = "291b48db22247068";

/// What the claim of [`keyed`] says that it asks for.
// printf '{"endpoint":"e","content_type":"application/json","accept":null,"custom_attributes":null,
// "input_location":null,"body":"eyJpZCI6N30="}' (in one line) | sha256sum
const WORK: &str = "4de1e29f75a7d778abda4a4aca205598";

/// The documented world with an endpoint `e` in the external account; `table` are the members of its table.
fn world(table: &str) -> String {
    format!(
        "{}\n[[sagemaker.endpoints]]\naccount = '222222222222'\nname = 'e'\n{table}\n",
        Worlds::TWO_ACCOUNTS
    )
}

/// A pod in the documented world with an endpoint `e`.
fn pod(table: &str) -> Site {
    Site::pod(BINARY, &world(table))
}

/// A pod with an endpoint `e` whose inferences take this course.
fn taking(course: &str) -> Site {
    pod(&format!("courses = [{{ {course} }}]"))
}

/// Invokes `e`, and more.
fn e<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["endpoint", "--endpoint-name", "e"].iter().chain(more).copied().collect()
}

/// Where the documented role may read and write.
const CLAIMS: [&str; 2] = ["--claim-location", "s3://team-data/claims/"];

/// Invokes `e` asynchronously, looking often, and more.
fn queued<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let first = ["async", "--endpoint-name", "e", "--poll-interval", "100ms"];
    first.iter().chain(more).copied().collect()
}

/// [`queued`] with a body, a key and a place for its claim, and more.
fn keyed<'a>(more: &[&'a str]) -> Vec<&'a str> {
    queued(&[])
        .into_iter()
        .chain(["--body", "{\"id\":7}"])
        .chain(KEY)
        .chain(CLAIMS)
        .chain(more.iter().copied())
        .collect()
}

/// How many requests reached the model of `e`, or the queue in front of it.
fn asked(site: &Site) -> usize {
    site.sandbox.inferred("e")
}

/// How many requests to ask it came.
fn sent(site: &Site) -> usize {
    ["InvokeEndpoint", "InvokeEndpointWithResponseStream", "InvokeEndpointAsync"]
        .iter()
        .map(|operation| site.sandbox.count("sagemaker-runtime", operation))
        .sum()
}

/// Spoils calls.
#[track_caller]
fn spoil(site: &Site, fault: Fault) {
    site.sandbox.add_fault(fault).expect("the sandbox plays the operation");
}

/// A fault of the next call of an operation of the runtime.
fn fault(operation: &str, kind: FaultKind) -> Fault {
    Fault::new("sagemaker-runtime", operation, kind)
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
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), expected, "{}", outcome.stderr);
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
