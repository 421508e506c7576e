//! A set of numbers, kept as ranges.

use std::collections::BTreeMap;

/// As small as there are few gaps.
#[derive(Clone, Debug, Default)]
pub(crate) struct LineSet {
    /// First number of each range, and the one behind its last. No two ranges touch.
    ranges: BTreeMap<u64, u64>,
}

impl LineSet {
    pub(crate) fn insert(&mut self, number: u64) {
        let Some(next) = number.checked_add(1) else { return };
        let before = self.ranges.range(..=number).next_back().map(|(&start, &end)| (start, end));
        let start = match before {
            Some((_, end)) if number < end => return,
            Some((start, end)) if number == end => start,
            _ => number,
        };
        let end = self.ranges.remove(&next).unwrap_or(next);
        self.ranges.insert(start, end);
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        self.ranges.range(..=number).next_back().is_some_and(|(_, &end)| number < end)
    }

    #[cfg(test)]
    pub(crate) fn ranges(&self) -> usize {
        self.ranges.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn holds_what_a_set_holds_in_as_few_ranges_as_can_be() {
        for seed in 0..50 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (mut ranges, mut set) = (LineSet::default(), BTreeSet::new());
            for _ in 0..200 {
                let number = random.u64(0..150);
                ranges.insert(number);
                set.insert(number);
            }
            assert!((0..=151).all(|number| ranges.contains(number) == set.contains(&number)));
            let beginnings =
                set.iter().filter(|&&number| number == 0 || !set.contains(&(number - 1))).count();
            assert_eq!(ranges.ranges(), beginnings);
        }
    }

    #[test]
    fn a_million_lines_in_order_are_one_range() {
        let mut set = LineSet::default();
        (1..=1_000_000).for_each(|line| set.insert(line));
        assert_eq!(set.ranges(), 1);
        set.insert(u64::MAX);
        assert!(!set.contains(0) && set.contains(1_000_000) && !set.contains(1_000_001));
    }
}
