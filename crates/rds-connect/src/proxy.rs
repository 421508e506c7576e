//! `proxy`: takes clients on this machine, each with a connection of its own to the database and a fresh token.
//!
//! Everything is futures of one task on one thread: they borrow what they share, and are gone with it.

mod client;
mod counts;
mod door;
mod health;
mod memory;
mod packet;
mod readiness;
mod refusal;
mod relay;
mod socket;

pub(crate) use self::packet::fuzz;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use job_runtime::{Context, Exit, Report, json};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, interval_at, sleep_until, timeout};

use self::client::Shared;
use self::counts::Counts;
use self::door::Door;
pub(crate) use self::door::Listen;
use self::memory::WaitingMemory;
use self::readiness::Readiness;
use self::refusal::Refusal;
use crate::connection::Connection;
use crate::error::Error;
use crate::session::Opener;

/// File descriptors for everything that is neither a client nor a session: listeners, probes, files, AWS.
const KEPT_DESCRIPTORS: usize = 128;
/// So many clients may wait however few file descriptors there are: each of them passes through here.
const FEWEST_WAITING: usize = 16;
/// How often the counts are logged while something goes on.
const LOG_EVERY: Duration = Duration::from_mins(1);
/// How often a database is tried that could not be reached.
const RECOVER_EVERY: Duration = Duration::from_secs(5);
/// How long the clients that are cut off have to hear it.
const FAREWELL: Duration = Duration::from_secs(1);

/// How to be a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(crate) listen: Vec<Listen>,
    /// Connections to the database at most.
    pub(crate) max_connections: usize,
    /// How long a client waits for one.
    pub(crate) queue_timeout: Duration,
    /// Memory for those that wait, in bytes; further clients are refused.
    pub(crate) queue_memory: usize,
    /// How long clients have to end by themselves after a signal.
    pub(crate) drain_timeout: Duration,
    /// End when there was no client for so long.
    pub(crate) exit_when_idle: Option<Duration>,
    /// Where to answer questions about health.
    pub(crate) health: Option<SocketAddr>,
}

/// What the run is at; each phase comes after the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    /// Told to end: no new sessions, the others may end by themselves. Queries can still be cancelled.
    Draining,
    /// Who is still there is cut off.
    Over,
}

/// Listens and serves until it is told to end or is idle.
///
/// # Errors
/// It cannot listen.
pub(crate) async fn serve(connection: &Connection, proxy: &Proxy, ctx: &Context) -> Result<Report, Error> {
    let descriptors = raise_limit();
    let opener = Opener::new(connection, ctx)?;
    let mut door = Door::open(&proxy.listen)?;
    let health = match proxy.health {
        Some(address) => Some(health::listen(address).await?),
        None => None,
    };
    let counts = Counts::default();
    let (phase, _) = watch::channel(Phase::Open);
    let shared = Shared {
        opener: &opener,
        slots: Semaphore::new(proxy.max_connections),
        queue_timeout: proxy.queue_timeout,
        counts: &counts,
        readiness: Readiness::new(&counts, connection.database.is_some()),
        keys: RefCell::default(),
        phase: &phase,
    };
    let waiting = WaitingMemory::new(proxy.queue_memory.min(memory_for(descriptors, proxy.max_connections)));
    let mut signals = ctx.take_signals();
    for place in door.places() {
        tracing::info!(place, max_connections = proxy.max_connections, "listening");
    }
    let asked = async {
        match &health {
            Some(listener) => health::answer(listener, &counts).await,
            None => std::future::pending().await,
        }
    };
    let mut asked = pin!(asked);
    let mut recovering = pin!(shared.recover(RECOVER_EVERY));
    let mut clients = FuturesUnordered::new();
    let mut idle_since = Instant::now();
    // The signal, and the end of patience.
    let mut told: Option<(Exit, Instant)> = None;
    let mut tick = interval_at(Instant::now() + LOG_EVERY, LOG_EVERY);
    let mut logged = counts.told();
    loop {
        let never = Instant::now() + Duration::from_hours(24 * 365);
        let idle_end = proxy
            .exit_when_idle
            .filter(|_| told.is_none() && !counts.is_busy())
            .map_or(never, |limit| idle_since + limit);
        let drain_end = told.map_or(never, |(_, end)| end);
        if told.is_some() && !counts.is_busy() {
            break;
        }
        // In no fixed order: clients that are always busy must not keep probes and new clients from their turn.
        tokio::select! {
            signal = next(&mut signals) => {
                if told.is_some() {
                    break;
                }
                told = Some((signal, Instant::now() + proxy.drain_timeout));
                counts.drain();
                let sessions = counts.told().upstream_now;
                tracing::warn!(sessions, "told to end: no new clients, the others may end by themselves");
                phase.send_replace(Phase::Draining);
            }
            Some(was_for_session) = clients.next(), if !clients.is_empty() => {
                if was_for_session {
                    idle_since = Instant::now();
                }
            }
            stream = door.knock() => {
                if let Some(memory) = waiting.reserve() {
                    clients.push(shared.serve(stream, memory));
                } else {
                    counts.turned_away();
                    // Nobody is kept waiting for one who is turned away.
                    stream.try_refuse(&Refusal::full().message());
                }
            }
            () = &mut asked => {}
            () = &mut recovering => {}
            // A client may have come since; its end starts the time anew.
            () = sleep_until(idle_end) => {
                if !counts.is_busy() {
                    tracing::info!("no client for as long as --exit-when-idle says");
                    break;
                }
            }
            () = sleep_until(drain_end) => break,
            _ = tick.tick() => {
                if counts.told() != logged {
                    logged = counts.told();
                    tracing::info!(counts = %json(&logged), "serving");
                }
            }
        }
    }
    let cut_off = counts.told().upstream_now;
    // Those that are still there are told why, and have a moment to take it.
    phase.send_replace(Phase::Over);
    let farewell = async { while clients.next().await.is_some() {} };
    let _ = timeout(FAREWELL, farewell).await;
    tracing::info!(counts = %json(&counts.told()), "served");
    Ok(report(told.map(|(exit, _)| exit), cut_off, &counts))
}

/// Asks for as many file descriptors as the process may have, and gives their number: a session needs two, and 1024 is
/// what many nodes begin with.
fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    if let Err(error) = &raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let current = if raised.is_ok() { limit.maximum } else { limit.current };
    current.and_then(|current| usize::try_from(current).ok()).unwrap_or(usize::MAX)
}

/// The memory of as many waiting clients as there are file descriptors for: sessions and probes need theirs.
fn memory_for(descriptors: usize, max_connections: usize) -> usize {
    let left = descriptors.saturating_sub(2 * max_connections).saturating_sub(KEPT_DESCRIPTORS);
    left.max(FEWEST_WAITING).saturating_mul(memory::CLIENT)
}

/// How it ended: told to end it has done well, unless somebody had to be cut off.
fn report(told: Option<Exit>, cut_off: u64, counts: &Counts) -> Report {
    let result = json(&counts.told());
    match told {
        Some(exit) if cut_off > 0 => {
            Report::failed(exit, result, format!("{cut_off} sessions had not ended and were cut off"))
        }
        Some(_) | None => Report::ok(result),
    }
}

/// The next signal.
async fn next(signals: &mut Option<tokio::sync::mpsc::UnboundedReceiver<Exit>>) -> Exit {
    match signals {
        Some(signals) => match signals.recv().await {
            Some(exit) => exit,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
