//! A session with a server: the stages one after the other, the servers of a list one after the other, passing troubles
//! borne for as long as was asked for.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use bytes::BytesMut;
use job_runtime::{Context, Exit};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::client::TlsStream;

use crate::advice;
use crate::connection::{Attributes, Connection};
use crate::error::Error;
use crate::login::{Endpoint, Login, Logins};
use crate::stages::{self, Failed, Limits, Stage, Way, trouble_in_words};
use crate::startup::{self, Ask, Channel, Greeting, Trouble};
use crate::tls::{Tls, TlsFacts};

/// Between two attempts while troubles are borne.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// What tells a server's part: in recovery or not, for writes or not.
const ROLE: &str =
    "select pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')";

/// Opens sessions of one connection.
pub(crate) struct Opener<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) ctx: &'a Context,
    pub(crate) logins: Logins<'a>,
    tls: Option<Tls>,
    limits: Limits,
}

/// A session that stands: the user is proved, and the server waits for a query.
pub(crate) struct Session {
    pub(crate) stream: Stream,
    pub(crate) greeting: Greeting,
    pub(crate) endpoint: Endpoint,
    pub(crate) address: SocketAddr,
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) tls: Option<TlsFacts>,
    pub(crate) way: Way,
    /// Whether the server is in recovery, and whether it takes no writes; known where it was asked for.
    pub(crate) role: Option<(bool, bool)>,
}

/// What one session is to have of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    /// Another database than the connection's.
    pub(crate) database: Option<String>,
    /// Run-time parameters, such as `options`; they go before the connection's.
    pub(crate) parameters: Vec<(String, String)>,
}

impl<'a> Opener<'a> {
    /// # Errors
    /// The roots cannot be read.
    pub(crate) fn new(connection: &'a Connection, ctx: &'a Context) -> Result<Self, Error> {
        let tls = Tls::new(&connection.tls, &connection.hosts).map_err(Error::Roots)?;
        let logins = Logins::new(connection, ctx);
        Ok(Self { connection, ctx, logins, tls, limits: Limits::of(ctx) })
    }

    /// Opens a session with the first server that fits; passing troubles are borne for as long as the connection says.
    ///
    /// # Errors
    /// What the last attempt ended with.
    pub(crate) async fn open(&self, wishes: &Wishes) -> Result<Session, Error> {
        self.open_until(wishes, Instant::now() + self.connection.wait).await
    }

    /// The same for a run that has one session, and so ends where `--timeout` or a signal comes before it.
    ///
    /// # Errors
    /// What the last attempt ended with, or that there is no time for it to end.
    pub(crate) async fn open_in_time(&self) -> Result<Session, Error> {
        // An attempt's own failure tells more than the end of the time.
        let end = (Instant::now() + self.connection.wait).min(self.ctx.deadline());
        in_time(self.ctx, Box::pin(self.open_until(&Wishes::default(), end))).await
    }

    async fn open_until(&self, wishes: &Wishes, end: Instant) -> Result<Session, Error> {
        let mut pause = PAUSE;
        loop {
            match self.open_once(wishes).await {
                Ok(session) => return Ok(session),
                Err(error) => {
                    let pause_now = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
                    if !error.is_passing() || Instant::now() + pause_now >= end {
                        return Err(error);
                    }
                    tracing::warn!(%error, "not connected; trying again");
                    sleep(pause_now).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn open_once(&self, wishes: &Wishes) -> Result<Session, Error> {
        let endpoints = self.logins.endpoints().await?;
        let mut error = None;
        let mut second_choice = None;
        for endpoint in &endpoints {
            match self.open_at(endpoint, wishes).await {
                Ok(session)
                    if session.role.is_none_or(|(recovery, read_only)| {
                        self.connection.attributes.fits(recovery, read_only)
                    }) =>
                {
                    return Ok(session);
                }
                Ok(session) if self.connection.attributes == Attributes::PreferStandby => {
                    second_choice.get_or_insert(session);
                }
                Ok(session) => {
                    error = Some(Error::stage(unfit(&session, self.connection.attributes)));
                }
                Err(failed) => {
                    if endpoints.len() > 1 {
                        tracing::warn!(host = endpoint.host.name, error = %failed, "this server is passed over");
                    }
                    error = Some(failed);
                }
            }
        }
        match (second_choice, error) {
            (Some(session), _) => Ok(session),
            (None, Some(error)) => Err(error),
            (None, None) => Err(Error::NoHost),
        }
    }

    /// One attempt at one server; two where a secret may have been rotated.
    async fn open_at(&self, endpoint: &Endpoint, wishes: &Wishes) -> Result<Session, Error> {
        let login = self.logins.login(endpoint).await?;
        match self.attempt(endpoint, &login, wishes).await {
            Err(Error::Stage(failed))
                if failed.stage == Stage::Auth
                    && failed.exit == Exit::Denied
                    && self.logins.forget(&login).await =>
            {
                tracing::info!("the password was refused; the secret is read again");
                let login = self.logins.login(endpoint).await?;
                self.attempt(endpoint, &login, wishes).await
            }
            ended => ended,
        }
    }

    async fn attempt(&self, endpoint: &Endpoint, login: &Login, wishes: &Wishes) -> Result<Session, Error> {
        let mut way = Way::new();
        let (mut stream, address, tls) = self.reach(endpoint, &mut way).await.map_err(Error::stage)?;
        let database = wishes.database.clone().unwrap_or_else(|| login.database.clone());
        let mut parameters = wishes.parameters.clone();
        if !parameters.iter().any(|(name, _)| name == "application_name") {
            parameters.push(("application_name".to_owned(), self.connection.application_name.clone()));
        }
        let ask = Ask {
            user: &login.user,
            database: &database,
            parameters: &parameters,
            password: login.password.as_ref(),
            policy: &self.connection.policy,
            channel: match &tls {
                None => Channel::Plain,
                Some(facts) => {
                    facts.server_end_point.as_deref().map_or(Channel::Unbindable, Channel::ServerEndPoint)
                }
            },
        };
        let mut greeting = Greeting::default();
        let begun = startup::begin(&mut stream, &ask, self.limits.answer, &mut greeting).await;
        begun.map_err(|trouble| {
            let attempt = advice::Attempt {
                endpoint,
                address,
                login,
                database: &database,
                tls: tls.is_some(),
                asked: greeting.method,
            };
            let failed = attempt.failed(trouble, &way, self.connection, self.ctx);
            Error::stage(Failed { logged_in: greeting.is_accepted(), ..failed })
        })?;
        way.pass(
            Stage::Startup,
            greeting.parameter("server_version").unwrap_or("a server of no version").to_owned(),
        );
        let bound = if greeting.bound { ", bound to the TLS connection" } else { "" };
        way.pass(Stage::Auth, format!("user {}, asked for {}{bound}", login.user, greeting.method));
        let endpoint = endpoint.clone();
        let user = login.user.clone();
        let mut session =
            Session { stream, greeting, endpoint, address, user, database, tls, way, role: None };
        if self.connection.attributes != Attributes::Any {
            let row = session.ask(ROLE, self.limits.answer).await.map_err(Error::stage)?;
            let is = |index: usize, yes: &str| row.get(index).and_then(Option::as_deref) == Some(yes);
            session.role = Some((is(0, "t"), is(1, "on")));
        }
        Ok(session)
    }

    /// The stages up to the startup.
    async fn reach(
        &self,
        endpoint: &Endpoint,
        way: &mut Way,
    ) -> Result<(Stream, SocketAddr, Option<TlsFacts>), Failed> {
        let Endpoint { host, port } = endpoint;
        let addresses = stages::resolve(&host.name, *port, host.address, self.limits.connect, way).await?;
        let tcp = stages::connect(&host.name, &addresses, self.limits.connect, way).await?;
        let address = tcp.peer_addr().unwrap_or(addresses[0]);
        let (stream, facts) = self.protect(tcp, endpoint, address, way).await?;
        Ok((stream, address, facts))
    }

    /// The TLS stage.
    async fn protect(
        &self,
        mut tcp: TcpStream,
        endpoint: &Endpoint,
        address: SocketAddr,
        way: &mut Way,
    ) -> Result<(Stream, Option<TlsFacts>), Failed> {
        let Some(tls) = &self.tls else {
            way.pass(Stage::Tls, "none, as --sslmode disable says");
            return Ok((Stream::Plain(tcp), None));
        };
        let host = &endpoint.host.name;
        let tried = format!("asking {host} at {address} for TLS");
        let limit = self.limits.answer;
        match startup::ask_for_tls(&mut tcp, limit).await {
            Ok(true) => {}
            Ok(false) => {
                let what = "the server speaks no TLS";
                return Err(way.fail(Stage::Tls, Exit::Config, tried, what).with_advice(vec![
                    "whether host and port are those of the database: RDS and Aurora always speak TLS"
                        .to_owned(),
                    "on a server of your own: `ssl = on`, or --sslmode disable on a network that you trust"
                        .to_owned(),
                ]));
            }
            Err(trouble) => return Err(advice::no_tls(trouble, &tried, way)),
        }
        let Ok(shaken) = timeout(limit, tls.handshake(tcp, host)).await else {
            return Err(advice::no_tls(Trouble::Silent(limit), &tried, way));
        };
        let (stream, facts) = shaken.map_err(|trouble| {
            let exit = if trouble.passing { Exit::Unavailable } else { Exit::Config };
            way.fail(Stage::Tls, exit, tried, trouble.what).with_advice(trouble.advice)
        })?;
        let by = facts.issuer.as_deref().map(|issuer| format!(", signed by {issuer}")).unwrap_or_default();
        way.pass(Stage::Tls, format!("{} {}, {}{by}", facts.version, facts.cipher, facts.names.join(", ")));
        Ok((Stream::Tls(Box::new(stream)), Some(facts)))
    }

    /// Asks the server to cancel what the session with this key is doing. It says nothing in answer.
    ///
    /// # Errors
    /// It cannot be reached.
    pub(crate) async fn cancel(
        &self,
        endpoint: &Endpoint,
        address: SocketAddr,
        key: (i32, i32),
    ) -> Result<(), Error> {
        let mut way = Way::new();
        // The same machine as the session's, whatever the name leads to by now.
        let tcp = stages::connect(&endpoint.host.name, &[address], self.limits.connect, &mut way)
            .await
            .map_err(Error::stage)?;
        let (mut stream, _) = self.protect(tcp, endpoint, address, &mut way).await.map_err(Error::stage)?;
        let mut request = BytesMut::new();
        frontend::cancel_request(key.0, key.1, &mut request);
        let broken = |error: io::Error| {
            let tried = format!("cancelling at {address}");
            Error::stage(way.fail(Stage::Startup, Exit::Unavailable, tried, stages::in_words(&error)))
        };
        stream.write_all(&request).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        // It closes once it has sent the signal: a client that is told sooner could have its next query cancelled.
        let _ = timeout(self.limits.answer, stream.read(&mut [0])).await;
        Ok(())
    }
}

/// Does `work`, on which everything else waits, unless the run is told to end or `--timeout` is over meanwhile.
///
/// # Errors
/// Those of `work`, or that there is no time for it to end.
pub(crate) async fn in_time<T>(
    ctx: &Context,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let early = |why: String| Error::NotBegun { exit: ctx.interruption().unwrap_or(Exit::Unavailable), why };
    tokio::select! {
        biased;
        done = work => done,
        () = ctx.cancelled() => Err(early("ended by a signal".to_owned())),
        () = sleep_until(ctx.deadline()) => Err(early("--timeout was over".to_owned())),
    }
}

/// A server that works and is not what was asked for.
fn unfit(session: &Session, attributes: Attributes) -> Failed {
    let found = match session.role {
        Some((true, _)) => "it is a replica in recovery",
        Some((false, true)) => "it takes no writes",
        Some((false, false)) | None => "it is a primary that takes writes",
    };
    let Endpoint { host, port } = &session.endpoint;
    let tried = format!("looking for a {} server at {}:{port}", attributes.name(), host.name);
    session.way.fail(Stage::Query, Exit::Unavailable, tried, found).with_advice(vec![
        "the endpoint: `.cluster-ro-` leads to replicas, `.cluster-` to the writer".to_owned(),
        "a failover under way: --wait bears it".to_owned(),
        "--target-session-attrs, and the default_transaction_read_only of user and database".to_owned(),
    ])
}

impl Session {
    /// Runs one statement and gives the first row as texts.
    pub(crate) async fn ask(&mut self, sql: &str, limit: Duration) -> Result<Vec<Option<String>>, Failed> {
        startup::first_row(&mut self.stream, sql, limit).await.map_err(|trouble| {
            let exit = match &trouble {
                Trouble::Refused(error) => advice::exit_of(&error.code, Stage::Query),
                _ => Exit::Unavailable,
            };
            let tried = format!("running `{sql}`");
            let failed = self.way.fail(Stage::Query, exit, tried, trouble_in_words(&trouble));
            match trouble {
                Trouble::Refused(error) => Failed { server: Some(*error), ..failed },
                _ => failed,
            }
        })
    }
}

/// The connection under a session.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Task<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Task<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
