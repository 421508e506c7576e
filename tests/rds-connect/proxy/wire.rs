//! A client of PostgreSQL's protocol that shows every message, and can be as strange as one likes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// No answer takes longer; one that does is a hang.
const PATIENCE: Duration = Duration::from_secs(80);

pub(super) const TLS: u32 = 80_877_103;
pub(super) const GSS: u32 = 80_877_104;
pub(super) const CANCEL: u32 = 80_877_102;
/// Version 3.0.
pub(super) const VERSION: u32 = 3 << 16;

trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

/// A connection.
pub(super) struct Wire(Box<dyn Stream>, Option<TcpStream>);

/// A message: its kind and its body.
pub(super) type Message = (u8, Vec<u8>);

impl Wire {
    pub(super) fn tcp(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let other = stream.try_clone().unwrap();
        Self(Box::new(stream), Some(other))
    }

    pub(super) fn unix(path: &Path) -> Self {
        let stream = UnixStream::connect(path).expect("somebody listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(Box::new(stream), None)
    }

    /// Ends the own direction.
    pub(super) fn finish(&self) {
        self.1.as_ref().expect("it is TCP").shutdown(Shutdown::Write).unwrap();
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the other side is there");
    }

    /// Sends without minding whether the other side has gone.
    pub(super) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Asks for encryption, and is declined.
    pub(super) fn decline(&mut self, code: u32) {
        self.send(&packet(code, b""));
        assert_eq!(self.bytes(1), b"N");
    }

    /// Begins a session.
    pub(super) fn begin(&mut self, parameters: &[(&str, &str)]) {
        self.begin_as(VERSION, parameters);
    }

    pub(super) fn begin_as(&mut self, version: u32, parameters: &[(&str, &str)]) {
        self.send(&packet(version, &body(parameters)));
    }

    pub(super) fn query(&mut self, sql: &str) {
        self.send(&message(b'Q', &[sql.as_bytes(), b"\0"].concat()));
    }

    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).expect("so many bytes come");
        bytes
    }

    /// The next message; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Message> {
        let mut header = [0; 5];
        match self.0.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                return None;
            }
            Err(error) => panic!("no end and no message: {error}"),
        }
        let [kind, length @ ..] = header;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap();
        Some((kind, self.bytes(length - 4)))
    }

    /// Everything up to the end, as text.
    pub(super) fn all(&mut self) -> String {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("no end: {error}"),
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How long sending may take; then it fails.
    pub(super) fn limit_sending(&self, limit: Duration) {
        self.1.as_ref().expect("it is TCP").set_write_timeout(Some(limit)).unwrap();
    }

    /// The messages up to the next that says ready.
    #[track_caller]
    pub(super) fn ready(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            let (kind, body) = self.next().expect("it is not the end");
            assert_ne!(kind, b'E', "{}", String::from_utf8_lossy(&body));
            messages.push((kind, body));
            if kind == b'Z' {
                return messages;
            }
        }
    }

    /// The error that comes before the end, all of its fields; empty where there is none.
    pub(super) fn last_words(&mut self) -> String {
        let mut error = String::new();
        while let Some((kind, body)) = self.next() {
            if kind == b'E' {
                error = String::from_utf8_lossy(&body).replace('\0', "\n");
            }
        }
        error
    }

    /// The first column of the first row that a statement gives.
    #[track_caller]
    pub(super) fn ask(&mut self, sql: &str) -> String {
        self.query(sql);
        let messages = self.ready();
        let row = messages.iter().find(|(kind, _)| *kind == b'D').expect("a row");
        String::from_utf8_lossy(&row.1[6..]).into_owned()
    }
}

/// What a startup packet says.
pub(super) fn body(parameters: &[(&str, &str)]) -> Vec<u8> {
    let texts = parameters.iter().flat_map(|(name, value)| [name.as_bytes(), b"\0", value.as_bytes(), b"\0"]);
    texts.chain([&b"\0"[..]]).flatten().copied().collect()
}

/// A packet of the beginning: its length, a code, and what belongs to that.
pub(super) fn packet(code: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).unwrap();
    [&length.to_be_bytes()[..], &code.to_be_bytes(), body].concat()
}

pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}
