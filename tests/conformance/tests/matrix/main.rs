//! The fault matrix: each call that a binary makes is spoilt in each way that the sandbox knows.
//!
//! The tests are made of three lists: the operations and the kinds of fault that the sandbox plays, and the commands of
//! [`conformance::table`]. An operation that no command reaches fails a test, unless it stands there with a reason; so does a call
//! that a command makes and its row does not have.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::time::Duration;

use conformance::table::{self, Part, Row};
use libtest_mimic::{Arguments, Trial};
use testkit::{Fault, FaultKind, Outcome, Postgres, Signal, Site};

/// In how many ways the answer to a call is changed at random, and in how many of them by every test run.
const MUTATED: u64 = 40;
const MUTATED_ALWAYS: u64 = 4;

/// How long a call is spoilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    Once,
    ForEver,
}

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = vec![test("every_operation_is_reached".to_owned(), every_operation_is_reached)];
    for row in table::rows() {
        let name = format!("{}/without_a_fault", row.name);
        trials.push(test(name, move || without_a_fault(&row)));
        for (operation, part) in row.calls() {
            for kind in FaultKind::examples() {
                for span in [Span::Once, Span::ForEver] {
                    let name = format!("{}/{operation}/{}/{span:?}", row.name, kind.name());
                    let kind = kind.clone();
                    let trial = test(name, move || spoilt(&row, operation, part, &kind, span));
                    // Retries and their pauses: for `make conformance`.
                    trials.push(trial.with_ignored_flag(span == Span::ForEver));
                }
            }
            for seeds in [0..MUTATED_ALWAYS, MUTATED_ALWAYS..MUTATED] {
                let name = format!("{}/{operation}/mutated/{seeds:?}", row.name);
                let is_quick = seeds.start == 0;
                let trial = test(name, move || seeds.for_each(|seed| mutated(&row, operation, seed)));
                trials.push(trial.with_ignored_flag(!is_quick));
            }
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn test(name: String, run: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        run();
        Ok(())
    })
}

fn every_operation_is_reached() {
    let rows = table::rows();
    let reached: BTreeSet<_> = rows.iter().flat_map(Row::calls).map(|(operation, _)| operation).collect();
    let operations = sandbox::operations().into_iter();
    let named = operations.map(|operation| format!("{}:{}", operation.service, operation.name));
    let excused = |name: &str| table::NOT_REACHED.iter().any(|(excused, _)| *excused == name);
    let wrong: Vec<_> = named.filter(|name| reached.contains(name.as_str()) == excused(name)).collect();
    assert!(wrong.is_empty(), "neither in a row of the table nor excused there, or both: {wrong:?}");
}

/// The row tells the truth: these calls, no others but those of the binary's other rows, and this end.
fn without_a_fault(row: &Row) {
    let (outcome, site, _postgres) = run(row, None);
    outcome.assert_exit(row.end);
    let seen: BTreeSet<_> =
        site.sandbox.calls().iter().map(|call| format!("{}:{}", call.service, call.operation)).collect();
    for (operation, _) in row.calls() {
        assert!(seen.contains(operation), "no {operation} in {seen:?}: {}", outcome.stderr);
    }
    let rows = table::rows();
    let of_binary = || rows.iter().filter(|other| other.binary == row.binary).flat_map(Row::calls);
    for call in &seen {
        assert!(of_binary().any(|(operation, _)| operation == call), "{call} is in no row of {}", row.binary);
    }
    assert_eq!((row.work)(&site.sandbox), row.works, "work that was started");
}

fn spoilt(row: &Row, operation: &str, part: Part, kind: &FaultKind, span: Span) {
    let (service, name) = operation.split_once(':').expect("service:operation");
    let fault = Fault::new(service, name, kind.clone());
    let fault = if span == Span::Once { fault } else { fault.for_ever() };
    let (outcome, site, _postgres) = run(row, Some(&fault));
    let told = outcome.termination();
    let context = format!("{told}\n{}", outcome.stderr);

    let struck = site.sandbox.calls().iter().filter(|call| call.fault == Some(kind.name())).count();
    assert!(struck > 0, "the fault did not strike: {context}");

    let mut allowed = part.allowed(row.end, kind, span == Span::Once);
    let alone = table::ALONE
        .iter()
        .filter(|alone| (alone.0, alone.1) == (row.name, operation) && ["*", kind.name()].contains(&alone.2));
    allowed.extend(alone.map(|alone| alone.3));
    assert!(allowed.contains(&outcome.code), "exit {} is none of {allowed:?}: {context}", outcome.code);

    // Never twice; all of it where it says so; nothing where it says so, but for what the next process takes over.
    let started = (row.work)(&site.sandbox);
    let right = match outcome.code {
        code if code == row.end => started == row.works,
        75 => started == 0 || (row.is_keyed() && started == row.works),
        79 if part == Part::Wait => started == row.works,
        _ => started <= row.works,
    };
    assert!(right, "exit {}, but work was started {started} times: {context}", outcome.code);

    if outcome.code == 0 {
        row.assert_result(&outcome, [kind.name()]);
    }
    outcome.assert_exit(outcome.code);
    assert_eq!(told["binary"], row.binary, "{context}");
    let reason = told["error"].as_str().unwrap_or_default();
    assert!(outcome.code == 0 || outcome.code == 143 || !reason.is_empty(), "no reason: {context}");
    let bound = Duration::from_secs(if span == Span::Once { 30 } else { 60 });
    assert!(outcome.elapsed < bound, "{:?}: {context}", outcome.elapsed);
}

/// An answer that is almost right: whatever the command makes of it, it does not break, says why, and begins nothing twice.
fn mutated(row: &Row, operation: &str, seed: u64) {
    let (service, name) = operation.split_once(':').expect("service:operation");
    let kind = FaultKind::Mutated(seed);
    let (outcome, site, _postgres) = run(row, Some(&Fault::new(service, name, kind)));
    let told = outcome.termination();
    let context = format!("seed {seed}: {told}\n{}", outcome.stderr);

    // 1 is a defect of ours, as a panic is; 2 is said of a command line, which is right here.
    assert!(![1, 2, 101, 134].contains(&outcome.code), "exit {}: {context}", outcome.code);
    outcome.assert_exit(outcome.code);
    assert_eq!(told["binary"], row.binary, "{context}");
    let reason = told["error"].as_str().unwrap_or_default();
    assert!(outcome.code == 0 || outcome.code == 143 || !reason.is_empty(), "no reason: {context}");
    let started = (row.work)(&site.sandbox);
    let all = outcome.code != 0 || row.end != 0 || started == row.works;
    assert!(started <= row.works && all, "work was started {started} times: {context}");
    assert!(outcome.elapsed < Duration::from_secs(30), "{:?}: {context}", outcome.elapsed);
}

/// Runs a row's command in its place; secrets are searched for by [`Outcome`] itself.
fn run(row: &Row, fault: Option<&Fault>) -> (Outcome, Site, Option<Postgres>) {
    let (site, postgres) = row.site(std::convert::identity);
    if let Some(fault) = fault {
        site.sandbox.add_fault(fault.clone()).expect("the sandbox plays what is spoilt");
    }
    let mut running = site.start(row.args.iter().chain(&table::IMPATIENT).chain(row.after));
    if row.secret_result {
        running = running.with_secret_result();
    }
    if let Some((service, operation)) = row.signal {
        running.wait_for_calls(service, operation, 1);
        running.signal(Signal::TERM);
    }
    (running.finish(), site, postgres)
}
