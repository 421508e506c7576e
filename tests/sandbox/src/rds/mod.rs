//! RDS's IAM authentication: the databases of a world, and who was let into them.
//!
//! The databases themselves are not played here. A server that `testkit` starts asks about each login, as a server of
//! RDS asks its host; that users of databases have `rds_iam` is up to the server's own `pg_hba.conf`.

mod login;

use serde::Deserialize;

use crate::Error;

pub(crate) use login::{Knock, login, token};
pub use login::{Login, LoginRefusal};

/// `[rds]` of a world.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RdsWorld {
    /// Databases with IAM authentication.
    pub databases: Vec<RdsDatabase>,
}

/// A database with IAM authentication: an instance, a cluster or a proxy.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RdsDatabase {
    /// Account it is in.
    pub account: String,
    /// Region it is in; the world's where it is not set.
    pub region: Option<String>,
    /// What policies name: `db-…`, `cluster-…` or `prx-…`.
    pub resource_id: String,
    /// Host names that a token for it may be made for.
    pub endpoints: Vec<String>,
    /// Its port; the one that its server listens on where it is not set.
    pub port: Option<u16>,
}

impl RdsWorld {
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.databases.iter().find(|database| database.endpoints.is_empty()) {
            Some(database) => {
                Err(Error::World(format!("database {}: it needs an endpoint", database.resource_id)))
            }
            None => Ok(()),
        }
    }
}
