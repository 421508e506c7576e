//! What a new user reads first.

use super::{assert_nothing_sent, pod};

/// The help of a command, its lines joined.
#[track_caller]
fn help(command: &str, option: &str) -> String {
    let site = pod("");
    let outcome = site.run([command, option]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_nothing_sent(&site);
    outcome.text().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Options of the runtime mean something else for an endpoint, or nothing.
#[test]
fn that_of_an_endpoint_says_what_it_has_no_use_for() {
    let help = help("endpoint", "--help");
    for text in [
        "--body, --body-file and --batch",
        "--no-wait is refused",
        "an idempotency key changes nothing but names",
        "After SIGTERM the answer is waited for within --grace-period",
    ] {
        assert!(help.contains(text), "{help}");
    }
}
