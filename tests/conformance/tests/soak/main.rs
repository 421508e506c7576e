//! The soak: random sequences of faults, kills and restarts, as a Job meets them in a bad week.
//!
//! A sequence is a command of [`conformance::table`] in its world. Its processes are spoilt, killed and told to end, and
//! started again with the same key as a Job does it, by their exit codes; the last one is left alone. Then the sandbox
//! knows whether work was lost or doubled, and whether each end was true.
//!
//! All of a sequence follows from its seed: `SOAK_SEED=N cargo nextest run -p conformance --test soak` does it again.

// Tests: a panic is how a test fails, and what it prints is shown then.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod figures;
mod run;
mod script;

use std::ops::Range;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use figures::Figures;
use libtest_mimic::{Arguments, Trial};
use script::Script;

/// How many sequences there are.
const SEEDS: u64 = 2000;
/// How many of them every test run does.
const QUICK: u64 = 50;
/// How many one test does; they wait most of the time, so some of them at once.
const PORTION: u64 = 10;
const AT_ONCE: usize = 2;

fn main() {
    let arguments = Arguments::from_args();
    let trials = match std::env::var("SOAK_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("SOAK_SEED is a number");
            vec![portion(seed..seed + 1)]
        }
        Err(_) => (0..SEEDS / PORTION).map(|n| portion(n * PORTION..(n + 1) * PORTION)).collect(),
    };
    libtest_mimic::run(&arguments, trials).exit();
}

fn portion(seeds: Range<u64>) -> Trial {
    let quick = seeds.start < QUICK || seeds.end - seeds.start == 1;
    let name = format!("seeds_{:04}_to_{:04}", seeds.start, seeds.end - 1);
    Trial::test(name, move || run(&seeds)).with_ignored_flag(!quick)
}

fn run(seeds: &Range<u64>) -> Result<(), libtest_mimic::Failed> {
    let next = AtomicU64::new(seeds.start);
    let (figures, failed) = (Mutex::new(Figures::default()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            match catch_unwind(|| run::run(&Script::new(seed))) {
                Ok(done) => *figures.lock().unwrap_or_else(PoisonError::into_inner) += done,
                Err(_) => failed.lock().unwrap_or_else(PoisonError::into_inner).push(seed),
            }
        }
    };
    std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let figures = figures.into_inner().unwrap_or_else(PoisonError::into_inner);
    figures.write();
    println!("{figures}");
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    if failed.is_empty() { Ok(()) } else { Err(format!("these seeds have failed: {failed:?}").into()) }
}
