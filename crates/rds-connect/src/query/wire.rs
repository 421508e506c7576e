//! Queries on a connection whose beginning is over, message by message.
//!
//! tokio-postgres is not used for them: its simple queries tell no types of columns and no state of the transaction, and
//! have no place for a `COPY … TO STDOUT`. What it would save is the page below.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use job_runtime::size::Size;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::query::parameters::Bound;

/// So much is read at once: what a TLS record holds, twice.
const CHUNK: usize = 32 * 1024;

/// Errors, notices and descriptions of columns may be so long whatever the limit of rows is, in bytes.
const LONGEST_OTHER: usize = 1024 * 1024;

/// So long a connection that takes nothing any more may hold up our leave.
const LEAVE: Duration = Duration::from_millis(400);

/// Why a connection is of no use any more.
#[derive(Debug)]
pub(crate) enum Lost {
    /// The server has ended it.
    Closed,
    /// It broke.
    Broken(io::Error),
    /// What comes is not what the protocol has.
    Foreign,
    /// A message is longer than those that are read: its kind, its length, and the limit, in bytes.
    TooLong { kind: u8, length: usize, limit: usize },
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("the server ended the connection"),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::Foreign => f.write_str("what the server sent makes no sense"),
            Self::TooLong { kind, length, limit } => {
                let what = if is_row(*kind) { "row" } else { "message" };
                let limit = Size(*limit);
                write!(
                    f,
                    "the server sent a {what} of {length} bytes, more than --max-row-size ({limit}) lets in"
                )
            }
        }
    }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // TLS tells an end without a farewell like that.
            io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Broken(error),
        }
    }
}

/// Whether this kind of message is a row, of a result or of a `COPY`.
fn is_row(kind: u8) -> bool {
    matches!(kind, b'D' | b'd')
}

/// A connection.
pub(crate) struct Wire<S> {
    stream: S,
    inbox: BytesMut,
    outbox: BytesMut,
    /// The longest row that is read, in bytes.
    longest_row: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// On a stream on which the server was ready last. A message is held in memory as a whole, and so has a limit.
    pub(crate) fn new(stream: S, longest_row: usize) -> Self {
        Self { stream, inbox: BytesMut::with_capacity(CHUNK), outbox: BytesMut::new(), longest_row }
    }

    /// Asks for a text without parameters, which may have several statements.
    pub(crate) async fn ask(&mut self, sql: &str) -> Result<(), Lost> {
        frontend::query(sql, &mut self.outbox)?;
        self.send().await
    }

    /// Asks for one statement with values for its parameters. Results come as text, as those of [`ask`](Self::ask) do.
    pub(crate) async fn ask_bound(&mut self, bound: &Bound<'_>) -> Result<(), Lost> {
        let out = &mut self.outbox;
        frontend::parse("", &bound.sql, [], out)?;
        let write = |value: Option<&str>, out: &mut BytesMut| {
            out.extend_from_slice(value.unwrap_or_default().as_bytes());
            Ok(if value.is_some() { IsNull::No } else { IsNull::Yes })
        };
        frontend::bind("", "", [], bound.values.iter().copied(), write, [], out).map_err(
            |error| match error {
                frontend::BindError::Conversion(error) => io::Error::other(error),
                frontend::BindError::Serialization(error) => error,
            },
        )?;
        frontend::describe(b'P', "", out)?;
        frontend::execute("", 0, out)?;
        frontend::sync(out);
        self.send().await
    }

    /// Says that there is nothing to copy into the database.
    pub(crate) async fn refuse_copy(&mut self) -> Result<(), Lost> {
        frontend::copy_fail("there is no data", &mut self.outbox)?;
        // The one that was sent with a bound statement has been passed over. Nothing is asked for behind it.
        frontend::sync(&mut self.outbox);
        self.send().await
    }

    /// Takes leave, so that the server need not wonder; in the middle of a message there is no place for it.
    pub(crate) async fn end(mut self) {
        if !self.outbox.is_empty() {
            return;
        }
        frontend::terminate(&mut self.outbox);
        let leave = async {
            // It is over either way.
            let _ = self.send().await;
            let _ = self.stream.shutdown().await;
        };
        let _ = timeout(LEAVE, leave).await;
    }

    async fn send(&mut self) -> Result<(), Lost> {
        self.stream.write_all(&self.outbox).await?;
        self.stream.flush().await?;
        // A large statement is not kept.
        self.outbox = BytesMut::new();
        Ok(())
    }

    /// The next message, if it is here as a whole.
    pub(crate) fn take(&mut self) -> Result<Option<Message>, Lost> {
        let Some([kind, length @ ..]) = self.inbox.first_chunk::<5>() else { return Ok(None) };
        // The length counts its own four bytes.
        let length = (u32::from_be_bytes(*length) as usize).saturating_sub(4);
        let limit = if is_row(*kind) { self.longest_row } else { self.longest_row.max(LONGEST_OTHER) };
        if length > limit {
            return Err(Lost::TooLong { kind: *kind, length, limit });
        }
        // `parse` would make room for a part of a message in its own way.
        if self.inbox.len() < length + 5 {
            return Ok(None);
        }
        Message::parse(&mut self.inbox).map_err(|_| Lost::Foreign)
    }

    /// Waits for more of what the server sends.
    pub(crate) async fn fill(&mut self) -> Result<(), Lost> {
        // A part of a message is here, at most: room for the rest of it.
        let missing = match self.inbox.get(1..5) {
            Some(mut length) => (length.get_u32() as usize + 1).saturating_sub(self.inbox.len()),
            None => 0,
        };
        let missing = missing.max(CHUNK);
        if !self.inbox.try_reclaim(missing) {
            // A buffer that grows would keep what was read before: a second large row would take twice the memory. Rows
            // of about one size share one buffer.
            let needed = self.inbox.len() + missing;
            let mut inbox = BytesMut::with_capacity(needed + needed / 8);
            inbox.extend_from_slice(&self.inbox);
            self.inbox = inbox;
        }
        if self.stream.read_buf(&mut self.inbox).await? == 0 { Err(Lost::Closed) } else { Ok(()) }
    }
}
