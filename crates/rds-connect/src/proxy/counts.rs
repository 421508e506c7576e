//! What a proxy has done so far.

use std::cell::Cell;

use serde::Serialize;

/// Counts of one run.
#[derive(Debug, Default)]
pub(super) struct Counts(Cell<Told>);

/// The same at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Told {
    /// Clients that came.
    pub(super) clients: u64,
    /// Those that are there.
    pub(super) clients_now: u64,
    /// Those that wait for a connection to the database.
    pub(super) queued_now: u64,
    /// Connections to the database that are there.
    pub(super) upstream_now: u64,
    /// The most that there were at once.
    pub(super) upstream_most: u64,
    /// Sessions that began.
    pub(super) sessions: u64,
    /// Clients whose session could not begin.
    pub(super) refused: u64,
    /// Sessions that the database's side broke off.
    pub(super) broken: u64,
    /// Cancel requests that were passed on.
    pub(super) cancels: u64,
    /// Bytes from clients.
    pub(super) bytes_up: u64,
    /// Bytes to clients.
    pub(super) bytes_down: u64,
    /// Whether the last attempt to reach the database was a success.
    pub(super) reachable: Option<bool>,
    /// Whether no new clients are taken.
    pub(super) draining: bool,
}

impl Counts {
    pub(super) fn told(&self) -> Told {
        self.0.get()
    }

    /// Whether a client has a session, or waits for one.
    pub(super) fn is_busy(&self) -> bool {
        let Told { queued_now, upstream_now, .. } = self.told();
        queued_now + upstream_now > 0
    }

    fn change(&self, change: impl FnOnce(&mut Told)) {
        let mut told = self.0.get();
        change(&mut told);
        self.0.set(told);
    }

    pub(super) fn came(&self) -> Present<'_> {
        self.change(|told| (told.clients, told.clients_now) = (told.clients + 1, told.clients_now + 1));
        Present { counts: self, leave: |told| told.clients_now -= 1 }
    }

    /// A client waits for a connection to the database.
    pub(super) fn queues(&self) -> Present<'_> {
        self.change(|told| told.queued_now += 1);
        Present { counts: self, leave: |told| told.queued_now -= 1 }
    }

    /// A connection to the database is about to be made.
    pub(super) fn connects(&self) -> Present<'_> {
        self.change(|told| {
            told.upstream_now += 1;
            told.upstream_most = told.upstream_most.max(told.upstream_now);
        });
        Present { counts: self, leave: |told| told.upstream_now -= 1 }
    }

    pub(super) fn reached(&self, reachable: bool) {
        self.change(|told| told.reachable = Some(reachable));
    }

    pub(super) fn began(&self) {
        self.change(|told| told.sessions += 1);
    }

    pub(super) fn refused(&self) {
        self.change(|told| told.refused += 1);
    }

    pub(super) fn turned_away(&self) {
        self.change(|told| (told.clients, told.refused) = (told.clients + 1, told.refused + 1));
    }

    pub(super) fn broke(&self) {
        self.change(|told| told.broken += 1);
    }

    pub(super) fn cancelled(&self) {
        self.change(|told| told.cancels += 1);
    }

    pub(super) fn moved(&self, up: u64, down: u64) {
        self.change(|told| (told.bytes_up, told.bytes_down) = (told.bytes_up + up, told.bytes_down + down));
    }

    pub(super) fn drain(&self) {
        self.change(|told| told.draining = true);
    }
}

/// Somebody who is counted until this is dropped.
pub(super) struct Present<'c> {
    counts: &'c Counts,
    leave: fn(&mut Told),
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.counts.change(self.leave);
    }
}
