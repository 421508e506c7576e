//! The listeners: HTTP, HTTPS and a forward proxy, all in front of the same services.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming as Arriving;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::admin;
use crate::answer::Ready;
use crate::cloud::Cloud;
use crate::dispatch::{Connection, Delivery, Incoming, Reply, dispatch};
use crate::eks::kubernetes;
use crate::mwaa;
use crate::wire::{Ending, Outgoing, Wire};

/// The largest body that is taken.
const BODY_LIMIT: usize = 16 << 20;

/// What a port does.
#[derive(Clone)]
pub(crate) enum Port {
    Http,
    Https(TlsAcceptor),
    /// The API server of the EKS cluster at this place in the world.
    Cluster(TlsAcceptor, usize),
    /// Forwards to the two others, wherever a client wants to go.
    Proxy {
        http: SocketAddr,
        https: SocketAddr,
    },
}

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("reset by a fault")]
    Reset,
    #[error("the request's body did not arrive")]
    Body,
}

/// Accepts connections for ever.
pub(crate) async fn listen(cloud: Arc<Cloud>, listener: TcpListener, port: Port) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        tokio::spawn(welcome(cloud.clone(), stream, port.clone()));
    }
}

async fn welcome(cloud: Arc<Cloud>, stream: TcpStream, port: Port) {
    let ending = Ending::default();
    let wire = Wire::new(stream, ending.clone());
    let number = cloud.next_connection();
    let session = Session { cloud, port, ending, number };
    match session.port.clone() {
        // A client that breaks off the handshake has nothing to hear.
        Port::Https(acceptor) | Port::Cluster(acceptor, _) => {
            if let Ok(stream) = acceptor.accept(wire).await {
                session.serve(stream).await;
            }
        }
        Port::Http | Port::Proxy { .. } => session.serve(wire).await,
    }
}

/// One connection.
#[derive(Clone)]
struct Session {
    cloud: Arc<Cloud>,
    port: Port,
    ending: Ending,
    number: u64,
}

impl Session {
    async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(self, stream: S) {
        let service = service_fn(move |request| self.clone().handle(request));
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        // How a connection ends is the client's affair, or a fault's.
        let _ = connection.await;
    }

    async fn handle(self, request: Request<Arriving>) -> Result<Response<Outgoing>, Broken> {
        if let Port::Proxy { http, https } = self.port {
            let line = format!("{} {}", request.method(), request.uri());
            self.cloud.record().proxied.push(line);
            if request.method() == Method::CONNECT {
                if mwaa::web::is_private(&self.cloud, request.uri().host().unwrap_or_default()) {
                    return Ok(status(StatusCode::BAD_GATEWAY));
                }
                return Ok(tunnel(request, http, https).await);
            }
        }
        let (head, body) = request.into_parts();
        let body = Limited::new(body, BODY_LIMIT).collect().await.map_err(|_| Broken::Body)?;
        let incoming = Incoming {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body: body.to_bytes(),
            connection: Connection {
                number: self.number,
                secure: matches!(self.port, Port::Https(_) | Port::Cluster(..)),
                proxied: matches!(self.port, Port::Proxy { .. }),
            },
        };
        if let Port::Cluster(_, index) = self.port {
            return Ok(kubernetes::answer(&self.cloud, index, &incoming).map(Outgoing::new));
        }
        if incoming.path.starts_with(admin::PREFIX) {
            return Ok(admin::answer(&self.cloud, &incoming).map(Outgoing::whole));
        }
        let mut reply = dispatch(&self.cloud, &incoming);
        if let Some(late) = reply.late.take() {
            let cloud = self.cloud.clone();
            tokio::spawn(async move {
                late.wait(&cloud).await;
                late.work(&cloud);
            });
        }
        self.deliver(reply).await
    }

    async fn deliver(self, reply: Reply) -> Result<Response<Outgoing>, Broken> {
        let Reply { mut response, ready, delivery, .. } = reply;
        if let Delivery::ResetIn(time) = delivery {
            tokio::time::sleep(time).await;
            return self.reset();
        }
        if ready != Ready::Now {
            ready.wait(&self.cloud).await;
            ready.conclude(&self.cloud, &mut response);
        }
        match delivery {
            Delivery::Now => Ok(response.map(Outgoing::new)),
            Delivery::After(time) => {
                tokio::time::sleep(time).await;
                Ok(response.map(Outgoing::new))
            }
            Delivery::CutShort => {
                let (head, content) = response.into_parts();
                match Outgoing::cut_short(content) {
                    Some(half) => Ok(Response::from_parts(head, half)),
                    None => self.reset(),
                }
            }
            Delivery::Reset | Delivery::ResetIn(_) => self.reset(),
            Delivery::Never => std::future::pending().await,
        }
    }

    fn reset(self) -> Result<Response<Outgoing>, Broken> {
        self.ending.reset();
        Err(Broken::Reset)
    }
}

/// Connects a client of the proxy to one of the sandbox's own ports, whatever host it named.
async fn tunnel(request: Request<Arriving>, http: SocketAddr, https: SocketAddr) -> Response<Outgoing> {
    let in_the_clear = request.uri().port_u16().is_some_and(|port| port == http.port() || port == 80);
    let Ok(mut upstream) = TcpStream::connect(if in_the_clear { http } else { https }).await else {
        return status(StatusCode::BAD_GATEWAY);
    };
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            // Either side may end it at any time.
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(upgraded), &mut upstream).await;
        }
    });
    status(StatusCode::OK)
}

fn status(status: StatusCode) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::whole(Bytes::new()));
    *response.status_mut() = status;
    response
}
