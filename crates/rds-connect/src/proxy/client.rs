//! One client: what it asks for, its session, its end.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, sleep, timeout};

use super::Phase;
use super::counts::{Counts, Present};
use super::door::Client;
use super::memory::Reserved;
use super::packet::{Packet, Startup, Wanted, negotiation, wanted};
use super::readiness::Readiness;
use super::refusal::Refusal;
use super::relay::relay;
use crate::login::Endpoint;
use crate::session::{Opener, Session, Wishes};

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one may take to hear why not.
const FAREWELL: Duration = Duration::from_secs(2);
/// So much of what a client says before its session stands is kept for it, in bytes. No usual one says anything.
const EARLY: usize = 256;

/// What all clients share.
pub(super) struct Shared<'a> {
    pub(super) opener: &'a Opener<'a>,
    /// One for each connection to the database that may be.
    pub(super) slots: Semaphore,
    pub(super) queue_timeout: Duration,
    pub(super) counts: &'a Counts,
    pub(super) readiness: Readiness<'a>,
    /// Where the sessions are whose queries can be cancelled.
    pub(super) keys: RefCell<HashMap<(i32, i32), (Endpoint, SocketAddr)>>,
    pub(super) phase: &'a watch::Sender<Phase>,
}

impl Shared<'_> {
    /// Serves one client to its end, and tells whether it wanted a session.
    pub(super) async fn serve(&self, mut client: Client, memory: Reserved<'_>) -> bool {
        let _here = self.counts.came();
        let mut is_for_session = false;
        if let Err(refusal) = self.attend(&mut client, memory, &mut is_for_session).await {
            self.counts.refused();
            tracing::warn!(code = refusal.code, reason = refusal.message, "a client was refused");
            let farewell = async {
                let _ = client.write_all(&refusal.message()).await;
                let _ = client.shutdown().await;
                // What it has sent is read first: closing before that would take the words back.
                let mut rest = [0; 256];
                while client.read(&mut rest).await.is_ok_and(|read| read > 0) {}
            };
            let _ = timeout(FAREWELL, farewell).await;
        }
        is_for_session
    }

    async fn attend(
        &self,
        client: &mut Client,
        mut memory: Reserved<'_>,
        is_for_session: &mut bool,
    ) -> Result<(), Refusal> {
        let wanted = tokio::select! {
            wanted = timeout(PATIENCE, wanted(client, |bytes| memory.grow(bytes))) => match wanted {
                Ok(Ok(Some(wanted))) => wanted,
                // It has gone: a probe of the port, or a change of mind.
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(refusal)) => return Err(refusal),
                Err(_) => return Err(Refusal::protocol("no whole startup packet came within 10 s")),
            },
            () = self.phase(Phase::Over) => return Err(Refusal::over()),
        };
        match wanted {
            Wanted::Session(packet) => {
                *is_for_session = true;
                let mut early = BytesMut::new();
                // A client that goes meanwhile, or an end of the proxy, leaves nothing behind.
                let slot = tokio::select! {
                    biased;
                    () = self.phase(Phase::Draining) => return Err(Refusal::ending()),
                    slot = self.queue(&packet) => slot?,
                    () = gone(client, &mut early) => return Ok(()),
                };
                let startup = packet.startup()?;
                drop((packet, memory));
                // A session takes much more memory than the wait for one: it is made when it begins.
                Box::pin(self.session(client, startup, slot, early)).await
            }
            Wanted::Cancel(key) => {
                Box::pin(self.cancel(key)).await;
                Ok(())
            }
        }
    }

    /// Ends once the proxy is in this phase, or a later one.
    async fn phase(&self, phase: Phase) {
        // The sender lives as long as the proxy.
        let _ = self.phase.subscribe().wait_for(|now| *now >= phase).await;
    }

    async fn session(
        &self,
        client: &mut Client,
        startup: Startup,
        slot: SemaphorePermit<'_>,
        mut early: BytesMut,
    ) -> Result<(), Refusal> {
        let mut hello = BytesMut::new();
        if startup.newer || !startup.extensions.is_empty() {
            hello.extend_from_slice(&negotiation(&startup.extensions));
        }
        let _place = Place { _slot: slot, _counted: self.counts.connects() };
        let mut session = tokio::select! {
            biased;
            () = self.phase(Phase::Draining) => return Err(Refusal::ending()),
            opened = self.open(startup) => opened?,
            () = gone(client, &mut early) => return Ok(()),
        };
        hello.extend_from_slice(&session.greeting.messages);
        session.stream.write_all(&early).await.map_err(|_| Refusal::broken())?;
        session.stream.flush().await.map_err(|_| Refusal::broken())?;
        // One that does not take it has gone.
        if client.write_all(&hello).await.is_err() {
            return Ok(());
        }
        let _key = session.greeting.key.map(|key| {
            self.keys.borrow_mut().insert(key, (session.endpoint.clone(), session.address));
            Cancellable { shared: self, key }
        });
        relay(client, session.stream, self.phase.subscribe(), self.counts).await;
        Ok(())
    }

    /// Checks the user, and waits for one of the connections to the database.
    async fn queue(&self, packet: &Packet) -> Result<SemaphorePermit<'_>, Refusal> {
        let _queued = self.counts.queues();
        let begun = Instant::now();
        let ours = self.opener.logins.user().await.map_err(|error| {
            let refusal = Refusal::from(&error);
            self.readiness.client_attempt(begun, &Err::<(), _>(error));
            refusal
        })?;
        if let Some(theirs) = packet.startup()?.user.filter(|theirs| *theirs != ours) {
            let what = format!("this proxy connects as \"{ours}\", not as \"{theirs}\"");
            let hint = format!("connect with the user {ours}; the proxy proves it, whatever the password");
            return Err(Refusal::new("28000", what).with_hint(hint));
        }
        match timeout(self.queue_timeout, self.slots.acquire()).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) => Err(Refusal::over()),
            Err(_) => {
                let hint = "--max-connections bounds them, --queue-timeout the wait for one";
                Err(Refusal::new("53300", "every connection of the proxy is in use").with_hint(hint))
            }
        }
    }

    /// Opens a session as a client wants it.
    async fn open(&self, startup: Startup) -> Result<Session, Refusal> {
        let wishes = Wishes { database: startup.database, parameters: startup.parameters };
        let begun = Instant::now();
        let opened = self.opener.open(&wishes).await;
        self.readiness.client_attempt(begun, &opened);
        let session = opened.map_err(|error| Refusal::from(&error))?;
        self.counts.began();
        Ok(session)
    }

    /// Tries a session of the proxy's own for as long as it is not ready, and after a client's failure that leaves open
    /// whether the cause is the client: while the proxy is not ready, no client may be sent here to find out.
    pub(super) async fn recover(&self, every: Duration) {
        let trying = async {
            loop {
                sleep(every).await;
                if self.readiness.needs_probe()
                    && let Ok(slot) = self.slots.try_acquire()
                {
                    let _place = Place { _slot: slot, _counted: self.counts.connects() };
                    let begun = Instant::now();
                    let opened = self.opener.open(&Wishes::default()).await;
                    self.readiness.probe(begun, &opened);
                }
            }
        };
        // What is under way is dropped at the end, so that nobody waits for it.
        tokio::select! {
            () = self.phase(Phase::Draining) => {}
            () = trying => {}
        }
        std::future::pending::<()>().await;
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

/// One of the connections to the database, until this is dropped.
struct Place<'s> {
    _slot: SemaphorePermit<'s>,
    _counted: Present<'s>,
}

/// Ends when a client goes that waits for its session. What it says too early is kept.
async fn gone(client: &mut Client, early: &mut BytesMut) {
    while early.len() < EARLY {
        if !client.read_buf(early).await.is_ok_and(|read| read > 0) {
            return;
        }
    }
    std::future::pending::<()>().await;
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
