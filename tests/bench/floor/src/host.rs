//! One kept-alive HTTP/1.1 connection on a blocking socket, over TLS or in the clear.

use std::io::{self, Error, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// TLS with every root of a PEM bundle.
pub(crate) fn trusting(bundle: &str) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(bundle).map_err(Error::other)? {
        roots.add(certificate.map_err(Error::other)?).map_err(Error::other)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// A socket, or TLS on one.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// A connection to one host.
pub(crate) struct Host {
    authority: String,
    stream: Box<dyn Stream>,
}

impl Host {
    /// Connects to an endpoint of the form `https://name[:port]`, or `http://`, which needs no TLS.
    pub(crate) fn connect(endpoint: &str, tls: Option<Arc<ClientConfig>>) -> io::Result<Self> {
        let (secure, rest) = match endpoint.strip_prefix("http://") {
            Some(rest) => (false, rest),
            None => (true, endpoint.strip_prefix("https://").unwrap_or(endpoint)),
        };
        let authority = rest.trim_end_matches('/').to_owned();
        let (name, port) = match authority.split_once(':') {
            Some((name, port)) => (name, port.parse().map_err(Error::other)?),
            None => (authority.as_str(), if secure { 443 } else { 80 }),
        };
        let socket = TcpStream::connect((name, port))?;
        socket.set_nodelay(true)?;
        let stream: Box<dyn Stream> = if secure {
            let tls = tls.ok_or_else(|| Error::other("TLS without AWS_CA_BUNDLE"))?;
            let name = ServerName::try_from(name.to_owned()).map_err(Error::other)?;
            let session = ClientConnection::new(tls, name).map_err(Error::other)?;
            Box::new(StreamOwned::new(session, socket))
        } else {
            Box::new(socket)
        };
        Ok(Self { authority, stream })
    }

    /// What the `host` header says.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// Posts to a path; gives the body of a good answer.
    pub(crate) fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &str) -> io::Result<String> {
        let lines: String = headers.iter().flat_map(|(name, value)| [*name, ": ", *value, "\r\n"]).collect();
        let length = body.len();
        // One write, so one TLS record and one packet.
        let request = format!("POST {path} HTTP/1.1\r\n{lines}content-length: {length}\r\n\r\n{body}");
        self.stream.write_all(request.as_bytes())?;
        self.stream.flush()?;
        self.answer()
    }

    /// Reads an answer that says its length, as those of all services do.
    fn answer(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        let mut chunk = [0; 8192];
        let (status, start, length) = loop {
            match self.stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => bytes.extend_from_slice(&chunk[..count]),
            }
            if let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let (status, length) = head_of(&bytes[..head])?;
                break (status, head + 4, length);
            }
        };
        let mut body = bytes.split_off(start);
        let read = body.len();
        body.resize(length, 0);
        self.stream.read_exact(body.get_mut(read..).unwrap_or_default())?;
        let body = String::from_utf8(body).map_err(Error::other)?;
        if status == 200 { Ok(body) } else { Err(Error::other(format!("{status}: {body}"))) }
    }
}

/// Status and content length.
fn head_of(head: &[u8]) -> io::Result<(u16, usize)> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok());
    status.zip(length).ok_or_else(|| Error::other(format!("neither status nor length: {head}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\nContent-Length: 12", Some((200, 12))),
            ("HTTP/1.1 403 Forbidden\r\ncontent-length:0", Some((403, 0))),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked", None),
            ("nonsense", None),
        ] {
            assert_eq!(head_of(head.as_bytes()).ok(), expected);
        }
    }
}
