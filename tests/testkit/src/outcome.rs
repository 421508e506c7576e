//! How a process ended, and what it said.

use std::time::Duration;

use serde_json::Value;

/// The end of a process.
#[derive(Debug)]
pub struct Outcome {
    /// Exit code; 128 + signal where a signal ended it, as a shell tells it.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
    /// What stands in the termination log; `None` where there is no such file.
    pub termination_log: Option<String>,
    /// How long it ran.
    pub elapsed: Duration,
}

impl Outcome {
    /// Standard output as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("standard output is UTF-8")
    }

    /// Standard output as one JSON value.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in standard output:\n{}\n{}", self.text(), self.stderr))
    }

    /// The termination message.
    pub fn termination(&self) -> Value {
        let text = self
            .termination_log
            .as_deref()
            .unwrap_or_else(|| panic!("no termination message\n{}", self.stderr));
        assert!(text.len() < 1024, "the termination message has {} bytes", text.len());
        serde_json::from_str(text)
            .unwrap_or_else(|error| panic!("{error} in the termination message:\n{text}"))
    }

    /// Asserts the exit code, and that the termination message tells the same.
    #[track_caller]
    pub fn assert_exit(&self, code: i32) -> &Self {
        assert_eq!(
            self.code,
            code,
            "exit code; it said:\n{}\n{}",
            self.stderr,
            String::from_utf8_lossy(&self.stdout)
        );
        assert_eq!(self.termination()["exit_code"], code, "{:?}", self.termination_log);
        self
    }

    /// Asserts that standard error has `text`.
    #[track_caller]
    pub fn assert_says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "no `{text}` in:\n{}", self.stderr);
        self
    }

    /// Asserts that standard error lacks `text`.
    #[track_caller]
    pub fn assert_does_not_say(&self, text: &str) -> &Self {
        assert!(!self.stderr.contains(text), "`{text}` in:\n{}", self.stderr);
        self
    }

    /// Asserts that none of `secrets` is anywhere, but for a result that is meant to be one.
    #[track_caller]
    pub fn assert_no_secret(&self, secrets: &[String], secret_result: bool) {
        let stdout = String::from_utf8_lossy(&self.stdout);
        let places = [
            ("stdout", &*stdout),
            ("stderr", &self.stderr),
            ("the termination message", self.termination_log.as_deref().unwrap_or("")),
        ];
        for (place, text) in places.into_iter().skip(usize::from(secret_result)) {
            for secret in secrets {
                assert!(!text.contains(secret.as_str()), "a secret is in {place}:\n{text}");
            }
        }
    }
}
