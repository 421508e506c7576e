//! One client: what it asks for, its session, its end.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use job_runtime::{Exit, Failure as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::counts::Counts;
use super::door::Client;
use super::relay::relay;
use crate::error::Error;
use crate::login::Endpoint;
use crate::session::{Opener, Wishes};

/// PostgreSQL's own limit for a startup packet (`MAX_STARTUP_PACKET_LENGTH`), in bytes.
const LONGEST_PACKET: usize = 10_000;
/// The shortest one: its length and a code.
const SHORTEST_PACKET: usize = 8;
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one may take to hear why not.
const FAREWELL: Duration = Duration::from_secs(2);

const CANCEL: u32 = 80_877_102;
const TLS: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
/// The version of the protocol that is spoken: 3.0.
const MAJOR: u32 = 3;

/// What all clients share.
pub(super) struct Shared<'a> {
    pub(super) opener: &'a Opener<'a>,
    /// One for each connection to the database that may be.
    pub(super) slots: Semaphore,
    pub(super) queue_timeout: Duration,
    pub(super) counts: &'a Counts,
    /// Where the sessions are whose queries can be cancelled.
    pub(super) keys: RefCell<HashMap<(i32, i32), (Endpoint, SocketAddr)>>,
    /// Becomes true when the proxy ends.
    pub(super) over: &'a watch::Sender<bool>,
}

/// What a client wants.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Session(Startup),
    Cancel((i32, i32)),
}

/// The parameters of a session.
#[derive(Debug, Default, PartialEq, Eq)]
struct Startup {
    user: Option<String>,
    database: Option<String>,
    parameters: Vec<(String, String)>,
    /// Extensions of the protocol that it would like, and whether it would like a newer version of it.
    extensions: Vec<String>,
    newer: bool,
}

/// Why a client has no session, as PostgreSQL would say it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    code: String,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
}

impl Refusal {
    fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), detail: None, hint: None }
    }

    /// There is no room for more clients.
    pub(super) fn full() -> Self {
        Self::new("53300", "the proxy has no room for another client")
    }

    /// The proxy ends.
    pub(super) fn over() -> Self {
        Self::new("57P01", "terminating connection because the proxy was told to end")
    }

    /// The database's side is gone without a word.
    pub(super) fn broken() -> Self {
        Self::new("08006", "the connection between the proxy and the database has ended unexpectedly")
    }

    fn protocol(message: impl Into<String>) -> Self {
        Self::new("08P01", message)
    }

    /// An `ErrorResponse`.
    pub(super) fn message(&self) -> BytesMut {
        let mut body = BytesMut::new();
        let fields = [
            (b'S', Some("FATAL")),
            (b'V', Some("FATAL")),
            (b'C', Some(self.code.as_str())),
            (b'M', Some(self.message.as_str())),
            (b'D', self.detail.as_deref()),
            (b'H', self.hint.as_deref()),
        ];
        for (field, text) in fields {
            let Some(text) = text else { continue };
            body.put_u8(field);
            body.extend(text.bytes().filter(|byte| *byte != 0));
            body.put_u8(0);
        }
        body.put_u8(0);
        framed(b'E', &body)
    }
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        if let Error::Stage(failed) = error
            && let Some(server) = &failed.server
        {
            let hint = server.hint.clone().or_else(|| {
                (!failed.advice.is_empty()).then(|| format!("look at: {}", failed.advice.join("; or ")))
            });
            return Self {
                code: server.code.clone(),
                message: server.message.clone(),
                detail: server.detail.clone(),
                hint,
            };
        }
        // "unable to establish", or "invalid authorization" where it is AWS that refuses.
        let code = if error.exit() == Exit::Denied { "28000" } else { "08001" };
        Self::new(code, format!("the proxy has no connection to the database: {error}"))
    }
}

impl Shared<'_> {
    /// Serves one client to its end.
    pub(super) async fn serve(&self, mut client: Client) {
        let _here = self.counts.came();
        if let Err(refusal) = self.attend(&mut client).await {
            self.counts.refused();
            tracing::warn!(code = refusal.code, reason = refusal.message, "a client was refused");
            let farewell = async {
                let _ = client.write_all(&refusal.message()).await;
                let _ = client.shutdown().await;
                // What it has sent is read first: closing before that would take the words back.
                let mut rest = [0; 1024];
                while client.read(&mut rest).await.is_ok_and(|read| read > 0) {}
            };
            let _ = timeout(FAREWELL, farewell).await;
        }
    }

    async fn attend(&self, client: &mut Client) -> Result<(), Refusal> {
        let wanted = match timeout(PATIENCE, wanted(client)).await {
            Ok(Ok(Some(wanted))) => wanted,
            // It has gone: a probe of the port, or a change of mind.
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(refusal)) => return Err(refusal),
            Err(_) => return Err(Refusal::protocol("no whole startup packet came within 10 s")),
        };
        match wanted {
            Wanted::Session(startup) => self.session(client, startup).await,
            Wanted::Cancel(key) => {
                self.cancel(key).await;
                Ok(())
            }
        }
    }

    async fn session(&self, client: &mut Client, startup: Startup) -> Result<(), Refusal> {
        if let (Some(ours), Some(theirs)) = (&self.opener.connection.user, &startup.user)
            && ours != theirs
        {
            return Err(Refusal {
                hint: Some(format!(
                    "connect with the user {ours}; the proxy proves it, whatever the password"
                )),
                ..Refusal::new("28000", format!("this proxy connects as \"{ours}\", not as \"{theirs}\""))
            });
        }
        let _slot = match timeout(self.queue_timeout, self.slots.acquire()).await {
            Ok(Ok(slot)) => slot,
            Ok(Err(_)) => return Err(Refusal::over()),
            Err(_) => {
                return Err(Refusal {
                    hint: Some("--max-connections bounds them, --queue-timeout the wait for one".to_owned()),
                    ..Refusal::new("53300", "every connection of the proxy is in use")
                });
            }
        };
        let _counted = self.counts.connects();
        let wishes = Wishes { database: startup.database, parameters: startup.parameters };
        let session = match self.opener.open(&wishes).await {
            Ok(session) => session,
            Err(error) => {
                // What is wrong with one client's wishes says nothing of the way.
                if !matches!(&error, Error::Stage(failed) if failed.exit == Exit::Rejected) {
                    self.counts.reached(false);
                }
                return Err(Refusal::from(&error));
            }
        };
        self.counts.reached(true);
        let mut hello = BytesMut::new();
        if startup.newer || !startup.extensions.is_empty() {
            hello.extend_from_slice(&negotiation(&startup.extensions));
        }
        hello.extend_from_slice(&session.greeting.messages);
        // One that does not take it has gone.
        if client.write_all(&hello).await.is_err() {
            return Ok(());
        }
        let _key = session.greeting.key.map(|key| {
            self.keys.borrow_mut().insert(key, (session.endpoint.clone(), session.address));
            Cancellable { shared: self, key }
        });
        relay(client, session.stream, self.over.subscribe(), self.counts).await;
        Ok(())
    }

    async fn cancel(&self, key: (i32, i32)) {
        let found = self.keys.borrow().get(&key).cloned();
        let Some((endpoint, address)) = found else {
            tracing::debug!("a cancel request for a session that is not here");
            return;
        };
        match self.opener.cancel(&endpoint, address, key).await {
            Ok(()) => self.counts.cancelled(),
            Err(error) => tracing::warn!(%error, "a cancel request could not be passed on"),
        }
    }
}

/// A session whose queries can be cancelled until this is dropped.
struct Cancellable<'s, 'a> {
    shared: &'s Shared<'a>,
    key: (i32, i32),
}

impl Drop for Cancellable<'_, '_> {
    fn drop(&mut self) {
        self.shared.keys.borrow_mut().remove(&self.key);
    }
}

/// Reads what a client wants; its wishes for encryption are declined. `None` where it has gone.
async fn wanted(client: &mut Client) -> Result<Option<Wanted>, Refusal> {
    // TLS, then GSSAPI or the other way round, then the packet itself.
    for _ in 0..3 {
        let Ok(length) = client.read_u32().await else { return Ok(None) };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !(SHORTEST_PACKET..=LONGEST_PACKET).contains(&length) {
            return Err(Refusal::protocol("invalid length of startup packet"));
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
            version if version >> 16 == MAJOR => {
                let newer = version & 0xffff != 0;
                let startup = startup(body)?;
                return Ok(Some(Wanted::Session(Startup { newer, ..startup })));
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
fn negotiation(extensions: &[String]) -> BytesMut {
    let mut body = BytesMut::new();
    body.put_u32(0);
    body.put_u32(u32::try_from(extensions.len()).unwrap_or_default());
    for extension in extensions {
        body.extend_from_slice(extension.as_bytes());
        body.put_u8(0);
    }
    framed(b'v', &body)
}

fn framed(kind: u8, body: &[u8]) -> BytesMut {
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
    fn refusals_are_messages_of_the_protocol() {
        let refusal = Refusal { hint: Some("h\0h".to_owned()), ..Refusal::new("53300", "full") };
        assert_eq!(&refusal.message()[..], b"E\0\0\0$SFATAL\0VFATAL\0C53300\0Mfull\0Hhh\0\0");
        assert_eq!(&negotiation(&["_pq_.x".to_owned()])[..], b"v\0\0\0\x13\0\0\0\0\0\0\0\x01_pq_.x\0");
    }

    /// Parts of packets: lengths and codes, right and wrong, parameters, anything.
    fn part() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
        use proptest::prelude::*;
        let number = prop_oneof![
            proptest::sample::select(vec![
                CANCEL,
                TLS,
                GSS,
                MAJOR << 16,
                (MAJOR << 16) + 2,
                0,
                8,
                9,
                16,
                10_000,
                10_001,
                u32::MAX
            ]),
            0..40_u32,
        ];
        prop_oneof![
            3 => number.prop_map(|number| number.to_be_bytes().to_vec()),
            2 => "(user|database|options|_pq_\\.x|é)\u{0}[a-z]{0,5}\u{0}{0,2}".prop_map(String::into_bytes),
            1 => proptest::collection::vec(any::<u8>(), 0..12),
        ]
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            cases: 500,
            rng_seed: proptest::test_runner::RngSeed::Fixed(8),
            failure_persistence: None,
            ..Default::default()
        })]

        /// Whatever a client sends and then is silent: it has a wish, is refused as the protocol has it, or is gone.
        #[test]
        fn any_packets_are_a_wish_or_are_refused(
            parts in proptest::collection::vec(part(), 0..8),
            framed in proptest::bool::ANY,
        ) {
            let mut sent = parts.concat();
            if framed {
                let length = u32::try_from(sent.len() + 4).unwrap();
                sent.splice(0..0, length.to_be_bytes());
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
            let wished = runtime.block_on(async {
                let (mut near, far) = tokio::net::UnixStream::pair().unwrap();
                near.write_all(&sent).await.unwrap();
                near.shutdown().await.unwrap();
                wanted(&mut Client::Unix(far)).await
            });
            match wished {
                Ok(Some(Wanted::Session(session))) => {
                    let parameters = session.parameters.into_iter().flat_map(|(name, value)| [name, value]);
                    let texts: Vec<_> = parameters.chain(session.user).chain(session.database).collect();
                    assert!(texts.iter().all(|text| !text.contains('\0')), "{texts:?}");
                }
                Ok(Some(Wanted::Cancel(_)) | None) => {}
                Err(refusal) => {
                    let message = refusal.message();
                    assert_eq!((message[0], usize::try_from(u32::from_be_bytes([message[1], message[2], message[3], message[4]])).unwrap()), (b'E', message.len() - 1));
                }
            }
        }
    }
}
