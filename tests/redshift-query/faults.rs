//! A service that fails now and then.

use std::time::Duration;

use testkit::{Fault, FaultKind};

use super::{assert_stdout, keyed, on, status, warehouse};

const ROWS: [&str; 4] = ["--sql", "select n from generate_series(1, 5) n", "--output", "csv"];
const CSV: &str = "n\n1\n2\n3\n4\n5\n";

/// Everything that can happen to a call and pass.
fn passing() -> Vec<FaultKind> {
    vec![
        FaultKind::Throttle,
        FaultKind::ResetBefore,
        FaultKind::ResetAfter,
        FaultKind::Garbage,
        FaultKind::Truncated,
        status(500, "InternalServerException", "try again"),
        status(400, "ThrottlingException", "Rate exceeded"),
        status(503, "", ""),
    ]
}

#[test]
fn each_operation_survives_each_fault() {
    let house = warehouse("page_rows = 2\n");
    for (operation, key) in [
        ("ExecuteStatement", false),
        ("DescribeStatement", false),
        ("GetStatementResult", false),
        ("ListStatements", true),
    ] {
        for kind in passing() {
            let before = house.started();
            house.spoil(operation, kind.clone());
            let name = format!("{before}");
            let options = if key {
                ["--idempotency-key", name.as_str()].iter().chain(&ROWS).copied().collect()
            } else {
                ROWS.to_vec()
            };
            let outcome = house.run(on(&options));
            assert_eq!(outcome.code, 0, "{operation} {kind:?}: {}", outcome.stderr);
            assert_stdout(&outcome, CSV);
            assert_eq!(house.started(), before + 1, "{operation} {kind:?}");
            house.sandbox.clear_faults();
        }
    }
}

#[test]
fn a_page_in_the_middle_survives_each_fault() {
    for kind in passing() {
        let house = warehouse("page_rows = 2\n");
        house.fault(Fault::new("redshift-data", "GetStatementResult", kind.clone()).from(2).times(2));
        let outcome = house.run(on(&ROWS));
        assert_eq!(outcome.code, 0, "{kind:?}: {}", outcome.stderr);
        assert_stdout(&outcome, CSV);
    }
}

#[test]
fn a_wrapped_throttle_is_waited_out() {
    let house = warehouse("");
    house.fault(Fault::new("redshift-data", "ExecuteStatement", FaultKind::Throttle).times(2));
    house.fault(Fault::new("redshift-data", "GetStatementResult", FaultKind::Throttle).times(2));
    house.fault(Fault::new("redshift-data", "DescribeStatement", FaultKind::Throttle).times(2));
    let outcome = house.run(on(&ROWS));
    assert_stdout(outcome.assert_exit(0), CSV);
    outcome.assert_says("ValidationException: Service returned error code ThrottlingException");
    assert_eq!((house.sent(), house.started()), (3, 1));
    // The same code without it is what it says.
    house.spoil("ExecuteStatement", status(400, "ValidationException", "Database is missing"));
    house.run(on(&ROWS)).assert_exit(65).assert_says("Database is missing");
}

/// The SDK does not know these throttles, so that each is one. However long the interval of polls is, a page comes soon.
#[test]
fn throttled_pages_of_a_result_delay_it_a_little() {
    let house = warehouse("");
    house.fault(Fault::new("redshift-data", "GetStatementResult", FaultKind::Throttle).times(4));
    let rows = ROWS.iter().chain(&["--poll-interval", "1h"]).copied().collect::<Vec<_>>();
    let outcome = house.run(on(&rows));
    assert_stdout(outcome.assert_exit(0), CSV);
    assert!(outcome.elapsed < Duration::from_secs(40), "{:?}", outcome.elapsed);
    let lines = outcome.stderr.lines().filter(|line| line.contains("poll throttled"));
    assert_eq!(lines.filter(|line| line.contains("INFO")).count(), 3, "{}", outcome.stderr);
}

#[test]
fn what_does_not_pass_is_told() {
    let cases = [
        ("ExecuteStatement", status(400, "AccessDeniedException", "no"), 77),
        ("ExecuteStatement", status(400, "ValidationException", "no"), 65),
        ("DescribeStatement", status(400, "AccessDeniedException", "no"), 77),
        ("DescribeStatement", status(400, "ResourceNotFoundException", "no"), 65),
        ("DescribeStatement", status(500, "InternalServerException", "no"), 79),
        ("GetStatementResult", status(400, "AccessDeniedException", "no"), 77),
        ("GetStatementResult", status(400, "ResourceNotFoundException", "no"), 65),
        ("ListStatements", status(400, "AccessDeniedException", "no"), 77),
        ("ListStatements", status(500, "InternalServerException", "no"), 75),
    ];
    for (operation, kind, code) in cases {
        let house = warehouse("");
        house.fault(Fault::new("redshift-data", operation, kind).for_ever());
        let options = if operation == "ListStatements" { keyed(&ROWS) } else { on(&ROWS) };
        let options: Vec<&str> = options.into_iter().chain(["--poll-interval", "100ms"]).collect();
        let outcome = house.run(options);
        assert_eq!(outcome.code, code, "{operation}: {}", outcome.stderr);
        outcome.assert_says(&format!("redshift-data:{operation}"));
    }
}

#[test]
fn an_answer_that_comes_in_the_middle_of_a_transaction_is_no_second_one() {
    let house = warehouse("");
    house.prepare("create table t (i int)");
    for (operation, kind) in
        [("BatchExecuteStatement", FaultKind::ResetAfter), ("DescribeStatement", FaultKind::ResetAfter)]
    {
        house.spoil(operation, kind);
    }
    house.run(on(&["--sql", "insert into t values (1); insert into t values (2)"])).assert_exit(0);
    assert_eq!(house.psql("dev", "select count(*) from t"), "2");
}
