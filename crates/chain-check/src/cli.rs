//! The command line.

#![allow(clippy::doc_markdown, reason = "the doc comments of options are help texts")]

use clap::Args;
use job_runtime::{Credentials, Options, OutputArgs};

use crate::job::Request;

/// The options of `chain-check`.
#[derive(Debug, Args)]
#[group(skip)]
#[command(after_help = "\
Examples:
  The chains of two profiles, for people:
    chain-check ci-env target-env --output text

  What a chain needs in both accounts, as policies to paste:
    chain-check --profile external --explain")]
pub struct Cli {
    /// Profiles whose chains to walk, in place of --profile; else the chain of the options and the environment
    #[arg(env = "CHAIN_CHECK_PROFILES", value_name = "PROFILE", value_delimiter = ',')]
    profiles: Vec<String>,

    /// Print the trust and permission policies that each hop needs, with the values in use
    ///
    /// Without it, those are printed that a refusal asks for.
    #[arg(long, env = "CHAIN_CHECK_EXPLAIN")]
    explain: bool,

    /// Show external ids in policies; else a placeholder stands for them
    #[arg(long, env = "CHAIN_CHECK_SHOW_EXTERNAL_ID")]
    show_external_id: bool,

    #[command(flatten)]
    output: OutputArgs,
}

impl Options for Cli {
    type Request = Request;

    fn begins_work(_: &str) -> bool {
        false
    }

    fn into_request(self) -> Result<Request, String> {
        let Self { profiles, explain, show_external_id, output } = self;
        if profiles.iter().any(String::is_empty) {
            return Err("a profile has no name".to_owned());
        }
        // Without a profile: the one chain of the options and the environment.
        let profiles =
            if profiles.is_empty() { vec![None] } else { profiles.into_iter().map(Some).collect() };
        Ok(Request { profiles, explain, show_external_id, output: output.output })
    }

    /// The job plans its chains by itself: one that cannot be planned must not keep it from the others.
    fn credentials(_: &Request) -> Credentials {
        Credentials::None
    }
}
