//! Ten hours of waiting, in twelve seconds: `fast_clock.c` makes the clock of the process fly.

use std::path::Path;
use std::process::Command;

use testkit::{Running, Site};

use super::{ENDLESS, etl, log, pod};

/// How much more memory the tenth hour may need than the first, in KiB.
const GROWTH: i64 = 512;

/// A pod whose monotonic clock runs 3000 times as fast as ours.
fn hasty_pod(table: &str) -> Site {
    let site = pod(table);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/glue-trigger/fast_clock.c");
    let library = site.path("fast_clock.so");
    let cc = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    assert!(cc.expect("a C compiler, as ring needs one too").success());
    site.env("LD_PRELOAD", library.display().to_string())
}

/// Resident memory, in KiB.
fn resident(running: &Running<'_>) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
}

fn ten_hours(more: &[&str]) {
    let site = hasty_pod(ENDLESS);
    // In hasty time a real answer takes long.
    let patience = ["--read-timeout", "10h", "--connect-timeout", "10h"];
    let running = site.start(etl(&[&patience, more].concat()));
    running.wait_for_log("\"elapsed\":\"1h");
    let first = resident(&running);
    running.wait_for_log("\"elapsed\":\"10h");
    let tenth = resident(&running);
    let outcome = running.kill();
    assert!(tenth - first < GROWTH, "{first} KiB in the first hour, {tenth} KiB in the tenth");

    // A look a minute at least was taken, and a word a minute at most was said.
    let looks = site.sandbox.count("glue", "GetJobRun");
    assert!(looks > 200, "{looks}");
    let words = log(&outcome).iter().filter(|line| line["message"] == "still waiting").count();
    assert!((200..=600).contains(&words), "{words}");
}

#[test]
fn ten_hours_need_no_more_memory_than_one() {
    ten_hours(&[]);
}

#[test]
fn nor_with_logs() {
    ten_hours(&["--logs"]);
}
