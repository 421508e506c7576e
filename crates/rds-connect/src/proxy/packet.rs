//! The packets that a client begins with.

use bytes::{BufMut as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::refusal::Refusal;
use crate::startup::LONGEST_PACKET;

/// The shortest one: its length and a code.
const SHORTEST_PACKET: usize = 8;
const CANCEL: u32 = 80_877_102;
const TLS: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
/// The version of the protocol that is spoken, 3.0: major in the upper half, minor in the lower.
const VERSION: u32 = 3 << 16;

/// What a client wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Session(Packet),
    Cancel((i32, i32)),
}

/// A startup packet whose parameters can be read. A client may wait long for its session: as bytes they take the least
/// memory.
#[derive(PartialEq, Eq)]
pub(super) struct Packet {
    /// Of the protocol, as a number, and the parameters.
    version_and_parameters: Vec<u8>,
}

impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Packet").field(&self.startup()).finish()
    }
}

impl Packet {
    /// The parameters.
    pub(super) fn startup(&self) -> Result<Startup, Refusal> {
        let (version, parameters) = self.version_and_parameters.split_at(4);
        let newer = version != VERSION.to_be_bytes();
        Ok(Startup { newer, ..startup(parameters)? })
    }
}

/// The parameters of a session.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Startup {
    pub(super) user: Option<String>,
    pub(super) database: Option<String>,
    pub(super) parameters: Vec<(String, String)>,
    /// Extensions of the protocol that it would like, and whether it would like a newer version of it.
    pub(super) extensions: Vec<String>,
    pub(super) newer: bool,
}

/// Reads what a client wants; its wishes for encryption are declined. `None` where it has gone. Before a packet of some
/// bytes is read, `reserve` is asked for the memory.
pub(super) async fn wanted(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut reserve: impl FnMut(usize) -> bool,
) -> Result<Option<Wanted>, Refusal> {
    // TLS, then GSSAPI or the other way round, then the packet itself.
    for _ in 0..3 {
        let Ok(length) = client.read_u32().await else { return Ok(None) };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !(SHORTEST_PACKET..=LONGEST_PACKET).contains(&length) {
            return Err(Refusal::protocol("invalid length of startup packet"));
        }
        if !reserve(length) {
            return Err(Refusal::full());
        }
        let mut packet = vec![0; length - 4];
        if client.read_exact(&mut packet).await.is_err() {
            return Ok(None);
        }
        let (code, body) = packet.split_at(4);
        match u32::from_be_bytes([code[0], code[1], code[2], code[3]]) {
            TLS | GSS if body.is_empty() => {
                if client.write_all(b"N").await.is_err() {
                    return Ok(None);
                }
            }
            CANCEL => {
                let key = <[u8; 8]>::try_from(body)
                    .map_err(|_| Refusal::protocol("invalid length of cancel request"))?;
                let number = |at: usize| i32::from_be_bytes([key[at], key[at + 1], key[at + 2], key[at + 3]]);
                return Ok(Some(Wanted::Cancel((number(0), number(4)))));
            }
            version if version >> 16 == VERSION >> 16 => {
                let packet = Packet { version_and_parameters: packet };
                packet.startup()?;
                return Ok(Some(Wanted::Session(packet)));
            }
            _ => {
                return Err(Refusal::new(
                    "0A000",
                    "unsupported frontend protocol: the proxy speaks version 3.0",
                ));
            }
        }
    }
    Err(Refusal::protocol("encryption was asked for again and again"))
}

/// Reads what a client wants from `bytes`.
pub(crate) async fn fuzz(bytes: &[u8]) {
    let _ = wanted(&mut tokio::io::join(bytes, tokio::io::sink()), |_| true).await;
}

/// Reads the parameters of a startup packet: names and values that end with zeros, and a zero.
fn startup(body: &[u8]) -> Result<Startup, Refusal> {
    let invalid = || Refusal::protocol("invalid startup packet layout: expected terminator as last byte");
    let body = body.strip_suffix(b"\0").ok_or_else(invalid)?;
    let mut found = Startup::default();
    if body.is_empty() {
        return Ok(found);
    }
    let body = body.strip_suffix(b"\0").ok_or_else(invalid)?;
    let mut texts = body.split(|byte| *byte == 0);
    while let Some(name) = texts.next() {
        let value = texts.next().ok_or_else(invalid)?;
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec())
                .map_err(|_| Refusal::protocol("a startup parameter is not UTF-8"))
        };
        let (name, value) = (text(name)?, text(value)?);
        match name.as_str() {
            "user" => found.user = Some(value).filter(|value| !value.is_empty()),
            "database" => found.database = Some(value).filter(|value| !value.is_empty()),
            extension if extension.starts_with("_pq_.") => found.extensions.push(name),
            _ => found.parameters.push((name, value)),
        }
    }
    Ok(found)
}

/// A `NegotiateProtocolVersion`: 3.0, without any of `extensions`.
pub(super) fn negotiation(extensions: &[String]) -> BytesMut {
    let mut body = BytesMut::new();
    body.put_u32(VERSION);
    body.put_u32(u32::try_from(extensions.len()).unwrap_or_default());
    for extension in extensions {
        body.extend_from_slice(extension.as_bytes());
        body.put_u8(0);
    }
    framed(b'v', &body)
}

/// A message: its kind, its length, its body.
pub(super) fn framed(kind: u8, body: &[u8]) -> BytesMut {
    let mut message = BytesMut::with_capacity(body.len() + 5);
    message.put_u8(kind);
    message.put_u32(u32::try_from(body.len() + 4).unwrap_or_default());
    message.extend_from_slice(body);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn startup_packets() {
        let found = startup(b"user\0jane\0database\0sales\0_pq_.x\0on\0options\0-c a=b\0\0").unwrap();
        assert_eq!(
            found,
            Startup {
                user: Some("jane".to_owned()),
                database: Some("sales".to_owned()),
                parameters: vec![("options".to_owned(), "-c a=b".to_owned())],
                extensions: vec!["_pq_.x".to_owned()],
                newer: false,
            }
        );
        assert_eq!(startup(b"\0"), Ok(Startup::default()));
        for body in
            [&b""[..], b"user", b"user\0jane\0", b"user\0jane\0database\0\0", b"user\0\xff\0\0", b"\0\0\0"]
        {
            let told = startup(body);
            // An odd number of texts, no end, no text.
            assert!(told.is_err() || body == b"\0\0\0", "{body:?}: {told:?}");
        }
    }

    #[test]
    fn what_is_not_spoken_is_negotiated_away() {
        assert_eq!(&negotiation(&["_pq_.x".to_owned()])[..], b"v\0\0\0\x13\0\x03\0\0\0\0\0\x01_pq_.x\0");
    }

    /// What `wanted` makes of bytes, after which the client sends no more.
    fn read(bytes: &[u8]) -> (Result<Option<Wanted>, Refusal>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut client, mut proxy) = tokio::io::duplex(64 * 1024);
            client.write_all(bytes).await.unwrap();
            client.shutdown().await.unwrap();
            let told = wanted(&mut proxy, |_| true).await;
            drop(proxy);
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            (told, answer)
        })
    }

    /// The parameters of what must be a session.
    fn session(told: Result<Option<Wanted>, Refusal>) -> Startup {
        let Ok(Some(Wanted::Session(packet))) = told else { panic!("no session: {told:?}") };
        packet.startup().unwrap()
    }

    /// A packet with its length.
    fn packet(code: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 8).unwrap();
        [&length.to_be_bytes()[..], &code.to_be_bytes(), body].concat()
    }

    #[test]
    fn beginnings_of_clients() {
        let (tls, gss) = (packet(TLS, b""), packet(GSS, b""));
        let whole = packet(VERSION, b"user\0jane\0\0");
        let jane = Startup { user: Some("jane".to_owned()), ..Startup::default() };
        for (bytes, declined) in
            [(whole.clone(), 0), ([&tls[..], &whole].concat(), 1), ([&gss[..], &tls, &whole].concat(), 2)]
        {
            let (told, answer) = read(&bytes);
            assert_eq!(session(told), jane);
            assert_eq!(answer, vec![b'N'; declined]);
            // However short it falls, it is nobody who goes.
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut]).0, Ok(None), "{cut}");
            }
        }
        let newer = packet(VERSION + 2, b"user\0jane\0\0");
        assert_eq!(session(read(&newer).0), Startup { newer: true, ..jane });
        let key = packet(CANCEL, &[0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(read(&key).0, Ok(Some(Wanted::Cancel((7, -1)))));
    }

    #[test]
    fn beginnings_that_are_refused() {
        let tls = packet(TLS, b"");
        let long = u32::try_from(LONGEST_PACKET + 1).unwrap().to_be_bytes();
        for (bytes, code) in [
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "08P01"),
            // The beginning of TLS without asking for it.
            (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(), "08P01"),
            (vec![0; 8], "08P01"),
            (vec![0xff; 8], "08P01"),
            (7_u32.to_be_bytes().to_vec(), "08P01"),
            (long.to_vec(), "08P01"),
            ([&tls[..], &tls, &tls, &tls].concat(), "08P01"),
            (packet(TLS, b"more"), "0A000"),
            (packet(CANCEL, b"\0\0\0\x07"), "08P01"),
            (packet(2 << 16, b"user\0jane\0\0"), "0A000"),
            (packet(4 << 16, b"user\0jane\0\0"), "0A000"),
            (packet(VERSION, b""), "08P01"),
            (packet(VERSION, b"user\0jane\0"), "08P01"),
        ] {
            assert_eq!(read(&bytes).0.unwrap_err().code, code, "{bytes:?}");
        }
    }

    #[test]
    fn no_bytes_are_too_strange() {
        let mut random = fastrand::Rng::with_seed(5);
        let whole = packet(VERSION, b"user\0jane\0database\0sales\0options\0-c a=b\0\0");
        for round in 0..20_000 {
            let mut bytes = if round % 2 == 0 {
                let count = random.usize(..64);
                std::iter::repeat_with(|| random.u8(..)).take(count).collect()
            } else {
                whole.clone()
            };
            for _ in 0..random.usize(..4) {
                if let Some(byte) = random.choice(&mut bytes) {
                    *byte = *b"\0\x01\x03\xff".get(random.usize(..4)).unwrap();
                }
            }
            let (told, answer) = read(&bytes);
            assert!(answer.iter().all(|byte| *byte == b'N') && answer.len() <= 3);
            if let Ok(Some(Wanted::Session(packet))) = told {
                let startup = packet.startup().unwrap();
                let texts = startup.parameters.iter().flat_map(|(name, value)| [name, value]);
                assert!(texts.chain(&startup.user).all(|text| !text.contains('\0')));
            }
        }
    }
}
