//! What was found, as the result tells it.

use job_runtime::Exit;
use serde::Serialize;

use crate::policy::Policy;

/// All chains.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    pub(crate) chains: Vec<ChainFound>,
}

/// One chain.
#[derive(Debug, Serialize)]
pub(crate) struct ChainFound {
    /// The profile that was asked for; `null` for the chain of the options and the environment.
    pub(crate) profile: Option<String>,
    /// `ok`, or the name of the exit that a job would end with.
    pub(crate) outcome: &'static str,
    /// The chain in one line, where it could be planned.
    pub(crate) chain: Option<String>,
    pub(crate) region: Option<String>,
    /// What is wrong with the chain as a whole or with a hop.
    pub(crate) error: Option<String>,
    pub(crate) hops: Vec<HopFound>,
    #[serde(skip)]
    pub(crate) exit: Exit,
    #[serde(skip)]
    pub(crate) request_id: Option<String>,
}

/// One hop.
#[derive(Debug, Serialize)]
pub(crate) struct HopFound {
    /// From 1.
    pub(crate) hop: usize,
    pub(crate) of: usize,
    pub(crate) profile: Option<String>,
    pub(crate) action: String,
    /// `ok`, the name of an exit, or `not_reached`.
    pub(crate) outcome: &'static str,
    pub(crate) arn: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) user_id: Option<String>,
    /// RFC 3339.
    pub(crate) expires: Option<String>,
    pub(crate) expires_in_seconds: Option<u64>,
    /// How long it took to take the hop.
    pub(crate) milliseconds: Option<f64>,
    /// The claims of the service account's token, where the hop is taken with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<TokenFound>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<FailureFound>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) policies: Vec<Policy>,
}

/// A token's claims; never the token.
#[derive(Debug, Serialize)]
pub(crate) struct TokenFound {
    pub(crate) file: String,
    pub(crate) iss: Option<String>,
    pub(crate) sub: Option<String>,
    pub(crate) aud: Vec<String>,
    /// RFC 3339.
    pub(crate) exp: Option<String>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

/// Why a hop failed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FailureFound {
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) request_id: Option<String>,
    /// What to look at, the likeliest first.
    pub(crate) to_mend: Vec<String>,
}

impl Findings {
    /// The chain that decides how the run ends: one that no retry helps, then the one with the higher code.
    pub(crate) fn worst(&self) -> Option<&ChainFound> {
        let worst = self.chains.iter().max_by_key(|chain| (chain.exit.fails_job(), chain.exit.code()));
        worst.filter(|chain| chain.exit != Exit::Ok)
    }
}
