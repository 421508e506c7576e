//! A binary that runs: to be watched, signalled, killed and waited for.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sandbox::Sandbox;

use crate::outcome::Outcome;

/// No process under test needs longer; one that does hangs.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running process.
pub struct Running<'s> {
    child: Child,
    /// Held open, where the process is to wait for it.
    stdin: Option<ChildStdin>,
    stdout: JoinHandle<Vec<u8>>,
    stderr: Arc<Stderr>,
    log: PathBuf,
    sandbox: &'s Sandbox,
    since: Instant,
    patience: Duration,
    /// What it prints may be a secret, because that is what was asked for.
    secret_result: bool,
}

/// Standard error as it grows.
#[derive(Default)]
struct Stderr {
    text: Mutex<(String, bool)>,
    grown: Condvar,
}

impl<'s> Running<'s> {
    pub(crate) fn spawn(
        mut command: Command,
        stdin: Option<&str>,
        log: PathBuf,
        sandbox: &'s Sandbox,
    ) -> Self {
        let since = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut input = child.stdin.take().expect("stdin is piped");
        let stdin = match stdin {
            Some(text) => {
                // A process that ends before it reads is no failure of the test.
                let _ = input.write_all(text.as_bytes());
                None
            }
            None => Some(input),
        };
        let mut out = child.stdout.take().expect("stdout is piped");
        let stdout = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            out.read_to_end(&mut bytes).expect("stdout can be read");
            bytes
        });
        let mut err = child.stderr.take().expect("stderr is piped");
        let stderr = Arc::new(Stderr::default());
        let filled = Arc::clone(&stderr);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            loop {
                let read = err.read(&mut chunk).unwrap_or(0);
                let mut text = filled.text.lock().expect("nobody panics with the lock");
                text.0.push_str(&String::from_utf8_lossy(&chunk[..read]));
                text.1 = read == 0;
                filled.grown.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        Self { child, stdin, stdout, stderr, log, sandbox, since, patience: PATIENCE, secret_result: false }
    }

    /// The same with more time until its end, for work that takes some.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The same where a secret is what is asked for: it may be on standard output, and nowhere else.
    #[must_use]
    pub fn with_secret_result(self) -> Self {
        Self { secret_result: true, ..self }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        // A process that has ended and was not waited for has no memory any more.
        std::fs::read_to_string(format!("/proc/{}/statm", self.id()))
            .is_ok_and(|sizes| !sizes.starts_with("0 "))
    }

    /// Standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text.lock().expect("nobody panics with the lock").0.clone()
    }

    /// Waits until standard error has `text`.
    pub fn wait_for_log(&self, text: &str) {
        let end = Instant::now() + PATIENCE;
        let mut held = self.stderr.text.lock().expect("nobody panics with the lock");
        while !held.0.contains(text) {
            assert!(!held.1, "ended without `{text}` in its log:\n{}", held.0);
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no `{text}` in the log:\n{}", held.0);
            held = self.stderr.grown.wait_timeout(held, left).expect("nobody panics with the lock").0;
        }
    }

    /// Waits until the sandbox has seen `count` calls of an operation.
    pub fn wait_for_calls(&self, service: &str, operation: &str, count: usize) {
        let end = Instant::now() + PATIENCE;
        while self.sandbox.count(service, operation) < count {
            assert!(Instant::now() < end, "fewer than {count} {service}:{operation}:\n{}", self.stderr());
            pause();
        }
    }

    /// Waits until the process handles a signal itself, as the kernel tells it.
    pub fn wait_for_handler(&self, signal: Signal) {
        let end = Instant::now() + PATIENCE;
        let status = format!("/proc/{}/status", self.child.id());
        let caught = || {
            let status = std::fs::read_to_string(&status).expect("the process is there");
            let mask =
                status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask of signals");
            u64::from_str_radix(mask.trim(), 16).expect("hexadecimal digits") >> (signal.as_raw() - 1) & 1
                == 1
        };
        while !caught() {
            assert!(Instant::now() < end, "no handler of {signal:?}:\n{}", self.stderr());
            pause();
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        send(self.child.id(), signal);
    }

    /// Sends a signal to the child of the process.
    pub fn signal_child(&self, signal: Signal) {
        let id = self.child.id();
        let children =
            std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("the process is there");
        send(children.trim().parse().expect("one child"), signal);
    }

    /// Kills it as the kernel does, and waits until it is gone.
    pub fn kill(self) -> Outcome {
        self.signal(Signal::KILL);
        self.finish()
    }

    /// Waits for the end, and searches all it said for the secrets of its world.
    pub fn finish(mut self) -> Outcome {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                break status;
            }
            if self.since.elapsed() > self.patience {
                let _ = self.child.kill();
                panic!("still running after {:?}:\n{}", self.patience, self.stderr());
            }
            pause();
        };
        let elapsed = self.since.elapsed();
        drop(self.stdin.take());
        let stdout = self.stdout.join().expect("the reader of stdout does not panic");
        let mut held = self.stderr.text.lock().expect("nobody panics with the lock");
        while !held.1 {
            held = self.stderr.grown.wait(held).expect("nobody panics with the lock");
        }
        let stderr = held.0.clone();
        drop(held);
        let termination_log = std::fs::read_to_string(&self.log).ok();
        let code =
            status.code().or_else(|| status.signal().map(|signal| 128 + signal)).expect("a code or a signal");
        let outcome = Outcome { code, stdout, stderr, termination_log, elapsed };
        outcome.assert_no_secret(&self.sandbox.secrets(), self.secret_result);
        outcome
    }
}

fn send(id: u32, signal: Signal) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(id, signal).expect("the process is there");
}

/// A short pause between two looks at another process.
#[allow(clippy::disallowed_methods)] // the test waits for a process; there is no clock to pause
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}
