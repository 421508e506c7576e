//! The environment as a value: what the process was started with, read once by the caller.

use std::collections::HashMap;

/// Static keys, first of three.
pub const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
/// Static keys, second of three.
pub const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
/// Static keys, third of three; only temporary keys have it.
pub const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
/// The profile to use.
pub const PROFILE: &str = "AWS_PROFILE";
/// The profile to use where `AWS_PROFILE` is unset.
pub const DEFAULT_PROFILE: &str = "AWS_DEFAULT_PROFILE";
/// The config file; `~/.aws/config` where unset.
pub const CONFIG_FILE: &str = "AWS_CONFIG_FILE";
/// The credentials file; `~/.aws/credentials` where unset.
pub const SHARED_CREDENTIALS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
/// The token of a service account, put there by the EKS pod identity webhook.
pub const WEB_IDENTITY_TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
/// The role that the token is good for.
pub const ROLE_ARN: &str = "AWS_ROLE_ARN";
/// The name of every role session of this process.
pub const ROLE_SESSION_NAME: &str = "AWS_ROLE_SESSION_NAME";
/// Where an ECS task gets its role's credentials, below `http://169.254.170.2`.
pub const CONTAINER_RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
/// Where a pod with EKS Pod Identity gets its credentials.
pub const CONTAINER_FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// The file with the token that the container endpoint asks for.
pub const CONTAINER_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// The token that the container endpoint asks for.
pub const CONTAINER_TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
/// The region.
pub const REGION: &str = "AWS_REGION";
/// The region where `AWS_REGION` is unset.
pub const DEFAULT_REGION: &str = "AWS_DEFAULT_REGION";
/// The endpoint of every service; `AWS_ENDPOINT_URL_<SERVICE>` is that of one.
pub const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
/// `true`: take no endpoint from environment or files.
pub const IGNORE_CONFIGURED_ENDPOINT_URLS: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
/// `true`: FIPS endpoints.
pub const USE_FIPS_ENDPOINT: &str = "AWS_USE_FIPS_ENDPOINT";
/// `true`: dual-stack endpoints.
pub const USE_DUALSTACK_ENDPOINT: &str = "AWS_USE_DUALSTACK_ENDPOINT";
/// `true`: never ask the instance metadata service.
pub const EC2_METADATA_DISABLED: &str = "AWS_EC2_METADATA_DISABLED";
/// Another address of the instance metadata service.
pub const EC2_METADATA_ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
/// The home directory, where `~/.aws` is.
pub const HOME: &str = "HOME";

/// What a `credential_process` gets beside the `AWS_` variables: where programs and files are, language, proxies and
/// roots.
const FOR_PROGRAMS: [&str; 19] = [
    "PATH",
    HOME,
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
];
/// `AWS_` variables that hold a secret.
const SECRETS: [&str; 4] = [ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN, CONTAINER_TOKEN];

/// A snapshot of environment variables. An empty value counts as unset, as it does for the AWS CLI.
///
/// ```
/// use chained_credentials::Env;
/// let env: Env = [("AWS_PROFILE", "b"), ("AWS_REGION", "")].into_iter().collect();
/// assert_eq!(env.get("AWS_PROFILE"), Some("b"));
/// assert_eq!(env.get("AWS_REGION"), None);
/// ```
#[derive(Clone, Default)]
pub struct Env(HashMap<String, String>);

impl Env {
    /// The value of `name`, unless unset or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The first of `names` that is set, with its value.
    pub(crate) fn first<'n>(&self, names: &[&'n str]) -> Option<(&'n str, &str)> {
        names.iter().find_map(|name| self.get(name).map(|value| (*name, value)))
    }

    /// The variables for a `credential_process`. Secrets of the job – passwords, keys, tokens – are not its business.
    pub(crate) fn for_credential_process(&self) -> Vec<(String, String)> {
        let is_fine = |name: &str| {
            FOR_PROGRAMS.contains(&name) || (name.starts_with("AWS_") && !SECRETS.contains(&name))
        };
        let passed_on = self.0.iter().filter(|(name, value)| is_fine(name) && !value.is_empty());
        passed_on.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Every variable whose name starts with `prefix`, unless empty.
    pub(crate) fn starting_with(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        let named = self.0.iter().filter(move |(name, value)| name.starts_with(prefix) && !value.is_empty());
        named.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(vars: I) -> Self {
        Self(vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Names only: values can be secrets.
impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names: Vec<_> = self.0.keys().collect();
        names.sort();
        f.debug_tuple("Env").field(&names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_process_gets_no_secret() {
        let env: Env = [
            ("PATH", "/bin"),
            ("AWS_REGION", "us-east-2"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_SESSION_TOKEN", "s"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "s"),
            ("PGPASSWORD", "s"),
            ("VAULT_TOKEN", "s"),
            ("HOME", ""),
        ]
        .into_iter()
        .collect();
        let mut passed_on = env.for_credential_process();
        passed_on.sort();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(passed_on, [pair("AWS_REGION", "us-east-2"), pair("PATH", "/bin")]);
    }
}
