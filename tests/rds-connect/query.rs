//! What `rds-connect query` promises its users, tried on the real binary and a real `PostgreSQL` as RDS runs it.
//!
//! What the statements did is asked of the database, never of the binary.

mod copy;
mod end;
mod errors;
mod forms;
mod large;
mod parameters;
mod reached;
mod session;
mod sources;
mod transactions;

use std::ops::Deref;
use std::process::Stdio;
use std::time::{Duration, Instant};

use testkit::{Database, DatabaseSettings, Outcome, Site, Worlds};

use super::BINARY;

/// A pod beside a database, into which it gets by a password.
struct Desk {
    site: Site,
    database: Database,
}

impl Deref for Desk {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

fn desk() -> Desk {
    desk_with(DatabaseSettings::default())
}

fn desk_with(settings: DatabaseSettings) -> Desk {
    let site = Site::pod(BINARY, Worlds::TWO_ACCOUNTS);
    let database = Database::start(&site.sandbox, settings);
    let site = site
        .env("PGHOST", Database::HOST)
        .env("PGHOSTADDR", "127.0.0.1")
        .env("PGPORT", database.port().to_string())
        .env("PGDATABASE", Database::NAME)
        .env("PGUSER", Database::USER)
        .env("PGPASSWORD", Database::PASSWORD)
        .env("PGSSLROOTCERT", database.ca().to_str().unwrap());
    Desk { site, database }
}

impl Desk {
    /// Runs `query` with these options to its end.
    fn query(&self, options: &[&str]) -> Outcome {
        self.run(["query"].iter().chain(options))
    }

    /// Runs SQL to its end.
    fn sql(&self, sql: &str) -> Outcome {
        self.query(&["--sql", sql])
    }

    /// What the database answers its superuser, bare.
    fn look(&self, sql: &str) -> String {
        self.database.psql(&["-At", "-d", Database::NAME, "-c", sql]).trim_end().to_owned()
    }

    /// What psql prints of a text, to the byte, for the same user and by the same way.
    fn psql(&self, options: &[&str], text: &str) -> Vec<u8> {
        let file = self.write("theirs.sql", text);
        let mut psql = self.database.client("psql", Database::USER, Database::PASSWORD);
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1"])
            .args(options)
            .arg("-f")
            .arg(file)
            .stdin(Stdio::null());
        let output = psql.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Waits until the database says `expected`.
    #[track_caller]
    fn wait_until(&self, sql: &str, expected: &str) {
        let end = Instant::now() + Duration::from_secs(30);
        while self.look(sql) != expected {
            assert!(Instant::now() < end, "{sql} gives {} and not {expected}", self.look(sql));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the binary's session runs a statement such as this.
    #[track_caller]
    fn wait_for_query(&self, like: &str) {
        self.wait_until(&active(like), "1");
    }
}

/// How many sessions of the binary run a statement such as this.
fn active(like: &str) -> String {
    format!(
        "select count(*) from pg_stat_activity where application_name = 'rds-connect' and state = 'active' and query like \
         '{like}'"
    )
}

/// Asserts that the result is exactly this.
#[track_caller]
fn assert_stdout(outcome: &Outcome, expected: &str) {
    assert_eq!(outcome.text(), expected, "{}", outcome.stderr);
}
