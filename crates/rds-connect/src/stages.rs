//! The way to a session, stage by stage: each is timed, and a failure names the stage, what was tried and what to look
//! at.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use job_runtime::duration::Human;
use job_runtime::{Context, Exit};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use crate::startup::{Method, ServerError, Trouble};

/// Idle time before the first keepalive probe: NAT gateways and load balancers forget a silent flow, some within a
/// minute.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(45);
/// Time between two probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Unanswered probes after which the connection counts as broken.
const KEEPALIVE_RETRIES: u32 = 3;

/// A part of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The name becomes addresses.
    Dns,
    /// An address takes the connection.
    Tcp,
    /// The server speaks TLS, and is the right one.
    Tls,
    /// The server takes the session.
    Startup,
    /// The server believes who we are.
    Auth,
    /// The session does something.
    Query,
}

impl Stage {
    /// Its name in results and texts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Startup => "startup",
            Self::Auth => "auth",
            Self::Query => "query",
        }
    }

    /// All of them, in order.
    pub(crate) const ALL: [Self; 6] =
        [Self::Dns, Self::Tcp, Self::Tls, Self::Startup, Self::Auth, Self::Query];
}

/// A stage that was passed.
#[derive(Clone, Debug)]
pub struct Passed {
    /// Which.
    pub stage: Stage,
    /// How long it took.
    pub took: Duration,
    /// What was found.
    pub detail: String,
}

/// A stage that was not passed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Which.
    pub stage: Stage,
    /// How a run ends that it ends.
    pub exit: Exit,
    /// What was tried.
    pub tried: String,
    /// What happened.
    pub what: String,
    /// What to look at, the likeliest first.
    pub advice: Vec<String>,
    /// What the server said, where it did.
    pub server: Option<ServerError>,
    /// Whether the server had accepted the login before it failed.
    pub logged_in: bool,
    /// What was passed before.
    pub passed: Vec<Passed>,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stage {}: {}: {}", self.stage.name(), self.tried, self.what)?;
        match self.advice.as_slice() {
            [] => Ok(()),
            advice => write!(f, "; look at: {}", advice.join("; or ")),
        }
    }
}

impl std::error::Error for Failed {}

/// The stages passed so far, and the clock of the next one.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) passed: Vec<Passed>,
    since: Instant,
}

impl Way {
    pub(crate) fn new() -> Self {
        Self { passed: Vec::with_capacity(Stage::ALL.len()), since: Instant::now() }
    }

    /// Notes that `stage` is passed.
    pub(crate) fn pass(&mut self, stage: Stage, detail: impl Into<String>) {
        let now = Instant::now();
        self.passed.push(Passed { stage, took: now - self.since, detail: detail.into() });
        self.since = now;
    }

    /// Ends at `stage`.
    pub(crate) fn fail(
        &self,
        stage: Stage,
        exit: Exit,
        tried: impl Into<String>,
        what: impl Into<String>,
    ) -> Failed {
        Failed {
            stage,
            exit,
            tried: tried.into(),
            what: what.into(),
            advice: Vec::new(),
            server: None,
            logged_in: false,
            passed: self.passed.clone(),
        }
    }
}

impl Failed {
    pub(crate) fn with_advice(self, advice: Vec<String>) -> Self {
        Self { advice, ..self }
    }
}

/// Looks up the addresses of `host`.
pub(crate) async fn resolve(
    host: &str,
    port: u16,
    address: Option<IpAddr>,
    limit: Duration,
    way: &mut Way,
) -> Result<Vec<SocketAddr>, Failed> {
    if let Some(address) = address {
        way.pass(Stage::Dns, format!("{address}, as --hostaddr says"));
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let tried = format!("looking up {host}");
    let failed = |exit, what: String| {
        way.fail(Stage::Dns, exit, &tried, what).with_advice(vec![
            format!("whether `{host}` is spelled as the console shows the endpoint"),
            "whether the database is in a private hosted zone or VPC that this network's DNS cannot see"
                .to_owned(),
            "whether the pod's DNS works (CoreDNS, a NetworkPolicy that leaves out UDP 53)".to_owned(),
        ])
    };
    let addresses: Vec<SocketAddr> = match timeout(limit, lookup_host((host, port))).await {
        Err(_) => return Err(failed(Exit::Unavailable, format!("no answer within {}", Human(limit)))),
        Ok(Err(error)) => {
            // The resolver's own words; tokio keeps no code.
            let text = error.to_string();
            let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
            let passing = text.contains("Temporary failure") || text.contains("Try again");
            let exit = if passing { Exit::Unavailable } else { Exit::Config };
            return Err(failed(exit, text.to_owned()));
        }
        Ok(Ok(addresses)) => addresses.collect(),
    };
    if addresses.is_empty() {
        return Err(failed(Exit::Config, "the name has no address".to_owned()));
    }
    let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    way.pass(Stage::Dns, shown.join(", "));
    Ok(addresses)
}

/// Connects to the first of `addresses` that takes it; `limit` is shared out among them.
pub(crate) async fn connect(
    host: &str,
    addresses: &[SocketAddr],
    limit: Duration,
    way: &mut Way,
) -> Result<TcpStream, Failed> {
    let share = limit / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut last = None;
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                tune(&stream);
                way.pass(Stage::Tcp, address.to_string());
                return Ok(stream);
            }
            Ok(Err(error)) => last = Some((address, Some(error))),
            Err(_) => last = Some((address, None)),
        }
    }
    let (tried, what, refused) = match last {
        None => (format!("connecting to {host}"), "there is no address".to_owned(), false),
        Some((address, Some(error))) => {
            let refused = error.kind() == io::ErrorKind::ConnectionRefused;
            (format!("connecting to {host} at {address}"), in_words(&error), refused)
        }
        Some((address, None)) => (
            format!("connecting to {host} at {address}"),
            format!("no answer within {}", Human(share)),
            false,
        ),
    };
    let port = addresses.first().map_or(0, SocketAddr::port);
    let advice = if refused {
        vec![
            format!("whether the database listens on port {port}"),
            "whether it is up (stopped, being created, failing over)".to_owned(),
        ]
    } else {
        vec![
            format!(
                "the database's security group: an inbound rule for TCP {port} from this pod's or task's security group, \
                 or from its subnets' CIDR across accounts"
            ),
            "the way between the networks: VPC peering or transit gateway, a route in both directions in the route \
             tables of both subnets"
                .to_owned(),
            "network ACLs of both subnets (answers come back to ports 1024-65535), and a NetworkPolicy of the namespace"
                .to_owned(),
        ]
    };
    Err(way.fail(Stage::Tcp, Exit::Unavailable, tried, what).with_advice(advice))
}

/// Small messages go out at once, and a dead peer is noticed. A socket that does not take this works all the same.
pub(crate) fn tune(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

/// An error of the operating system without its number.
pub(crate) fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// The time limits of one connection, as the common options say them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// `--connect-timeout`: the lookup of the name, and the connection.
    pub(crate) connect: Duration,
    /// `--read-timeout`: the TLS handshake, and each answer until the session stands.
    pub(crate) answer: Duration,
}

impl Limits {
    pub(crate) fn of(ctx: &Context) -> Self {
        // The runtime says both, always.
        const NEVER_UNSAID: Duration = Duration::from_secs(30);
        let timeouts = ctx.timeouts(Duration::ZERO);
        Self {
            connect: timeouts.connect_timeout().unwrap_or(NEVER_UNSAID),
            answer: timeouts.read_timeout().unwrap_or(NEVER_UNSAID),
        }
    }
}

/// What happened at the startup, in words; the server's own error apart.
pub(crate) fn trouble_in_words(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Refused(error) => error.to_string(),
        Trouble::Closed => "the server closed the connection".to_owned(),
        Trouble::Broken(error) => format!("the connection broke: {}", in_words(error)),
        Trouble::Silent(limit) => format!("no answer within {}", Human(*limit)),
        Trouble::Foreign(what) => format!("this is no PostgreSQL server: {what}"),
        Trouble::NoPassword(method) => {
            format!("the server asks for {method}, and no password is configured")
        }
        Trouble::Unsupported(method) => format!("the server asks for {method}, which is not supported"),
        Trouble::NotAllowed(Method::Trust) => {
            "the server lets the user in without any proof, which --require-auth does not allow".to_owned()
        }
        Trouble::NotAllowed(method) => {
            format!(
                "the server asks for {method}, which --require-auth does not allow; nothing was sent to it"
            )
        }
        Trouble::Unbound(why) => format!("--channel-binding require cannot be met: {why}"),
        Trouble::Unproved(what) => format!("the exchange of SCRAM failed: {what}"),
    }
}
