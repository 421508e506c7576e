//! Answers about health, over as little HTTP as a probe needs.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{AbortHandle, abortable};
use futures_util::stream::FuturesUnordered;
use job_runtime::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::counts::Counts;
use crate::error::Error;

/// A request of a probe is shorter.
const LONGEST_REQUEST: usize = 4096;
/// The kubelet gives up on a probe after this time, unless told otherwise.
const LIMIT: Duration = Duration::from_secs(1);
/// Connections at once. One more closes the oldest, so that no number of silent ones keeps a probe out.
const MOST: usize = 64;
/// Between two attempts while the process has no file descriptors left.
const BREATHER: Duration = Duration::from_millis(50);

/// # Errors
/// The address cannot be listened on.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let failed = |source| Error::Listen { place: address.to_string(), source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!(%address, "answering about health");
    Ok(listener)
}

/// Answers for ever.
pub(super) async fn answer(listener: &TcpListener, counts: &Counts) {
    let mut probes = FuturesUnordered::new();
    // Those of the newest connections; aborting one that has ended does nothing.
    let mut handles: VecDeque<AbortHandle> = VecDeque::with_capacity(MOST);
    loop {
        tokio::select! {
            Some(_) = probes.next(), if !probes.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    if handles.len() == MOST
                        && let Some(oldest) = handles.pop_front()
                    {
                        oldest.abort();
                    }
                    let (probe, handle) = abortable(timeout(LIMIT, probe(stream, counts)));
                    handles.push_back(handle);
                    probes.push(probe);
                    // A flood of connections takes its turn beside the clients of the proxy.
                    yield_now().await;
                }
                Err(error) => {
                    tracing::warn!(%error, "a probe could not be let in");
                    sleep(BREATHER).await;
                }
            },
        }
    }
}

async fn probe(mut stream: TcpStream, counts: &Counts) {
    // One read: a probe's request comes in one piece, and what comes in parts is no probe.
    let mut request = [0; LONGEST_REQUEST];
    let Ok(read) = stream.read(&mut request).await else { return };
    let request = String::from_utf8_lossy(&request[..read]);
    let Some((line, _)) = request.split_once("\r\n") else { return };
    let told = counts.told();
    let path = line.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match path {
        "/livez" => ("200 OK", "{\"live\":true}".to_owned()),
        // A proxy that nobody has asked for a connection yet is ready to try.
        "/readyz" if told.draining => {
            ("503 Service Unavailable", "{\"ready\":false,\"draining\":true}".to_owned())
        }
        "/readyz" if told.reachable == Some(false) => {
            ("503 Service Unavailable", "{\"ready\":false,\"reachable\":false}".to_owned())
        }
        "/readyz" => ("200 OK", "{\"ready\":true}".to_owned()),
        "/metrics" => ("200 OK", json(&told)),
        _ => ("404 Not Found", "{}".to_owned()),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}
