//! `proxy`: takes clients on this machine, each with a connection of its own to the database and a fresh token.
//!
//! Everything is futures of one task on one thread: they borrow what they share, and are gone with it.

mod client;
mod counts;
mod door;
mod health;
mod relay;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use job_runtime::{Context, Exit, Report, json};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, interval_at, sleep_until};

use self::client::{Refusal, Shared};
use self::counts::Counts;
use self::door::Door;
pub(crate) use self::door::Listen;
use crate::connection::Connection;
use crate::error::Error;
use crate::session::Opener;

/// So many clients may wait for a connection beside those that have one; further ones are turned away at the door.
const QUEUE: usize = 2000;
/// How often the counts are logged while something goes on.
const LOG_EVERY: Duration = Duration::from_mins(1);

/// How to be a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(crate) listen: Vec<Listen>,
    /// Connections to the database at most.
    pub(crate) max_connections: usize,
    /// How long a client waits for one.
    pub(crate) queue_timeout: Duration,
    /// How long clients have to end by themselves after a signal.
    pub(crate) drain_timeout: Duration,
    /// End when there was no client for so long.
    pub(crate) exit_when_idle: Option<Duration>,
    /// Where to answer questions about health.
    pub(crate) health: Option<SocketAddr>,
}

/// What the run is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Told to end: no new clients, the others may end by themselves until then.
    Draining(Instant),
}

/// Listens and serves until it is told to end or is idle.
///
/// # Errors
/// It cannot listen.
pub(crate) async fn serve(connection: &Connection, proxy: &Proxy, ctx: &Context) -> Result<Report, Error> {
    let opener = Opener::new(connection, ctx)?;
    let mut door = Door::open(&proxy.listen)?;
    let health = match proxy.health {
        Some(address) => Some(health::listen(address).await?),
        None => None,
    };
    let counts = Counts::default();
    let (over, _) = watch::channel(false);
    let shared = Shared {
        opener: &opener,
        slots: Semaphore::new(proxy.max_connections),
        queue_timeout: proxy.queue_timeout,
        counts: &counts,
        keys: std::cell::RefCell::default(),
        over: &over,
    };
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
    let mut asked = std::pin::pin!(asked);
    let mut clients = FuturesUnordered::new();
    let mut phase = Phase::Open;
    let mut idle_since = Instant::now();
    let mut told = None;
    let mut tick = interval_at(Instant::now() + LOG_EVERY, LOG_EVERY);
    let mut logged = counts.told();
    loop {
        let never = Instant::now() + Duration::from_hours(24 * 365);
        let idle_end =
            proxy.exit_when_idle.filter(|_| clients.is_empty()).map_or(never, |limit| idle_since + limit);
        let drain_end = match phase {
            Phase::Open => never,
            Phase::Draining(end) => end,
        };
        if clients.is_empty() && matches!(phase, Phase::Draining(_)) {
            break;
        }
        tokio::select! {
            biased;
            signal = next(&mut signals) => {
                if told.is_some() {
                    break;
                }
                told = Some(signal);
                counts.drain();
                tracing::warn!(clients = clients.len(), "told to end: no new clients, the others may end by themselves");
                phase = Phase::Draining(Instant::now() + proxy.drain_timeout);
            }
            Some(()) = clients.next(), if !clients.is_empty() => {
                if clients.is_empty() {
                    idle_since = Instant::now();
                }
            }
            stream = door.knock(), if phase == Phase::Open => {
                if clients.len() < proxy.max_connections + QUEUE {
                    clients.push(shared.serve(stream));
                } else {
                    counts.turned_away();
                    // Nobody is kept waiting for one who is turned away.
                    stream.try_refuse(&Refusal::full().message());
                }
            }
            () = &mut asked => {}
            () = sleep_until(idle_end) => {
                tracing::info!("no client for as long as --exit-when-idle says");
                break;
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
    let cut_off = clients.len();
    // Those that are still there are told why, and have a moment to take it.
    over.send_replace(true);
    let farewell = async { while clients.next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_secs(1), farewell).await;
    drop(clients);
    drop(shared);
    Ok(report(told, cut_off, &counts))
}

/// How it ended: told to end it has done well, unless somebody had to be cut off.
fn report(told: Option<Exit>, cut_off: usize, counts: &Counts) -> Report {
    let result = json(&counts.told());
    match told {
        Some(exit) if cut_off > 0 => {
            Report::failed(exit, result, format!("{cut_off} clients had not ended and were cut off"))
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

/// A file that is gone when this is.
#[derive(Debug)]
struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = std::fs::remove_file(&self.0);
    }
}
