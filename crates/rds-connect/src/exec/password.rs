//! How a program gets the password: in a file of libpq's form, else in a variable, which every process that the program
//! starts inherits.

use std::ffi::OsStr;
use std::path::Path;

use clap::ValueEnum;
use zeroize::Zeroizing;

use crate::login::Endpoint;
use crate::secret::Password;

/// `PostgreSQL`'s own programs, all of which read PGPASSFILE.
const PROGRAMS: [&str; 20] = [
    "clusterdb",
    "createdb",
    "createuser",
    "dropdb",
    "dropuser",
    "pg_amcheck",
    "pg_basebackup",
    "pg_dump",
    "pg_dumpall",
    "pg_isready",
    "pg_receivewal",
    "pg_recvlogical",
    "pg_restore",
    "pg_rewind",
    "pgbench",
    "psql",
    "reindexdb",
    "vacuumdb",
    "vacuumlo",
    "oid2name",
];

/// Longer lines are cut by libpq before `PostgreSQL` 14, tokens among them.
const LONGEST_FOR_EVERY_LIBPQ: usize = 250;

/// How a program gets the password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PasswordBy {
    /// A file for PostgreSQL's own programs, else the variable
    #[default]
    Auto,
    /// PGPASSFILE, a file in memory
    File,
    /// PGPASSWORD
    Variable,
}

impl PasswordBy {
    pub(super) fn is_file(self, program: &OsStr, password: &Password) -> bool {
        // A line of the file has no place for them.
        if password.reveal().contains(['\n', '\r']) {
            return false;
        }
        match self {
            Self::Auto => {
                let name = Path::new(program).file_name().and_then(OsStr::to_str).unwrap_or_default();
                PROGRAMS.contains(&name) && password.reveal().len() <= LONGEST_FOR_EVERY_LIBPQ
            }
            Self::File => true,
            Self::Variable => false,
        }
    }
}

/// A line of a password file: for any database of this server.
pub(super) fn line(endpoint: &Endpoint, user: &str, password: &Password) -> Zeroizing<String> {
    let field = |text: &str| Zeroizing::new(text.replace('\\', "\\\\").replace(':', "\\:"));
    let (host, user, password) = (field(&endpoint.host.name), field(user), field(password.reveal()));
    Zeroizing::new(format!("{}:{}:*:{}:{}\n", *host, endpoint.port, *user, *password))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Host;

    #[test]
    fn a_line_has_its_fields_escaped() {
        let host = Host { name: "db.example.com".to_owned(), address: None, port: None };
        let endpoint = Endpoint { host, port: 5432 };
        let line = line(&endpoint, r"a\b", &Password::new("p:w\\".to_owned()));
        assert_eq!(*line, "db.example.com:5432:*:a\\\\b:p\\:w\\\\\n");
    }

    #[test]
    fn programs_that_read_a_password_file_get_one() {
        let file = |by: PasswordBy, program: &str, password: &str| {
            by.is_file(OsStr::new(program), &Password::new(password.to_owned()))
        };
        assert!(file(PasswordBy::Auto, "/usr/bin/psql", "pw"));
        assert!(file(PasswordBy::Auto, "pg_dump", "pw"));
        assert!(!file(PasswordBy::Auto, "/bin/sh", "pw"));
        assert!(!file(PasswordBy::Auto, "psql", &"x".repeat(900)));
        assert!(file(PasswordBy::File, "/bin/sh", &"x".repeat(900)));
        assert!(!file(PasswordBy::File, "psql", "a\nb"));
        assert!(!file(PasswordBy::Variable, "psql", "pw"));
    }
}
