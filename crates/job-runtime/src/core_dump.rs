//! Core dumps are switched off: the memory of every run holds credentials.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// Keeps the kernel from writing the memory of this process anywhere, and processes of the same user from reading it.
pub(crate) fn forbid() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    // 1 and not 0: too short for a file, and where the kernel pipes cores to a program, 1 is the only limit that it
    // respects (fs/coredump.c).
    let current = Some(maximum.map_or(1, |maximum| maximum.min(1)));
    // A sandbox may forbid either of them; the other still holds.
    let _ = setrlimit(Resource::Core, Rlimit { current, maximum });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// Lets other processes of the same user open what this one has open, by /proc; the limit on cores stays.
pub(crate) fn let_others_open_files() -> std::io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::Dumpable)?)
}
