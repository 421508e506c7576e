//! What a job is given: the configuration of its clients, what the user asked for, and the state of the run.

use crate::Binary;
use crate::call_once::Held;
use crate::cli::{OnDifference, OnPriorFailure, OnTerminate, Running};
use crate::env;
use crate::error::CallError;
use crate::exit::Exit;
use crate::origin::{Handover, Origin, PlanError};
use crate::progress::Console;
use crate::report::LastWord;
use crate::telemetry::ALWAYS;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use chained_credentials::{Chain, Env, Identity};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// The longest session name that STS takes.
const SESSION_NAME_MAX: usize = 64;

/// The remote work that this run follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    /// The service's id of it.
    pub id: String,
    /// The state it was last seen in.
    pub state: Option<String>,
    /// The command or the console's address to look at it.
    pub console: Option<String>,
}

/// What a job is given.
#[derive(Debug)]
pub struct Context {
    binary: Binary,
    sdk: SdkConfig,
    identity: Identity,
    chain: Option<Chain>,
    origin: Origin,
    running: Running,
    started: Instant,
    pub(crate) interrupted: watch::Sender<Option<Exit>>,
    interrupted_at: OnceLock<Instant>,
    taken: OnceLock<UnboundedSender<Exit>>,
    pub(crate) held: watch::Sender<Held>,
    pub(crate) console: Arc<Console>,
    pub(crate) last_word: Arc<LastWord>,
}

/// The parts of a [`Context`].
pub(crate) struct Parts {
    pub(crate) binary: Binary,
    pub(crate) sdk: SdkConfig,
    pub(crate) identity: Identity,
    pub(crate) chain: Option<Chain>,
    pub(crate) origin: Origin,
    pub(crate) running: Running,
    pub(crate) started: Instant,
    pub(crate) console: Arc<Console>,
    pub(crate) last_word: Arc<LastWord>,
}

impl Context {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { binary, sdk, identity, chain, origin, running, started, console, last_word } = parts;
        let (interrupted, interrupted_at, taken) =
            (watch::Sender::new(None), OnceLock::new(), OnceLock::new());
        let held = watch::Sender::default();
        Self {
            binary,
            sdk,
            identity,
            chain,
            origin,
            running,
            started,
            interrupted,
            interrupted_at,
            taken,
            held,
            console,
            last_word,
        }
    }

    /// The binary that runs.
    pub fn binary(&self) -> &Binary {
        &self.binary
    }

    /// The configuration for service clients: region, endpoints, credentials, HTTP, timeouts, retries of reads.
    pub fn sdk_config(&self) -> &SdkConfig {
        &self.sdk
    }

    /// Who the chain of credentials made us; nobody, where it has not been walked.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The chain of credentials, unless the job wants none. The clients of [`Context::sdk_config`] sign with it.
    pub fn chain(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }

    /// Plans a chain as the options and the environment have it, with `profile` in place of `--profile`; nothing is
    /// sent. It is logged like the run's own.
    ///
    /// # Errors
    /// Whatever is wrong with the configuration.
    pub async fn plan(&self, profile: Option<&str>) -> Result<Chain, PlanError> {
        self.origin.plan(profile, self.deadline()).await
    }

    /// With what another process of this program takes the same credentials as this one.
    pub fn handover(&self) -> Handover {
        self.origin.handover()
    }

    /// The name of this piece of work, if it has one. In an Indexed Job it ends with the completion index.
    pub fn key(&self) -> Option<&str> {
        self.running.key.as_deref()
    }

    /// What to do where the key's earlier run has already failed.
    pub fn on_prior_failure(&self) -> OnPriorFailure {
        self.running.on_prior_failure
    }

    /// What a signal does to remote work that this process has started, or has found by its key.
    pub fn on_terminate(&self) -> OnTerminate {
        self.running.on_terminate
    }

    /// What a signal does to remote work whose default is `default`: that of work of others, which must not be stopped
    /// unless the user says so, is [`OnTerminate::Detach`], with a key and without.
    pub fn on_terminate_or(&self, default: OnTerminate) -> OnTerminate {
        self.running.on_terminate_typed.unwrap_or(default)
    }

    /// What a signal does to the remote work, where the user has said so.
    pub(crate) fn on_terminate_typed(&self) -> Option<OnTerminate> {
        self.running.on_terminate_typed
    }

    /// What to do about work of the key that is other work than what is asked for.
    pub fn on_difference(&self) -> OnDifference {
        self.running.on_difference
    }

    /// Whether to stop the key's work instead of starting any.
    pub fn cancel_earlier(&self) -> bool {
        self.running.cancel
    }

    /// Whether to start only.
    pub fn no_wait(&self) -> bool {
        self.running.no_wait
    }

    /// Whether to check only, and start nothing.
    pub fn check(&self) -> bool {
        self.running.check
    }

    #[cfg(test)]
    pub(crate) fn set_on_terminate(&mut self, typed: Option<OnTerminate>) {
        self.running.on_terminate_typed = typed;
    }

    #[cfg(test)]
    pub(crate) fn set_on_prior_failure(&mut self, action: OnPriorFailure) {
        self.running.on_prior_failure = action;
    }

    /// The interval that the user wants between the first two looks, where they said so.
    pub(crate) fn poll_interval(&self) -> Option<Duration> {
        self.running.poll_interval
    }

    #[cfg(test)]
    pub(crate) fn set_poll_interval(&mut self, interval: Duration) {
        self.running.poll_interval = Some(interval);
    }

    /// The index of this pod in an Indexed Job, as Kubernetes told it.
    pub fn completion_index(&self) -> Option<&str> {
        self.running.completion_index.as_deref()
    }

    /// Timeouts of one call whose answer may take as long as `answer`: for an operation that does the work while
    /// the caller waits. `--read-timeout` counts where it is longer.
    pub fn timeouts(&self, answer: Duration) -> TimeoutConfig {
        timeouts(self.running.connect_timeout, self.running.read_timeout.max(answer))
    }

    /// Shows a line of progress, where a person may be watching.
    pub fn show_progress(&self, text: &str) {
        self.console.progress(text);
    }

    /// Whether a person may be watching.
    pub fn is_watched(&self) -> bool {
        self.console.is_terminal()
    }

    /// When the wait ends. The clock runs since the start of the process.
    ///
    /// [`Context::poll`] and [`Context::start`] keep to it. Nothing else ends a job that goes on for longer: what
    /// it does beside them it has to end by itself.
    pub fn deadline(&self) -> Instant {
        deadline(self.started, self.running.timeout)
    }

    /// How long the process runs already.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Ends when the run is told to end. From then on the job has four seconds to do so by itself.
    pub async fn cancelled(&self) {
        // The sender is a field of `self`, so it cannot be gone.
        let _ = self.interrupted.subscribe().wait_for(Option::is_some).await;
    }

    /// Ends when the run is told to end and what is in flight has had `limit` to end by itself; tells the signal, as its
    /// exit. The answer of a call that begins work holds the id of what there is to stop, so that it is worth a wait.
    pub async fn out_of_patience(&self, limit: Duration) -> Exit {
        self.cancelled().await;
        sleep(limit).await;
        self.interruption().unwrap_or(Exit::Terminated)
    }

    /// Takes the signals: from now on they are told here, each one, and the job ends in its own time. Nothing else
    /// ends the run any more, [`Context::cancelled`] included. For a job that has to wait for others to end: a child
    /// process, the clients of a server. Only the first who asks gets them.
    pub fn take_signals(&self) -> Option<UnboundedReceiver<Exit>> {
        let (sender, receiver) = unbounded_channel();
        self.taken.set(sender).ok().map(|()| receiver)
    }

    /// Tells a signal to the job, if it has taken them and is still listening.
    pub(crate) fn hand_over(&self, signal: Exit) -> bool {
        self.taken.get().is_some_and(|taken| taken.send(signal).is_ok())
    }

    /// Whether the run is told to end.
    pub fn is_cancelled(&self) -> bool {
        self.interruption().is_some()
    }

    /// The signal that told the run to end, as its exit.
    pub fn interruption(&self) -> Option<Exit> {
        *self.interrupted.borrow()
    }

    /// `error`, of a call that is not repeated because a signal has come: the run then ends as interrupted.
    #[must_use]
    pub fn given_up(&self, error: CallError) -> CallError {
        match self.interruption() {
            Some(signal) => error.given_up(signal),
            None => error,
        }
    }

    /// Tells the job to end.
    pub(crate) fn interrupt(&self, exit: Exit) {
        self.interrupted_at.get_or_init(Instant::now);
        self.interrupted.send_replace(Some(exit));
    }

    /// When the signal came.
    pub(crate) fn signalled_at(&self) -> Option<Instant> {
        self.interrupted_at.get().copied()
    }

    /// Keeps the remote work for the termination message and the final error, and logs where to look at it.
    /// Call it as soon as the id is known, before any wait.
    pub fn remember(&self, remote: Remote) {
        let Remote { id, state, console } = &remote;
        tracing::info!(target: ALWAYS, id, state, console, "remote work");
        self.last_word.remember(remote);
    }

    /// The remote work, once remembered.
    pub fn remote(&self) -> Option<Remote> {
        self.last_word.remote()
    }
}

/// Every timeout is said, none is left to a default. There is none for a whole call: a session that is
/// renewed on the way must not look like a call without an answer.
pub(crate) fn timeouts(connect: Duration, read: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(connect)
        .read_timeout(read)
        .disable_operation_timeout()
        .disable_operation_attempt_timeout()
        .build()
}

/// When a wait ends that may take `timeout` since `started`.
pub(crate) fn deadline(started: Instant, timeout: Duration) -> Instant {
    // A century is as good as never, and can be added without overflow.
    const NEVER: Duration = Duration::from_hours(100 * 365 * 24);
    started + timeout.min(NEVER)
}

/// The session name for hops that have none: the same for every restart of one piece of work.
pub(crate) fn default_session_name(binary: &str, key: Option<&str>, vars: &Env) -> String {
    let suffix = match key {
        // A session name has little room.
        Some(key) => digest(key, 8),
        None => vars.get(env::HOSTNAME).map(str::to_owned).or_else(host_name).unwrap_or_default(),
    };
    let name = format!("{binary}-{suffix}");
    let name: String = name.trim_end_matches('-').chars().map(session_character).collect();
    name.chars().take(SESSION_NAME_MAX).collect()
}

/// Shells often do not export `HOSTNAME`, but Linux tells the name to everyone.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned())
}

/// The first `digits` hexadecimal digits (64 at most) of the SHA-256 of `text`: what a key becomes where the
/// service's alphabet or its room is smaller than the key.
///
/// ```
/// assert_eq!(job_runtime::digest("k", 8), "8254c329");
/// ```
pub fn digest(text: &str, digits: usize) -> String {
    let mut digest = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a String cannot fail.
        let _ = write!(digest, "{byte:02x}");
    }
    digest.truncate(digits);
    digest
}

/// STS takes `[\w+=,.@-]` only.
fn session_character(c: char) -> char {
    if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) { c } else { '-' }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cli::Common;

    #[test]
    fn session_names() {
        let host: Env = [("HOSTNAME", "pod-7x.local")].into_iter().collect();
        let odd: Env = [("HOSTNAME", "höst name")].into_iter().collect();
        let long: Env = [("HOSTNAME", "x".repeat(100))].into_iter().collect();
        for (key, vars, expected) in [
            (None, &host, "glue-trigger-pod-7x.local".to_owned()),
            (None, &odd, "glue-trigger-h-st-name".to_owned()),
            (None, &long, format!("glue-trigger-{}", "x".repeat(51))),
            // echo -n k | sha256sum
            (Some("k"), &host, "glue-trigger-8254c329".to_owned()),
        ] {
            assert_eq!(default_session_name("glue-trigger", key, vars), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_context_stays_cancelled() {
        let ctx = context(Duration::from_secs(10), None);
        assert!(!ctx.is_cancelled());
        ctx.interrupt(Exit::Terminated);
        ctx.cancelled().await;
        ctx.cancelled().await;
        assert_eq!(ctx.interruption(), Some(Exit::Terminated));
    }

    /// A context for unit tests.
    pub(crate) fn context(timeout: Duration, key: Option<&str>) -> Context {
        Context::new(Parts {
            binary: Binary { name: "test-job", version: "0", about: "", default_timeout: "1h" },
            sdk: SdkConfig::builder().build(),
            identity: Identity::default(),
            chain: None,
            origin: Origin {
                binary: Binary { name: "test-job", version: "0", about: "", default_timeout: "1h" },
                common: Common::plain(),
                vars: Env::default(),
            },
            running: Running {
                timeout,
                poll_interval: None,
                no_wait: false,
                check: false,
                key: key.map(str::to_owned),
                on_prior_failure: OnPriorFailure::Report,
                on_difference: OnDifference::Refuse,
                on_terminate: OnTerminate::Cancel,
                on_terminate_typed: None,
                cancel: false,
                connect_timeout: Duration::from_secs(5),
                read_timeout: Duration::from_secs(30),
                completion_index: None,
            },
            started: Instant::now(),
            console: Arc::new(Console::silent()),
            last_word: Arc::new(LastWord::new("test-job", None)),
        })
    }
}
