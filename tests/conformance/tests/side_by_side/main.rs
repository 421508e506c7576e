//! The documented shell lines and the programs that replace them, side by side: the same world, the same mounted files,
//! the same mishaps. What each of them did is in `docs/side-by-side.md`, and each of its cells is a test here.
//!
//! A process of the AWS CLI costs a second of CPU: but for a few, the cells of the old lines are looked at in `make
//! conformance` alone. `--write` (`make side-by-side`) writes the document anew.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]

mod circumstance;
mod document;
mod place;
mod systems;

use std::collections::BTreeMap;
use std::sync::Mutex;

use libtest_mimic::{Arguments, Trial};

use circumstance::Circumstance;
use systems::{Side, System};

/// So many cells are worked on at once where all are; most of the time of each is waiting.
const AT_ONCE: usize = 6;

fn main() {
    if std::env::args().any(|argument| argument == "--write") {
        write();
        return;
    }
    let arguments = Arguments::from_args();
    let mut trials = vec![test("the_document_is_the_one_of_these_tables".to_owned(), || {
        let document = document();
        let rendered = document::render(|system, circumstance, side| {
            document::cell(&document, system, circumstance, side)
        });
        assert_eq!(document, rendered, "`make side-by-side` writes it anew");
    })];
    for (system, circumstance, side) in cells() {
        let name = format!("{}/{circumstance:?}/{side:?}", system.name);
        let trial = test(name, move || {
            let told = look(&system, circumstance, side);
            let written = document::cell(&document(), &system, circumstance, side);
            assert_eq!(written, told, "`make side-by-side` writes it anew");
        });
        let cheap = match side {
            Side::Old => systems::ALWAYS.contains(&(system.name, circumstance)),
            // Many attempts, and the pauses between them.
            Side::New => circumstance != Circumstance::Throttled,
        };
        trials.push(trial.with_ignored_flag(!cheap));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn test(name: String, run: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        run();
        Ok(())
    })
}

fn document() -> String {
    std::fs::read_to_string(document::PATH).expect("docs/side-by-side.md: `make side-by-side` writes it")
}

/// All cells in which something is.
fn cells() -> Vec<(System, Circumstance, Side)> {
    let rows = systems::systems().into_iter().flat_map(|system| {
        let met =
            Circumstance::ALL.into_iter().filter(move |circumstance| system.never(*circumstance).is_none());
        met.map(move |circumstance| (system, circumstance))
    });
    rows.flat_map(|(system, circumstance)| [Side::Old, Side::New].map(|side| (system, circumstance, side)))
        .collect()
}

fn look(system: &System, circumstance: Circumstance, side: Side) -> String {
    document::told(system, side, &place::observe(system, circumstance, side))
}

fn write() {
    let left = Mutex::new(cells());
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((system, circumstance, side)) = { left.lock().unwrap().pop() } {
                    let told = look(&system, circumstance, side);
                    done.lock().unwrap().insert((system.name, circumstance.name(), side == Side::Old), told);
                }
            });
        }
    });
    let done = done.into_inner().unwrap();
    let document = document::render(|system, circumstance, side| {
        done[&(system.name, circumstance.name(), side == Side::Old)].clone()
    });
    std::fs::write(document::PATH, document).expect("docs/ is there");
}
