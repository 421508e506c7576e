//! libpq's `require_auth` and `channel_binding`: by which proofs a server may let the user in.

use clap::ValueEnum;

use crate::connection::SslMode;
use crate::startup::Method;

/// The methods that libpq knows and this program cannot use. They may stand in a list all the same.
const OTHER_METHODS: [&str; 3] = ["gss", "sspi", "oauth"];

/// The methods by which a server may let the user in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequireAuth {
    /// As libpq reads it: `scram-sha-256,none`, `!password`, or nothing for every method.
    text: String,
    /// Whether the user has said it.
    explicit: bool,
    forbidden: Vec<Method>,
}

impl RequireAuth {
    /// What counts where the user says nothing. A server that is not verified gets no password in clear text: it may be
    /// anyone.
    pub(crate) fn default_for(mode: SslMode) -> Self {
        let forbidden = match mode {
            SslMode::VerifyFull => Vec::new(),
            SslMode::Disable | SslMode::Require | SslMode::VerifyCa => vec![Method::Cleartext],
        };
        let text = if forbidden.is_empty() { "" } else { "!password" };
        Self { text: text.to_owned(), explicit: false, forbidden }
    }

    pub(crate) fn allows(&self, method: Method) -> bool {
        !self.forbidden.contains(&method)
    }

    /// As libpq reads it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the user has said it.
    pub(crate) fn is_explicit(&self) -> bool {
        self.explicit
    }
}

impl std::str::FromStr for RequireAuth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let items: Vec<&str> = text.split(',').map(str::trim).collect();
        let negated = items.iter().filter(|item| item.starts_with('!')).count();
        if negated != 0 && negated != items.len() {
            return Err("names with and without ! cannot be combined".to_owned());
        }
        let mut named = Vec::new();
        for item in &items {
            let name = item.trim_start_matches('!');
            match Method::ALL.into_iter().find(|method| method.libpq_name() == name) {
                Some(method) => named.push(method),
                None if OTHER_METHODS.contains(&name) => {}
                None => return Err("known methods are password, md5, scram-sha-256 and none".to_owned()),
            }
        }
        let is_forbidden = |method: &Method| named.contains(method) == (negated > 0);
        let forbidden = Method::ALL.into_iter().filter(is_forbidden).collect();
        Ok(Self { text: items.join(","), explicit: true, forbidden })
    }
}

/// Whether the proof is bound to the TLS connection, so that it is of no use to someone in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChannelBinding {
    /// Never.
    Disable,
    /// Where the server offers it.
    #[default]
    Prefer,
    /// Always.
    Require,
}

impl ChannelBinding {
    /// As libpq spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
        }
    }
}

/// How the user and the server may prove who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuthPolicy {
    pub(crate) require: RequireAuth,
    pub(crate) binding: ChannelBinding,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_libpq_reads_them() {
        for (text, allowed) in [
            ("scram-sha-256", vec![Method::Scram]),
            ("password, md5", vec![Method::Cleartext, Method::Md5]),
            ("none,gss", vec![Method::Trust]),
            ("gss", vec![]),
            ("!password", vec![Method::Trust, Method::Md5, Method::Scram]),
            ("!password,!none", vec![Method::Md5, Method::Scram]),
        ] {
            let require: RequireAuth = text.parse().unwrap();
            let allows: Vec<Method> = Method::ALL.into_iter().filter(|m| require.allows(*m)).collect();
            assert_eq!(allows, allowed, "{text}");
        }
        for text in ["", "scram", "!password,md5", "password,"] {
            assert!(text.parse::<RequireAuth>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_server_that_is_not_verified_gets_no_password_in_clear_text() {
        for (mode, allowed) in [
            (SslMode::VerifyFull, true),
            (SslMode::VerifyCa, false),
            (SslMode::Require, false),
            (SslMode::Disable, false),
        ] {
            assert_eq!(RequireAuth::default_for(mode).allows(Method::Cleartext), allowed);
            assert!(RequireAuth::default_for(mode).allows(Method::Scram));
        }
    }
}
