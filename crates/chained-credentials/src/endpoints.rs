//! Where STS and the services are: endpoints, FIPS and dual stack, from option, environment and profile.

use std::net::IpAddr;

use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::env::{self, Env};
use crate::error::ConfigError;
use crate::profile::Profile;

/// The settings that choose an endpoint; the SDK asks for one service at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endpoints {
    /// `--endpoint-url`: comes before everything and is for every service.
    option: Option<Endpoint>,
    /// `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`, by name.
    variables: Vec<Endpoint>,
    /// `endpoint_url` of services, in the section that the profile names; the service's name in upper case.
    services: Vec<(String, Endpoint)>,
    /// `endpoint_url` of the profile.
    profile: Option<Endpoint>,
    pub(crate) use_fips: Option<bool>,
    pub(crate) use_dual_stack: Option<bool>,
}

/// An address, and the setting that names it.
#[derive(Clone, Debug)]
struct Endpoint {
    place: String,
    url: String,
}

impl Endpoint {
    /// An address without a scheme would end in an SDK error that quotes the whole request, token included. A user before
    /// the host makes one host look like another.
    fn new(place: &str, url: &str) -> Result<Self, ConfigError> {
        let is_address = url.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
                && uri.host().is_some_and(|host| !host.is_empty())
        });
        if is_address {
            return Ok(Self { place: place.to_owned(), url: url.to_owned() });
        }
        Err(ConfigError::Value {
            place: place.to_owned(),
            value: url.to_owned(),
            problem: "is not an address like https://host or http://host:port",
        })
    }

    fn is_clear_text(&self) -> bool {
        sends_clear_text(&self.url)
    }
}

/// Whether what is sent to `url` can be read on a network: http, and not to this machine.
pub(crate) fn sends_clear_text(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    uri.scheme_str() == Some("http") && !uri.host().is_some_and(is_this_machine)
}

/// Loopback, and link-local addresses, which the agents of a machine have.
fn is_this_machine(host: &str) -> bool {
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => {
            // fd00:ec2::/32 is what AWS takes for its agents.
            let is_agent = address.segments()[..2] == [0xfd00, 0x0ec2];
            address.is_loopback() || address.is_unicast_link_local() || is_agent
        }
        Err(_) => host == "localhost",
    }
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
            option: option.map(|url| Endpoint::new("--endpoint-url", url)).transpose()?,
            use_fips: flag(env::USE_FIPS_ENDPOINT, "use_fips_endpoint")?,
            use_dual_stack: flag(env::USE_DUALSTACK_ENDPOINT, "use_dualstack_endpoint")?,
            ..Self::default()
        };
        if flag(env::IGNORE_CONFIGURED_ENDPOINT_URLS, "ignore_configured_endpoint_urls")? == Some(true) {
            return Ok(endpoints);
        }
        for (name, url) in env.starting_with(env::ENDPOINT_URL) {
            endpoints.variables.push(Endpoint::new(name, url)?);
        }
        endpoints.variables.sort_by(|one, other| one.place.cmp(&other.place));
        if let Some(profile) = profile {
            let key = "endpoint_url";
            endpoints.profile =
                profile.get(key).map(|url| Endpoint::new(&profile.place(key), url)).transpose()?;
            for id in SERVICES {
                if let Some(url) = profile.service(id, key) {
                    let place = format!("endpoint_url of {id} in the services of profile `{}`", profile.name);
                    endpoints.services.push((id.to_uppercase(), Endpoint::new(&place, url)?));
                }
            }
        }
        Ok(endpoints)
    }

    /// The endpoint of a service by its SDK id, such as `Glue` or `CloudWatch Logs`; `None`: AWS's own.
    fn of(&self, service_id: &str) -> Option<&Endpoint> {
        let service = service_id.to_uppercase().replace(' ', "_");
        let variable = |name: &str| self.variables.iter().find(|endpoint| endpoint.place == name);
        let of_service = self.services.iter().find(|(id, _)| *id == service);
        self.option
            .as_ref()
            .or_else(|| variable(&format!("{}_{service}", env::ENDPOINT_URL)))
            .or_else(|| variable(env::ENDPOINT_URL))
            .or_else(|| of_service.map(|(_, endpoint)| endpoint))
            .or(self.profile.as_ref())
    }

    /// Every endpoint that is configured, whether or not this program calls the service: who can write the settings can
    /// redirect the calls, so that a reader of the log should see it.
    fn configured(&self) -> impl Iterator<Item = &Endpoint> {
        let services = self.services.iter().map(|(_, endpoint)| endpoint);
        self.option.iter().chain(&self.variables).chain(services).chain(&self.profile)
    }

    /// All of them with their settings, for the log; nothing where there is none.
    pub(crate) fn describe(&self) -> String {
        let shown: Vec<_> =
            self.configured().map(|Endpoint { place, url }| format!("{url} (from {place})")).collect();
        if shown.is_empty() { String::new() } else { format!(", endpoints {}", shown.join(", ")) }
    }

    /// What to warn about: requests that can be read on the network.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        self.configured().filter(|endpoint| endpoint.is_clear_text()).map(|Endpoint { place, url }| {
            format!("requests are sent in clear text: {place} is {url}; use https")
        })
    }

    /// Refuses to send tokens and keys to STS over a network in clear text.
    pub(crate) fn check_sts(&self, allow_http: bool) -> Result<(), ConfigError> {
        match self.of("STS") {
            Some(endpoint) if endpoint.is_clear_text() && !allow_http => Err(ConfigError::Value {
                place: endpoint.place.clone(),
                value: endpoint.url.clone(),
                problem: "would send the service account's token and session keys to STS in clear text: use https, \
                          or allow it with --allow-http",
            }),
            _ => Ok(()),
        }
    }
}

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        // The SDK asks for other keys too (signature schemes); those have no place in a job.
        if key.env() != env::ENDPOINT_URL {
            return None;
        }
        self.of(key.service_id()).map(|endpoint| endpoint.url.clone())
    }
}

fn truth(place: String, value: &str) -> Result<bool, ConfigError> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ConfigError::Value { place, value: value.to_owned(), problem: "is neither true nor false" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clear_text_is_for_this_machine() {
        for (url, is_clear_text) in [
            ("https://sts.example.com", false),
            ("http://sts.example.com", true),
            ("http://10.0.0.1:4566", true),
            ("http://127.0.0.1.example.com", true),
            ("http://localhost.example.com", true),
            ("http://[fd00::1]", true),
            ("http://127.0.0.1:4566", false),
            ("http://127.9.9.9", false),
            ("http://localhost:4566", false),
            ("http://[::1]:4566", false),
            ("http://169.254.170.23", false),
            ("http://[fd00:ec2::23]", false),
            ("http://[fe80::1]", false),
        ] {
            assert_eq!(Endpoint::new("x", url).unwrap().is_clear_text(), is_clear_text, "{url}");
        }
    }

    #[test]
    fn an_endpoint_is_an_address() {
        for url in [
            "",
            "host",
            "127.0.0.1:5600",
            "ftp://host",
            "https://",
            "https:///x",
            "http://a b",
            "https://sts@evil",
        ] {
            assert!(Endpoint::new("x", url).is_err(), "{url}");
        }
    }
}
