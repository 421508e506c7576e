//! Which lines are taken.

use crate::line_set::LineSet;

/// Every `count`th line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    pub(crate) const WHOLE: Self = Self { index: 0, count: 1 };

    /// `None` where there is no such share.
    pub(crate) fn new(index: u64, count: u64) -> Option<Self> {
        (index < count).then_some(Self { index, count })
    }

    /// The how many'th of the share a line is, from 0; `None` where it is of another one.
    fn place(self, line: u64) -> Option<u64> {
        let before = line.checked_sub(1)?;
        (before % self.count == self.index).then(|| before / self.count)
    }
}

/// The lines of a share that have no good answer yet.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    shard: Shard,
    /// Places within the share, so that lines that follow each other there are one range.
    done: LineSet,
    skipped: u64,
}

impl Selection {
    pub(crate) fn new(shard: Shard) -> Self {
        Self { shard, done: LineSet::default(), skipped: 0 }
    }

    /// The line has a good answer.
    pub(crate) fn leave_out(&mut self, line: u64) {
        if let Some(place) = self.shard.place(line) {
            self.done.insert(place);
        }
    }

    /// Whether to take the line; asked once for each.
    pub(crate) fn takes(&mut self, line: u64) -> bool {
        let Some(place) = self.shard.place(line) else { return false };
        let done = self.done.contains(place);
        self.skipped += u64::from(done);
        !done
    }

    /// How many lines of the share were left out.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_disjoint_and_whole() {
        for count in 1..6 {
            let mut taken: Vec<u64> = Vec::new();
            for index in 0..count {
                let mut selection = Selection::new(Shard::new(index, count).unwrap());
                taken.extend((1..=20).filter(|line| selection.takes(*line)));
            }
            taken.sort_unstable();
            assert_eq!(taken, (1..=20).collect::<Vec<u64>>(), "{count} shares");
        }
        assert_eq!(Shard::new(2, 2), None);
    }

    #[test]
    fn done_lines_are_skipped_within_the_share() {
        let mut selection = Selection::new(Shard::new(1, 3).unwrap());
        // 1 is of another share, 0 is none.
        for line in [0, 1, 2, 8] {
            selection.leave_out(line);
        }
        assert_eq!(selection.done.ranges(), 2, "2 and 8 are places 0 and 2");
        selection.leave_out(5);
        assert_eq!(selection.done.ranges(), 1);
        let taken: Vec<u64> = (1..=12).filter(|line| selection.takes(*line)).collect();
        assert_eq!((taken, selection.skipped()), (vec![11], 3));
    }
}
