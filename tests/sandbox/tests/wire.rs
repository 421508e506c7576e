//! What only a real connection shows: TLS, the proxy, resets, silence, answers that break off.
#![expect(clippy::unwrap_used, reason = "the helpers are test code too")]
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sandbox::{Fault, FaultKind, Sandbox, World};

const ROLE: &str = "arn:aws:iam::111111111111:role/cats-glue";
const SUBJECT: &str = "system:serviceaccount:team-ns:glue-trigger";

fn start() -> Sandbox {
    Sandbox::start(World::from_toml(include_str!("../worlds/two-accounts.toml")).unwrap()).unwrap()
}

fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(url.split("//").last().unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

/// `AssumeRoleWithWebIdentity`, the one call that needs no signature.
fn assume_role(sandbox: &Sandbox, target: &str) -> String {
    let token = sandbox.token("cluster", SUBJECT, "sts.amazonaws.com", Duration::from_hours(1)).unwrap();
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", ROLE),
            ("RoleSessionName", "wire"),
            ("WebIdentityToken", &token),
        ])
        .finish();
    format!(
        "POST {target} HTTP/1.1\r\nhost: sts.us-east-2.amazonaws.com\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends a request and reads one answer: its head, and as much of the body as comes.
fn exchange(stream: &mut (impl Read + Write), request: &str) -> io::Result<(String, String)> {
    stream.write_all(request.as_bytes())?;
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
            if body.len() >= length {
                return Ok((head.to_owned(), body.to_owned()));
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text)),
            read => seen.extend_from_slice(&buffer[..read]),
        }
    }
}

fn tls<S: Read + Write>(
    sandbox: &Sandbox,
    stream: S,
    name: &'static str,
) -> StreamOwned<ClientConnection, S> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(sandbox.ca_pem().as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from(name).unwrap()).unwrap();
    StreamOwned::new(client, stream)
}

#[test]
fn plain_and_encrypted() {
    let sandbox = start();
    let mut stream = connect(&sandbox.url());
    for _ in 0..2 {
        let (head, body) = exchange(&mut stream, &assume_role(&sandbox, "/")).unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && body.contains("<SessionToken>"), "{head}");
    }
    for name in ["localhost", "127.0.0.1", "sts.us-east-2.amazonaws.com", "sts.amazonaws.com"] {
        let port = sandbox.https_url().rsplit(':').next().unwrap().to_owned();
        let mut stream = tls(&sandbox, connect(&format!("127.0.0.1:{port}")), name);
        assert!(
            exchange(&mut stream, &assume_role(&sandbox, "/")).unwrap().0.starts_with("HTTP/1.1 200"),
            "{name}"
        );
    }
    let calls = sandbox.calls();
    assert_eq!(calls.len(), 6);
    assert_eq!(calls[0].connection, calls[1].connection);
    assert_ne!(calls[1].connection, calls[2].connection);
    assert_eq!((calls[0].secure, calls[2].secure), (false, true));
}

#[test]
fn through_the_proxy() {
    let sandbox = start();
    let mut stream = connect(&sandbox.proxy_url());
    let target = "http://sts.us-east-2.amazonaws.com/";
    assert!(exchange(&mut stream, &assume_role(&sandbox, target)).unwrap().0.starts_with("HTTP/1.1 200"));

    let mut stream = connect(&sandbox.proxy_url());
    let host = "sts.us-east-2.amazonaws.com:443";
    let (head, _) =
        exchange(&mut stream, &format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n")).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut stream = tls(&sandbox, stream, "sts.us-east-2.amazonaws.com");
    assert!(exchange(&mut stream, &assume_role(&sandbox, "/")).unwrap().0.starts_with("HTTP/1.1 200"));

    assert_eq!(sandbox.proxied(), [format!("POST {target}"), format!("CONNECT {host}")]);
    let calls = sandbox.calls();
    assert_eq!((calls[0].proxied, calls[1].proxied, calls[1].secure), (true, false, true));
}

#[test]
fn broken_answers() {
    let sandbox = start();
    let operation = "AssumeRoleWithWebIdentity";
    let port = sandbox.https_url().rsplit(':').next().unwrap().to_owned();
    for (kind, expected) in [
        (FaultKind::ResetBefore, io::ErrorKind::ConnectionReset),
        (FaultKind::ResetAfter, io::ErrorKind::ConnectionReset),
        (FaultKind::Truncated, io::ErrorKind::UnexpectedEof),
        (FaultKind::Hang, io::ErrorKind::WouldBlock),
        (FaultKind::HangAfter, io::ErrorKind::WouldBlock),
    ] {
        sandbox.add_fault(Fault::new("sts", operation, kind.clone()).times(2)).unwrap();
        let patience = Some(Duration::from_millis(300));
        let mut plain = connect(&sandbox.url());
        plain.set_read_timeout(patience).unwrap();
        let error = exchange(&mut plain, &assume_role(&sandbox, "/")).unwrap_err();
        assert_eq!(error.kind(), expected, "{kind:?}");
        if kind == FaultKind::Truncated {
            let text = error.to_string();
            assert!(
                text.starts_with("HTTP/1.1 200") && text.contains("<AssumeRoleWithWebIdentityResponse"),
                "{text}"
            );
        }
        let encrypted = connect(&format!("127.0.0.1:{port}"));
        encrypted.set_read_timeout(patience).unwrap();
        let error =
            exchange(&mut tls(&sandbox, encrypted, "localhost"), &assume_role(&sandbox, "/")).unwrap_err();
        assert_eq!(error.kind(), expected, "{kind:?} over TLS");
        sandbox.clear_faults();
    }
    assert_eq!(sandbox.count("sts", operation), 10);
    assert!(sandbox.calls().iter().all(|call| call.fault.is_some()));

    sandbox.add_fault(Fault::new("sts", operation, FaultKind::Slow(Duration::from_millis(200)))).unwrap();
    let since = Instant::now();
    exchange(&mut connect(&sandbox.url()), &assume_role(&sandbox, "/")).unwrap();
    assert!(since.elapsed() >= Duration::from_millis(200));

    sandbox.add_fault(Fault::new("sts", operation, FaultKind::Garbage)).unwrap();
    let (head, body) = exchange(&mut connect(&sandbox.url()), &assume_role(&sandbox, "/")).unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && !body.contains('<'), "{body}");
}

#[test]
fn its_own_api() {
    let sandbox = start();
    let ask = |request: &str, body: &str| {
        let length = body.len();
        let request = format!(
            "{request} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        exchange(&mut connect(&sandbox.url()), &request).unwrap()
    };
    let (_, started) = ask("POST /_sandbox/runs?job=nightly-etl", r#"{"--day":"1"}"#);
    assert!(started.contains("jr_"), "{started}");
    let (_, runs) = ask("GET /_sandbox/runs?job=nightly-etl", "");
    assert!(runs.contains(r#""--day":"1""#) && runs.contains("STARTING"), "{runs}");
    let id = &sandbox.runs("nightly-etl")[0].id;
    assert!(ask(&format!("DELETE /_sandbox/runs?job=nightly-etl&id={id}"), "").0.starts_with("HTTP/1.1 200"));
    assert_eq!(sandbox.runs("nightly-etl")[0].state, "STOPPING");
    assert!(ask("POST /_sandbox/advance?by=1s", "").0.starts_with("HTTP/1.1 200"));
    assert_eq!(sandbox.runs("nightly-etl")[0].state, "STOPPED");

    let fault = r#"{"service":"sts","operation":"AssumeRoleWithWebIdentity","kind":"throttle"}"#;
    assert!(ask("POST /_sandbox/faults", fault).0.starts_with("HTTP/1.1 200"));
    let (head, body) = exchange(&mut connect(&sandbox.url()), &assume_role(&sandbox, "/")).unwrap();
    assert!(head.starts_with("HTTP/1.1 400") && body.contains("<Code>Throttling</Code>"), "{body}");
    assert!(ask("POST /_sandbox/faults", &fault.replace("Web", "")).0.starts_with("HTTP/1.1 400"));

    let (_, token) = ask("GET /_sandbox/token?issuer=cluster&sub=a&aud=b&lifetime=5m", "");
    assert!(token.contains("eyJ"), "{token}");
    let (_, calls) = ask("GET /_sandbox/calls", "");
    assert!(calls.contains(r#""error":"Throttling""#) && calls.contains(r#""fault":"throttle""#), "{calls}");
    let (_, secrets) = ask("GET /_sandbox/secrets", "");
    assert!(secrets.contains("eyJ"), "{secrets}");
    assert!(ask("GET /_sandbox/nothing", "").0.starts_with("HTTP/1.1 404"));
}

#[test]
fn it_ends_when_it_is_dropped() {
    let sandbox = start();
    sandbox.add_fault(Fault::new("*", "*", FaultKind::Hang)).unwrap();
    let (url, mut hanging) = (sandbox.url(), connect(&sandbox.url()));
    hanging.write_all(assume_role(&sandbox, "/").as_bytes()).unwrap();
    drop(sandbox);
    assert!(TcpStream::connect(url.split("//").last().unwrap()).is_err());
    assert!(matches!(hanging.read(&mut [0; 16]), Ok(0) | Err(_)));
}

/// A request that is late takes effect although its connection is gone.
#[test]
fn a_late_request_takes_effect_after_its_reset() {
    let sandbox = start();
    let late = FaultKind::Late(Duration::from_mins(10));
    sandbox.add_fault(Fault::new("sts", "AssumeRoleWithWebIdentity", late)).unwrap();
    let before = sandbox.secrets().len();
    let outcome = exchange(&mut connect(&sandbox.url()), &assume_role(&sandbox, "/"));
    assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    // The token of the request is a secret, too.
    assert_eq!(sandbox.secrets().len(), before + 1);
    sandbox.advance(Duration::from_mins(10));
    let begun = Instant::now();
    while sandbox.secrets().len() < before + 3 {
        assert!(begun.elapsed() < Duration::from_secs(5), "no session was made");
        exchange(&mut connect(&sandbox.url()), "GET /_sandbox/calls HTTP/1.1\r\nhost: sandbox\r\n\r\n")
            .unwrap();
    }
}
