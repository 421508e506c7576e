//! Where to connect to, as whom, and how safely. Pure: what the options say, checked against each other.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::require_auth::AuthPolicy;
use crate::secret::{Keys, Password};

/// The port of PostgreSQL.
pub(crate) const PORT: u16 = 5432;

/// Where to connect to, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    /// Servers, in the order to try them; none: the secret names it.
    pub(crate) hosts: Vec<Host>,
    /// The database; else the secret's, else the one named as the user.
    pub(crate) database: Option<String>,
    /// The user; else the secret's.
    pub(crate) user: Option<String>,
    pub(crate) auth: Auth,
    pub(crate) tls: TlsChoice,
    pub(crate) policy: AuthPolicy,
    /// What the server must be for us to stay.
    pub(crate) attributes: Attributes,
    pub(crate) application_name: String,
    /// How long passing troubles are borne before they count.
    pub(crate) wait: Duration,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// Its name: what is looked up, and what its certificate is checked for.
    pub(crate) name: String,
    /// Its address, where it is not to be looked up.
    pub(crate) address: Option<IpAddr>,
    /// Its port; none: the secret's, else 5432.
    pub(crate) port: Option<u16>,
}

/// How to prove who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    /// A token that is signed for each connection.
    Iam(Signing),
    /// A secret of Secrets Manager.
    Secret(SecretRef),
    /// A folder with a file for each key, read anew for each connection.
    Folder { path: PathBuf, keys: Keys },
    /// A file with the password, read anew for each connection.
    PasswordFile(PathBuf),
    /// A password; none, where the server asks for none.
    Password(Option<Password>),
}

/// What goes into a token beside the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signing {
    /// The endpoint that the token is for, where another name is dialled.
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    /// The region that the endpoint is in; else as its name says, else the chain's.
    pub(crate) region: Option<String>,
    /// How long the session that signs has to live on.
    pub(crate) min_session: Duration,
}

/// Which secret, and which version of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretRef {
    /// ARN or name.
    pub(crate) id: String,
    pub(crate) stage: Option<String>,
    pub(crate) keys: Keys,
}

/// How the connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsChoice {
    pub(crate) mode: SslMode,
    /// A PEM file of roots that take the place of those built in.
    pub(crate) root_cert: Option<PathBuf>,
}

/// libpq's `sslmode`, without the modes that fall back to plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SslMode {
    /// No TLS: everything, the password too, goes as it is.
    Disable,
    /// TLS with whoever answers.
    Require,
    /// TLS with a server of a known authority, whatever its name.
    VerifyCa,
    /// TLS with the server of this name.
    VerifyFull,
}

impl SslMode {
    /// As libpq spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// libpq's `target_session_attrs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attributes {
    /// Any server.
    #[default]
    Any,
    /// One that takes writes.
    ReadWrite,
    /// One that does not.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One that is.
    Standby,
    /// A standby, else any.
    PreferStandby,
}

impl Attributes {
    /// As libpq spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }

    /// Whether a server fits that is `in_recovery` or takes no writes (`read_only`).
    pub(crate) fn fits(self, in_recovery: bool, read_only: bool) -> bool {
        match self {
            Self::Any => true,
            Self::ReadWrite => !in_recovery && !read_only,
            Self::ReadOnly => in_recovery || read_only,
            Self::Primary => !in_recovery,
            Self::Standby | Self::PreferStandby => in_recovery,
        }
    }
}

/// Puts together what libpq takes as comma-separated lists: one address for each host or none, one port for each host
/// or one for all.
///
/// # Errors
/// Lists whose lengths do not fit, or an item that is none.
pub(crate) fn hosts(names: &str, addresses: Option<&str>, ports: Option<&str>) -> Result<Vec<Host>, String> {
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    let list = |text: Option<&str>| -> Vec<String> {
        text.map(|text| text.split(',').map(|item| item.trim().to_owned()).collect()).unwrap_or_default()
    };
    let (addresses, ports) = (list(addresses), list(ports));
    if !matches!(addresses.len(), 0) && addresses.len() != names.len() {
        return Err(format!(
            "there are {} hosts and {} addresses in --hostaddr",
            names.len(),
            addresses.len()
        ));
    }
    if !matches!(ports.len(), 0 | 1) && ports.len() != names.len() {
        return Err(format!("there are {} hosts and {} ports in --port", names.len(), ports.len()));
    }
    let mut hosts = Vec::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        if name.is_empty() || name.contains(['/', ' ', '@', '?', '#', '\\']) {
            return Err(format!(
                "`{name}` is no name of a host: give the endpoint without scheme, user and path"
            ));
        }
        let address = match addresses.get(index).map(String::as_str) {
            None | Some("") => None,
            Some(text) => Some(text.parse().map_err(|_| format!("`{text}` is no IP address"))?),
        };
        let port = match ports.get(index).or_else(|| ports.first()).map(String::as_str) {
            None | Some("") => None,
            Some(text) => match text.parse() {
                Ok(port) if port != 0 => Some(port),
                _ => return Err(format!("`{text}` is no port")),
            },
        };
        hosts.push(Host { name: name.to_owned(), address, port });
    }
    Ok(hosts)
}

/// The region in the name of an RDS endpoint: `mydb.abc.us-east-2.rds.amazonaws.com`, in China
/// `mydb.abc.rds.cn-north-1.amazonaws.com.cn`.
pub(crate) fn region_of(host: &str) -> Option<&str> {
    let host = host.trim_end_matches('.');
    let parts: Vec<&str> = host
        .strip_suffix(".amazonaws.com")
        .or_else(|| host.strip_suffix(".amazonaws.com.cn"))?
        .split('.')
        .collect();
    let region = match parts.as_slice() {
        [.., region, "rds"] | [.., "rds", region] => *region,
        _ => return None,
    };
    // us-east-2, ap-southeast-5, us-gov-west-1
    let plausible = region.split('-').count() >= 3 && region.ends_with(|last: char| last.is_ascii_digit());
    plausible.then_some(region)
}

/// What the resource id of an endpoint looks like, for the ARN of its users. The name of an instance does not tell: one of
/// Aurora goes by the id of its cluster.
pub(crate) fn resource_of(host: &str) -> &'static str {
    if host.contains(".proxy-") {
        "prx-…"
    } else if host.contains(".cluster-") {
        "cluster-…"
    } else {
        "RESOURCE-ID"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_lists_as_libpq_takes_them() {
        let host = |name: &str, address: Option<&str>, port| Host {
            name: name.to_owned(),
            address: address.map(|text| text.parse().unwrap()),
            port,
        };
        for (names, addresses, ports, expected) in [
            ("db", None, None, vec![host("db", None, None)]),
            ("db", Some("127.0.0.1"), Some("6432"), vec![host("db", Some("127.0.0.1"), Some(6432))]),
            ("a, b", None, Some("1"), vec![host("a", None, Some(1)), host("b", None, Some(1))]),
            (
                "a,b",
                Some(",::1"),
                Some("1,2"),
                vec![host("a", None, Some(1)), host("b", Some("::1"), Some(2))],
            ),
        ] {
            assert_eq!(hosts(names, addresses, ports), Ok(expected), "{names}");
        }
        for (names, addresses, ports, problem) in [
            ("a,b", Some("::1"), None, "2 hosts and 1 addresses"),
            ("a,b", None, Some("1,2,3"), "2 hosts and 3 ports"),
            ("a", Some("here"), None, "`here` is no IP address"),
            ("a", None, Some("0"), "`0` is no port"),
            ("a", None, Some("70000"), "`70000` is no port"),
            ("postgres://a/b", None, None, "no name of a host"),
            ("a,,b", None, None, "`` is no name of a host"),
        ] {
            let told = hosts(names, addresses, ports).unwrap_err();
            assert!(told.contains(problem), "{told}");
        }
    }

    #[test]
    fn regions_of_endpoints() {
        for (host, region) in [
            ("mydb.cluster-abc.us-east-2.rds.amazonaws.com", Some("us-east-2")),
            ("p.proxy-abc.ap-southeast-5.rds.amazonaws.com.", Some("ap-southeast-5")),
            ("mydb.abc.rds.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("mydb.abc.us-gov-west-1.rds.amazonaws.com", Some("us-gov-west-1")),
            ("db.example.com", None),
            ("rds.amazonaws.com", None),
            ("x.rds.amazonaws.com", None),
        ] {
            assert_eq!(region_of(host), region, "{host}");
        }
    }

    #[test]
    fn resource_ids_of_endpoints() {
        for (host, id) in [
            ("mydb.cluster-abc.us-east-2.rds.amazonaws.com", "cluster-…"),
            ("mydb.cluster-ro-abc.us-east-2.rds.amazonaws.com", "cluster-…"),
            ("p.proxy-abc.us-east-2.rds.amazonaws.com", "prx-…"),
            ("mydb.abc.us-east-2.rds.amazonaws.com", "RESOURCE-ID"),
            ("db.example.com", "RESOURCE-ID"),
        ] {
            assert_eq!(resource_of(host), id, "{host}");
        }
    }

    #[test]
    fn attributes_are_those_of_libpq() {
        // (in recovery, read only): primary, primary set read-only, standby
        let servers = [(false, false), (false, true), (true, true)];
        for (attributes, fits) in [
            (Attributes::Any, [true, true, true]),
            (Attributes::ReadWrite, [true, false, false]),
            (Attributes::ReadOnly, [false, true, true]),
            (Attributes::Primary, [true, true, false]),
            (Attributes::Standby, [false, false, true]),
            (Attributes::PreferStandby, [false, false, true]),
        ] {
            assert_eq!(servers.map(|(recovery, read_only)| attributes.fits(recovery, read_only)), fits);
        }
    }
}
