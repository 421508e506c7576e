//! The plan of a chain: which source, which hops, which region. Pure but for reading the files that it is
//! told to read; nothing is sent.

use std::fmt;
use std::path::PathBuf;

use aws_credential_types::Credentials;

use crate::container::ContainerEndpoint;
use crate::endpoints::{Endpoints, sends_clear_text};
use crate::env::{self, Env};
use crate::error::ConfigError;
use crate::plan::Planner;
use crate::profile::ProfileFiles;
use crate::role::RoleSpec;

/// What the command line says about credentials; the environment and the files say the rest.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `--profile`.
    pub profile: Option<String>,
    /// `--region`.
    pub region: Option<String>,
    /// `--endpoint-url`: of STS and of every service.
    pub endpoint_url: Option<String>,
    /// `--assume-role`, in order: hops on top of whatever the source is.
    pub assume_roles: Vec<RoleSpec>,
    /// `--role-session-name`.
    pub role_session_name: Option<String>,
    /// The session name where nothing else names one. Must be the same for every restart of one piece of work.
    pub default_session_name: String,
    /// `--expect-account`: the account that the last hop must land in.
    pub expect_account: Option<String>,
    /// `--allow-instance-metadata`.
    pub allow_instance_metadata: bool,
    /// `--allow-http`: STS may be called in clear text over a network.
    pub allow_http: bool,
    /// `--no-credential-process`: a profile may not name a program to run.
    pub no_credential_process: bool,
}

/// A resolved chain: a source of credentials and the roles assumed from it, one after the other.
#[derive(Clone, Debug)]
pub struct ChainSpec {
    pub(crate) source: Source,
    /// The profile that names the source, where one does.
    pub(crate) source_profile: Option<String>,
    pub(crate) hops: Vec<HopSpec>,
    pub(crate) region: String,
    pub(crate) endpoints: Endpoints,
    pub(crate) expect_account: Option<String>,
    described: String,
    notes: Vec<String>,
    warnings: Vec<String>,
}

/// Where the first credentials come from.
#[derive(Clone)]
pub(crate) enum Source {
    /// Access keys, and the place they stand in.
    Keys(Credentials, String),
    WebIdentity(WebIdentity),
    Container(ContainerEndpoint),
    InstanceMetadata {
        endpoint: Option<String>,
    },
    Process(Process),
}

/// A program that prints credentials.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) command: String,
    /// All the variables that it gets.
    pub(crate) env: Vec<(String, String)>,
}

/// A role taken with the token of a service account.
#[derive(Clone, Debug)]
pub(crate) struct WebIdentity {
    pub(crate) role: RoleSpec,
    pub(crate) token_file: PathBuf,
    /// The variable or the profile's key that names the file.
    pub(crate) token_file_from: String,
}

/// One role assumed over the credentials of the hop before.
#[derive(Clone, Debug)]
pub(crate) struct HopSpec {
    pub(crate) role: RoleSpec,
    pub(crate) profile: Option<String>,
}

impl ChainSpec {
    /// Resolves the chain that `settings`, `vars` and the files it names describe.
    ///
    /// # Errors
    ///
    /// Whatever is named and absent, malformed or ambiguous. The first source that is configured is the one;
    /// a broken one is never passed over for the next.
    pub async fn resolve(settings: &Settings, vars: &Env) -> Result<Self, ConfigError> {
        let files = ProfileFiles::read(vars).await?;
        let plan = Planner { settings, env: vars, files: &files };
        let mut notes = Vec::new();
        let planned = plan.resolve(&mut notes)?;
        let (region, region_from) = plan.region(&planned.profiles, &mut notes)?;
        let endpoints = Endpoints::resolve(settings.endpoint_url.as_deref(), vars, planned.profiles.first())?;
        endpoints.check_sts(settings.allow_http)?;
        let mut hops = planned.hops;
        for role in &settings.assume_roles {
            let session_name = role.session_name.clone().map_or_else(|| plan.session_name(None), Ok)?;
            hops.push(HopSpec {
                role: RoleSpec { session_name: Some(session_name), ..role.clone() },
                profile: None,
            });
        }

        let links = std::iter::once((planned.source.to_string(), &planned.source_profile))
            .chain(hops.iter().map(|hop| (hop.role.arn.clone(), &hop.profile)))
            .map(|(link, profile)| match profile {
                Some(profile) => format!("{link} (profile `{profile}`)"),
                None => link,
            });
        let described = format!(
            "{}, region {region} (from {region_from}){}",
            links.collect::<Vec<_>>().join(" -> "),
            endpoints.describe()
        );
        let mut warnings: Vec<_> = endpoints.warnings().collect();
        if let Source::InstanceMetadata { endpoint: Some(url) } = &planned.source
            && sends_clear_text(url)
        {
            warnings.push(format!("credentials come in clear text: {} is {url}", env::EC2_METADATA_ENDPOINT));
        }

        Ok(Self {
            source: planned.source,
            source_profile: planned.source_profile,
            hops,
            region,
            endpoints,
            expect_account: settings.expect_account.clone(),
            described,
            notes,
            warnings,
        })
    }

    /// The chain in one line: source, roles, region. Holds no secret.
    pub fn describe(&self) -> &str {
        &self.described
    }

    /// What was settled on the way and may surprise: two regions that disagree, a profile that is not used.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What the chain does that someone should know of: requests in clear text.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The region of STS and of the service.
    pub fn region(&self) -> &str {
        &self.region
    }
}

/// As [`fmt::Display`]: a command line can hold a secret.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys(keys, place) => write!(f, "access key {} ({place})", keys.access_key_id()),
            Self::WebIdentity(web) => {
                write!(
                    f,
                    "web identity ({} {}) -> {}",
                    web.token_file_from,
                    web.token_file.display(),
                    web.role.arn
                )
            }
            Self::Container(endpoint) => write!(f, "container credentials ({})", endpoint.shown()),
            Self::InstanceMetadata { endpoint: None } => f.write_str("instance metadata"),
            Self::InstanceMetadata { endpoint: Some(url) } => {
                write!(f, "instance metadata ({} {url})", env::EC2_METADATA_ENDPOINT)
            }
            Self::Process(_) => f.write_str("credential_process"),
        }
    }
}
