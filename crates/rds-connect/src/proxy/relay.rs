//! Bytes between a client and its session, until one of them ends.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context as Task, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf, copy_bidirectional_with_sizes};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::Phase;
use super::counts::Counts;
use super::door::Client;
use super::refusal::Refusal;
use crate::session::Stream;

/// Buffer for each client's way up: queries are short.
const UP: usize = 8 * 1024;
/// Buffer for the way down: a record of TLS.
const DOWN: usize = 16 * 1024;
/// How long a client may stay after its session has ended.
const PARTING: Duration = Duration::from_secs(5);
/// The header of a message.
const HEADER: usize = 5;
/// The kind of the message by which a client ends its session.
const TERMINATE: u8 = b'X';
/// The kind of an error, with which a server ends one.
const ERROR: u8 = b'E';

/// Passes everything on until both sides have ended, or the proxy is over.
pub(super) async fn relay(
    client: &mut Client,
    stream: Stream,
    mut phase: watch::Receiver<Phase>,
    counts: &Counts,
) {
    let parted = Notify::new();
    let mut client = Listener { client, heard: 0 };
    let mut server = Server {
        stream,
        said: 0,
        asked: Frame::default(),
        frame: Frame::default(),
        last_words: BytesMut::new(),
        client_done: false,
        done: false,
        parted: &parted,
        counts,
    };
    let is_over = {
        let copying = copy_bidirectional_with_sizes(&mut client, &mut server, UP, DOWN);
        let mut copying = pin!(copying);
        let lingering = async {
            parted.notified().await;
            sleep(PARTING).await;
        };
        tokio::select! {
            _ = &mut copying => false,
            () = lingering => false,
            // The sender lives as long as the proxy.
            _ = phase.wait_for(|phase| *phase == Phase::Over) => true,
        }
    };
    // Never in the middle of a message, which it would become a part of.
    if is_over && !server.done && server.frame.is_between() && client.heard == server.said {
        let _ = timeout(PARTING, client.client.write_all(&Refusal::over().message())).await;
    }
    let _ = timeout(PARTING, async {
        let _ = client.client.shutdown().await;
        let _ = server.stream.shutdown().await;
    })
    .await;
}

/// The client's side: knows how much of what the server said has been passed on.
struct Listener<'c> {
    client: &'c mut Client,
    /// Bytes.
    heard: u64,
}

impl AsyncRead for Listener<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Task<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.client).poll_read(cx, buf)
    }
}

impl AsyncWrite for Listener<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Task<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut *self.client).poll_write(cx, buf))?;
        self.heard += u64::try_from(written).unwrap_or_default();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.client).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.client).poll_shutdown(cx)
    }
}

/// The session's side: knows where its messages begin and end, so that a client of one that is gone without a word can
/// be told so.
struct Server<'s> {
    stream: Stream,
    /// Bytes.
    said: u64,
    /// Where the client's messages are.
    asked: Frame,
    /// Where its own are.
    frame: Frame,
    /// What is still to be said in the server's place.
    last_words: BytesMut,
    /// The client has said that it ends.
    client_done: bool,
    done: bool,
    parted: &'s Notify,
    counts: &'s Counts,
}

impl Server<'_> {
    /// The stream has ended: what is said in its place, the first time.
    fn end(&mut self) {
        if self.done {
            return;
        }
        self.done = true;
        self.parted.notify_one();
        let is_expected = self.client_done || self.asked.ends_with(TERMINATE) || self.frame.ends_with(ERROR);
        if !is_expected {
            self.counts.broke();
            if self.frame.is_between() {
                self.last_words = Refusal::broken().message();
            }
        }
    }
}

impl AsyncRead for Server<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Task<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.done {
            let before = buf.filled().len();
            let read = ready!(Pin::new(&mut this.stream).poll_read(cx, buf));
            let new = &buf.filled()[before..];
            if read.is_ok() && !new.is_empty() {
                this.frame.follow(new);
                let said = u64::try_from(new.len()).unwrap_or_default();
                this.said += said;
                this.counts.moved(0, said);
                return Poll::Ready(Ok(()));
            }
            // A connection that breaks is an end like another.
            this.end();
        }
        let part = this.last_words.len().min(buf.remaining());
        buf.put_slice(&this.last_words[..part]);
        this.last_words.advance(part);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Server<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Task<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.stream).poll_write(cx, buf)) {
            Ok(written) => {
                self.asked.follow(&buf[..written]);
                self.counts.moved(u64::try_from(written).unwrap_or_default(), 0);
                Poll::Ready(Ok(written))
            }
            // Reading tells the end in its turn, with what the server may have said before it.
            Err(_) => Poll::Ready(Ok(buf.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        let _ = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        self.client_done = true;
        let _ = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
        Poll::Ready(Ok(()))
    }
}

/// Where in a message a stream is.
#[derive(Debug, Default)]
struct Frame {
    header: [u8; HEADER],
    /// Bytes of the header that are there.
    have: usize,
    /// Bytes of the message that are to come.
    rest: usize,
    /// The kind of the last message that is whole.
    last: u8,
}

impl Frame {
    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let part = self.rest.min(bytes.len());
                self.rest -= part;
                bytes = &bytes[part..];
                continue;
            }
            let part = (HEADER - self.have).min(bytes.len());
            self.header[self.have..self.have + part].copy_from_slice(&bytes[..part]);
            self.have += part;
            bytes = &bytes[part..];
            if self.have == HEADER {
                let [kind, length @ ..] = self.header;
                self.last = kind;
                // The length counts itself.
                self.rest = usize::try_from(u32::from_be_bytes(length)).unwrap_or_default().saturating_sub(4);
                self.have = 0;
            }
        }
    }

    /// Whether the last message is whole.
    fn is_between(&self) -> bool {
        self.have == 0 && self.rest == 0
    }

    /// Whether the last message is whole, and of this kind.
    fn ends_with(&self, kind: u8) -> bool {
        self.is_between() && self.last == kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_followed_however_they_are_cut() {
        let stream = b"Z\0\0\0\x05ID\0\0\0\x08\0\0\0\0C\0\0\0\x04E\0\0\0\x06x\0";
        let ends = [6, 15, 20, 27];
        for cut in 1..stream.len() {
            let mut frame = Frame::default();
            let mut at = 0;
            for part in stream.chunks(cut) {
                frame.follow(part);
                at += part.len();
                assert_eq!(frame.is_between(), ends.contains(&at), "{cut} {at}");
                assert_eq!(frame.ends_with(ERROR), at == stream.len(), "{cut} {at}");
            }
        }
    }

    #[test]
    fn random_messages_are_followed_in_random_parts() {
        let mut random = fastrand::Rng::with_seed(6);
        for _ in 0..2_000 {
            let (mut stream, mut ends) = (Vec::new(), vec![]);
            for _ in 0..random.usize(1..20) {
                let body = random.usize(..100);
                stream.push(random.u8(..));
                stream.extend(u32::try_from(body + 4).unwrap().to_be_bytes());
                stream.extend(std::iter::repeat_with(|| random.u8(..)).take(body));
                ends.push(stream.len());
            }
            let (mut frame, mut at) = (Frame::default(), 0);
            while at < stream.len() {
                let part = random.usize(1..=(stream.len() - at).min(40));
                frame.follow(&stream[at..at + part]);
                at += part;
                assert_eq!(frame.is_between(), ends.contains(&at));
            }
        }
    }

    #[test]
    fn no_bytes_are_too_strange_to_follow() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let mut frame = Frame::default();
            for _ in 0..random.usize(..20) {
                let count = random.usize(..64);
                let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(count).collect();
                frame.follow(&bytes);
            }
        }
        // The shortest lengths, which cannot be.
        for length in 0..4 {
            let mut frame = Frame::default();
            frame.follow(&[b'E', 0, 0, 0, length]);
            assert!(frame.ends_with(ERROR));
        }
    }
}
