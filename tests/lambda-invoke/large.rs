//! A batch of 100,000 lines in little memory.

use super::{f, invoked, numbered, pod};

const LINES: usize = 100_000;

/// The most memory the process has had, in KiB.
fn peak(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

#[test]
fn a_hundred_thousand_lines_in_order_and_in_64_mib() {
    let site = pod("");
    let lines = site.write("lines.jsonl", &numbered(LINES)).display().to_string();
    let file = site.path("answers.jsonl");
    let running = site.start(f(&[
        "--batch",
        &lines,
        "--concurrency",
        "64",
        "--output-file",
        file.to_str().unwrap(),
        "--timeout",
        "30m",
    ]));
    let running = running.with_patience(std::time::Duration::from_mins(5));
    let mut most = 0;
    while invoked(&site) < LINES {
        most = most.max(peak(running.id()));
        assert!(running.is_running(), "{}", running.stderr());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let outcome = running.finish();
    assert_eq!(outcome.assert_exit(0).json()["ok"], LINES);
    assert_eq!(invoked(&site), LINES);
    let answers = std::fs::read_to_string(&file).unwrap();
    for (index, line) in answers.lines().enumerate() {
        let n = index + 1;
        let head = format!("{{\"line\":{n},\"status\":\"ok\",\"digest\":\"");
        assert!(line.starts_with(&head), "{line}");
        assert!(line.contains(&format!("\",\"payload\":{{\"n\":{n}}},\"request_id\":")), "{line}");
    }
    assert_eq!(answers.lines().count(), LINES);
    assert!(most > 0 && most < 64 * 1024, "peak of {most} KiB");
    // All of them are known again.
    let file = file.to_str().unwrap();
    let outcome = site.run(f(&["--batch", &lines, "--output-file", file, "--resume", file]));
    assert_eq!(outcome.assert_exit(0).json()["skipped"], LINES);
    assert_eq!(invoked(&site), LINES);
}

/// It is the answers in flight that take memory, not all of them: these are 400 MB.
#[test]
fn large_answers_are_not_gathered() {
    let site = pod("courses = [{ answer = { bytes = 1000000 } }]");
    let lines = site.write("lines.jsonl", &numbered(400)).display().to_string();
    let running = site.start(f(&["--batch", &lines, "--concurrency", "8", "--output-file", "/dev/null"]));
    let mut most = 0;
    while running.is_running() {
        most = most.max(peak(running.id()));
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    running.finish().assert_exit(0);
    assert!(most > 0 && most < 128 * 1024, "peak of {most} KiB");
}
