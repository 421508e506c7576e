//! Which lines are sent.

use crate::digest::Digest;
use crate::earlier::{Done, Earlier};

/// Every `count`th line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    pub(crate) const WHOLE: Self = Self { index: 0, count: 1 };

    /// `None` where there is no such shard.
    pub(crate) fn new(index: u64, count: u64) -> Option<Self> {
        (index < count).then_some(Self { index, count })
    }

    /// Whether a line, counted from 1, is of this shard.
    pub(crate) fn holds(self, line: u64) -> bool {
        line.checked_sub(1).is_some_and(|before| before % self.count == self.index)
    }
}

/// The lines of a shard that are still to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) shard: Shard,
    earlier: Earlier,
    /// Lines last seen unknown may be sent again.
    repeatable: bool,
    skipped: u64,
    not_evaluated: u64,
    kept_unknown: KeptUnknown,
}

/// Lines that an earlier run left unknown, and that are not sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptUnknown {
    pub(crate) count: u64,
    /// Number of the first of them.
    pub(crate) first: u64,
}

impl Selection {
    pub(crate) fn new(shard: Shard, repeatable: bool) -> Self {
        let (earlier, kept_unknown) = (Earlier::default(), KeptUnknown::default());
        Self { shard, earlier, repeatable, skipped: 0, not_evaluated: 0, kept_unknown }
    }

    /// The same after these responses of earlier runs.
    pub(crate) fn after(self, earlier: Earlier) -> Self {
        Self { earlier, ..self }
    }

    /// Whether to send a line of the shard; asked once for each, in order.
    pub(crate) fn takes(&mut self, line: u64, digest: Digest) -> bool {
        match self.earlier.take(digest) {
            Done::No => true,
            Done::Unknown if self.repeatable => true,
            Done::Unknown => {
                if self.kept_unknown.count == 0 {
                    self.kept_unknown.first = line;
                }
                self.kept_unknown.count += 1;
                false
            }
            done @ (Done::Ok | Done::NotEvaluated) => {
                self.skipped += 1;
                self.not_evaluated += u64::from(done == Done::NotEvaluated);
                false
            }
        }
    }

    /// How many lines were left out because they have a good response.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Of how many of these `--expect` could not be evaluated on the response.
    pub(crate) fn not_evaluated(&self) -> u64 {
        self.not_evaluated
    }

    /// The lines that were left out because they are unknown.
    pub(crate) fn kept_unknown(&self) -> KeptUnknown {
        self.kept_unknown
    }

    /// How many good responses belong to none of the lines.
    pub(crate) fn unused(&self) -> u64 {
        self.earlier.unused()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Target;

    #[test]
    fn shards_are_disjoint_and_whole() {
        for count in 1..6 {
            let shards = (0..count).map(|index| Shard::new(index, count).unwrap());
            let mut taken: Vec<u64> =
                shards.flat_map(|shard| (0..=20).filter(move |line| shard.holds(*line))).collect();
            taken.sort_unstable();
            assert_eq!(taken, (1..=20).collect::<Vec<u64>>(), "{count} shards");
        }
        assert_eq!(Shard::new(2, 2), None);
    }

    #[test]
    fn what_is_done_or_unknown_is_left_out() {
        let target = Target::new(&"t");
        let digest = |line: u64| target.digest(&line.to_be_bytes());
        for repeatable in [false, true] {
            let mut earlier = Earlier::default();
            for (line, status) in [
                (1, Done::Ok),
                (2, Done::Unknown),
                (3, Done::No),
                (4, Done::Unknown),
                (6, Done::NotEvaluated),
            ] {
                earlier.note(digest(line), line, status);
            }
            earlier.complete();
            let mut selection = Selection::new(Shard::WHOLE, repeatable).after(earlier);
            let taken: Vec<u64> = (1..=6).filter(|line| selection.takes(*line, digest(*line))).collect();
            let (expected, unknown) = if repeatable {
                (vec![2, 3, 4, 5], KeptUnknown::default())
            } else {
                (vec![3, 5], KeptUnknown { count: 2, first: 2 })
            };
            assert_eq!((taken, selection.kept_unknown()), (expected, unknown));
            assert_eq!((selection.skipped(), selection.not_evaluated()), (2, 1));
        }
    }
}
