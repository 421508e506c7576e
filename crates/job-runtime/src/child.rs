//! A program that is run in our place: its output is its own, its exit code becomes ours, signals are passed on.

use crate::context::Context;
use crate::core_dump;
use crate::exit::Exit;
use crate::report::Report;
use rustix::fs::{MemfdFlags, Mode, fchmod, memfd_create};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use tokio::signal::unix::{SignalKind, signal};

/// What shells and container runtimes add to the number of the signal that ended a process.
const KILLED: i32 = 128;

/// A file for a program that is run. It is in memory, since a container may have no place to write to, and gone when this
/// is dropped.
#[derive(Debug)]
pub struct MemoryFile(File);

impl MemoryFile {
    /// Makes one with `content` that its owner alone may read. `name` is for people who look into /proc.
    ///
    /// # Errors
    /// The system's.
    pub fn new(name: &str, content: &[u8]) -> io::Result<Self> {
        let mut file = File::from(memfd_create(name, MemfdFlags::CLOEXEC)?);
        // libpq ignores a password file that others may read.
        fchmod(&file, Mode::RUSR | Mode::WUSR)?;
        file.write_all(content)?;
        core_dump::let_others_open_files()?;
        Ok(Self(file))
    }

    /// Where the program opens it, and whatever it starts in turn: a descriptor that is passed on would be closed on the
    /// way.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

/// Runs `command` until it ends by itself, whatever we are told meanwhile: as process 1 of a container it would
/// ignore the signals that it has no handlers for, and as our child it does not. Its standard streams are ours.
///
/// SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are passed on; those of a terminal's keys are not where a
/// person may be watching, because the terminal sends them to the child as well.
///
/// # Errors
/// The program could not be started, or the handlers of signals not be installed.
pub async fn run(command: Command, ctx: &Context) -> io::Result<Report> {
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut user1 = signal(SignalKind::user_defined1())?;
    let mut user2 = signal(SignalKind::user_defined2())?;
    let mut taken = ctx.take_signals();
    let mut child = tokio::process::Command::from(command).spawn()?;
    let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let status = loop {
        let told = async {
            match &mut taken {
                Some(taken) => taken.recv().await,
                None => None,
            }
        };
        let signal = tokio::select! {
            ended = child.wait() => break ended?,
            Some(told) = told => if told == Exit::Interrupted { Signal::INT } else { Signal::TERM },
            Some(()) = hang_up.recv() => Signal::HUP,
            Some(()) = quit.recv() => Signal::QUIT,
            Some(()) = user1.recv() => Signal::USR1,
            Some(()) = user2.recv() => Signal::USR2,
        };
        let by_a_key = matches!(signal, Signal::INT | Signal::QUIT);
        if let Some(id) = id
            && !(by_a_key && ctx.is_watched())
        {
            tracing::info!(?signal, "passed on");
            // One that is gone already is about to be noticed.
            let _ = kill_process(id, signal);
        }
    };
    Ok(Report::child(status))
}

impl Report {
    /// The run ends as the program did: with its code, or 128 and the number of the signal that ended it.
    fn child(status: ExitStatus) -> Self {
        let code = status.code().or_else(|| status.signal().map(|signal| KILLED + signal));
        let code = code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX);
        if code == 0 {
            return Self::ok("");
        }
        let what = match status.signal() {
            Some(signal) => format!("the program was ended by signal {signal}"),
            None => format!("the program ended with exit code {code}"),
        };
        Self { child: Some(code), ..Self::failed(Exit::Failed, "", what) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_program_is_ours() {
        for (raw, child, error) in [
            (0, None, None),
            (3 << 8, Some(3), Some("the program ended with exit code 3")),
            (15, Some(143), Some("the program was ended by signal 15")),
        ] {
            let report = Report::child(ExitStatus::from_raw(raw));
            assert_eq!((report.child, report.error.as_deref()), (child, error));
        }
    }
}
