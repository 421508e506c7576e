//! A TCP connection that can end in a reset, and a body that takes its time and can break off.

use std::collections::VecDeque;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::answer::{Content, Parts};

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
    unsent: VecDeque<(Duration, Bytes)>,
    /// The wait before the next part.
    pause: Option<Pin<Box<Sleep>>>,
    /// What its head promises; nothing for a body that comes in parts.
    length: Option<u64>,
    ending: Tail,
}

/// What comes after a body's bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    pub(crate) fn new(content: Content) -> Self {
        match content {
            Content::Whole(data) => Self::whole(data),
            Content::Parts(Parts { parts, cut }) => {
                let ending = if cut { Tail::Flush } else { Tail::Whole };
                Self { unsent: parts.into(), pause: None, length: None, ending }
            }
        }
    }

    /// All of what is there already.
    pub(crate) fn whole(data: Bytes) -> Self {
        let length = Some(data.len() as u64);
        Self { unsent: [(Duration::ZERO, data)].into(), pause: None, length, ending: Tail::Whole }
    }

    /// Half of it, under a head that promises all; `None` where there is nothing to halve.
    pub(crate) fn cut_short(content: Content) -> Option<Self> {
        let whole = Self::new(content);
        let mut left = whole.unsent.iter().map(|(_, data)| data.len()).sum::<usize>() / 2;
        let mut unsent = VecDeque::new();
        for (wait, data) in whole.unsent {
            let part = data.slice(..data.len().min(left));
            left -= part.len();
            if !part.is_empty() {
                unsent.push_back((wait, part));
            }
        }
        (!unsent.is_empty()).then_some(Self { unsent, ending: Tail::Flush, ..whole })
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        } else if let Some((wait, _)) = self.unsent.front()
            && !wait.is_zero()
        {
            let mut pause = Box::pin(sleep(*wait));
            if pause.as_mut().poll(cx).is_pending() {
                self.pause = Some(pause);
                return Poll::Pending;
            }
        }
        if let Some((_, data)) = self.unsent.pop_front() {
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
        self.ending == Tail::Whole && self.unsent.iter().all(|(_, data)| data.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
