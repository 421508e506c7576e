//! Signed calls over real connections: answers that take their time, streams, ends that are none.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use time::OffsetDateTime;

use super::*;
use crate::fault::{Fault, FaultKind};
use crate::handle::Sandbox;

const KEY: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");

/// A world with one user who may do everything.
fn start(more: &str) -> Sandbox {
    let user = format!(
        "[accounts.222222222222.users.ci]\naccess_key_id = '{}'\nsecret_access_key = '{}'\nallow = ['*']\n",
        KEY.0, KEY.1
    );
    Sandbox::start(World::from_toml(&format!("{user}{more}")).unwrap()).unwrap()
}

fn function(settings: &str) -> String {
    format!("[[lambda.functions]]\naccount = '222222222222'\nname = 'f'\nversions = ['1']\n{settings}\n")
}

/// A signed request as it goes onto the wire.
fn request(
    service: &str,
    (method, path): (&str, &str),
    extra: &[(&'static str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: &str| headers.insert(name, value.parse().unwrap());
    set("host", "127.0.0.1");
    set("x-amz-date", &amz(OffsetDateTime::now_utc()));
    for (name, value) in extra {
        set(name, value);
    }
    sign(&mut headers, (method, path, body), ("us-east-2", service), KEY);
    let mut request = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in &headers {
        request.extend([name.as_str(), ": ", value.to_str().unwrap(), "\r\n"]);
    }
    let length = format!("content-length: {}\r\n\r\n", body.len());
    [request.as_bytes(), length.as_bytes(), body].concat()
}

fn invoke(extra: &[(&'static str, &str)], body: &str) -> Vec<u8> {
    request("lambda", ("POST", "/2015-03-31/functions/f%3A1/invocations"), extra, body.as_bytes())
}

fn connect(sandbox: &Sandbox, request: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(sandbox.url().split("//").last().unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(request).unwrap();
    stream
}

/// Everything until the end of the connection or until nothing more comes for a while, and how it ended.
fn read(stream: &mut TcpStream) -> (String, ErrorKind) {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (String::from_utf8_lossy(&seen).into_owned(), ErrorKind::UnexpectedEof),
            Ok(read) => seen.extend_from_slice(&buffer[..read]),
            Err(error) => return (String::from_utf8_lossy(&seen).into_owned(), error.kind()),
        }
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    }
}

#[test]
fn answers_take_their_time() {
    let sandbox = start(&function("[[lambda.functions.courses]]\nafter = '300ms'"));
    let since = Instant::now();
    let (answer, _) = read(&mut connect(&sandbox, &invoke(&[], "7")));
    assert!(since.elapsed() >= Duration::from_millis(300));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n7"), "{answer}");
    // An event is answered at once, and not by a body.
    let (answer, _) = read(&mut connect(&sandbox, &invoke(&[("x-amz-invocation-type", "Event")], "7")));
    assert!(answer.starts_with("HTTP/1.1 202") && answer.ends_with("\r\n\r\n"), "{answer}");
    let (answer, _) = read(&mut connect(&sandbox, &invoke(&[("x-amz-invocation-type", "DryRun")], "7")));
    assert!(answer.starts_with("HTTP/1.1 204") && !answer.contains("content-length"), "{answer}");
    // The clock moves on while somebody waits.
    sandbox
        .set_function_course(
            "f",
            crate::FunctionCourse { after: Duration::from_secs(99), ..Default::default() },
        )
        .unwrap();
    let mut waiting = connect(&sandbox, &invoke(&[], "8"));
    while sandbox.invoked("f") < 3 {
        std::thread::yield_now();
    }
    sandbox.advance(Duration::from_secs(99));
    assert!(read(&mut waiting).0.ends_with("\r\n\r\n8"));
    let kinds: Vec<_> = sandbox.invocations("f").into_iter().map(|invocation| invocation.kind).collect();
    assert_eq!(
        serde_json::to_value(kinds).unwrap(),
        serde_json::json!(["RequestResponse", "Event", "RequestResponse"])
    );
    let mut api = connect(&sandbox, b"GET /_sandbox/invocations?function=f HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(read(&mut api).0.contains(r#""payload":"8""#));
}

#[test]
fn an_execution_outlives_its_caller_and_can_be_stopped() {
    let sandbox = start(&function("durable = true\n[[lambda.functions.courses]]\nafter = '600ms'"));
    let named = [("x-amz-durable-execution-name", "one")];
    let caller = connect(&sandbox, &invoke(&named, "7"));
    while sandbox.invoked("f") < 1 {
        std::thread::yield_now();
    }
    drop(caller);
    let (answer, _) = read(&mut connect(&sandbox, &invoke(&named, "7")));
    assert!(answer.ends_with("\r\n\r\n7"), "{answer}");
    assert_eq!(sandbox.invoked("f"), 1);

    sandbox
        .set_function_course(
            "f",
            crate::FunctionCourse { after: Duration::from_secs(99), ..Default::default() },
        )
        .unwrap();
    let mut waiting = connect(&sandbox, &invoke(&[("x-amz-durable-execution-name", "two")], "7"));
    let list = request(
        "lambda",
        ("GET", "/2025-12-01/functions/f/durable-executions?DurableExecutionName=two"),
        &[],
        b"",
    );
    let arn = loop {
        let (answer, _) = read(&mut connect(&sandbox, &list));
        if let Some((_, tail)) = answer.split_once("\"DurableExecutionArn\":\"") {
            break tail.split_once('"').unwrap().0.to_owned();
        }
    };
    let stop = format!("/2025-12-01/durable-executions/{}/stop", arn.replace(':', "%3A").replace('/', "%2F"));
    let (answer, _) = read(&mut connect(&sandbox, &request("lambda", ("POST", &stop), &[], b"")));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (answer, _) = read(&mut waiting);
    assert!(
        answer.contains("x-amz-function-error: Unhandled") && answer.contains("DurableExecutionStopped"),
        "{answer}"
    );
}

#[test]
fn streams_and_their_ends() {
    let course = "[[lambda.functions.courses]]\nchunks = ['one', 'two']\nevery = '1s'\n";
    let sandbox = start(&function(&format!("{course}{course}cut = true")));
    let target = ("POST", "/2021-11-15/functions/f%3A1/response-streaming-invocations");
    let mut stream = connect(&sandbox, &request("lambda", target, &[], b""));
    // The first piece is there before the second.
    let (first, end) = read(&mut stream);
    assert!(first.contains("transfer-encoding: chunked") && first.contains("one"), "{first}");
    assert!(!first.contains("two") && end == ErrorKind::WouldBlock, "{first}");
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (rest, _) = read(&mut stream);
    assert!(
        rest.contains("two") && rest.contains("InvokeComplete") && rest.ends_with("\r\n0\r\n\r\n"),
        "{rest}"
    );

    let mut stream = connect(&sandbox, &request("lambda", target, &[], b""));
    let (first, _) = read(&mut stream);
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (rest, end) = read(&mut stream);
    assert!(first.contains("one") && rest.contains("two") && !rest.ends_with("\r\n0\r\n\r\n"), "{rest}");
    assert_eq!(end, ErrorKind::UnexpectedEof);

    sandbox.add_fault(Fault::new("lambda", "*", FaultKind::Truncated).times(2)).unwrap();
    let (half, end) = read(&mut connect(&sandbox, &request("lambda", target, &[], b"")));
    assert!(half.contains("PayloadChunk") && !half.contains("InvokeComplete"), "{half}");
    assert_eq!(end, ErrorKind::UnexpectedEof);
    // Nothing to cut in half.
    let (none, end) = read(&mut connect(&sandbox, &invoke(&[("x-amz-invocation-type", "Event")], "")));
    assert_eq!((none.as_str(), end), ("", ErrorKind::ConnectionReset));
}

#[test]
fn silence_and_then_a_reset() {
    let sandbox = start(&function("[[lambda.functions.courses]]\nafter = '99s'"));
    let kind = FaultKind::HangThenReset(Duration::from_millis(200));
    sandbox.add_fault(Fault::new("lambda", "Invoke", kind)).unwrap();
    let since = Instant::now();
    let (answer, end) = read(&mut connect(&sandbox, &invoke(&[], "7")));
    assert_eq!((answer.as_str(), end), ("", ErrorKind::ConnectionReset));
    assert!(since.elapsed() >= Duration::from_millis(200));
    assert_eq!((sandbox.invoked("f"), sandbox.calls()[0].status), (1, None));
}
