//! `--check`: everything that can be known without running anything.

use testkit::Site;

use super::{BINARY, f, invoked, keyed, pod, world};

#[test]
fn permission_and_function_are_tried_and_nothing_runs() {
    let site = pod("");
    let outcome = site.run(f(&["--check"]));
    let shown = outcome.assert_exit(0).json();
    assert_eq!(shown["function"], "f");
    assert_eq!(shown["checks"][0]["name"], "credentials");
    assert_eq!(shown["checks"][1]["name"], "lambda:InvokeFunction");
    assert_eq!(shown["checks"][1]["result"], "ok");
    let shown = site.run(keyed(&["--check", "--output", "text"]));
    shown.assert_exit(0);
    assert!(shown.text().contains("lambda:ListDurableExecutionsByFunction"), "{}", shown.text());
    assert_eq!(invoked(&site), 0);
    site.run(["--function-name", "g", "--check"]).assert_exit(65);
}

#[test]
fn what_is_refused_is_found() {
    let site = Site::pod(BINARY, &world("").replace("\"lambda:InvokeFunction on", "\"lambda:Nothing on"));
    site.run(f(&["--check"])).assert_exit(77).assert_says("lambda:InvokeFunction");
}
