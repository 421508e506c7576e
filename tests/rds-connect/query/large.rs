//! Large results in little memory.

use std::fmt::Write as _;
use std::time::Duration;

use super::desk;

/// Rows of every sort of value.
const SQL: &str = "select n, n::bigint * 7919 % 1000003 as hash, 'customer ' || n as name, (n % 10000) / 100.0 as amount, \
     n / 3.0::float8 as third, n % 2 = 0 as even, case when n % 11 = 0 then null else date '2026-01-01' + n % 365 end as day, \
     case n % 13 when 0 then 'a, \"quoted\" text' when 1 then E'two\\nlines' else 'plain' end as note \
     from generate_series(1, 1000000) n";

/// The most memory the process may have, in KiB.
const MOST: u64 = 24 * 1024;

/// The most memory the process has had, in KiB.
fn peak(id: u32) -> u64 {
    memory(id, "VmHWM:")
}

/// A figure of the memory of a process, in KiB.
fn memory(id: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

#[test]
fn a_million_rows_of_csv_in_24_mib() {
    let desk = desk();
    let ours = desk.path("ours.csv");
    let running = desk
        .start(["query", "--output", "csv", "--output-file", ours.to_str().unwrap(), "--sql", SQL])
        .with_patience(Duration::from_mins(5));
    let mut most = 0;
    while running.is_running() {
        most = most.max(peak(running.id()));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(running.finish().assert_exit(0).json()["statements"][0]["rows"], 1_000_000);
    let theirs = desk.path("theirs.csv");
    desk.psql(&["--csv", "-o", theirs.to_str().unwrap()], SQL);
    let (ours, theirs) = (std::fs::read(&ours).unwrap(), std::fs::read(&theirs).unwrap());
    assert!(ours == theirs, "{} bytes of ours, {} of psql's", ours.len(), theirs.len());
    assert!(most > 0 && most < MOST, "peak of {most} KiB");
}

#[test]
fn one_value_of_many_megabytes() {
    let desk = desk();
    let query = |options: &[&str]| {
        let sql = "select repeat('0123456789', 2000000) as v";
        desk.query(&[options, &["--output", "csv", "--sql", sql]].concat())
    };
    let outcome = query(&["--max-row-size", "20Mi"]);
    outcome.assert_exit(0);
    assert_eq!(outcome.stdout.len(), 2 + 20_000_000 + 1);
    // Without it the memory of a pod would not do.
    let outcome = query(&[]);
    outcome.assert_exit(80).assert_says("a row of 20000006 bytes").assert_says("--max-row-size (16Mi)");
    // Nothing of it can be committed.
    query(&["--single-transaction"]).assert_exit(10);
}

#[test]
fn the_largest_row_fits_into_the_memory_of_a_pod() {
    let desk = desk();
    let dull = "select repeat('0123456789', 1670000) as v";
    // Each character is written as two.
    let quoted = "select repeat('\"', 16700000) as v";
    let several = "select repeat('\"', 16700000) as v from generate_series(1, 3)";
    for (form, sql) in [("csv", dull), ("csv", quoted), ("jsonl", several), ("table", dull)] {
        let running = desk.start(["query", "--output", form, "--sql", sql]);
        let mut most = 0;
        while running.is_running() {
            // The pages of the program itself are many where it has not been optimized, and do not count in a pod.
            most = most.max(memory(running.id(), "RssAnon:"));
            std::thread::sleep(Duration::from_millis(2));
        }
        running.finish().assert_exit(0);
        assert!(most > 0 && most < 64 * 1024, "{form}: peak of {most} KiB");
    }
}

#[test]
fn a_file_of_many_statements() {
    let desk = desk();
    let mut text = "create table t (i int, v text);\n".to_owned();
    for i in 0..5000 {
        writeln!(text, "insert into t values ({i}, 'it''s; {i}'); -- ; no end").unwrap();
    }
    let file = desk.write("many.sql", &text);
    let outcome =
        desk.query(&["--single-transaction", "--output", "none", "--sql-file", file.to_str().unwrap()]);
    outcome.assert_exit(0).assert_does_not_say("statement 17 of 5001");
    assert_eq!(desk.look("select count(*), max(v) from t"), "5000|it's; 999");
}
