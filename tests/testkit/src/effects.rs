//! What a binary really did, as the sandbox counts it: one shape for all services that run work.

use sandbox::{Effects, Work, WorkKind};

use crate::site::Site;

impl Site {
    /// All work of a kind that was really started, by whomever: by resource, the oldest first.
    pub fn work(&self, kind: WorkKind) -> Vec<Work> {
        self.sandbox.work(kind)
    }

    /// How often work of a kind was really started and stopped, and ends were replaced, by whomever.
    pub fn effects(&self, kind: WorkKind) -> Effects {
        self.sandbox.effects(kind)
    }

    /// Asserts that work of a kind was started and stopped so often, and that no end was replaced.
    #[track_caller]
    pub fn assert_effects(&self, kind: WorkKind, starts: usize, stops: usize) {
        let expected = Effects { starts, stops, overwrites: 0 };
        let work = self.work(kind);
        let calls: Vec<String> = self
            .sandbox
            .calls()
            .iter()
            .map(|call| {
                let fault = call.fault.map_or_else(String::new, |fault| format!(" ({fault})"));
                format!("{:?} {}:{} {:?}{fault}", call.at, call.service, call.operation, call.status)
            })
            .collect();
        assert_eq!(Effects::of(&work), expected, "{kind:?}: {work:#?}\n{}", calls.join("\n"));
    }
}
