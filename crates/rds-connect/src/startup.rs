//! The beginning of a connection as PostgreSQL's protocol has it: TLS is asked for, the session described, the user
//! proved, until the server is ready for queries. Built on the messages of tokio-postgres' own protocol crate, because
//! tokio-postgres itself neither tells what a server asks for nor gives a connection away, and a proxy needs both.

mod authentication;

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use postgres_protocol::message::backend::{ErrorFields, Message};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

pub(crate) use self::authentication::Channel;
use self::authentication::Exchange;
use crate::require_auth::AuthPolicy;
use crate::secret::Password;

/// No message before the first query is longer, unless it is no server of PostgreSQL that speaks.
const LONGEST_MESSAGE: usize = 64 * 1024;
/// All messages up to the first one that says ready, in bytes. Those of a usual server are about 500.
const LONGEST_ANSWER: usize = 256 * 1024;
/// What a server names at its beginning; PostgreSQL has some 15.
const MOST_PARAMETERS: usize = 256;
/// So much is read at once.
const CHUNK: usize = 8 * 1024;
/// PostgreSQL's own limit for a startup packet (`MAX_STARTUP_PACKET_LENGTH`). It closes the connection on a longer one
/// without a word.
pub(crate) const LONGEST_PACKET: usize = 10_000;
/// The header of a message: its kind, and its length with these four bytes.
const HEADER: usize = 5;

/// What a session begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) user: &'a str,
    pub(crate) database: &'a str,
    /// Run-time parameters, such as `application_name`.
    pub(crate) parameters: &'a [(String, String)],
    pub(crate) password: Option<&'a Password>,
    pub(crate) policy: &'a AuthPolicy,
    pub(crate) channel: Channel<'a>,
}

/// What the server said until it was ready.
#[derive(Default)]
pub(crate) struct Greeting {
    /// The messages as they came, from the one that accepts the user to the one that says ready.
    pub(crate) messages: BytesMut,
    /// What it told of itself.
    pub(crate) parameters: Vec<(String, String)>,
    /// Process and secret, to cancel its queries with.
    pub(crate) key: Option<(i32, i32)>,
    /// How the user was proved.
    pub(crate) method: Method,
    /// Whether that proof was bound to the TLS connection.
    pub(crate) bound: bool,
}

impl Greeting {
    /// Whether the server has accepted the user.
    pub(crate) fn is_accepted(&self) -> bool {
        !self.messages.is_empty()
    }

    /// One of the things that the server told of itself.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// How a server wants the user to be proved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Method {
    /// Nothing was asked for.
    #[default]
    Trust,
    /// The password itself: so it is for IAM tokens.
    Cleartext,
    Md5,
    Scram,
}

impl Method {
    pub(crate) const ALL: [Self; 4] = [Self::Trust, Self::Cleartext, Self::Md5, Self::Scram];

    /// Its name in libpq's `require_auth`.
    pub(crate) fn libpq_name(self) -> &'static str {
        match self {
            Self::Trust => "none",
            Self::Cleartext => "password",
            Self::Md5 => "md5",
            Self::Scram => "scram-sha-256",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trust => "nothing",
            Self::Cleartext => "the password itself (as for IAM tokens)",
            Self::Md5 => "MD5",
            Self::Scram => "SCRAM-SHA-256",
        })
    }
}

/// An error that the server reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL`, `WARNING`…, in English whatever the server speaks.
    pub severity: String,
    /// SQLSTATE.
    pub code: String,
    /// Its text.
    pub message: String,
    /// More of it.
    pub detail: Option<String>,
    /// What the server advises.
    pub hint: Option<String>,
    /// Where in functions it happened.
    pub context: Option<String>,
    /// Which character of the statement it is about, from 1.
    pub position: Option<usize>,
}

impl ServerError {
    /// # Errors
    /// It is none.
    pub(crate) fn read(mut fields: ErrorFields<'_>) -> io::Result<Box<Self>> {
        use postgres_protocol::message::backend::ErrorField;
        let mut error = Box::<Self>::default();
        let text = |field: &ErrorField<'_>| String::from_utf8_lossy(field.value_bytes()).into_owned();
        while let Some(field) = fallible_iterator::FallibleIterator::next(&mut fields)? {
            match field.type_() {
                // The first is in the server's language, and the second, which is not, comes behind it.
                b'S' | b'V' => error.severity = text(&field),
                b'C' => error.code = text(&field),
                b'M' => error.message = text(&field),
                b'D' => error.detail = Some(text(&field)),
                b'H' => error.hint = Some(text(&field)),
                b'W' => error.context = Some(text(&field)),
                b'P' => error.position = text(&field).parse().ok(),
                _ => {}
            }
        }
        Ok(error)
    }

    /// Whether the connection ends with it.
    pub(crate) fn is_last(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)?;
        if let Some(detail) = &self.detail {
            write!(f, ", detail: {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, ", hint: {hint}")?;
        }
        if let Some(context) = &self.context {
            write!(f, ", context: {context}")?;
        }
        Ok(())
    }
}

/// Why a session did not begin.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The server says no.
    Refused(Box<ServerError>),
    /// The connection ended.
    Closed,
    /// The connection broke.
    Broken(io::Error),
    /// No answer for so long.
    Silent(Duration),
    /// What answers does not speak PostgreSQL's protocol.
    Foreign(String),
    /// The server wants a proof that there is none of.
    NoPassword(Method),
    /// The server wants a proof that we cannot give.
    Unsupported(&'static str),
    /// The server wants a proof that it may not have.
    NotAllowed(Method),
    /// The proof cannot be bound to the TLS connection; says why.
    Unbound(String),
    /// The server could not prove that it knows the password, or broke the exchange.
    Unproved(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Broken(error),
        }
    }
}

/// Asks whether the server speaks TLS.
///
/// # Errors
/// It answers otherwise, or not at all.
pub(crate) async fn ask_for_tls(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    limit: Duration,
) -> Result<bool, Trouble> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    let asking = async {
        stream.write_all(&request).await?;
        match stream.read_u8().await? {
            b'S' => Ok(true),
            b'N' => Ok(false),
            b'E' => {
                // A server that cannot even make a process for us.
                let mut reader = Reader::new(stream, BytesMut::from(&b"E"[..]));
                match reader.next().await?.1 {
                    Message::ErrorResponse(body) => Err(Trouble::Refused(ServerError::read(body.fields())?)),
                    _ => Err(Trouble::Foreign("its answer is no error of PostgreSQL".to_owned())),
                }
            }
            other => {
                Err(Trouble::Foreign(format!("its answer to a request for TLS begins with byte {other}")))
            }
        }
    };
    timeout(limit, asking).await.unwrap_or(Err(Trouble::Silent(limit)))
}

/// Begins a session; each answer of the server may take `limit`. The `greeting` keeps what came before a failure.
///
/// # Errors
/// See [`Trouble`].
pub(crate) async fn begin(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ask: &Ask<'_>,
    limit: Duration,
    greeting: &mut Greeting,
) -> Result<(), Trouble> {
    let mut out = BytesMut::new();
    let fixed = [("user", ask.user), ("database", ask.database)];
    let parameters = ask.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    frontend::startup_message(fixed.into_iter().chain(parameters), &mut out)?;
    if out.len() > LONGEST_PACKET {
        return Err(Trouble::Refused(Box::new(too_long(out.len()))));
    }
    say(stream, &out).await?;
    let mut reader = Reader::new(stream, BytesMut::with_capacity(CHUNK));
    let mut exchange = Exchange::new(ask);
    let mut accepted = false;
    loop {
        let (raw, message) = timeout(limit, reader.next()).await.unwrap_or(Err(Trouble::Silent(limit)))?;
        out.clear();
        match message {
            Message::ErrorResponse(body) => return Err(Trouble::Refused(ServerError::read(body.fields())?)),
            Message::ParameterStatus(_) if greeting.parameters.len() == MOST_PARAMETERS => {
                return Err(Trouble::Foreign(format!("it names more than {MOST_PARAMETERS} parameters")));
            }
            Message::ParameterStatus(body) => {
                greeting.parameters.push((body.name()?.to_owned(), body.value()?.to_owned()));
            }
            Message::BackendKeyData(body) => greeting.key = Some((body.process_id(), body.secret_key())),
            Message::NoticeResponse(_) => {}
            Message::ReadyForQuery(_) if accepted => {
                greeting.messages.extend_from_slice(&raw);
                if !reader.buffer.is_empty() {
                    return Err(Trouble::Foreign("it goes on after it said that it is ready".to_owned()));
                }
                greeting.bound = exchange.is_bound();
                return Ok(());
            }
            // Once the user is accepted, nothing more is proved.
            _ if accepted => return Err(out_of_turn()),
            message => accepted = exchange.respond(&message, &mut greeting.method, &mut out)?,
        }
        if accepted {
            greeting.messages.extend_from_slice(&raw);
        }
        if !out.is_empty() {
            say(reader.stream, &out).await?;
            // It held a password, or what was made of one.
            zeroize::Zeroize::zeroize(&mut out[..]);
        }
    }
}

/// Runs one statement and gives the columns of its first row as texts.
///
/// # Errors
/// See [`Trouble`].
pub(crate) async fn first_row(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    sql: &str,
    limit: Duration,
) -> Result<Vec<Option<String>>, Trouble> {
    let mut out = BytesMut::new();
    frontend::query(sql, &mut out)?;
    say(stream, &out).await?;
    let mut reader = Reader::new(stream, BytesMut::new());
    let (mut row, mut refused) = (Vec::new(), None);
    loop {
        let (_, message) = timeout(limit, reader.next()).await.unwrap_or(Err(Trouble::Silent(limit)))?;
        match message {
            Message::DataRow(body) if row.is_empty() => {
                let mut ranges = body.ranges();
                while let Some(range) = fallible_iterator::FallibleIterator::next(&mut ranges)? {
                    let bytes = range.and_then(|range| body.buffer().get(range));
                    row.push(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
                }
            }
            // The session is over with some of them; a ready may never come.
            Message::ErrorResponse(body) => {
                let error = ServerError::read(body.fields())?;
                if error.code.starts_with("57P") {
                    return Err(Trouble::Refused(error));
                }
                refused = Some(error);
            }
            Message::ReadyForQuery(_) => {
                return refused.map_or(Ok(row), |error| Err(Trouble::Refused(error)));
            }
            _ => {}
        }
    }
}

/// Writes all of it, and not only into a buffer: TLS keeps what the socket does not take at once.
async fn say(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// What stands for the answer of a server, which gives none.
fn too_long(length: usize) -> ServerError {
    ServerError {
        severity: "FATAL".to_owned(),
        code: "54000".to_owned(),
        message: format!(
            "the startup packet has {length} bytes, and a server takes {LONGEST_PACKET} at most"
        ),
        hint: Some("shorten the session's run-time parameters (PGOPTIONS)".to_owned()),
        ..ServerError::default()
    }
}

fn out_of_turn() -> Trouble {
    Trouble::Foreign("a message of its comes out of turn".to_owned())
}

/// Reads messages of the server, and nothing beyond the last one that was there.
struct Reader<'s, S> {
    stream: &'s mut S,
    buffer: BytesMut,
    /// So much may still come.
    left: usize,
}

impl<'s, S: AsyncRead + Unpin> Reader<'s, S> {
    fn new(stream: &'s mut S, buffer: BytesMut) -> Self {
        Self { stream, buffer, left: LONGEST_ANSWER }
    }

    /// The next message, as it came and as it is read.
    async fn next(&mut self) -> Result<(BytesMut, Message), Trouble> {
        loop {
            if let Some(raw) = self.take()? {
                // The protocol's newer minor versions are declined in advance: we ask for 3.0.
                let message = Message::parse(&mut raw.clone())
                    .map_err(|_| Trouble::Foreign("a message of its makes no sense".to_owned()))?;
                let Some(message) = message else { return Err(out_of_turn()) };
                return Ok((raw, message));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(Trouble::Closed);
            }
        }
    }

    fn take(&mut self) -> Result<Option<BytesMut>, Trouble> {
        let Some(header) = self.buffer.get(..HEADER) else { return Ok(None) };
        let mut length = &header[1..];
        let length = usize::try_from(length.get_u32()).unwrap_or(usize::MAX);
        if !(HEADER - 1..=LONGEST_MESSAGE).contains(&length) {
            return Err(Trouble::Foreign(format!("a message of its claims {length} bytes")));
        }
        let whole = length + 1;
        if self.buffer.len() < whole {
            return Ok(None);
        }
        self.left = self.left.checked_sub(whole).ok_or_else(|| {
            Trouble::Foreign(format!("it sends more than {LONGEST_ANSWER} bytes before it is ready"))
        })?;
        Ok(Some(self.buffer.split_to(whole)))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{BufStream, duplex};

    use super::*;
    use crate::connection::SslMode;
    use crate::require_auth::{ChannelBinding, RequireAuth};

    /// A stream may keep what is written until it is flushed: TLS does where the socket is busy.
    #[test]
    fn nothing_that_is_said_stays_in_a_buffer() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let limit = Duration::from_secs(5);
        let (ours, mut server) = duplex(1024);
        let mut ours = BufStream::new(ours);
        let password = Password::new("pw".to_owned());
        let policy = AuthPolicy {
            require: RequireAuth::default_for(SslMode::VerifyFull),
            binding: ChannelBinding::Prefer,
        };
        let ask = Ask {
            user: "jane",
            database: "sales",
            parameters: &[],
            password: Some(&password),
            policy: &policy,
            channel: Channel::Plain,
        };
        let serving = async {
            let length = server.read_u32().await?;
            server.read_exact(&mut vec![0; usize::try_from(length).unwrap() - 4]).await?;
            server.write_all(b"R\0\0\0\x08\0\0\0\x03").await?;
            let mut password = [0; 8];
            server.read_exact(&mut password).await?;
            assert_eq!(&password, b"p\0\0\0\x07pw\0");
            server.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await?;
            server.read_exact(&mut [0; 14]).await?;
            server.write_all(b"D\0\0\0\x0b\0\x01\0\0\0\x011C\0\0\0\x0dSELECT 1\0Z\0\0\0\x05I").await
        };
        let asking = async {
            let mut greeting = Greeting::default();
            begin(&mut ours, &ask, limit, &mut greeting).await?;
            let row = first_row(&mut ours, "select 1", limit).await?;
            Ok::<_, Trouble>((greeting, row))
        };
        let (told, end) = runtime.block_on(async { tokio::join!(asking, timeout(limit, serving)) });
        let (greeting, row) = told.unwrap();
        end.unwrap().unwrap();
        assert_eq!(greeting.method, Method::Cleartext);
        assert_eq!(row, [Some("1".to_owned())]);
    }
}
