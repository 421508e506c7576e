//! The environment of a program: what libpq is to take from it, and what must not win over that.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::Command;

use job_runtime::env;

use crate::connection::Connection;
use crate::login::{Endpoint, Login};

/// Variables of libpq that lead elsewhere or to less safety than the connection's options say. A service's settings win
/// over every variable.
const OF_ANOTHER_CONNECTION: [&str; 2] = ["PGSERVICE", "PGREQUIRESSL"];

/// Secrets of AWS. A profile or a token's file is not one.
const AWS_CREDENTIALS: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

/// What differs from the environment of this process.
#[derive(Default)]
pub(super) struct Environment {
    /// None where the variable is removed.
    changes: BTreeMap<&'static str, Option<OsString>>,
}

impl Environment {
    pub(super) fn set(&mut self, name: &'static str, value: impl Into<OsString>) -> &mut Self {
        self.changes.insert(name, Some(value.into()));
        self
    }

    pub(super) fn remove(&mut self, name: &'static str) -> &mut Self {
        self.changes.insert(name, None);
        self
    }

    /// Where to connect to, as whom, and how safely; the password and the roots are apart.
    pub(super) fn connect(&mut self, connection: &Connection, endpoint: &Endpoint, login: &Login) {
        for name in OF_ANOTHER_CONNECTION {
            self.remove(name);
        }
        self.set("PGHOST", &endpoint.host.name)
            .set("PGPORT", endpoint.port.to_string())
            .set("PGUSER", &login.user)
            .set("PGDATABASE", &login.database)
            .set("PGSSLMODE", connection.tls.mode.name())
            // With a Kerberos ticket libpq would encrypt by GSSAPI instead, and verify no certificate.
            .set("PGGSSENCMODE", "disable")
            .set("PGCHANNELBINDING", connection.policy.binding.name())
            .set("PGTARGETSESSIONATTRS", connection.attributes.name());
        match endpoint.host.address {
            Some(address) => self.set("PGHOSTADDR", address.to_string()),
            None => self.remove("PGHOSTADDR"),
        };
        match connection.policy.require.text() {
            "" => self.remove("PGREQUIREAUTH"),
            methods => self.set("PGREQUIREAUTH", methods),
        };
    }

    pub(super) fn drop_aws_credentials(&mut self) {
        for name in AWS_CREDENTIALS {
            self.remove(name);
        }
    }

    /// Gives it to a command; tells which variables are there no more.
    pub(super) fn apply(&self, command: &mut Command) -> Vec<&'static str> {
        let mut removed = Vec::new();
        for (name, value) in &self.changes {
            if let Some(value) = value {
                command.env(name, value);
            } else {
                removed.extend(env::secret(name).map(|_| *name));
                command.env_remove(name);
            }
        }
        removed
    }
}
