//! SIGTERM and SIGINT.

use crate::exit::Exit;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The handlers. A container runtime starts us as process 1, for which the kernel ignores signals without a
/// handler: until these are in place, only SIGKILL would end the run.
pub(crate) struct Signals {
    /// Sent by Kubernetes, ECS and `docker stop` before the kill.
    terminate: Signal,
    /// Sent by a terminal on Ctrl-C.
    interrupt: Signal,
}

impl Signals {
    /// Installs both handlers.
    pub(crate) fn install() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next signal and says how a run ended by it ends.
    pub(crate) async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.terminate.recv() => Exit::Terminated,
            _ = self.interrupt.recv() => Exit::Interrupted,
        }
    }
}

/// What the signal behind `exit` is called.
pub(crate) const fn name(exit: Exit) -> &'static str {
    if matches!(exit, Exit::Interrupted) { "SIGINT" } else { "SIGTERM" }
}
