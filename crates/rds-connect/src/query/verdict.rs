//! What an error of the server means for the run.

use job_runtime::Exit;

use crate::query::left::Left;

/// What an SQLSTATE says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The statement is at fault, or what it met in the database.
    Failed,
    /// The next try may well succeed.
    Passing,
    /// Somebody has stopped it.
    Stopped,
    /// The user may not do it.
    Denied,
    /// What the connection names is not there any more.
    Gone,
}

impl Verdict {
    /// By SQLSTATE, and by the message where the state alone does not tell.
    pub(crate) fn new(state: &str, message: &str) -> Self {
        match state {
            "42501" => Self::Denied,
            // query_canceled, by a timeout or by somebody. Servers that speak another language do not tell.
            "57014" if message.contains("user request") => Self::Stopped,
            // Rolled back for the sake of others: serialization_failure, deadlock_detected. Ended by the server:
            // admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout.
            "40001" | "40P01" | "57P01" | "57P02" | "57P03" | "57P05" => Self::Passing,
            // database_dropped.
            "57P04" => Self::Gone,
            _ => match state.get(..2) {
                // Connections, room for them, disks and memory.
                Some("08" | "53") => Self::Passing,
                Some("28") => Self::Denied,
                Some("3D") => Self::Gone,
                // SQL and data are all the rest.
                _ => Self::Failed,
            },
        }
    }

    /// How the run ends. Where something of it is committed, to run all of it again is not for a Job's retry to decide.
    pub(crate) fn exit(self, left: Left) -> Exit {
        match self {
            Self::Passing => match left {
                Left::Nothing => Exit::Unavailable,
                Left::Earlier => Exit::Failed,
                Left::Unclear => Exit::Unknown,
            },
            Self::Failed => Exit::Failed,
            Self::Stopped => Exit::Stopped,
            Self::Denied => Exit::Denied,
            Self::Gone => Exit::Rejected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_their_exits() {
        for (state, message, exit, after_a_commit) in [
            ("42601", "syntax error", Exit::Failed, Exit::Failed),
            ("23505", "duplicate key", Exit::Failed, Exit::Failed),
            ("25006", "read-only transaction", Exit::Failed, Exit::Failed),
            ("P0001", "raised", Exit::Failed, Exit::Failed),
            ("57014", "canceling statement due to statement timeout", Exit::Failed, Exit::Failed),
            ("57014", "canceling statement due to user request", Exit::Stopped, Exit::Stopped),
            ("40001", "", Exit::Unavailable, Exit::Failed),
            ("40P01", "deadlock detected", Exit::Unavailable, Exit::Failed),
            ("40002", "", Exit::Failed, Exit::Failed),
            ("57P01", "terminating connection", Exit::Unavailable, Exit::Failed),
            ("57P03", "the database system is starting up", Exit::Unavailable, Exit::Failed),
            ("57P04", "", Exit::Rejected, Exit::Rejected),
            ("53300", "too many connections", Exit::Unavailable, Exit::Failed),
            ("53100", "disk full", Exit::Unavailable, Exit::Failed),
            ("08006", "", Exit::Unavailable, Exit::Failed),
            ("28P01", "", Exit::Denied, Exit::Denied),
            ("28000", "", Exit::Denied, Exit::Denied),
            ("42501", "permission denied for table t", Exit::Denied, Exit::Denied),
            ("3D000", "", Exit::Rejected, Exit::Rejected),
            ("", "", Exit::Failed, Exit::Failed),
        ] {
            let verdict = Verdict::new(state, message);
            assert_eq!(
                (verdict.exit(Left::Nothing), verdict.exit(Left::Earlier)),
                (exit, after_a_commit),
                "{state} {message}"
            );
        }
        assert_eq!(Verdict::Passing.exit(Left::Unclear), Exit::Unknown);
    }
}
