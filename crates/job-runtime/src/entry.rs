//! The one `main` of every binary.

use crate::cli::{self, Common, LogFormat, Parsed};
use crate::context::{self, Context, Parts};
use crate::core_dump;
use crate::env::{self, Snapshot};
use crate::error::{self, Failure};
use crate::exit::Exit;
use crate::origin::Origin;
use crate::progress::Console;
use crate::report::{self, End, LastWord, Report};
use crate::signal::{self, Signals};
use crate::telemetry::{self, Log};
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_types::SdkConfig;
use chained_credentials::{Chain, Env, Identity};
use clap::Args;
use std::ffi::OsString;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// How long a job may take to end by itself after a signal. Kubernetes kills 30 s after the signal, Docker
/// 10 s, and users were promised an end within 5 s.
const GRACE: Duration = Duration::from_secs(4);

/// How long a job that holds a call may take to end by itself after a second signal.
const HURRY: Duration = Duration::from_secs(1);

/// Who a binary is. Made by [`binary!`](crate::binary).
#[derive(Clone, Copy, Debug)]
pub struct Binary {
    /// Its name, which is that of its crate.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// What `--timeout` is where nobody says, as a user would write it.
    pub default_timeout: &'static str,
}

impl Binary {
    /// Its command line with the options `C`, as `--help` shows it but for the exit codes: what manuals and completions
    /// are made of.
    pub fn command<C: Options>(&self) -> clap::Command {
        cli::command::<C>(self, &[], &Env::default())
    }
}

/// The [`Binary`] of the crate that calls it, with its default `--timeout`.
///
/// ```
/// let binary = job_runtime::binary!("24h");
/// assert_eq!(binary.default_timeout, "24h");
/// ```
#[macro_export]
macro_rules! binary {
    ($default_timeout:literal) => {
        $crate::Binary {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            about: env!("CARGO_PKG_DESCRIPTION"),
            default_timeout: $default_timeout,
        }
    };
}

/// The options of a binary, beside the common ones, and what they ask for.
pub trait Options: Args {
    /// What is asked for, free of clap.
    type Request: Send + 'static;

    /// Puts the options together, and checks what no single one can know. May read the files that they name.
    ///
    /// # Errors
    /// What is wrong with them, as a sentence for the user: the run ends with [`Exit::Usage`] before any call.
    fn into_request(self) -> Result<Self::Request, String>;

    /// Whether `command` – the name of the program or of a sub-command – begins work that goes on without this process.
    /// Only the help of those shows `--no-wait`, `--idempotency-key` and their like; to the others they mean nothing.
    fn begins_work(command: &str) -> bool {
        let _ = command;
        true
    }

    /// Which credentials `request` wants.
    fn credentials(request: &Self::Request) -> Credentials {
        let _ = request;
        Credentials::Walked
    }
}

/// The credentials that a job wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Those at the end of the chain, which has been walked before the job begins.
    Walked,
    /// None: nothing is signed, and nothing of a chain need be configured. Where it is, [`Context::plan`] has it.
    None,
}

/// Runs a job from the command line to the exit code: the whole `main` of a binary.
///
/// `C` is the binary's own options. `run` gets what they ask for and the [`Context`] once the chain of credentials
/// has been walked; what it returns is what the run ends with.
pub fn main<C: Options, E: Failure>(
    binary: Binary,
    run: impl AsyncFnOnce(C::Request, &Context) -> Result<Report, E>,
) -> ExitCode {
    let started = Instant::now();
    core_dump::forbid();
    let Snapshot { vars, blank } = env::snapshot();
    #[expect(clippy::disallowed_methods, reason = "the one reader of the command line")]
    let args: Vec<OsString> = std::env::args_os().collect();
    let console = Arc::new(Console::stderr());
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(err) => {
            let end = End::error(Exit::Internal, format!("could not start the async runtime: {err}"));
            return end_unread(end, &binary, &console, &args, &vars);
        }
    };
    let line = Line { binary, blank, args, vars };
    let exit = match runtime.block_on(listen::<C>(&line, started)) {
        Err(end) => end_unread(end, &binary, &console, &line.args, &line.vars),
        Ok((_, Err(answer))) => answer_usage(&binary, &answer, &line.args, &line.vars),
        Ok((signals, Ok(Parsed { common, request }))) => {
            let log = Arc::new(Log::new(Arc::clone(&console), common.log_format, binary.name));
            let last_word = Arc::new(LastWord::new(binary.name, common.termination_log.clone()));
            telemetry::install(&log, line.vars.get(env::RUST_LOG));
            report_panics(&log, &last_word);
            let Line { vars, .. } = line;
            let credentials = C::credentials(&request);
            let last = Arc::clone(&last_word);
            let setup = Setup { binary, common, credentials, vars, started, console, last_word: last };
            let end = runtime.block_on(drive(setup, signals, request, run));
            report::finish(end, &log, &last_word)
        }
    };
    // A name lookup or a read of standard input may still be running; nobody waits for it.
    runtime.shutdown_background();
    exit
}

/// What the command line is read from.
#[derive(Clone)]
struct Line {
    binary: Binary,
    blank: Vec<String>,
    args: Vec<OsString>,
    vars: Env,
}

/// Puts the handlers of signals in place and reads the command line under their watch: a binary's own options may
/// read a file or standard input, and wait there for as long as the other side likes.
async fn listen<C: Options>(
    line: &Line,
    started: Instant,
) -> Result<(Signals, Result<Parsed<C::Request>, clap::Error>), End> {
    let mut signals = Signals::install()
        .map_err(|err| End::error(Exit::Internal, format!("could not listen for signals: {err}")))?;
    let Line { binary, blank, args, vars } = line.clone();
    let deadline = context::deadline(started, cli::timeout(&binary, &args, &vars));
    let parsing = tokio::task::spawn_blocking(move || {
        let mut command = cli::with_exit_codes(cli::command::<C>(&binary, &blank, &vars));
        cli::parse::<C>(&mut command, &args, &vars)
    });
    tokio::select! {
        biased;
        exit = signals.next() => Err(End::interrupted(exit)),
        () = sleep_until(deadline) => {
            let problem = "reading the options and the files that they name took longer than --timeout";
            Err(End::error(Exit::Unavailable, problem))
        }
        parsed = parsing => match parsed {
            Ok(parsed) => Ok((signals, parsed)),
            Err(_) => Err(End::error(Exit::Internal, "a defect of this program: it broke on its own options")),
        },
    }
}

/// Ends a run whose command line nobody has read yet.
fn end_unread(end: End, binary: &Binary, console: &Arc<Console>, args: &[OsString], vars: &Env) -> ExitCode {
    let log = Log::new(Arc::clone(console), LogFormat::Auto, binary.name);
    report::finish(end, &log, &LastWord::new(binary.name, cli::termination_log(args, vars)))
}

/// What a run begins with.
struct Setup {
    binary: Binary,
    common: Common,
    credentials: Credentials,
    vars: Env,
    started: Instant,
    console: Arc<Console>,
    last_word: Arc<LastWord>,
}

async fn drive<R, E: Failure>(
    setup: Setup,
    mut signals: Signals,
    request: R,
    run: impl AsyncFnOnce(R, &Context) -> Result<Report, E>,
) -> End {
    let ctx = tokio::select! {
        biased;
        exit = signals.next() => return End::interrupted(exit),
        ctx = begin(setup) => match ctx {
            Ok(ctx) => ctx,
            Err(end) => return end,
        },
    };
    race(run(request, &ctx), async || signals.next().await, &ctx).await
}

/// Resolves and walks the chain. Whatever is wrong with the configuration is found before the first request.
async fn begin(setup: Setup) -> Result<Context, End> {
    let Setup { binary, common, credentials, vars, started, console, last_word } = setup;
    let running = common.running();
    let origin = Origin { binary, common, vars };
    let deadline = context::deadline(started, running.timeout);
    let chain = match credentials {
        Credentials::None => None,
        Credentials::Walked => Some(origin.plan(None, deadline).await.map_err(|err| End::failure(&err))?),
    };
    let identity = match &chain {
        Some(chain) => {
            tokio::select! {
                identity = chain.walk() => identity.map_err(|err| {
                    let request_id = err.request_id().map(str::to_owned);
                    End { request_id, ..End::error(error::exit_of(&err), report::with_sources(&err)) }
                })?,
                () = sleep_until(deadline) => {
                    return Err(End::error(Exit::Unavailable, "the credentials took longer than --timeout"));
                }
            }
        }
        None => Identity::default(),
    };
    // Our HTTP client has a limit for each part of an answer, which the user can set; the SDK's is 5 s.
    let unwatched = StalledStreamProtectionConfig::disabled();
    let sdk = chain.as_ref().map_or_else(|| SdkConfig::builder().build(), Chain::sdk_config);
    Ok(Context::new(Parts {
        binary,
        sdk: sdk.into_builder().stalled_stream_protection(unwatched).build(),
        identity,
        chain,
        origin,
        running,
        started,
        console,
        last_word,
    }))
}

/// Runs the job until it ends or a signal comes: after the first signal it has [`GRACE`] to end by itself, a second
/// one ends it at once. A job that holds a call which nothing can find again ends by itself, and soon after a second
/// signal. A job that has taken the signals ends by itself alone.
///
/// A job that a signal has interrupted says so by its error's exit: only the job knows whether its work had ended
/// before. The signal decides the exit of a job that does not end in time.
async fn race<E: Failure>(
    job: impl Future<Output = Result<Report, E>>,
    mut signal: impl AsyncFnMut() -> Exit,
    ctx: &Context,
) -> End {
    let mut job = pin!(job);
    let told = loop {
        let told = tokio::select! {
            biased;
            ended = &mut job => return ended.map_or_else(|err| End::failure(&err), End::from),
            told = signal() => told,
        };
        if !ctx.hand_over(told) {
            break told;
        }
    };
    tracing::warn!(signal = signal::name(told), "told to end");
    ctx.interrupt(told);
    tokio::select! {
        biased;
        // The exit is the job's own: work that has ended by itself is the result, whenever the signal came.
        ended = &mut job => return ended.map_or_else(|err| End::failure(&err), End::from),
        _ = signal() => {}
        () = ctx.unheld_for(GRACE) => return End::interrupted(told),
    }
    if !ctx.hurry() {
        return End::interrupted(told);
    }
    tokio::select! {
        biased;
        ended = &mut job => ended.map_or_else(|err| End::failure(&err), End::from),
        () = sleep(HURRY) => End::error(Exit::Unknown, "ended by a second signal; a call may have run"),
    }
}

/// `--help` and `--version` go to stdout and are no failure; a refused command line is told on stderr.
fn answer_usage(binary: &Binary, answer: &clap::Error, args: &[OsString], vars: &Env) -> ExitCode {
    // Nobody is left to be told that stderr is closed.
    let _ = answer.print();
    if !answer.use_stderr() {
        return ExitCode::from(Exit::Ok.code());
    }
    // The sentence and its list; usage and advice follow after an empty line.
    let text = answer.to_string();
    let said: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let said = said.join(" ");
    let end = End::error(Exit::Usage, said.strip_prefix("error: ").unwrap_or(&said));
    LastWord::new(binary.name, cli::termination_log(args, vars)).write(&end);
    ExitCode::from(Exit::Usage.code())
}

/// A panic ends the process from the hook, with or without unwinding: the last word is written either way.
#[allow(clippy::exit, reason = "with panic=abort nothing runs after the hook")]
fn report_panics(log: &Arc<Log>, last_word: &Arc<LastWord>) {
    let (log, last_word) = (Arc::clone(log), Arc::clone(last_word));
    std::panic::set_hook(Box::new(move |panic| {
        let payload = panic.payload_as_str().unwrap_or("no text").replace('\n', " ");
        let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
        let end = End::error(Exit::Internal, format!("a defect of this program{place}: {payload}"));
        report::finish(end, &log, &last_word);
        std::process::exit(Exit::Internal.code().into());
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::tests::context;
    use std::future::pending;

    #[derive(Debug, thiserror::Error)]
    #[error("stopped on request")]
    struct Stopped;

    impl Failure for Stopped {
        fn exit(&self) -> Exit {
            Exit::Stopped
        }
    }

    /// Signals after so many seconds each, then none.
    fn after(seconds: &[u64]) -> impl AsyncFnMut() -> Exit {
        let mut times = seconds.iter().copied();
        async move || match times.next() {
            Some(seconds) => {
                sleep(Duration::from_secs(seconds)).await;
                Exit::Terminated
            }
            None => pending().await,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_ends_by_itself_ends_the_run() {
        let ctx = context(Duration::from_mins(1), None);
        let end = race(async { Ok::<_, Stopped>(Report::ok("{}")) }, after(&[]), &ctx).await;
        assert_eq!((end.exit, end.result.as_slice()), (Exit::Ok, b"{}\n".as_slice()));
        let end = race(async { Err(Stopped) }, after(&[]), &ctx).await;
        assert_eq!((end.exit, end.error.as_deref()), (Exit::Stopped, Some("stopped on request")));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_signal_the_job_s_own_end_counts() {
        let ctx = context(Duration::from_mins(1), None);
        let job = async {
            ctx.cancelled().await;
            sleep(Duration::from_secs(3)).await;
            Err::<Report, _>(Stopped)
        };
        let end = race(job, after(&[1]), &ctx).await;
        assert_eq!((end.exit, end.error.as_deref()), (Exit::Stopped, Some("stopped on request")));

        let ctx = context(Duration::from_mins(1), None);
        let job = async {
            ctx.cancelled().await;
            Ok::<_, Stopped>(Report::ok("done"))
        };
        let end = race(job, after(&[1]), &ctx).await;
        assert_eq!((end.exit, end.result.as_slice()), (Exit::Ok, b"done\n".as_slice()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_takes_the_signals_ends_in_its_own_time() {
        let ctx = context(Duration::from_mins(1), None);
        let begun = Instant::now();
        let mut signals = ctx.take_signals().unwrap();
        assert!(ctx.take_signals().is_none(), "they are told to one listener");
        let job = async {
            let told = [signals.recv().await, signals.recv().await];
            assert_eq!(told, [Some(Exit::Terminated); 2]);
            assert!(!ctx.is_cancelled());
            sleep(Duration::from_mins(1)).await;
            Ok::<_, Stopped>(Report::ok("done"))
        };
        let end = race(job, after(&[1, 2]), &ctx).await;
        assert_eq!((end.exit, begun.elapsed().as_secs()), (Exit::Ok, 63));
    }

    #[tokio::test(start_paused = true)]
    async fn signals_that_nobody_listens_to_any_more_end_the_run() {
        let ctx = context(Duration::from_mins(1), None);
        drop(ctx.take_signals());
        let end = race(pending::<Result<Report, Stopped>>(), after(&[1]), &ctx).await;
        assert_eq!(end.exit, Exit::Terminated);
    }

    /// A second signal is handed to it, and soon ends it.
    #[tokio::test(start_paused = true)]
    async fn a_job_that_holds_a_call_ends_by_itself() {
        for (signals, hurries, expected) in [
            (&[10][..], true, (Exit::Ok, 40)),
            (&[10, 1], true, (Exit::Stopped, 11)),
            (&[10, 1], false, (Exit::Unknown, 12)),
        ] {
            let ctx = context(Duration::from_mins(1), None);
            let begun = Instant::now();
            let job = async {
                let holding = ctx.hold();
                tokio::select! {
                    () = sleep(Duration::from_secs(40)) => Ok(Report::ok("done")),
                    () = holding.hurried(), if hurries => Err(Stopped),
                }
            };
            let end = race(job, after(signals), &ctx).await;
            assert_eq!((end.exit, begun.elapsed().as_secs()), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_does_not_listen_is_dropped() {
        for (signals, seconds) in [(&[10][..], 14), (&[10, 1][..], 11)] {
            let ctx = context(Duration::from_mins(1), None);
            let begun = Instant::now();
            let end = race(pending::<Result<Report, Stopped>>(), after(signals), &ctx).await;
            assert_eq!((end.exit, end.error.as_deref()), (Exit::Terminated, Some("ended by SIGTERM")));
            assert_eq!(begun.elapsed().as_secs(), seconds);
        }
    }
}
