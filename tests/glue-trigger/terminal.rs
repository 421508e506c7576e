//! What a person sees.

use testkit::Site;

use super::BINARY;

#[test]
fn a_terminal_shows_text_and_a_line_of_progress_that_is_taken_away() {
    let site = Site::documented(BINARY);
    let args = ["--job-name", "nightly-etl", "--poll-interval", "200ms", "--output", "text"];
    let outcome = site.start_on_a_terminal(&args).finish();
    outcome.assert_exit(0);
    let shown = outcome.text();
    // Written over in place: back to the first column, clear, write.
    let progress: Vec<_> = shown.split("\r\u{1b}[K").skip(1).collect();
    assert!(progress.iter().any(|line| line.contains("RUNNING") && !line.contains('\n')), "{shown:?}");
    assert!(!shown.contains("{\"timestamp\""), "JSON on a terminal: {shown}");
    let last = progress.last().unwrap();
    assert!(last.contains("SUCCEEDED"), "the result stands below the progress: {shown:?}");

    let outcome = site.run(args);
    assert!(!outcome.stderr.contains('\u{1b}'), "{}", outcome.stderr);
}
