//! How results are shown, and what is expected of them.

use std::path::PathBuf;

use job_runtime::{Expect, Expectation, Remote, aligned, json};
use serde::Serialize;
use sql_text::{Form, Origin, RowCount, Rows};

/// How results are shown, and what is expected of them.
#[derive(Debug, Clone)]
pub(crate) struct Show {
    pub(crate) form: Form,
    /// A file for the results; stdout then has the facts.
    pub(crate) output_file: Option<PathBuf>,
    pub(crate) expect_rows: Option<RowCount>,
    pub(crate) expect: Option<Expect>,
}

/// A statement that has ended well.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Told {
    pub(crate) place: String,
    /// What the server calls it: `INSERT 0 3`.
    pub(crate) command: String,
    /// Rows that were returned or affected, where it tells a number.
    pub(crate) rows: Option<u64>,
    pub(crate) seconds: f64,
}

impl Told {
    pub(crate) fn new(origin: &Origin, command: &str, seconds: f64) -> Self {
        let rows = command.rsplit_once(' ').and_then(|(_, count)| count.parse().ok());
        let seconds = (seconds * 1000.0).round() / 1000.0;
        Self { place: origin.to_string(), command: command.to_owned(), rows, seconds }
    }
}

/// Whom the statements were sent to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) database: String,
    /// `server_version`.
    pub(crate) version: Option<String>,
    /// The process that serves us, as `pg_stat_activity` has it.
    pub(crate) pid: Option<i32>,
}

impl Server {
    /// Where to look at what it does for us.
    pub(crate) fn remote(&self) -> Remote {
        let Self { host, port, database, pid, .. } = self;
        let pid = pid.map(|pid| pid.to_string());
        Remote {
            id: format!("{host}:{port}/{database} pid {}", pid.as_deref().unwrap_or("unknown")),
            state: None,
            console: pid.map(|pid| format!("select * from pg_stat_activity where pid = {pid}")),
        }
    }
}

/// What is known beside the rows.
#[derive(Debug, Serialize)]
pub(crate) struct Facts<'a> {
    pub(crate) statements: &'a [Told],
    /// Why they did not all end well.
    pub(crate) error: Option<&'a str>,
    pub(crate) sqlstate: Option<&'a str>,
    #[serde(flatten)]
    pub(crate) server: &'a Server,
}

impl Facts<'_> {
    /// What comes behind the results in JSON.
    pub(crate) fn frame(&self) -> String {
        let facts = json(self);
        format!("],{}\n", facts.strip_prefix('{').unwrap_or(&facts))
    }

    /// What stdout has where the results are elsewhere.
    pub(crate) fn beside(&self, form: &Form) -> String {
        match form {
            Form::Nothing => String::new(),
            Form::Json | Form::Jsonl | Form::Csv { .. } => json(self),
            Form::Table { .. } => {
                let number = self.statements.len().to_string();
                let rows: u64 = self.statements.iter().filter_map(|told| told.rows).sum();
                let rows = rows.to_string();
                let Server { host, user, database, .. } = self.server;
                let lines = [
                    ("statements", Some(number.as_str())),
                    ("rows", Some(rows.as_str())),
                    ("error", self.error),
                    ("host", Some(host.as_str())),
                    ("user", Some(user.as_str())),
                    ("database", Some(database.as_str())),
                ];
                aligned(lines.iter().filter_map(|(name, value)| Some((*name, (*value)?))))
            }
        }
    }
}

impl Show {
    /// What the conditions say of `returned` rows by statements that return some, else of those affected.
    pub(crate) fn judge(&self, returned: Option<u64>, told: &[Told], rows: &Rows) -> Expectation {
        let affected = || told.iter().filter_map(|told| told.rows).sum();
        let count = returned.unwrap_or_else(affected);
        match self.expect_rows.and_then(|expected| expected.unmet(count)) {
            Some(unmet) => Expectation::Unmet(unmet),
            None => self.expect.as_ref().map_or(Expectation::Met, |expect| rows.judge(expect)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_tell_their_rows() {
        let origin = Origin { place: "t".into(), line: 3 };
        for (command, rows) in [
            ("INSERT 0 3", Some(3)),
            ("SELECT 12", Some(12)),
            ("COPY 0", Some(0)),
            ("CREATE TABLE", None),
            ("", None),
        ] {
            let told = Told::new(&origin, command, 0.01234);
            assert_eq!(
                (told.rows, told.seconds, told.place.as_str()),
                (rows, 0.012, "t line 3"),
                "{command}"
            );
        }
    }
}
