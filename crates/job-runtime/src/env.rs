//! The environment: every name that the runtime reads, and the one room that reads it. clap looks up the twins of
//! options by itself, in the same process environment.

use chained_credentials::Env;

/// Roles to assume in order, separated by white space (twin of `--assume-role`).
pub(crate) const ASSUME_ROLE: &str = "ASSUME_ROLE";
/// Name of every role session (twin of `--role-session-name`).
pub(crate) const ROLE_SESSION_NAME: &str = "AWS_ROLE_SESSION_NAME";
/// The account that the last hop must land in (twin of `--expect-account`).
pub(crate) const EXPECT_ACCOUNT: &str = "EXPECT_ACCOUNT";
/// Whether instance metadata may be asked (twin of `--allow-instance-metadata`).
pub(crate) const ALLOW_INSTANCE_METADATA: &str = "ALLOW_INSTANCE_METADATA";
/// Whether STS may be called in clear text over a network (twin of `--allow-http`).
pub(crate) const ALLOW_HTTP: &str = "ALLOW_HTTP";
/// Whether profiles may not name a program to run (twin of `--no-credential-process`).
pub(crate) const NO_CREDENTIAL_PROCESS: &str = "NO_CREDENTIAL_PROCESS";
/// Whether the CA bundle is all that is trusted (twin of `--ca-bundle-only`).
pub(crate) const CA_BUNDLE_ONLY: &str = "CA_BUNDLE_ONLY";
/// PEM file of further root certificates (twin of `--ca-bundle`).
pub(crate) const CA_BUNDLE: &str = "AWS_CA_BUNDLE";
/// PEM file of the system's root certificates, where it is not in its usual place.
pub(crate) const SSL_CERT_FILE: &str = "SSL_CERT_FILE";

/// How long to wait for the end (twin of `--timeout`).
pub(crate) const TIMEOUT: &str = "JOB_TIMEOUT";
/// First interval between two looks (twin of `--poll-interval`).
pub(crate) const POLL_INTERVAL: &str = "JOB_POLL_INTERVAL";
/// Start and do not wait (twin of `--no-wait`).
pub(crate) const NO_WAIT: &str = "JOB_NO_WAIT";
/// Names this piece of work (twin of `--idempotency-key`).
pub(crate) const IDEMPOTENCY_KEY: &str = "IDEMPOTENCY_KEY";
/// Set by Kubernetes in the pods of an Indexed Job; appended to the key.
pub const COMPLETION_INDEX: &str = "JOB_COMPLETION_INDEX";
/// What to do where the key's earlier run failed (twin of `--on-prior-failure`).
pub(crate) const ON_PRIOR_FAILURE: &str = "JOB_ON_PRIOR_FAILURE";
/// What to do about work of the key that differs from what is asked for (`--on-difference`).
pub(crate) const ON_DIFFERENCE: &str = "JOB_ON_DIFFERENCE";
/// Appended to the key (`--step`).
pub(crate) const STEP: &str = "JOB_STEP";
/// Whether to stop the key's work (`--cancel`).
pub(crate) const CANCEL: &str = "JOB_CANCEL";
/// What a signal does to the remote work (twin of `--on-terminate`).
pub(crate) const ON_TERMINATE: &str = "JOB_ON_TERMINATE";
/// How long to wait for a call in flight after SIGTERM (variable of `--grace-period`).
pub(crate) const GRACE_PERIOD: &str = "JOB_GRACE_PERIOD";
/// A second call does no harm (variable of `--repeatable`).
pub(crate) const REPEATABLE: &str = "JOB_REPEATABLE";
/// Check and start nothing (twin of `--check`).
pub(crate) const CHECK: &str = "JOB_CHECK";
/// Limit of one connection attempt (twin of `--connect-timeout`).
pub(crate) const CONNECT_TIMEOUT: &str = "JOB_CONNECT_TIMEOUT";
/// Limit of one answer (twin of `--read-timeout`).
pub(crate) const READ_TIMEOUT: &str = "JOB_READ_TIMEOUT";

/// Form of the log (twin of `--log-format`).
pub(crate) const LOG_FORMAT: &str = "JOB_LOG_FORMAT";
/// Levels of the log, by target.
pub const RUST_LOG: &str = "RUST_LOG";
/// Where the last word goes (twin of `--termination-log`).
pub(crate) const TERMINATION_LOG: &str = "JOB_TERMINATION_LOG";
/// Form of the result (twin of `--output`).
pub const OUTPUT: &str = "JOB_OUTPUT";
/// Name of the host or pod; part of the default session name.
pub const HOSTNAME: &str = "HOSTNAME";

/// Proxy for `http:` addresses. The lower-case name wins, as it does for the AWS CLI and curl.
pub const HTTP_PROXY: [&str; 2] = ["http_proxy", "HTTP_PROXY"];
/// Proxy for `https:` addresses.
pub const HTTPS_PROXY: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];
/// Proxy for addresses of either kind that have none of their own.
pub const ALL_PROXY: [&str; 2] = ["all_proxy", "ALL_PROXY"];
/// Hosts, domains and networks that are reached without a proxy.
pub const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// What the process was started with.
pub(crate) struct Snapshot {
    /// The variables; empty ones count as unset.
    pub(crate) vars: Env,
    /// Names of the variables that are set and empty: the command line must not take them as values.
    pub(crate) blank: Vec<String>,
}

/// Reads the process environment, once. What is not UTF-8 is taken with replacement characters, so that an
/// option set to it is refused instead of overlooked.
#[expect(clippy::disallowed_methods, reason = "the one reader of the process environment beside clap")]
pub(crate) fn snapshot() -> Snapshot {
    let vars: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    let blank = vars.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| name.clone()).collect();
    Snapshot { vars: vars.into_iter().collect(), blank }
}

/// A secret that is in the environment alone, such as `PGPASSWORD`: an option would show it to every process, and a
/// twin of one in the help. An empty one is none.
#[expect(clippy::disallowed_methods, reason = "the one reader of the process environment beside clap")]
pub fn secret(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

/// The user's home directory.
#[expect(clippy::disallowed_methods, reason = "the one reader of the process environment beside clap")]
pub(crate) fn home() -> Option<String> {
    std::env::var("HOME").ok().filter(|home| !home.is_empty())
}

/// The first of `names` that is set.
pub(crate) fn first<'e>(vars: &'e Env, names: &[&'static str]) -> Option<(&'static str, &'e str)> {
    names.iter().find_map(|name| vars.get(name).map(|value| (*name, value)))
}
