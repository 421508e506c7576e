//! What can end a batch as a whole.

use job_runtime::{Exit, Failure, SinkError};
use std::io;

/// Why there is no [`Summary`](crate::Summary).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lines are not where they were looked for.
    #[error("could not open {place} (--batch): {source}")]
    Open {
        /// The file.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// Lines of a file are not fit to be sent. Nothing was sent.
    #[error("--batch {place}: line {line}: {why}; {count} of its lines cannot be sent, and nothing was sent")]
    Unfit {
        /// The file.
        place: String,
        /// Number of the first of these lines.
        line: u64,
        /// Why it cannot be sent.
        why: String,
        /// How many there are.
        count: u64,
    },
    /// The lines could not be read to their end. Those before are answered.
    #[error("could not read on in {place} (--batch): {source}")]
    Read {
        /// The file.
        place: String,
        /// What the system said.
        source: io::Error,
        /// A retry would send lines again that may have run.
        repeats: bool,
    },
    /// There are earlier answers, and they cannot be read.
    #[error("could not read the earlier answers in {place} (--resume): {source}")]
    Resume {
        /// The file.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// There are earlier responses that nothing binds to their lines.
    #[error(
        "--resume {place}: the response in line {number} has no digest, so that it cannot be seen which input line it \
         belongs to: it was written by an earlier version or another program; move the file away to send every line, \
         or take the lines that are \"ok\" there out of the input before"
    )]
    NoDigest {
        /// The file.
        place: String,
        /// Number of the line in it.
        number: u64,
    },
    /// `--shard auto` outside of an Indexed Job.
    #[error(
        "--shard auto takes its index from JOB_COMPLETION_INDEX, which is not set: Kubernetes sets it in the pods of \
         an Indexed Job (completionMode: Indexed)"
    )]
    NoCompletionIndex,
    /// `--shard auto` with an index that is no number.
    #[error("--shard auto takes its index from JOB_COMPLETION_INDEX, which is no number: {given:?}")]
    BadCompletionIndex {
        /// What the variable holds.
        given: String,
    },
    /// The index is not below the count.
    #[error("there is no shard {index}: with --shard-count {count} they go from 0 to {}", .count - 1)]
    NoSuchShard {
        /// `--shard`.
        index: u64,
        /// `--shard-count`.
        count: u64,
    },
    /// The run was told to end before it had begun.
    #[error("no line was taken: {what} while the lines or the earlier answers were opened")]
    Untaken {
        /// A signal or `--timeout`.
        what: &'static str,
        /// The signal's exit, or that nothing was started.
        exit: Exit,
    },
    /// A signal came, and the reader of the answers was too slow: some were not written.
    #[error(
        "received {}, and the responses could not be written in time: lines that have run would be sent again",
        if *.signal == Exit::Interrupted { "SIGINT" } else { "SIGTERM" }
    )]
    Unwritten {
        /// The signal, as its exit.
        signal: Exit,
        /// What the run ends with.
        exit: Exit,
    },
    /// The answers could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl Failure for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Open { .. }
            | Self::Resume { .. }
            | Self::Unfit { .. }
            | Self::NoDigest { .. }
            | Self::NoCompletionIndex
            | Self::BadCompletionIndex { .. }
            | Self::NoSuchShard { .. } => Exit::Usage,
            Self::Read { repeats: true, .. } => Exit::Unknown,
            Self::Read { repeats: false, .. } => Exit::Internal,
            Self::Untaken { exit, .. } | Self::Unwritten { exit, .. } => *exit,
            Self::Sink(err) => err.exit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_of_the_user_is_told_apart() {
        let source = || io::Error::other("x");
        let place = || "in".to_owned();
        for (err, exit) in [
            (Error::Open { place: place(), source: source() }, Exit::Usage),
            (Error::Read { place: place(), source: source(), repeats: false }, Exit::Internal),
            (Error::Read { place: place(), source: source(), repeats: true }, Exit::Unknown),
            (Error::NoDigest { place: place(), number: 1 }, Exit::Usage),
            (Error::Resume { place: place(), source: source() }, Exit::Usage),
            (Error::NoCompletionIndex, Exit::Usage),
            (Error::NoSuchShard { index: 2, count: 2 }, Exit::Usage),
        ] {
            assert_eq!(err.exit(), exit, "{err}");
        }
    }
}
