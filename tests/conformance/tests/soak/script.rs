//! What happens in a sequence: all of it follows from its seed.

use std::fmt;
use std::time::Duration;

use conformance::table::{self, KEY, Part, Row};
use fastrand::Rng;
use testkit::{Fault, FaultKind};

/// How often a Job starts a pod again at most.
const BACKOFF_LIMIT: usize = 5;

/// A command in a world, and what befalls each of its processes.
pub(crate) struct Script {
    pub(crate) seed: u64,
    pub(crate) row: Row,
    pub(crate) args: Vec<&'static str>,
    /// Its work is known by a key.
    pub(crate) keyed: bool,
    /// A signal has the work stopped.
    pub(crate) cancels: bool,
    /// Something in the world is otherwise: what, and what it becomes.
    pub(crate) change: Option<(&'static str, &'static str)>,
    /// How the work ends where nobody stops it.
    pub(crate) end: i32,
    pub(crate) steps: Vec<Step>,
}

/// What befalls one process.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) faults: Vec<Fault>,
    pub(crate) blow: Option<Blow>,
}

/// What ends a process from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blow {
    pub(crate) kind: BlowKind,
    pub(crate) when: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlowKind {
    /// A node that is gone, a limit of memory.
    Kill,
    /// A drain.
    Terminate,
    /// A person who is in a hurry.
    TerminateTwice,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// When the process has made so many calls.
    Calls(usize),
    /// So long after its start.
    Time(Duration),
}

impl Script {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rows = table::rows();
        // Commands that begin work have more to lose.
        let weight = |row: &Row| if row.works > 0 { 3 } else { 1 };
        let mut pick = rng.usize(..rows.iter().map(weight).sum::<usize>());
        let row = rows.into_iter().find(|row| match pick.checked_sub(weight(row)) {
            Some(rest) => {
                pick = rest;
                false
            }
            None => true,
        });
        let row = row.expect("the sum of the weights is above every pick");

        let mut args = row.args.to_vec();
        // What goes on for ever ends by a signal, and is worth no second start.
        if row.signal.is_some() && !row.is_keyed() {
            args.push(KEY);
        }
        let keyed = args.contains(&KEY);
        if keyed && row.signal.is_none() && rng.u8(..4) == 0 {
            args.push("--on-terminate=cancel");
        }
        let cancels = !keyed || args.contains(&"--on-terminate=cancel");
        let otherwise = (rng.u8(..3) == 0).then(|| rng.choice(row.otherwise)).flatten();
        let steps = (0..rng.usize(1..=BACKOFF_LIMIT)).map(|_| Step::new(&row, &mut rng)).collect();
        Self {
            seed,
            args,
            keyed,
            cancels,
            change: otherwise.map(|(from, to, _)| (*from, *to)),
            end: otherwise.map_or(row.end, |(_, _, end)| *end),
            steps,
            row,
        }
    }
}

impl Step {
    fn new(row: &Row, rng: &mut Rng) -> Self {
        let calls = calls(row, rng);
        let faults = (0..rng.usize(..=4)).map(|_| {
            let (operation, part) = rng.choice(&calls).expect("every row makes calls");
            fault(operation, *part, rng)
        });
        let faults = faults.collect();
        let blow = (rng.u8(..5) < 4).then(|| Blow {
            kind: match rng.u8(..6) {
                0..3 => BlowKind::Kill,
                3..5 => BlowKind::Terminate,
                _ => BlowKind::TerminateTwice,
            },
            when: if rng.bool() {
                When::Calls(rng.usize(1..=6))
            } else {
                When::Time(Duration::from_millis(rng.u64(..1500)))
            },
        });
        Self { faults, blow }
    }
}

/// What a command calls: its row's own, those of its binary's other rows, and those of the way.
fn calls(row: &Row, rng: &mut Rng) -> Vec<(&'static str, Part)> {
    let mut calls = row.calls();
    calls.extend(table::WAY.iter().map(|call| (*call, Part::Read)));
    // Most of these are not called by this one.
    if rng.u8(..4) == 0 {
        let rows = table::rows();
        calls.extend(rows.iter().filter(|other| other.binary == row.binary).flat_map(Row::calls));
    }
    calls
}

fn fault(operation: &str, part: Part, rng: &mut Rng) -> Fault {
    let (service, name) = operation.split_once(':').expect("service:operation");
    let kind = match rng.choice(FaultKind::examples()).expect("there are kinds") {
        FaultKind::Slow(_) => FaultKind::Slow(Duration::from_millis(rng.u64(50..1000))),
        FaultKind::HangThenReset(_) => FaultKind::HangThenReset(Duration::from_millis(rng.u64(50..600))),
        other => other,
    };
    let from = if rng.bool() { 1 } else { rng.u32(2..=4) };
    let fault = Fault::new(service, name, kind).from(from);
    match rng.u8(..8) {
        0..4 => fault,
        // The chain bears trouble for half a minute, which is a long time for a sequence.
        4..7 => fault.times(rng.u32(2..=4)),
        _ if part == Part::Read && service == "sts" => fault.times(4),
        _ => fault.for_ever(),
    }
}

/// All of it, for a person who looks into a failure.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, row, args, change, end, steps, .. } = self;
        writeln!(f, "seed {seed}: {} ({} {}), ends {end}", row.name, row.binary, args.join(" "))?;
        if let Some((from, to)) = change {
            writeln!(f, "  the world has {to} for {from}")?;
        }
        for (n, Step { faults, blow }) in steps.iter().enumerate() {
            write!(f, "  process {}:", n + 1)?;
            for Fault { operation, from, count, kind, .. } in faults {
                write!(f, " {operation} {kind:?} from {from} times {count};")?;
            }
            match blow {
                Some(Blow { kind, when }) => writeln!(f, " {kind:?} at {when:?}")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}
