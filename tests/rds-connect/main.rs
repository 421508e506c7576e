//! What rds-connect promises its users, tried on the real binary and a real PostgreSQL that judges tokens as RDS does.

// Tests: a panic is how a test fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::disallowed_methods)]

mod authentication;
mod check;
mod exec;
mod flood;
mod login;
mod proxy;
mod query;
mod stages;
mod token;

use testkit::{Database, DatabaseSettings, Outcome, Site, Tls};

// No database is needed to sign a token.
testkit::contract!(
    "rds-connect",
    ["token", "--host", "mydb.cluster-abc123.us-east-2.rds.amazonaws.com", "--user", "iam_demo_user"]
);

const BINARY: &str = env!("CARGO_BIN_EXE_rds-connect");

/// A pod of the documented world, and a database of the external account.
struct World {
    site: Site,
    database: Database,
}

/// The documented world.
fn world() -> World {
    world_of(Site::documented(BINARY), DatabaseSettings::default())
}

fn world_with(tls: Tls) -> World {
    world_of(Site::documented(BINARY), DatabaseSettings { tls, ..DatabaseSettings::default() })
}

fn world_of(site: Site, settings: DatabaseSettings) -> World {
    let database = Database::start(&site.sandbox, settings);
    World { site, database }
}

impl World {
    /// The options that lead to the database, without a login.
    fn way(&self) -> Vec<String> {
        let ca = self.database.ca().display().to_string();
        let port = self.database.port().to_string();
        let way =
            ["--host", Database::HOST, "--hostaddr", "127.0.0.1", "--port", &port, "--ssl-root-cert", &ca];
        way.iter().copied().chain(["--database", Database::NAME]).map(str::to_owned).collect()
    }

    /// Those, and a login by token as the user of the documented role.
    fn by_token(&self, more: &[&str]) -> Vec<String> {
        let mut args = self.way();
        args.extend(["--iam", "--user", Database::IAM_USER].map(str::to_owned));
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        args
    }

    /// Runs the binary with a token, and more options.
    fn run(&self, more: &[&str]) -> Outcome {
        self.site.run(self.by_token(more))
    }

    fn env(self, name: &str, value: impl Into<String>) -> Self {
        Self { site: self.site.env(name, value), ..self }
    }
}

/// The same arguments with another value for `option`.
fn replaced(mut args: Vec<String>, option: &str, value: &str) -> Vec<String> {
    let at = args.iter().position(|arg| arg == option).expect("the option is there");
    value.clone_into(&mut args[at + 1]);
    args
}

/// The same arguments without `option` and its value.
fn without(mut args: Vec<String>, option: &str) -> Vec<String> {
    let at = args.iter().position(|arg| arg == option).expect("the option is there");
    args.drain(at..at + 2);
    args
}
