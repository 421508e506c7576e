//! Answers about health, over as little HTTP as a probe needs.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use job_runtime::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::counts::Counts;
use crate::error::Error;

/// A request of a probe is shorter.
const LONGEST_REQUEST: usize = 4096;
/// A probe is faster.
const LIMIT: Duration = Duration::from_secs(5);
/// More probes at once than anyone sends.
const MOST: usize = 32;

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
    loop {
        tokio::select! {
            Some(_) = probes.next(), if !probes.is_empty() => {}
            accepted = listener.accept(), if probes.len() < MOST => match accepted {
                Ok((stream, _)) => probes.push(timeout(LIMIT, probe(stream, counts))),
                Err(error) => {
                    tracing::warn!(%error, "a probe could not be let in");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
}

async fn probe(mut stream: TcpStream, counts: &Counts) {
    let mut request = Vec::new();
    loop {
        match stream.read_buf(&mut request).await {
            Ok(0) | Err(_) => return,
            Ok(_) if request.windows(4).any(|end| end == b"\r\n\r\n") => break,
            Ok(_) if request.len() > LONGEST_REQUEST => return,
            Ok(_) => {}
        }
    }
    let told = counts.told();
    let line = String::from_utf8_lossy(&request);
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
