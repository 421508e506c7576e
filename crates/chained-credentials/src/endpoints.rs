//! Where STS and the services are: endpoints, FIPS and dual stack, from option, environment and profile.

use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::env::{self, Env};
use crate::error::ConfigError;
use crate::profile::Profile;

/// The settings that choose an endpoint; the SDK asks for one service at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endpoints {
    /// `--endpoint-url`: comes before everything and is for every service.
    option: Option<String>,
    /// `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`.
    variables: Vec<(String, String)>,
    /// `endpoint_url` of services, in the section that the profile names; the service's name in upper case.
    services: Vec<(String, String)>,
    /// `endpoint_url` of the profile.
    profile: Option<String>,
    pub(crate) use_fips: Option<bool>,
    pub(crate) use_dual_stack: Option<bool>,
}

/// The services that a chain or a job of this project talks to, by the id that config files use.
const SERVICES: [&str; 11] = [
    "sts",
    "glue",
    "cloudwatch_logs",
    "lambda",
    "sagemaker",
    "sagemaker_runtime",
    "redshift_data",
    "secrets_manager",
    "mwaa",
    "eks",
    "s3",
];

impl Endpoints {
    pub(crate) fn resolve(
        option: Option<&str>,
        env: &Env,
        profile: Option<&Profile<'_>>,
    ) -> Result<Self, ConfigError> {
        let flag = |variable: &str, key: &str| {
            let named = env.get(variable).map(|value| (variable.to_owned(), value));
            let named = named.or_else(|| profile.and_then(|p| Some((p.place(key), p.get(key)?))));
            named.map(|(place, value)| truth(place, value)).transpose()
        };
        let mut endpoints = Self {
            option: option.map(|url| checked("--endpoint-url", url)).transpose()?,
            use_fips: flag(env::USE_FIPS_ENDPOINT, "use_fips_endpoint")?,
            use_dual_stack: flag(env::USE_DUALSTACK_ENDPOINT, "use_dualstack_endpoint")?,
            ..Self::default()
        };
        if flag(env::IGNORE_CONFIGURED_ENDPOINT_URLS, "ignore_configured_endpoint_urls")? == Some(true) {
            return Ok(endpoints);
        }
        for (name, url) in env.starting_with(env::ENDPOINT_URL) {
            endpoints.variables.push((name.to_owned(), checked(name, url)?));
        }
        if let Some(profile) = profile {
            let key = "endpoint_url";
            endpoints.profile = profile.get(key).map(|url| checked(&profile.place(key), url)).transpose()?;
            for id in SERVICES {
                if let Some(url) = profile.service(id, key) {
                    let place = format!("endpoint_url of {id} in the services of profile `{}`", profile.name);
                    endpoints.services.push((id.to_uppercase(), checked(&place, url)?));
                }
            }
        }
        Ok(endpoints)
    }

    /// The endpoint of a service by its SDK id, such as `Glue` or `CloudWatch Logs`; `None`: AWS's own.
    fn of(&self, service_id: &str) -> Option<&str> {
        let service = service_id.to_uppercase().replace(' ', "_");
        let variable = |name: &str| self.variables.iter().find(|(variable, _)| variable == name);
        let of_service = self.services.iter().find(|(id, _)| *id == service);
        self.option
            .as_ref()
            .or_else(|| variable(&format!("{}_{service}", env::ENDPOINT_URL)).map(|(_, url)| url))
            .or_else(|| variable(env::ENDPOINT_URL).map(|(_, url)| url))
            .or_else(|| of_service.map(|(_, url)| url))
            .or(self.profile.as_ref())
            .map(String::as_str)
    }
}

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        // The SDK asks for other keys too (signature schemes); those have no place in a job.
        if key.env() != env::ENDPOINT_URL {
            return None;
        }
        self.of(key.service_id()).map(str::to_owned)
    }
}

/// An address without a scheme would end in an SDK error that quotes the whole request, token included.
fn checked(place: &str, url: &str) -> Result<String, ConfigError> {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.starts_with('/') && !host.contains(char::is_whitespace) => {
            Ok(url.to_owned())
        }
        _ => Err(ConfigError::Value {
            place: place.to_owned(),
            value: url.to_owned(),
            problem: "is not an address like https://host or http://host:port",
        }),
    }
}

fn truth(place: String, value: &str) -> Result<bool, ConfigError> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ConfigError::Value { place, value: value.to_owned(), problem: "is neither true nor false" }),
    }
}
