//! Walks a chain of credentials hop by hop: who each hop is, until when, and how long it took; where one is refused, what
//! to mend, with the policy to paste.
//!
//! It replaces `aws sts get-caller-identity --profile …` for one profile after the other:
//!
//! ```sh
//! chain-check ci-env target-env --output text
//! ```
//!
//! The chains are those of the other binaries here: what `chain-check` finds with the options and variables of a job is
//! what that job will meet. So it is of use as an init container in front of one, and its output in a ticket: of a
//! service account's token it shows the claims and never the token, and no external id unless it is asked for.
//!
//! It starts nothing and changes nothing: STS is asked for sessions and for whom they belong to, and nothing else is
//! asked at all.
//!
//! # IAM
//!
//! `sts:AssumeRole` or `sts:AssumeRoleWithWebIdentity` of each hop, as the job itself needs them; `sts:GetCallerIdentity`
//! needs no permission. `--explain` prints the trust and permission policies that a chain needs, with its own values.
//!
//! # Exit codes
//!
//! 0 every hop of every chain works · 2 bad option · 75 STS out of reach · 77 a hop was refused · 78 profile, region,
//! token file, or another account than `--expect-account` · 130 / 143 ended by a signal. Of several chains, the one that
//! no retry helps decides.

mod cli;
mod error;
mod job;
mod policy;
mod report;
mod show;

pub use cli::Cli;
pub use error::Error;
pub use job::{Request, run};

/// Who this program is.
pub const BINARY: job_runtime::Binary = job_runtime::binary!("2m");
