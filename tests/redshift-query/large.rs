//! A million rows in little memory, byte for byte as psql prints them.

use std::io::Read;
use std::time::Duration;

use super::{on, warehouse};

/// A million rows of every sort of value.
const SQL: &str = "select n, n::bigint * 7919 % 1000003 as hash, 'customer ' || n as name, (n % 10000) / 100.0 as amount, \
     n / 3.0::float8 as third, n % 2 = 0 as even, case when n % 11 = 0 then null else date '2026-01-01' + n % 365 end as day, \
     case n % 13 when 0 then 'a, \"quoted\" text' when 1 then E'two\\nlines' else 'plain' end as note \
     from generate_series(1, 1000000) n";

/// The most memory the process may have, in KiB.
const MOST: u64 = 32 * 1024;

/// The most memory the process has had, in KiB.
fn peak(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

#[test]
fn a_million_rows_of_csv_in_32_mib() {
    let house = warehouse("page_rows = 5000\n");
    house.prepare("select 1");
    let ours = house.path("ours.csv");
    let options = on(&["--sql", SQL, "--output", "csv", "--output-file", ours.to_str().unwrap()]);
    let running = house.start(&options).with_patience(Duration::from_mins(5));
    let mut most = 0;
    while running.is_running() {
        most = most.max(peak(running.id()));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(running.finish().assert_exit(0).json()["rows"], 1_000_000);
    assert!(house.count("GetStatementResult") >= 200);

    let theirs = house.path("theirs.csv");
    house.postgres.psql(&["-d", "dev", "--csv", "-c", SQL, "-o", theirs.to_str().unwrap()]);
    let read = |path: &std::path::Path| {
        let mut bytes = Vec::new();
        std::fs::File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    let (ours, theirs) = (read(&ours), read(&theirs));
    assert!(ours == theirs, "{} bytes of ours, {} of psql's", ours.len(), theirs.len());
    assert!(most > 0 && most < MOST, "peak of {most} KiB");
}
