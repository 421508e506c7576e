//! The options of `proxy`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use job_runtime::{duration, size};

use crate::proxy::{Listen, Proxy};

#[derive(Debug, Args)]
#[group(skip)]
#[command(next_help_heading = "Proxy")]
pub(super) struct ProxyArgs {
    /// Where to listen: an address with a port, or the path of a Unix socket (a directory gets libpq's .s.PGSQL.5432);
    /// repeatable
    #[arg(long, env = "RDS_PROXY_LISTEN", value_name = "ADDRESS|PATH", default_value = "127.0.0.1:5432",
        value_delimiter = ',', value_parser = listen)]
    listen: Vec<Listen>,

    /// Listen on addresses that other machines reach: whoever connects there is let in as the user, without a password
    #[arg(long, env = "RDS_PROXY_LISTEN_PUBLIC")]
    listen_public: bool,

    /// Connections to the database at most; further clients wait
    #[arg(long, env = "RDS_PROXY_MAX_CONNECTIONS", value_name = "N", default_value = "100",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    max_connections: u32,

    /// How long a client waits for one of them
    #[arg(long, env = "RDS_PROXY_QUEUE_TIMEOUT", value_name = "DURATION", default_value = "30s",
        value_parser = duration::parse)]
    queue_timeout: Duration,

    /// Memory for clients that wait, about 8Ki for each of them; further clients are refused
    #[arg(long, env = "RDS_PROXY_QUEUE_MEMORY", value_name = "SIZE", default_value = "16Mi", value_parser = queue_memory)]
    queue_memory: usize,

    /// How long clients have to end by themselves after a signal; a second signal ends at once
    #[arg(long, env = "RDS_PROXY_DRAIN_TIMEOUT", value_name = "DURATION", default_value = "25s",
        value_parser = duration::parse)]
    drain_timeout: Duration,

    /// End with success once there has been no client for so long
    #[arg(long, env = "RDS_PROXY_EXIT_WHEN_IDLE", value_name = "DURATION", value_parser = duration::parse_positive)]
    exit_when_idle: Option<Duration>,

    /// Address that answers GET /livez, /readyz and /metrics (JSON) over plain HTTP
    #[arg(long, env = "RDS_PROXY_HEALTH_LISTEN", value_name = "ADDRESS")]
    health_listen: Option<SocketAddr>,
}

fn listen(text: &str) -> Result<Listen, String> {
    if text.starts_with('/') {
        return Ok(Listen::Unix(PathBuf::from(text)));
    }
    text.parse().map(Listen::Tcp).map_err(|_| {
        "it should be an address with a port (127.0.0.1:5432, [::1]:5432) or a path that begins with /"
            .to_owned()
    })
}

/// Every client passes through it, so that there must be room for some.
fn queue_memory(text: &str) -> Result<usize, String> {
    const LEAST: usize = 256 * 1024;
    match size::parse(text) {
        Ok(bytes) if bytes < LEAST => Err("it should be 256Ki at least".to_owned()),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(error.to_string()),
    }
}

impl ProxyArgs {
    pub(super) fn into_proxy(self) -> Result<Proxy, String> {
        for listen in &self.listen {
            if let Listen::Tcp(address) = listen
                && !address.ip().is_loopback()
                && !self.listen_public
            {
                return Err(format!(
                    "{address} can be reached from other machines, and the proxy asks for no password: listen on \
                     127.0.0.1, or add --listen-public"
                ));
            }
        }
        Ok(Proxy {
            listen: self.listen,
            max_connections: usize::try_from(self.max_connections).unwrap_or(usize::MAX),
            queue_timeout: self.queue_timeout,
            queue_memory: self.queue_memory,
            drain_timeout: self.drain_timeout,
            exit_when_idle: self.exit_when_idle,
            health: self.health_listen,
        })
    }
}
