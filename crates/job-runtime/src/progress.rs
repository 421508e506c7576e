//! What stderr shows: log lines and, on a terminal, one line of progress that is kept below them.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Back to the first column, and clear the line.
const CLEAR: &str = "\r\x1b[K";
/// A progress line is never wrapped: every terminal has this many columns.
const WIDTH: usize = 79;

/// The one writer of stderr.
#[derive(Debug)]
pub(crate) struct Console {
    terminal: bool,
    silent: bool,
    progress: Mutex<Option<String>>,
}

impl Console {
    /// Stderr of this process.
    #[expect(clippy::disallowed_methods, reason = "the one writer of stderr")]
    pub(crate) fn stderr() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), silent: false, progress: Mutex::default() }
    }

    /// Writes nothing.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self { terminal: false, silent: true, progress: Mutex::default() }
    }

    /// Whether a person may be watching.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes one line, above the progress line.
    pub(crate) fn line(&self, text: &str) {
        let progress = self.lock();
        match progress.as_deref() {
            Some(shown) => self.write(&format!("{CLEAR}{text}\n{shown}")),
            None => self.write(&format!("{text}\n")),
        }
    }

    /// Shows `text` as the progress line; on anything but a terminal, does nothing.
    pub(crate) fn progress(&self, text: &str) {
        if !self.terminal {
            return;
        }
        let text: String = text.chars().take(WIDTH).collect();
        let mut progress = self.lock();
        self.write(&format!("{CLEAR}{text}"));
        *progress = Some(text);
    }

    /// Takes the progress line away.
    pub(crate) fn end_progress(&self) {
        if self.lock().take().is_some() {
            self.write(CLEAR);
        }
    }

    /// A failed write has nobody left to be told to.
    #[expect(clippy::disallowed_methods, reason = "the one writer of stderr")]
    fn write(&self, text: &str) {
        if !self.silent {
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        }
    }

    /// A panic while a line was written does not make the next line unsafe.
    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
