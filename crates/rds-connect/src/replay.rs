//! A session that stands, for a client that wants to begin one: tokio-postgres, which runs the queries.

use std::io;
use std::pin::Pin;
use std::task::{Context as Task, Poll};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::session::{Session, Stream};

/// Bytes of a startup message's length.
const LENGTH: usize = 4;

impl Session {
    /// The stream, as a client of PostgreSQL expects one: its startup message goes nowhere, and it is answered with
    /// what the server has said already.
    pub(crate) fn replayed(self) -> Replayed {
        Replayed {
            stream: self.stream,
            swallow: Swallow::Length(Vec::with_capacity(LENGTH)),
            greeting: self.greeting.messages,
        }
    }
}

/// See [`Session::replayed`].
pub(crate) struct Replayed {
    stream: Stream,
    swallow: Swallow,
    greeting: BytesMut,
}

/// How far a client's startup message has gone nowhere.
enum Swallow {
    /// The bytes of its length so far.
    Length(Vec<u8>),
    /// So many bytes are left of it.
    Rest(usize),
}

impl AsyncRead for Replayed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Task<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.greeting.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let part = self.greeting.len().min(buf.remaining());
        buf.put_slice(&self.greeting[..part]);
        self.greeting.advance(part);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Replayed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Task<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.swallow {
            Swallow::Length(length) => {
                let part = buf.len().min(LENGTH - length.len());
                length.extend_from_slice(&buf[..part]);
                if let Ok(whole) = <[u8; LENGTH]>::try_from(length.as_slice()) {
                    let whole = usize::try_from(u32::from_be_bytes(whole)).unwrap_or(usize::MAX);
                    self.swallow = Swallow::Rest(whole.saturating_sub(LENGTH));
                }
                Poll::Ready(Ok(part))
            }
            Swallow::Rest(0) => Pin::new(&mut self.stream).poll_write(cx, buf),
            Swallow::Rest(left) => {
                let part = buf.len().min(*left);
                *left -= part;
                Poll::Ready(Ok(part))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
