//! From an address to a connection: name lookup, TCP, proxy, TLS.

use super::WireError;
use super::proxy::{Proxies, Proxy};
use super::tls::Tls;
use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower_service::Service;

/// Idle time before the first keepalive probe. NAT gateways and load balancers forget a flow that is silent
/// for 350 s; others do so after a minute.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(45);
/// Time between two probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Unanswered probes after which the connection counts as broken.
const KEEPALIVE_RETRIES: u32 = 3;

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Dials for hyper's client.
#[derive(Clone, Debug)]
pub(super) struct Dialer {
    tcp: HttpConnector,
    tls: Arc<Tls>,
    proxies: Option<Arc<Proxies>>,
    timeout: Option<Duration>,
}

impl Dialer {
    /// `timeout` is for everything from the name lookup to the end of the TLS handshake.
    pub(super) fn new(tls: Arc<Tls>, proxies: Option<Arc<Proxies>>, timeout: Option<Duration>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE_IDLE));
        tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
        tcp.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        // Shared out among the addresses of a name, so that a dead one leaves time for the next.
        tcp.set_connect_timeout(timeout);
        Self { tcp, tls, proxies, timeout }
    }

    async fn dial(mut self, uri: Uri) -> Result<Dialled, WireError> {
        let host = host_and_port(&uri);
        let proxy = self.proxies.as_ref().and_then(|proxies| proxies.of(&uri));
        let proxy_host = proxy.as_ref().map(|proxy| host_and_port(&proxy.uri));
        let (timeout, tls) = (self.timeout, Arc::clone(&self.tls));
        let failed = |cause: &(dyn Error + 'static)| {
            WireError::unreachable(&host, proxy_host.as_deref(), cause).noting(cause, || tls.trouble())
        };
        let connecting = self.connect(uri, proxy, &failed);
        match timeout {
            None => connecting.await,
            Some(limit) => match tokio::time::timeout(limit, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(WireError::slow(&host, proxy_host.as_deref(), limit)),
            },
        }
    }

    /// `failed` tells of a failure what it means for whom.
    async fn connect(
        &mut self,
        uri: Uri,
        proxy: Option<Proxy>,
        failed: &(impl Fn(&(dyn Error + 'static)) -> WireError + Sync),
    ) -> Result<Dialled, WireError> {
        let config = || self.tls.config().map_err(|err| failed(&err));
        let tls = uri.scheme() == Some(&Scheme::HTTPS);
        let stream = match (tls, proxy) {
            (false, None) => MaybeHttpsStream::Http(self.tcp.call(uri).await.map_err(|err| failed(&err))?),
            (false, Some(proxy)) => {
                let stream = self.tcp.call(proxy.uri).await.map_err(|err| failed(&err))?;
                let stream = MaybeHttpsStream::Http(stream);
                return Ok(Dialled { stream, proxied: true });
            }
            (true, None) => {
                let mut direct = HttpsConnector::from((self.tcp.clone(), config()?));
                direct.call(uri).await.map_err(|err| failed(err.as_ref()))?
            }
            (true, Some(proxy)) => {
                let mut tunnel = Tunnel::new(proxy.uri, self.tcp.clone());
                if let Some(authorization) = proxy.authorization {
                    tunnel = tunnel.with_auth(authorization);
                }
                let mut tunnelled = HttpsConnector::from((tunnel, config()?));
                tunnelled.call(uri).await.map_err(|err| failed(err.as_ref()))?
            }
        };
        Ok(Dialled { stream, proxied: false })
    }
}

impl Service<Uri> for Dialer {
    type Response = Dialled;
    type Error = WireError;
    type Future = Pin<Box<dyn Future<Output = Result<Dialled, WireError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

/// `host:port` of an address, for people.
pub(super) fn host_and_port(uri: &Uri) -> String {
    let default = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    format!("{}:{}", uri.host().unwrap_or("?"), uri.port_u16().unwrap_or(default))
}

/// A connection. Where it is a proxy's and not a tunnel through one, hyper must send whole addresses.
pub(super) struct Dialled {
    stream: Stream,
    proxied: bool,
}

impl Connection for Dialled {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.proxied)
    }
}

impl Read for Dialled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Dialled {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
