//! Whether the proxy is ready: what an attempt at a session proves of the way to the server and of the proxy's own login.

use std::cell::Cell;

use job_runtime::Exit;
use tokio::time::Instant;

use super::counts::Counts;
use crate::error::Error;
use crate::stages::{Failed, Stage};

/// What one attempt proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evidence {
    /// The server was reached and took the proxy's login, whatever became of the session.
    Open,
    /// The server was not reached, or it refused the proxy's login.
    Closed,
    /// The cause may be what the client has asked for.
    Unclear,
}

/// Readiness, and what it depends on.
pub(super) struct Readiness<'c> {
    counts: &'c Counts,
    /// Whether the configuration names a database. Else that of the proxy's own sessions is a guess.
    has_database: bool,
    /// When the attempt began that was the last one to succeed.
    last_open: Cell<Option<Instant>>,
    /// A client failed in a way that only a session without its wishes can explain.
    in_doubt: Cell<bool>,
}

impl<'c> Readiness<'c> {
    pub(super) fn new(counts: &'c Counts, has_database: bool) -> Self {
        Self { counts, has_database, last_open: Cell::default(), in_doubt: Cell::default() }
    }

    /// Whether the proxy should try a session of its own.
    pub(super) fn needs_probe(&self) -> bool {
        self.in_doubt.get() || self.counts.told().reachable == Some(false)
    }

    /// Takes the end of an attempt for a client, which has asked for a database and parameters of its own.
    pub(super) fn client_attempt<T>(&self, begun: Instant, ended: &Result<T, Error>) {
        match evidence(ended.as_ref().err()) {
            Evidence::Unclear => self.in_doubt.set(true),
            evidence => self.note(begun, evidence, ended.as_ref().err()),
        }
    }

    /// Takes the end of an attempt of the proxy's own.
    pub(super) fn probe<T>(&self, begun: Instant, ended: &Result<T, Error>) {
        self.in_doubt.set(false);
        let evidence = match (evidence(ended.as_ref().err()), ended) {
            // The server answers, and it is not the login that it refuses: a limit, or a database that is not there.
            (Evidence::Unclear, Err(Error::Stage(failed)))
                if failed.server.is_some() && !(self.has_database && is_by_pg_hba(failed)) =>
            {
                Evidence::Open
            }
            (Evidence::Unclear, _) => Evidence::Closed,
            (evidence, _) => evidence,
        };
        self.note(begun, evidence, ended.as_ref().err());
    }

    fn note(&self, begun: Instant, evidence: Evidence, error: Option<&Error>) {
        let is_open = evidence == Evidence::Open;
        if is_open {
            self.last_open.set(self.last_open.get().max(Some(begun)));
        } else if self.last_open.get().is_some_and(|last_open| begun < last_open) {
            // A later attempt has succeeded already.
            return;
        }
        let before = self.counts.told().reachable;
        self.counts.reached(is_open);
        match (is_open, error) {
            (true, _) if before == Some(false) => tracing::info!(ready = "true", "readiness changed"),
            (false, Some(error)) if before != Some(false) => {
                tracing::warn!(ready = "false", reason = %error, "readiness changed");
            }
            _ => {}
        }
    }
}

/// What an attempt proves that ended with `error`, or with a session.
fn evidence(error: Option<&Error>) -> Evidence {
    let failed = match error {
        None => return Evidence::Open,
        Some(Error::Stage(failed)) => failed,
        // Credentials, secrets and files with passwords are the proxy's own.
        Some(_) => return Evidence::Closed,
    };
    let Some(server) = &failed.server else {
        return match failed.stage {
            Stage::Dns | Stage::Tcp | Stage::Tls => Evidence::Closed,
            // The server asks for a password that the proxy has not, or cannot prove that it knows it.
            Stage::Auth if failed.exit == Exit::Denied || failed.exit == Exit::Config => Evidence::Closed,
            // A pooler closes the connection on parameters that it does not take, and a session can be read-only
            // because its client has asked for that.
            Stage::Startup | Stage::Auth | Stage::Query => Evidence::Unclear,
        };
    };
    match server.code.get(..2) {
        // The server starts up or shuts down.
        Some("57") if server.code != "57014" => Evidence::Closed,
        // Lines of pg_hba.conf are for a database, or for replication.
        Some("28") if is_by_pg_hba(failed) => Evidence::Unclear,
        Some("28") => Evidence::Closed,
        // Databases, limits and parameters are looked at after the login.
        _ if failed.logged_in => Evidence::Open,
        _ => Evidence::Unclear,
    }
}

fn is_by_pg_hba(failed: &Failed) -> bool {
    failed.server.as_ref().is_some_and(|server| server.message.contains("pg_hba.conf"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::Way;
    use crate::startup::ServerError;

    fn failed(stage: Stage, exit: Exit) -> Failed {
        Way::new().fail(stage, exit, "", "")
    }

    fn refused(code: &str, message: &str, logged_in: bool) -> Error {
        let server = ServerError { code: code.to_owned(), message: message.to_owned(), ..Default::default() };
        Error::stage(Failed { server: Some(server), logged_in, ..failed(Stage::Startup, Exit::Rejected) })
    }

    #[test]
    fn what_attempts_prove() {
        use Evidence::{Closed, Open, Unclear};
        let no_line = "no pg_hba.conf entry for replication connection from host";
        for (error, expected) in [
            (refused("42501", "permission denied for database", true), Open),
            (refused("53300", "too many connections for role", true), Open),
            (refused("53300", "sorry, too many clients already", false), Unclear),
            (refused("08P01", "unsupported startup parameter: options", false), Unclear),
            (refused("28000", no_line, false), Unclear),
            (refused("28000", "role is not permitted to log in", true), Closed),
            (refused("28P01", "password authentication failed", false), Closed),
            (refused("57P03", "the database system is starting up", false), Closed),
            (Error::stage(failed(Stage::Tcp, Exit::Unavailable)), Closed),
            (Error::stage(failed(Stage::Startup, Exit::Unavailable)), Unclear),
            (Error::stage(failed(Stage::Query, Exit::Unavailable)), Unclear),
            (Error::NoUser, Closed),
        ] {
            assert_eq!(evidence(Some(&error)), expected, "{error:?}");
        }
        assert_eq!(evidence(None), Open);
    }

    #[test]
    fn a_probe_proves_what_a_client_does_not() {
        let counts = Counts::default();
        let readiness = Readiness::new(&counts, true);
        let now = Instant::now;
        let reachable = || counts.told().reachable;
        readiness
            .client_attempt(now(), &Err::<(), _>(Error::stage(failed(Stage::Startup, Exit::Unavailable))));
        assert_eq!((reachable(), readiness.needs_probe()), (None, true));
        readiness.probe(now(), &Err::<(), _>(Error::stage(failed(Stage::Startup, Exit::Unavailable))));
        assert_eq!((reachable(), readiness.needs_probe()), (Some(false), true));
        readiness.probe(now(), &Err::<(), _>(refused("53300", "sorry, too many clients already", false)));
        assert_eq!((reachable(), readiness.needs_probe()), (Some(true), false));
        readiness.probe(now(), &Err::<(), _>(refused("28000", "pg_hba.conf rejects connection", false)));
        assert_eq!(reachable(), Some(false));
        // What began before the last success says nothing about now.
        let early = now();
        readiness.client_attempt(now(), &Ok(()));
        readiness.client_attempt(early, &Err::<(), _>(Error::stage(failed(Stage::Tcp, Exit::Unavailable))));
        assert_eq!(reachable(), Some(true));
    }
}
