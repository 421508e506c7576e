//! The binaries against moto, an AWS that nobody here wrote: the documented pod, its chain into account B, and what
//! each service makes of it.
//!
//! What moto does not play is not here: functions that fail, log tails, streams, durable functions; `BatchStopJobRun`;
//! training that takes its time; the Redshift Data API (its statements never end, its times are no SDK's); MWAA, for
//! which the sandbox stands in; trust policies, external ids and the web identity token, of which none is looked at.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod chain;
mod clients;
mod enforced;
mod glue;
mod work;

use std::ffi::OsStr;

use serde_json::Value;
use testkit::{Moto, Outcome, Running, Site, Worlds};

/// The account of the platform, where the pod's own role is.
const A: &str = "111111111111";
/// The account of the team, where the work is.
const B: &str = "222222222222";

/// A binary in the documented pod, whose AWS is moto.
struct Place {
    moto: Moto,
    site: Site,
}

impl Place {
    fn of(binary: &str) -> Self {
        Self::with(binary, |site| site)
    }

    /// The same in another pod.
    fn with(binary: &str, pod: impl FnOnce(Site) -> Site) -> Self {
        let moto = Moto::start();
        let site = pod(Site::pod(conformance::binary(binary), Worlds::TWO_ACCOUNTS));
        let site = site.env("AWS_ENDPOINT_URL", moto.url());
        Self { moto, site }
    }

    /// The place after a change of its pod.
    fn changed(self, change: impl FnOnce(Site) -> Site) -> Self {
        Self { moto: self.moto, site: change(self.site) }
    }

    /// Sets something up in an account.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value)] // it is written where it is used
    fn call(&self, account: &str, service: &str, operation: &str, parameters: Value) -> Value {
        self.moto.call(account, service, operation, &parameters)
    }

    fn run<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Outcome {
        self.finish(self.site.start(args))
    }

    /// Waits for the end; nothing that moto keeps secret may have been told.
    fn finish(&self, running: Running<'_>) -> Outcome {
        let outcome = running.finish();
        outcome.assert_no_secret(&self.moto.secrets(), false);
        outcome
    }
}
