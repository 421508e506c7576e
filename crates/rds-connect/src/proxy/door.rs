//! Where clients come in.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use socket2::{Domain, Socket as RawSocket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::{Instant, sleep_until};

use super::socket::{self, SocketFile};
use crate::error::Error;
use crate::stages::tune;

/// Clients that the kernel holds for us: a crowd that starts at once.
const BACKLOG: i32 = 1024;
/// Between two attempts while the process has no file descriptors left.
const BREATHER: Duration = Duration::from_millis(50);

/// A place to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    Tcp(SocketAddr),
    /// A path, or a folder.
    Unix(PathBuf),
}

/// All places at once.
pub(super) struct Door {
    listeners: Vec<Listener>,
    next: usize,
    /// Nobody is let in before.
    closed_until: Instant,
}

enum Listener {
    Tcp(TcpListener),
    /// The file first: it is known by its inode, which is not used again while somebody listens.
    Unix(SocketFile, UnixListener),
}

impl Door {
    /// # Errors
    /// A place that cannot be listened on.
    pub(super) fn open(places: &[Listen]) -> Result<Self, Error> {
        let listeners = places.iter().map(|place| match place {
            Listen::Tcp(address) => {
                let failed = |source| Error::Listen { place: address.to_string(), source };
                tcp(*address).map(Listener::Tcp).map_err(failed)
            }
            Listen::Unix(path) => {
                let path = if path.is_dir() { path.join(".s.PGSQL.5432") } else { path.clone() };
                let failed = |source| Error::Listen { place: path.display().to_string(), source };
                let listening = socket::listen(&path);
                listening.map(|(file, listener)| Listener::Unix(file, listener)).map_err(failed)
            }
        });
        Ok(Self { listeners: listeners.collect::<Result<_, _>>()?, next: 0, closed_until: Instant::now() })
    }

    /// Where it listens.
    pub(super) fn places(&self) -> Vec<String> {
        let place = |listener: &Listener| match listener {
            Listener::Tcp(listener) => {
                listener.local_addr().map(|address| address.to_string()).unwrap_or_default()
            }
            Listener::Unix(file, _) => file.path().display().to_string(),
        };
        self.listeners.iter().map(place).collect()
    }

    /// The next client. Safe to drop and to call again.
    pub(super) async fn knock(&mut self) -> Client {
        loop {
            sleep_until(self.closed_until).await;
            match std::future::poll_fn(|cx| self.poll(cx)).await {
                Ok(client) => return client,
                // No file descriptors, or a client that has gone: the others are not to suffer.
                Err(error) => {
                    tracing::warn!(%error, "a client could not be let in");
                    self.closed_until = Instant::now() + BREATHER;
                }
            }
        }
    }

    fn poll(&mut self, cx: &mut Task<'_>) -> Poll<io::Result<Client>> {
        for _ in 0..self.listeners.len() {
            // Round and round, so that no place starves another.
            self.next = (self.next + 1) % self.listeners.len();
            let polled = match &self.listeners[self.next] {
                Listener::Tcp(listener) => listener.poll_accept(cx).map_ok(|(stream, _)| {
                    tune(&stream);
                    Client::Tcp(stream)
                }),
                Listener::Unix(_, listener) => {
                    listener.poll_accept(cx).map_ok(|(stream, _)| Client::Unix(stream))
                }
            };
            if polled.is_ready() {
                return polled;
            }
        }
        Poll::Pending
    }
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // A proxy that is started again takes its place at once.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A client's connection.
pub(super) enum Client {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Client {
    /// Says `message` if that can be done at once, and goes.
    pub(super) fn try_refuse(&self, message: &[u8]) {
        let _ = match self {
            Self::Tcp(stream) => stream.try_write(message),
            Self::Unix(stream) => stream.try_write(message),
        };
    }
}

impl AsyncRead for Client {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Task<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Task<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Task<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
