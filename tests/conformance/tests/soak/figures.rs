//! What was done and met, in numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::ops::AddAssign;

/// Counts of one sequence, or of many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) sequences: usize,
    pub(crate) processes: usize,
    pub(crate) kills: usize,
    pub(crate) signals: usize,
    /// Calls that a fault has struck.
    pub(crate) faults: usize,
    /// How often each end was met; 137 is a kill.
    pub(crate) ends: BTreeMap<i32, usize>,
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.sequences += other.sequences;
        self.processes += other.processes;
        self.kills += other.kills;
        self.signals += other.signals;
        self.faults += other.faults;
        for (end, times) in other.ends {
            *self.ends.entry(end).or_default() += times;
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequences, processes, kills, signals, faults, ends } = self;
        write!(
            f,
            "{sequences} sequences {processes} processes {kills} kills {signals} signals {faults} faults"
        )?;
        ends.iter().try_for_each(|(end, times)| write!(f, " {times} exit-{end}"))
    }
}

impl Figures {
    /// Adds a line to the file of `SOAK_FIGURES`, where there is one: each test is a process of its own.
    pub(crate) fn write(&self) {
        let Some(path) = std::env::var_os("SOAK_FIGURES") else { return };
        let file = OpenOptions::new().create(true).append(true).open(path);
        writeln!(file.expect("a file for the figures"), "{self}").expect("room for a line");
    }
}
