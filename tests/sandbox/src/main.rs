//! The sandbox as a process: `make sandbox`, `make demo`, and tests that want it apart from themselves.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::{fs, io};

use clap::Parser;
use sandbox::{Call, Sandbox, Settings, World};
use tokio::signal::unix::{SignalKind, signal};

/// Life of the token that `--write-dir` writes.
const TOKEN_LIFETIME: Duration = Duration::from_hours(24);

/// Plays the AWS services of a world on loopback ports until SIGTERM or SIGINT.
#[derive(Debug, Parser)]
struct Cli {
    /// TOML file of the world
    #[arg(long)]
    world: PathBuf,
    /// Port for HTTP; 0 is any
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port for HTTPS; 0 is any
    #[arg(long, default_value_t = 0)]
    https_port: u16,
    /// Port of the forward proxy; 0 is any
    #[arg(long, default_value_t = 0)]
    proxy_port: u16,
    /// Directory for `token` (a projected service-account token), `ca.pem` and, last, `env` (KEY=VALUE lines)
    #[arg(long)]
    write_dir: Option<PathBuf>,
}

/// Why the process ends badly.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot read {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write below {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("{}", chain(.0))]
    Sandbox(#[from] sandbox::Error),
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&format!("error: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let text =
        fs::read_to_string(&cli.world).map_err(|source| Failure::Read { path: cli.world.clone(), source })?;
    let world = World::from_toml(&text)?;
    let pod = Pod::of(&world);
    let region = world.region.clone();
    let (observer, calls) = channel();
    let settings = Settings {
        http_port: cli.port,
        https_port: cli.https_port,
        proxy_port: cli.proxy_port,
        observer: Some(observer),
    };
    let sandbox = Sandbox::start_with(world, settings)?;
    say(&format!("http  {}\nhttps {}\nproxy {}", sandbox.url(), sandbox.https_url(), sandbox.proxy_url()));
    if let Some(directory) = &cli.write_dir {
        write_files(&sandbox, pod.as_ref(), &region, directory)?;
    }
    let printer = std::thread::spawn(move || print_calls(&calls));
    until_told()?;
    drop(sandbox);
    // A printer that panicked has said so itself.
    let _ = printer.join();
    Ok(())
}

/// The pod that the world's first web identity trust is meant for.
#[derive(Debug)]
struct Pod {
    issuer: String,
    sub: String,
    aud: String,
    role: String,
}

impl Pod {
    fn of(world: &World) -> Option<Self> {
        let roles = world.accounts.iter().flat_map(|(account, known)| {
            known.roles.iter().map(move |(name, role)| {
                (format!("arn:{}:iam::{account}:role{}{name}", known.partition, role.path), role)
            })
        });
        let mut trusts =
            roles.flat_map(|(arn, role)| role.trust.iter().map(move |trust| (arn.clone(), trust)));
        trusts.find_map(|(role, trust)| {
            Some(Self {
                issuer: trust.federated.clone()?,
                sub: trust.sub.clone()?,
                aud: trust.aud.clone().unwrap_or_else(|| "sts.amazonaws.com".into()),
                role,
            })
        })
    }
}

fn write_files(sandbox: &Sandbox, pod: Option<&Pod>, region: &str, directory: &Path) -> Result<(), Failure> {
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::write(&path, text).map_err(|source| Failure::Write { path, source })
    };
    fs::create_dir_all(directory).map_err(|source| Failure::Write { path: directory.to_owned(), source })?;
    write("ca.pem", sandbox.ca_pem())?;
    let file = |name: &str| directory.join(name).display().to_string();
    let mut env = vec![
        ("AWS_ENDPOINT_URL", sandbox.https_url()),
        ("AWS_CA_BUNDLE", file("ca.pem")),
        ("AWS_REGION", region.to_owned()),
        ("SANDBOX_URL", sandbox.url()),
        ("SANDBOX_HTTPS_URL", sandbox.https_url()),
        ("SANDBOX_PROXY_URL", sandbox.proxy_url()),
    ];
    if let Some(Pod { issuer, sub, aud, role }) = pod {
        write("token", &sandbox.token(issuer, sub, aud, TOKEN_LIFETIME)?)?;
        env.push(("SANDBOX_TOKEN_FILE", file("token")));
        env.push(("SANDBOX_ROLE_ARN", role.clone()));
    }
    let mut lines = String::new();
    for (name, value) in env {
        lines.extend([name, "=", &value, "\n"]);
    }
    // Whoever waits for `env` finds it whole.
    write(".env", &lines)?;
    let (from, to) = (directory.join(".env"), directory.join("env"));
    fs::rename(from, &to).map_err(|source| Failure::Write { path: to, source })
}

fn print_calls(calls: &Receiver<Call>) {
    for call in calls {
        let status = call.status.map_or_else(|| "---".to_owned(), |status| status.to_string());
        let caller = if call.caller.is_empty() { "-" } else { &call.caller };
        let error = call.error.map(|code| format!(" {code}")).unwrap_or_default();
        let fault = call.fault.map(|name| format!(" (fault: {name})")).unwrap_or_default();
        say(&format!(
            "{:8.3}s {status} {}:{} {caller}{error}{fault}",
            call.at.as_secs_f64(),
            call.service,
            call.operation
        ));
    }
}

fn until_told() -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Signals)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Signals)?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// A line on stderr; nobody reads it is no reason to end.
#[expect(clippy::disallowed_methods, reason = "a program of its own, without job_runtime")]
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
