//! A TCP connection that can end in a reset, and a body that can break off.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Decides how a [`Wire`] ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending(Arc<AtomicBool>);

impl Ending {
    /// The wire is to be reset when it is dropped.
    pub(crate) fn reset(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A TCP stream that sends RST instead of FIN when it is dropped, if its [`Ending`] says so.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    ending: Ending,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, ending: Ending) -> Self {
        // Answers are small and wanted at once. A stream that refuses is only slower.
        let _ = stream.set_nodelay(true);
        Self { stream, ending }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.ending.0.load(Ordering::Relaxed) {
            // Fails only where the peer is gone already.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct Outgoing {
    unsent: Option<Bytes>,
    /// What its head promises.
    length: u64,
    ending: Tail,
}

/// What comes after a body's bytes.
#[derive(Clone, Copy, Debug)]
enum Tail {
    /// Nothing: it is whole.
    Whole,
    /// The end of the connection, once the bytes are on their way: the connection flushes when a body has
    /// nothing more at once.
    Flush,
    Break,
}

impl Outgoing {
    /// All of it.
    pub(crate) fn whole(data: Bytes) -> Self {
        Self { length: data.len() as u64, unsent: Some(data), ending: Tail::Whole }
    }

    /// Half of it, under a head that promises all.
    pub(crate) fn cut_short(data: Bytes) -> Self {
        let half = data.slice(..data.len() / 2);
        Self { unsent: Some(half), ending: Tail::Flush, ..Self::whole(data) }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(data) = self.unsent.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match self.ending {
            Tail::Whole => Poll::Ready(None),
            Tail::Flush => {
                self.ending = Tail::Break;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Tail::Break => Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.ending, Tail::Whole) && self.unsent.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
