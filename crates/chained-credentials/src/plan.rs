//! The order of sources, and the walk from a profile to the credentials it stands on.

use std::path::PathBuf;

use aws_credential_types::Credentials;

use crate::container::ContainerEndpoint;
use crate::env::{self, Env};
use crate::error::ConfigError;
use crate::profile::{Profile, ProfileFiles};
use crate::role::{self, RoleSpec};
use crate::spec::{HopSpec, Process, Settings, Source, WebIdentity};

/// Everything that the plan is made from.
pub(crate) struct Planner<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) env: &'a Env,
    pub(crate) files: &'a ProfileFiles,
}

/// A source, the hops that profiles put on top of it, and the profiles passed on the way, the named one first.
pub(crate) struct Planned<'a> {
    pub(crate) source: Source,
    pub(crate) source_profile: Option<String>,
    pub(crate) hops: Vec<HopSpec>,
    pub(crate) profiles: Vec<Profile<'a>>,
}

impl Planned<'_> {
    fn source(source: Source) -> Self {
        Self { source, source_profile: None, hops: Vec::new(), profiles: Vec::new() }
    }
}

impl<'a> Planner<'a> {
    /// The first source that is configured, in the contract's order.
    pub(crate) fn resolve(&self, notes: &mut Vec<String>) -> Result<Planned<'a>, ConfigError> {
        let env_profile = self.env.first(&[env::PROFILE, env::DEFAULT_PROFILE]);
        if let Some(name) = &self.settings.profile {
            return self.profile_chain(name, "--profile");
        }
        if let Some(keys) = self.env_keys()? {
            if let Some((variable, name)) = env_profile {
                notes.push(format!("{variable}={name} is not used: {} comes before it", env::ACCESS_KEY_ID));
            }
            return Ok(Planned { profiles: self.region_profile(env_profile), ..Planned::source(keys) });
        }
        if let Some((variable, name)) = env_profile {
            return self.profile_chain(name, variable);
        }
        if let Some(profile) = self.files.default_with_credentials() {
            return self.profile_chain(profile.name, "the default");
        }
        let profiles = self.region_profile(None);
        if let Some(source) = self.env_web_identity()? {
            return Ok(Planned { profiles, ..Planned::source(source) });
        }
        if let Some(endpoint) = ContainerEndpoint::from_env(self.env)? {
            return Ok(Planned { profiles, ..Planned::source(Source::Container(endpoint)) });
        }
        if self.settings.allow_instance_metadata {
            return Ok(Planned { profiles, ..Planned::source(self.instance_metadata()?) });
        }
        Err(ConfigError::NothingConfigured { files: self.files.describe() })
    }

    /// The profile that may still give a region where the credentials come from elsewhere.
    fn region_profile(&self, env_profile: Option<(&str, &'a str)>) -> Vec<Profile<'a>> {
        let name = env_profile.map_or("default", |(_, name)| name);
        self.files.profile(name, "").into_iter().collect()
    }

    /// Follows `source_profile` from the profile `name` to a source.
    fn profile_chain(&self, name: &'a str, asked_by: &str) -> Result<Planned<'a>, ConfigError> {
        let mut hops = Vec::new();
        let mut profiles = vec![self.files.profile(name, asked_by)?];
        let source = loop {
            let profile = profiles[profiles.len() - 1];
            profile.refuse_interactive()?;
            // In a profile that is somebody's source, keys of its own come before its role: so do the AWS CLI and
            // every SDK, and it lets a profile name itself as the source of its role.
            let keys = profile_keys(profile)?;
            let Some(arn) = profile.get("role_arn") else { break self.end_of_chain(profile, keys)? };
            if let (Some(keys), 2..) = (&keys, profiles.len()) {
                refuse_rivals(profile)?;
                break keys.clone();
            }
            let role = self.profile_role(profile, arn)?;
            match ["source_profile", "credential_source", "web_identity_token_file"]
                .map(|key| profile.get(key))
            {
                [None, None, Some(file)] => {
                    break Source::WebIdentity(WebIdentity {
                        role,
                        token_file: PathBuf::from(file),
                        token_file_from: "web_identity_token_file".to_owned(),
                    });
                }
                [None, Some(source), None] => {
                    hops.push(HopSpec { role, profile: Some(profile.name.to_owned()) });
                    break self.credential_source(profile, source)?;
                }
                [Some(next), None, None] => {
                    hops.push(HopSpec { role, profile: Some(profile.name.to_owned()) });
                    if next == profile.name {
                        refuse_rivals(profile)?;
                        break keys.ok_or_else(|| {
                            profile.wrong(
                                "is its own source_profile, but has no aws_access_key_id to start from",
                            )
                        })?;
                    }
                    profiles
                        .push(self.files.profile(next, &format!("source_profile of `{}`", profile.name))?);
                    if profiles[..profiles.len() - 1].iter().any(|visited| visited.name == next) {
                        let names: Vec<_> = profiles.iter().map(|profile| profile.name).collect();
                        return Err(ConfigError::Cycle(names.join(" -> ")));
                    }
                }
                [None, None, None] => {
                    return Err(profile.wrong(
                        "has role_arn, but nothing to assume it from: add source_profile, credential_source or \
                         web_identity_token_file",
                    ));
                }
                _ => {
                    return Err(profile.wrong(
                        "has more than one of source_profile, credential_source and web_identity_token_file: \
                         keep the one that is meant",
                    ));
                }
            }
        };
        hops.reverse();
        let source_profile = profiles.last().map(|profile| profile.name.to_owned());
        Ok(Planned { source, source_profile, hops, profiles })
    }

    fn profile_role(&self, profile: Profile<'a>, arn: &str) -> Result<RoleSpec, ConfigError> {
        let at = |key: &str, problem| ConfigError::Role { place: profile.place(key), problem };
        let external_id = profile.get("external_id").map(role::external_id).transpose();
        let duration = profile.get("duration_seconds").map(|text| {
            let seconds = text.parse().unwrap_or_default();
            role::session_seconds("duration_seconds", text, seconds)
        });
        Ok(RoleSpec {
            arn: role::role_arn(arn).map_err(|problem| at("role_arn", problem))?,
            external_id: external_id.map_err(|problem| at("external_id", problem))?,
            session_name: Some(self.session_name(Some(profile))?),
            duration: duration.transpose().map_err(|problem| at("duration_seconds", problem))?,
            ..RoleSpec::default()
        })
    }

    /// The name of a role session: option, environment, profile, else the caller's stable default.
    pub(crate) fn session_name(&self, profile: Option<Profile<'_>>) -> Result<String, ConfigError> {
        let key = "role_session_name";
        let (place, name) = if let Some(name) = &self.settings.role_session_name {
            ("--role-session-name".to_owned(), name.as_str())
        } else if let Some(name) = self.env.get(env::ROLE_SESSION_NAME) {
            (env::ROLE_SESSION_NAME.to_owned(), name)
        } else if let Some((profile, name)) = profile.and_then(|profile| Some((profile, profile.get(key)?))) {
            (profile.place(key), name)
        } else {
            ("the default session name".to_owned(), self.settings.default_session_name.as_str())
        };
        role::session_name(name).map_err(|problem| ConfigError::Role { place, problem })
    }

    fn credential_source(&self, profile: Profile<'_>, source: &str) -> Result<Source, ConfigError> {
        match source.to_ascii_lowercase().as_str() {
            "environment" => self.env_keys()?.ok_or_else(|| {
                profile.wrong(
                    "has credential_source Environment, but AWS_ACCESS_KEY_ID is not set; the token of a service \
                     account is a web_identity_token_file",
                )
            }),
            "ecscontainer" => {
                let endpoint = ContainerEndpoint::from_env(self.env)?.ok_or_else(|| {
                    profile.wrong(
                        "has credential_source EcsContainer, but neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor \
                         AWS_CONTAINER_CREDENTIALS_FULL_URI is set",
                    )
                })?;
                Ok(Source::Container(endpoint))
            }
            "ec2instancemetadata" => self.instance_metadata(),
            _ => Err(ConfigError::Value {
                place: profile.place("credential_source"),
                value: source.to_owned(),
                problem: "is none of Environment, EcsContainer, Ec2InstanceMetadata",
            }),
        }
    }

    fn instance_metadata(&self) -> Result<Source, ConfigError> {
        if self.env.get(env::EC2_METADATA_DISABLED).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Err(ConfigError::MetadataDisabled);
        }
        Ok(Source::InstanceMetadata { endpoint: self.env.get(env::EC2_METADATA_ENDPOINT).map(str::to_owned) })
    }

    fn env_keys(&self) -> Result<Option<Source>, ConfigError> {
        let token = self.env.get(env::SESSION_TOKEN).map(str::to_owned);
        match (self.env.get(env::ACCESS_KEY_ID), self.env.get(env::SECRET_ACCESS_KEY)) {
            (Some(id), Some(secret)) => {
                let keys = Credentials::new(id, secret, token, None, "environment");
                Ok(Some(Source::Keys(keys, "from the environment".to_owned())))
            }
            (Some(_), None) => Err(half(env::ACCESS_KEY_ID, env::SECRET_ACCESS_KEY, "")),
            (None, Some(_)) => Err(half(env::SECRET_ACCESS_KEY, env::ACCESS_KEY_ID, "")),
            (None, None) => Ok(None),
        }
    }

    /// The service account's token and role that the EKS webhook puts into a pod.
    fn env_web_identity(&self) -> Result<Option<Source>, ConfigError> {
        let (token, role) = (env::WEB_IDENTITY_TOKEN_FILE, env::ROLE_ARN);
        match (self.env.get(token), self.env.get(role)) {
            (Some(file), Some(arn)) => Ok(Some(Source::WebIdentity(WebIdentity {
                role: RoleSpec {
                    arn: role::role_arn(arn)
                        .map_err(|problem| ConfigError::Role { place: role.to_owned(), problem })?,
                    session_name: Some(self.session_name(None)?),
                    ..RoleSpec::default()
                },
                token_file: PathBuf::from(file),
                token_file_from: token.to_owned(),
            }))),
            (Some(_), None) => Err(half(
                token,
                role,
                "; the webhook sets it from the service account's eks.amazonaws.com/role-arn annotation",
            )),
            (None, Some(_)) => Err(half(
                role,
                token,
                "; without a token the role cannot be taken: is serviceAccountName set on the pod, and was the \
                 webhook up when it started?",
            )),
            (None, None) => Ok(None),
        }
    }

    /// What a profile without a role stands on.
    fn end_of_chain(&self, profile: Profile<'_>, keys: Option<Source>) -> Result<Source, ConfigError> {
        if let Some(keys) = keys {
            refuse_rivals(profile)?;
            return Ok(keys);
        }
        if let Some(command) = profile.get("credential_process") {
            if self.settings.no_credential_process {
                return Err(profile.wrong(
                    "has a credential_process, and --no-credential-process (NO_CREDENTIAL_PROCESS) forbids to run one",
                ));
            }
            let env = self.env.for_credential_process();
            return Ok(Source::Process(Process { command: command.to_owned(), env }));
        }
        if profile.get("web_identity_token_file").is_some() {
            return Err(profile.wrong("has web_identity_token_file, but no role_arn to take with it"));
        }
        Err(profile.wrong(
            "leads to no credentials: it has no role_arn, no aws_access_key_id and no credential_process",
        ))
    }

    /// The region, and where it is from: option, environment, the named profile or the nearest source of it.
    pub(crate) fn region(
        &self,
        profiles: &[Profile<'_>],
        notes: &mut Vec<String>,
    ) -> Result<(String, String), ConfigError> {
        let mut found: Vec<(String, &str)> = Vec::new();
        found.extend(self.settings.region.as_deref().map(|region| ("--region".to_owned(), region)));
        for variable in [env::REGION, env::DEFAULT_REGION] {
            found.extend(self.env.get(variable).map(|region| (variable.to_owned(), region)));
        }
        let in_profile = profiles.iter().find_map(|profile| Some((profile, profile.get("region")?)));
        found.extend(in_profile.map(|(profile, region)| (format!("profile `{}`", profile.name), region)));

        let Some((from, region)) = found.first() else { return Err(ConfigError::NoRegion) };
        let others: Vec<_> = found
            .iter()
            .filter(|(_, other)| other != region)
            .map(|(from, other)| format!("{from} says {other}"))
            .collect();
        if !others.is_empty() {
            notes.push(format!("region {region} from {from} wins; {}", others.join(", ")));
        }
        // A label of a host name: anything else would only show up as an unknown host.
        if region.is_empty() || !region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(ConfigError::Value {
                place: format!("the region from {from}"),
                value: (*region).to_owned(),
                problem: "is not the name of a region",
            });
        }
        Ok(((*region).to_owned(), from.clone()))
    }
}

/// Which of these come before access keys, the AWS CLI decides by the file that each stands in.
fn refuse_rivals(profile: Profile<'_>) -> Result<(), ConfigError> {
    match ["credential_process", "web_identity_token_file"].into_iter().find(|key| profile.get(key).is_some())
    {
        Some(rival) => {
            Err(profile.wrong(format!("has {rival} beside aws_access_key_id: keep the one that is meant")))
        }
        None => Ok(()),
    }
}

fn profile_keys(profile: Profile<'_>) -> Result<Option<Source>, ConfigError> {
    let (id_key, secret_key) = ("aws_access_key_id", "aws_secret_access_key");
    let token = profile.get("aws_session_token").map(str::to_owned);
    match (profile.get(id_key), profile.get(secret_key)) {
        (Some(id), Some(secret)) => {
            let keys = Credentials::new(id, secret, token, None, "profile");
            Ok(Some(Source::Keys(keys, profile.place(id_key))))
        }
        (Some(_), None) => Err(profile.wrong(format!("has {id_key}, but no {secret_key}"))),
        (None, Some(_)) => Err(profile.wrong(format!("has {secret_key}, but no {id_key}"))),
        (None, None) => Ok(None),
    }
}

fn half(present: &'static str, absent: &'static str, hint: &'static str) -> ConfigError {
    ConfigError::Half { present: present.to_owned(), absent, hint }
}

#[cfg(test)]
mod tests;
