//! The client against small servers of its own: what is sent, over what, and how failures are told apart.

use super::*;
use crate::env;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::io::Write as _;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Sends a GET through `client` and reads the whole answer, under a connect timeout of 2 s.
async fn get(
    client: &SharedHttpClient,
    url: &str,
    read_timeout: Duration,
) -> Result<(u16, String), ConnectorError> {
    let settings = HttpConnectorSettings::builder()
        .connect_timeout(Duration::from_secs(2))
        .read_timeout(read_timeout)
        .build();
    let components = RuntimeComponentsBuilder::for_tests().build().unwrap();
    let request = http::Request::builder().uri(url).body(SdkBody::empty()).unwrap();
    let connector = client.http_connector(&settings, &components);
    let answer = connector.call(HttpRequest::try_from(request).unwrap()).await?;
    let status = answer.status().as_u16();
    let body = aws_smithy_types::byte_stream::ByteStream::new(answer.into_body()).collect().await;
    let body = body.map_err(|err| ConnectorError::other(err.into(), None))?;
    Ok((status, String::from_utf8(body.to_vec()).unwrap()))
}

async fn quick(client: &SharedHttpClient, url: &str) -> Result<(u16, String), ConnectorError> {
    get(client, url, Duration::from_secs(5)).await
}

async fn client(bundle: Option<&Path>, vars: &[(&str, &str)]) -> SharedHttpClient {
    let roots = Roots { bundle: bundle.map(Path::to_owned), bundle_only: false };
    Network::new(&roots, &vars.iter().copied().collect()).await.unwrap().client()
}

fn wire(err: &ConnectorError) -> &WireError {
    find(err).expect("every failure is a WireError")
}

/// Serves each connection with `serve`; gives the port.
async fn server<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + Sync + Copy + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream));
        }
    });
    port
}

/// Reads a request's head.
async fn head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Answers with the request's head, for as many requests as come.
async fn echo(mut stream: TcpStream) {
    loop {
        let head = head(&mut stream).await;
        if head.is_empty() {
            return;
        }
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{head}", head.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// Closes with RST instead of FIN.
fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

#[tokio::test]
async fn requests_share_a_connection() {
    let port = server(|mut stream| async move {
        for number in 1.. {
            if head(&mut stream).await.is_empty() {
                return;
            }
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let client = client(None, &[]).await;
    for number in ["1", "2", "3"] {
        let answer = quick(&client, &format!("http://127.0.0.1:{port}/")).await.unwrap();
        assert_eq!(answer, (200, number.to_owned()));
    }
}

/// The server closes each connection after one answer, without saying so.
#[tokio::test]
async fn a_connection_that_went_away_loses_no_request() {
    let port = server(|mut stream| async move {
        head(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
    })
    .await;
    let client = client(None, &[]).await;
    for _ in 0..20 {
        let answer = quick(&client, &format!("http://127.0.0.1:{port}/")).await.unwrap();
        assert_eq!(answer, (200, "ok".to_owned()));
    }
}

#[tokio::test]
async fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let err = quick(&client(None, &[]).await, &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
    assert!(!wire(&err).was_sent());
    assert!(err.is_io());
    let text = wire(&err).to_string();
    assert_eq!(text, format!("could not connect to 127.0.0.1:{port}: Connection refused (os error 111)"));
}

#[tokio::test]
async fn a_name_that_is_none() {
    let err = quick(&client(None, &[]).await, "http://no-such-host.invalid/").await.unwrap_err();
    assert!(!wire(&err).was_sent());
    assert!(
        wire(&err).to_string().contains("could not connect to no-such-host.invalid:80"),
        "{}",
        wire(&err)
    );
}

#[tokio::test]
async fn reset_after_the_request() {
    let port = server(|mut stream| async move {
        head(&mut stream).await;
        reset(stream);
    })
    .await;
    let err = quick(&client(None, &[]).await, &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
    assert!(wire(&err).was_sent());
    assert!(wire(&err).to_string().contains("broke before an answer came"), "{}", wire(&err));
}

#[tokio::test]
async fn garbage_and_silence_came_after_the_request() {
    for answer in ["", "nonsense\r\n\r\n"] {
        let port = server(move |mut stream| async move {
            head(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let err = quick(&client(None, &[]).await, &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
        assert!(wire(&err).was_sent(), "{}", wire(&err));
    }
}

#[tokio::test]
async fn no_answer_in_time() {
    let port = server(|mut stream| async move {
        head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let url = format!("http://127.0.0.1:{port}/");
    let err = get(&client(None, &[]).await, &url, Duration::from_millis(100)).await.unwrap_err();
    assert!(err.is_timeout() && wire(&err).was_sent());
    assert_eq!(wire(&err).to_string(), format!("127.0.0.1:{port} did not answer within 100ms"));
}

#[tokio::test]
async fn an_answer_that_stops_or_is_cut() {
    for cut in [false, true] {
        let port = server(move |mut stream| async move {
            head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
            if !cut {
                std::future::pending::<()>().await;
            }
        })
        .await;
        let url = format!("http://127.0.0.1:{port}/");
        let err = get(&client(None, &[]).await, &url, Duration::from_millis(100)).await.unwrap_err();
        let expected =
            if cut { "broke in the middle of the answer" } else { "stopped in the middle for 100ms" };
        assert!(wire(&err).was_sent() && wire(&err).to_string().contains(expected), "{}", wire(&err));
    }
}

/// A server that takes the connection and says nothing stops a TLS handshake.
#[tokio::test]
async fn the_connect_timeout_holds_for_the_handshake() {
    let port = server(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let err = quick(&client(None, &[]).await, &format!("https://localhost:{port}/")).await.unwrap_err();
    assert!(err.is_timeout() && !wire(&err).was_sent());
    assert_eq!(wire(&err).to_string(), format!("could not connect to localhost:{port} within 2s"));
}

/// A CA of this test, and a TLS server that has a certificate of it for `localhost`.
struct Tested {
    port: u16,
    ca: tempfile::NamedTempFile,
}

async fn tls_server() -> Tested {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::new(params, ca_key);
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
    let acceptor: &'static TlsAcceptor = Box::leak(Box::new(TlsAcceptor::from(Arc::new(config))));
    let port = server(move |stream| async move {
        if let Ok(mut stream) = acceptor.accept(stream).await {
            head(&mut stream).await;
            stream.write_all(OK.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    })
    .await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(ca.pem().as_bytes()).unwrap();
    Tested { port, ca: file }
}

/// A system without roots: a file that is there and holds none.
const NO_SYSTEM: (&str, &str) = (env::SSL_CERT_FILE, "/dev/null");

#[tokio::test]
async fn an_unknown_issuer_is_refused_and_says_what_to_do() {
    let tested = tls_server().await;
    let url = format!("https://localhost:{}/", tested.port);
    let err = quick(&client(None, &[NO_SYSTEM]).await, &url).await.unwrap_err();
    assert!(wire(&err).is_certificate() && !wire(&err).was_sent() && err.is_user());
    let text = wire(&err).to_string();
    assert!(text.contains(&format!("certificate of localhost:{}", tested.port)), "{text}");
    assert!(text.contains("UnknownIssuer") && text.contains("AWS_CA_BUNDLE"), "{text}");
}

#[tokio::test]
async fn a_file_of_roots_that_cannot_be_read_is_told_where_it_matters() {
    let tested = tls_server().await;
    let url = format!("https://localhost:{}/", tested.port);
    for (file, problem) in [
        ("/no/such/file.pem", "No such file or directory"),
        ("/tmp", "is a directory"),
        ("/dev/null", "it is not a regular file"),
    ] {
        let err = quick(&client(None, &[(env::SSL_CERT_FILE, file)]).await, &url).await.unwrap_err();
        let text = wire(&err).to_string();
        let expected = format!("; SSL_CERT_FILE names {file}, which could not be used: {problem}");
        assert!(text.contains(&expected), "{text}");
    }
    // Another name is not a matter of roots.
    let client = client(Some(tested.ca.path()), &[NO_SYSTEM]).await;
    let err = quick(&client, &url.replace("localhost", "127.0.0.1")).await.unwrap_err();
    let text = wire(&err).to_string();
    assert!(!text.contains("SSL_CERT_FILE"), "{text}");
}

#[tokio::test]
async fn a_bundle_is_added_to_the_roots() {
    let tested = tls_server().await;
    let client = client(Some(tested.ca.path()), &[NO_SYSTEM]).await;
    let answer = quick(&client, &format!("https://localhost:{}/", tested.port)).await.unwrap();
    assert_eq!(answer, (200, "ok".to_owned()));
}

/// A reviewer who pins the certificate of an inspecting proxy wants the public roots out.
#[tokio::test]
async fn only_the_bundle_is_trusted_where_the_user_says_so() {
    let (tested, other) = (tls_server().await, tls_server().await);
    let url = |port| format!("https://localhost:{port}/");
    let roots = Roots { bundle: Some(tested.ca.path().to_owned()), bundle_only: true };
    // The system's roots, which would vouch for the other server.
    let vars: Env = [(env::SSL_CERT_FILE, other.ca.path().to_str().unwrap())].into_iter().collect();
    let client = Network::new(&roots, &vars).await.unwrap().client();
    assert_eq!(quick(&client, &url(tested.port)).await.unwrap().0, 200);
    let err = quick(&client, &url(other.port)).await.unwrap_err();
    assert!(wire(&err).is_certificate(), "{}", wire(&err));

    let without = Network::new(&Roots { bundle: None, bundle_only: true }, &vars).await.unwrap_err();
    assert!(without.to_string().contains("--ca-bundle"), "{without}");
}

#[tokio::test]
async fn a_bundle_may_hold_more_than_good_certificates() {
    let tested = tls_server().await;
    let pem = std::fs::read_to_string(tested.ca.path()).unwrap();
    let mut bundle = tempfile::NamedTempFile::new().unwrap();
    bundle
        .write_all(
            b"Autorit\xe9 Racine\r\n-----BEGIN CERTIFICATE-----\r\nAAAA\r\n-----END CERTIFICATE-----\r\n",
        )
        .unwrap();
    bundle.write_all(pem.replace('\n', "  \r\n").trim_end().as_bytes()).unwrap();
    let client = client(Some(bundle.path()), &[NO_SYSTEM]).await;
    let answer = quick(&client, &format!("https://localhost:{}/", tested.port)).await.unwrap();
    assert_eq!(answer, (200, "ok".to_owned()));
}

#[tokio::test]
async fn the_systems_roots_are_tried_where_the_issuer_is_unknown() {
    let tested = tls_server().await;
    let file = tested.ca.path().to_str().unwrap();
    let client = client(None, &[(env::SSL_CERT_FILE, file)]).await;
    let answer = quick(&client, &format!("https://localhost:{}/", tested.port)).await.unwrap();
    assert_eq!(answer, (200, "ok".to_owned()));
}

#[tokio::test]
async fn a_known_issuer_does_not_excuse_another_name() {
    let tested = tls_server().await;
    let client = client(Some(tested.ca.path()), &[NO_SYSTEM]).await;
    let err = quick(&client, &format!("https://127.0.0.1:{}/", tested.port)).await.unwrap_err();
    assert!(wire(&err).is_certificate(), "{}", wire(&err));
    assert!(!wire(&err).to_string().contains("AWS_CA_BUNDLE"), "{}", wire(&err));
}

#[tokio::test]
async fn tls_to_a_server_without_it_was_not_sent() {
    let port = server(echo).await;
    let err = quick(&client(None, &[]).await, &format!("https://localhost:{port}/")).await.unwrap_err();
    assert!(!wire(&err).was_sent() && !wire(&err).is_certificate(), "{}", wire(&err));
}

#[tokio::test]
async fn a_bundle_that_holds_nothing_is_found_before_any_request() {
    let mut text = tempfile::NamedTempFile::new().unwrap();
    text.write_all(b"hello").unwrap();
    let mut broken = tempfile::NamedTempFile::new().unwrap();
    broken.write_all(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let mut cut = tempfile::NamedTempFile::new().unwrap();
    cut.write_all(b"-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    let mut garbled = tempfile::NamedTempFile::new().unwrap();
    garbled.write_all(b"-----BEGIN CERTIFICATE-----\nAA\xffA\n-----END CERTIFICATE-----\n").unwrap();
    for (path, problem) in [
        (Path::new("/no/such/file.pem"), "No such file or directory"),
        (Path::new("/tmp"), "Is a directory"),
        (text.path(), "it holds no certificate"),
        (broken.path(), "it holds no certificate that can be understood"),
        (cut.path(), "it is not PEM: its last certificate has no end"),
        (garbled.path(), "it is not PEM: a certificate in it is not base64"),
    ] {
        let roots = Roots { bundle: Some(path.to_owned()), bundle_only: false };
        let err = Network::new(&roots, &Env::default()).await.unwrap_err().to_string();
        assert!(
            err.starts_with(&format!("could not read the CA bundle {}: {problem}", path.display())),
            "{err}"
        );
    }
}

/// A proxy that tells what it was asked, in the body of its answer.
#[tokio::test]
async fn a_plain_request_goes_to_the_proxy_as_a_whole_address() {
    let proxy = server(echo).await;
    let address = format!("http://user:pass@127.0.0.1:{proxy}");
    let client = client(None, &[("HTTP_PROXY", &address), ("NO_PROXY", "direct.invalid")]).await;
    let (_, asked) = quick(&client, "http://glue.invalid/path").await.unwrap();
    assert!(asked.starts_with("GET http://glue.invalid/path HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("proxy-authorization: Basic dXNlcjpwYXNz\r\n"), "{asked}");
    assert!(asked.contains("host: glue.invalid\r\n"), "{asked}");
    let err = quick(&client, "http://direct.invalid/").await.unwrap_err();
    assert!(!wire(&err).to_string().contains("proxy"), "{}", wire(&err));
}

#[tokio::test]
async fn agents_on_this_machine_are_asked_without_the_proxy() {
    let agent = server(echo).await;
    let vars = [("HTTP_PROXY", "http://127.0.0.1:1"), ("ALL_PROXY", "http://127.0.0.1:1")];
    let network = Network::new(&Roots::default(), &vars.into_iter().collect()).await.unwrap();
    let connector = network.direct(Duration::from_secs(2), Duration::from_secs(2));
    let request = http::Request::builder().uri(format!("http://127.0.0.1:{agent}/creds"));
    let request = HttpRequest::try_from(request.body(SdkBody::empty()).unwrap()).unwrap();
    assert_eq!(connector.call(request).await.unwrap().status().as_u16(), 200);
}

/// Answers CONNECT with `answer`; where it is 200, joins both sides, and the target is told apart by its port.
async fn connect_proxy(answer: &'static str) -> u16 {
    server(move |mut stream| async move {
        let head = head(&mut stream).await;
        let line = head.lines().next().unwrap_or_default();
        let authorized = head.contains("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n");
        let Some(target) = line.strip_prefix("CONNECT ").and_then(|line| line.strip_suffix(" HTTP/1.1"))
        else {
            return;
        };
        if !authorized || !answer.contains(" 200 ") {
            stream.write_all(answer.as_bytes()).await.unwrap();
            return;
        }
        let mut upstream = TcpStream::connect(target.to_owned()).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
    })
    .await
}

#[tokio::test]
async fn tls_goes_through_a_tunnel() {
    let tested = tls_server().await;
    let proxy = connect_proxy("HTTP/1.1 200 Connection established\r\n\r\n").await;
    let address = format!("http://user:pass@127.0.0.1:{proxy}");
    let client = client(Some(tested.ca.path()), &[NO_SYSTEM, ("HTTPS_PROXY", &address)]).await;
    let answer = quick(&client, &format!("https://localhost:{}/", tested.port)).await.unwrap();
    assert_eq!(answer, (200, "ok".to_owned()));
}

#[tokio::test]
async fn a_tunnel_that_is_refused_sent_nothing() {
    for (answer, problem) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "proxy authorization required"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "unsuccessful"),
    ] {
        let proxy = connect_proxy(answer).await;
        let address = format!("http://user:secret@127.0.0.1:{proxy}");
        let client = client(None, &[("HTTPS_PROXY", &address)]).await;
        let err = quick(&client, "https://glue.invalid/").await.unwrap_err();
        let text = wire(&err).to_string();
        assert!(!wire(&err).was_sent());
        let expected = format!("could not connect to glue.invalid:443 over the proxy 127.0.0.1:{proxy}: ");
        assert!(text.starts_with(&expected) && text.contains(problem) && !text.contains("secret"), "{text}");
    }
}
