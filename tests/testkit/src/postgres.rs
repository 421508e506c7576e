//! What the sandbox runs SQL on, and what its answers are compared with.

use crate::server::{Home, Server};

/// A `PostgreSQL` server on a Unix socket, with the superuser `postgres`, whom it trusts. It is gone when this is
/// dropped, and when the process ends in any other way.
#[derive(Debug)]
pub struct Postgres(Server);

impl Postgres {
    /// Starts a server; it takes connections when this returns.
    pub fn start() -> Self {
        let settings = ["listen_addresses=", "max_connections=100"].map(str::to_owned);
        Self(Server::start(Home::with_database(), 5432, &settings, &[]))
    }

    /// How to reach it, as a world's `[redshift] postgres` says it.
    pub fn address(&self) -> String {
        format!("host={} dbname=postgres user=postgres", self.0.folder.display())
    }

    /// The part of a world that names this server; keys of `[redshift]` may follow.
    pub fn world(&self) -> String {
        format!("\n[redshift]\npostgres = \"{}\"\n", self.address())
    }

    /// What psql prints, which must end well. Its arguments name the database (`-d dev`) unless it is `postgres`.
    pub fn psql(&self, args: &[&str]) -> String {
        self.0.psql(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_answers_and_is_gone() {
        let server = Postgres::start();
        assert_eq!(server.psql(&["-At", "-c", "select 1 + 1"]), "2\n");
        let folder = server.0.folder.clone();
        assert!(server.world().contains(folder.to_str().unwrap()));
        drop(server);
        assert!(!folder.exists());
    }
}
