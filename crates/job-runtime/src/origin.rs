//! What chains of credentials are planned from: the common options and the environment.

use crate::Binary;
use crate::cli::Common;
use crate::context;
use crate::env;
use crate::error::Failure;
use crate::exit::Exit;
use crate::http::Network;
use crate::report;
use aws_smithy_types::retry::RetryConfig;
use chained_credentials::{Chain, ChainSpec, Env, Transport, env as aws};
use tokio::time::{Instant, timeout_at};

/// Attempts of a read, the first included. The SDK waits up to 1 s and up to 2 s between them.
const READ_ATTEMPTS: u32 = 3;

/// Variables that say where credentials come from and hold none themselves.
const PASSED_ON: [&str; 4] =
    [aws::CONFIG_FILE, aws::SHARED_CREDENTIALS_FILE, aws::PROFILE, aws::DEFAULT_PROFILE];
/// Those handed over that are paths: the other process may be in another folder.
const PATHS: [&str; 3] = [aws::CONFIG_FILE, aws::SHARED_CREDENTIALS_FILE, env::CA_BUNDLE];

/// A chain that cannot be planned: a profile, a file, a variable, a bundle. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct PlanError {
    text: String,
    exit: Exit,
}

impl PlanError {
    fn new(error: &(dyn std::error::Error + 'static)) -> Self {
        Self { text: report::with_sources(error), exit: Exit::Config }
    }
}

impl Failure for PlanError {
    fn exit(&self) -> Exit {
        self.exit
    }
}

/// With what another process of this program takes the same credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handover {
    /// Options.
    pub args: Vec<String>,
    /// Variables. Keys and tokens are never among them.
    pub env: Vec<(&'static str, String)>,
}

/// What chains are planned from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) binary: Binary,
    pub(crate) common: Common,
    pub(crate) vars: Env,
}

impl Origin {
    /// Plans the chain of the options, or that of another profile, and its way to the network; nothing is sent. A file that
    /// it reads may be a pipe, or on a mount that hangs.
    pub(crate) async fn plan(&self, profile: Option<&str>, deadline: Instant) -> Result<Chain, PlanError> {
        timeout_at(deadline, self.plan_without_limit(profile)).await.unwrap_or_else(|_| {
            let text = "reading the configuration of the credentials took longer than --timeout".to_owned();
            Err(PlanError { text, exit: Exit::Unavailable })
        })
    }

    async fn plan_without_limit(&self, profile: Option<&str>) -> Result<Chain, PlanError> {
        let Self { binary, common, vars } = self;
        let running = common.running();
        let session_name = context::default_session_name(binary.name, running.key.as_deref(), vars);
        let mut settings = common.settings(session_name);
        if let Some(profile) = profile {
            settings.profile = Some(profile.to_owned());
        }
        let spec = ChainSpec::resolve(&settings, vars).await.map_err(|err| PlanError::new(&err))?;
        let network = Network::new(&common.roots(), vars).await.map_err(|err| PlanError::new(&err))?;
        tracing::info!(chain = spec.describe(), "credentials");
        for note in spec.notes() {
            tracing::info!("{note}");
        }
        for warning in spec.warnings() {
            tracing::warn!("{warning}");
        }
        let transport = Transport {
            http: network.client(),
            direct: network.direct(running.connect_timeout, running.read_timeout),
            timeouts: context::timeouts(running.connect_timeout, running.read_timeout),
            retry: RetryConfig::standard().with_max_attempts(READ_ATTEMPTS),
        };
        Ok(Chain::new(spec, transport))
    }

    /// See [`Handover`]. What is an option stays one, because options go before variables.
    pub(crate) fn handover(&self) -> Handover {
        let args = self.common.handover_args();
        let passed_on = |name: &&'static str| Some((*name, self.vars.get(name)?.to_owned()));
        let mut vars: Vec<_> = PASSED_ON.iter().filter_map(passed_on).collect();
        vars.extend(self.common.handover_env());
        for (name, value) in &mut vars {
            // `~` is for whoever reads it to resolve.
            if PATHS.contains(name) && !value.starts_with('~') {
                *value = std::path::absolute(&*value)
                    .map_or_else(|_| value.clone(), |path| path.display().to_string());
            }
        }
        Handover { args, env: vars }
    }
}
