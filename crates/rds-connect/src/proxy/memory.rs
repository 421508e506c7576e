//! The memory of clients that have no session yet: it bounds how many of them there are.

use std::cell::Cell;

/// What one client takes, in bytes, beside its startup packet: its state here, and its connection in the kernel, which
/// counts against the memory limit of a container too.
pub(super) const CLIENT: usize = 8 * 1024;

/// Memory for clients that wait.
#[derive(Debug)]
pub(super) struct WaitingMemory {
    limit: usize,
    used: Cell<usize>,
}

impl WaitingMemory {
    /// With a `limit` in bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: Cell::new(0) }
    }

    /// Memory for one more client; `None` where there is not enough.
    pub(super) fn reserve(&self) -> Option<Reserved<'_>> {
        let mut reserved = Reserved { memory: self, bytes: 0 };
        reserved.grow(CLIENT).then_some(reserved)
    }
}

/// Memory of one client, until this is dropped.
#[derive(Debug)]
pub(super) struct Reserved<'m> {
    memory: &'m WaitingMemory,
    bytes: usize,
}

impl Reserved<'_> {
    /// Reserves `more` bytes; `false` where there are not enough.
    pub(super) fn grow(&mut self, more: usize) -> bool {
        let used = self.memory.used.get() + more;
        let fits = used <= self.memory.limit;
        if fits {
            self.memory.used.set(used);
            self.bytes += more;
        }
        fits
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.memory.used.set(self.memory.used.get() - self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_free_again() {
        let memory = WaitingMemory::new(2 * CLIENT + 100);
        let mut first = memory.reserve().unwrap();
        let second = memory.reserve().unwrap();
        assert!(first.grow(100) && !first.grow(1));
        assert!(memory.reserve().is_none());
        drop(first);
        assert!(memory.reserve().is_some());
        drop(second);
        assert_eq!(memory.used.get(), 0);
    }
}
