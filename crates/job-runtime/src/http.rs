//! One HTTP/1.1 client with one pool of connections, shared by STS and the services.
//!
//! It is the SDK's `HttpClient` over hyper's pooled client. The SDK's own one is not used: it can neither set
//! TCP keepalive nor take root certificates that are built in, and it reads the trust store once for each
//! service client.

mod body;
mod dial;
mod pem;
mod proxy;
mod tls;
mod wire_error;

pub(crate) use tls::Roots;
pub use tls::add_bundle;
pub(crate) use wire_error::{WireError, find};

use self::body::TimedBody;
use self::dial::Dialer;
use self::proxy::Proxies;
use self::tls::Tls;
use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use chained_credentials::Env;
use hyper_util::client::legacy::connect::{CaptureConnection, HttpInfo, capture_connection};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long an unused connection is kept. Far below the minute or more after which servers and gateways
/// drop one: a request on a connection that is just being dropped cannot be told from one that was lost.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// Why HTTP could not be set up. Found before any request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpConfigError {
    /// The bundle of `AWS_CA_BUNDLE` or `--ca-bundle` cannot be read.
    #[error("could not read the CA bundle {}: {problem}", path.display())]
    Bundle { path: PathBuf, problem: String },
    /// Only the bundle is to be trusted, and there is none.
    #[error("--ca-bundle-only (CA_BUNDLE_ONLY) needs a --ca-bundle or AWS_CA_BUNDLE")]
    NoBundle,
    /// A proxy variable. Its value is not shown, since it may hold a password.
    #[error("{name} {problem}")]
    Proxy { name: &'static str, problem: &'static str },
}

/// What both ways to the network share.
#[derive(Debug)]
pub(crate) struct Network {
    tls: Arc<Tls>,
    proxies: Option<Arc<Proxies>>,
}

impl Network {
    /// Reads the user's CA bundle and the proxy variables.
    ///
    /// # Errors
    /// A bundle without readable certificates, or a proxy that cannot be used.
    pub(crate) async fn new(roots: &Roots, vars: &Env) -> Result<Self, HttpConfigError> {
        let tls = Arc::new(Tls::new(roots, vars).await?);
        let proxies = Proxies::new(vars)?.map(Arc::new);
        Ok(Self { tls, proxies })
    }

    /// The client for AWS: through a proxy where one is configured.
    pub(crate) fn client(&self) -> SharedHttpClient {
        SharedHttpClient::new(Pool::new(Arc::clone(&self.tls), self.proxies.clone()))
    }

    /// The way to the agents on this machine that hand out credentials: their addresses are link-local, and
    /// their tokens are no proxy's business.
    pub(crate) fn direct(&self, connect_timeout: Duration, read_timeout: Duration) -> SharedHttpConnector {
        Pool::new(Arc::clone(&self.tls), None).connector(Some(connect_timeout), Some(read_timeout))
    }
}

type Hyper = Client<Dialer, SdkBody>;

/// A hyper client for each connect timeout that is asked for, which is one in practice: a client's
/// connections are dialled with its timeout.
#[derive(Debug)]
struct Pool {
    tls: Arc<Tls>,
    proxies: Option<Arc<Proxies>>,
    clients: Mutex<Vec<(Option<Duration>, Hyper)>>,
}

impl Pool {
    fn new(tls: Arc<Tls>, proxies: Option<Arc<Proxies>>) -> Self {
        Self { tls, proxies, clients: Mutex::default() }
    }

    fn connector(
        &self,
        connect_timeout: Option<Duration>,
        read_timeout: Option<Duration>,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            client: self.client(connect_timeout),
            proxies: self.proxies.clone(),
            read_timeout,
        })
    }

    fn client(&self, connect_timeout: Option<Duration>) -> Hyper {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(timeout, _)| *timeout == connect_timeout) {
            return client.clone();
        }
        let dialer = Dialer::new(Arc::clone(&self.tls), self.proxies.clone(), connect_timeout);
        // `retry_canceled_requests` stays on, and is safe for calls that begin work: hyper hands a request
        // back for another connection only where its dispatcher had not taken it yet, so that none of its
        // bytes were written (hyper 1.12, proto/h1/dispatch.rs `recv_msg`, client/dispatch.rs `Envelope`).
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .build(dialer);
        clients.push((connect_timeout, client.clone()));
        client
    }
}

impl HttpClient for Pool {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.connector(settings.connect_timeout(), settings.read_timeout())
    }
}

/// Sends one request at a time, under the timeouts of the operation.
#[derive(Debug)]
struct Connector {
    client: Hyper,
    proxies: Option<Arc<Proxies>>,
    read_timeout: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(err) => return HttpConnectorFuture::ready(Err(ConnectorError::user(err.into()))),
        };
        if let Some(proxies) = &self.proxies {
            proxies.authorize(&mut request);
        }
        let host = dial::host_and_port(request.uri());
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            let connection = connection.clone();
            capture.set_connection_retriever(move || metadata(&connection));
        }
        let answer = self.client.request(request);
        let limit = self.read_timeout;
        HttpConnectorFuture::new(async move {
            // hyper notes the connection just before it hands the request over: where there is none yet,
            // nothing was sent.
            let sent = |connection: &CaptureConnection| connection.connection_metadata().is_some();
            let answer = match limit {
                None => answer.await,
                Some(limit) => match tokio::time::timeout(limit, answer).await {
                    Ok(answer) => answer,
                    Err(_) => return Err(WireError::silent(&host, limit, sent(&connection)).into()),
                },
            };
            match answer {
                Ok(answer) => {
                    let timed = |body| SdkBody::from_body_1_x(TimedBody::new(body, host.clone(), limit));
                    let answer = answer.map(timed);
                    HttpResponse::try_from(answer).map_err(|err| WireError::broken(&host, &err).into())
                }
                Err(err) => Err(failed(&err, &host, sent(&connection)).into()),
            }
        })
    }
}

/// What a failed request tells of itself.
fn failed(err: &ClientError, host: &str, sent: bool) -> WireError {
    // hyper calls a request canceled only where it would hand it back, see `Pool::client`.
    let unwritten = || find::<hyper::Error>(err).is_some_and(hyper::Error::is_canceled);
    match find::<WireError>(err) {
        Some(dialling) => dialling.clone(),
        None if err.is_connect() || !sent || unwritten() => WireError::unreachable(host, None, err),
        None => WireError::broken(host, err),
    }
}

/// Lets the SDK close a connection on which a request failed, so that no other request is sent on it.
fn metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    let connected = connection.connection_metadata();
    let connected = connected.as_ref()?;
    let mut extras = http::Extensions::new();
    connected.get_extras(&mut extras);
    let info = extras.get::<HttpInfo>();
    let poisoned = connection.clone();
    let mut builder = ConnectionMetadata::builder().proxied(connected.is_proxied()).poison_fn(move || {
        if let Some(connected) = poisoned.connection_metadata().as_ref() {
            connected.poison();
        }
    });
    builder.set_local_addr(info.map(HttpInfo::local_addr));
    builder.set_remote_addr(info.map(HttpInfo::remote_addr));
    Some(builder.build())
}

#[cfg(test)]
mod tests;
