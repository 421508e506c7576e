//! Clusters, workgroups and statements as a world describes them.

use std::time::Duration;

use serde::Deserialize;

use super::postgres::Server;
use crate::Error;
use crate::crypto::sha256_hex;
use crate::policy::matches;

/// Everything about the Redshift Data API in a world.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedshiftWorld {
    /// The `PostgreSQL` that runs the statements: `host=/folder/of/the/socket dbname=… user=…`. Every database of
    /// the API is a database there; what is not there yet is created.
    pub postgres: Option<String>,
    /// Most rows in a page of a result.
    pub page_rows: usize,
    /// Most bytes in a page of a result, as the server sends them; a row is never cut.
    pub page_bytes: usize,
    /// Statements that one cluster or workgroup may have under way.
    pub active_limit: usize,
    /// Sessions that one cluster or workgroup may have open.
    pub session_limit: usize,
    /// Requests that may wait for the same statement at once.
    pub waiting_limit: Option<usize>,
    /// Requests with `WaitTimeSeconds` are refused.
    pub no_long_poll: bool,
    /// `WaitTimeSeconds` is overlooked, as endpoints do that do not know it.
    pub long_poll_ignored: bool,
    /// A new statement is not in `ListStatements` for this long.
    #[serde(with = "humantime_serde")]
    pub list_lag: Duration,
    /// Whose a statement is: all sessions' of the principal that sent it, or that one session's only, as with a
    /// policy that holds `redshift-data:statement-owner-iam-userid` against `${aws:userid}`.
    pub owner: StatementOwner,
    /// Provisioned clusters.
    pub clusters: Vec<Cluster>,
    /// Serverless workgroups.
    pub workgroups: Vec<Workgroup>,
    /// Secrets with a user and a password.
    pub secrets: Vec<DatabaseSecret>,
    /// A statement takes the first course that is meant for it.
    pub courses: Vec<StatementCourse>,
}

impl Default for RedshiftWorld {
    fn default() -> Self {
        Self {
            postgres: None,
            page_rows: 1000,
            page_bytes: 1 << 20,
            active_limit: 500,
            session_limit: 500,
            waiting_limit: None,
            no_long_poll: false,
            long_poll_ignored: false,
            list_lag: Duration::ZERO,
            owner: StatementOwner::Principal,
            clusters: Vec::new(),
            workgroups: Vec::new(),
            secrets: Vec::new(),
            courses: Vec::new(),
        }
    }
}

/// Whose a statement is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum StatementOwner {
    /// The user's or the role's.
    Principal,
    /// The role session's: another session name is another owner.
    Session,
}

/// A provisioned cluster.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Its account.
    pub account: String,
    /// Its region; the world's where it names none.
    pub region: Option<String>,
    /// Its identifier.
    pub identifier: String,
    /// Its databases.
    #[serde(default = "default_databases")]
    pub databases: Vec<String>,
    /// The database users that `DbUser` may name; any where none is listed.
    #[serde(default)]
    pub db_users: Vec<String>,
}

/// A serverless workgroup.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workgroup {
    /// Its account.
    pub account: String,
    /// Its region; the world's where it names none.
    pub region: Option<String>,
    /// Its name.
    pub name: String,
    /// The UUID in its ARN; made from its place and name where none is given.
    pub id: Option<String>,
    /// Its databases.
    #[serde(default = "default_databases")]
    pub databases: Vec<String>,
    /// Other accounts that its resource policy lets in.
    #[serde(default)]
    pub allow_accounts: Vec<String>,
}

impl Workgroup {
    /// The UUID in its ARN.
    pub(super) fn id(&self) -> String {
        self.id.clone().unwrap_or_else(|| {
            let hex = sha256_hex(format!("{}/{}", self.account, self.name).as_bytes());
            format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
        })
    }
}

/// A secret with a user and a password for a database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSecret {
    /// Its ARN; its name is taken from there.
    pub arn: String,
    /// Its account.
    pub account: String,
    /// The user in it; a secret without one has the wrong keys.
    #[serde(default)]
    pub username: String,
}

impl DatabaseSecret {
    /// Is it the secret of this name or ARN?
    pub(super) fn is(&self, name: &str) -> bool {
        let own = self.arn.rsplit(':').next().unwrap_or_default();
        // The name in an ARN has six random characters after it.
        self.arn == name || own == name || own.rsplit_once('-').is_some_and(|(own, _)| own == name)
    }
}

/// What becomes of a statement, on the sandbox's clock.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatementCourse {
    /// Which statements take it: their name, or a text of SQL in them, with `%` for any run of characters.
    pub when: String,
    /// From SUBMITTED to PICKED.
    #[serde(with = "humantime_serde")]
    pub picked_after: Duration,
    /// From SUBMITTED to STARTED, if that is later.
    #[serde(with = "humantime_serde")]
    pub started_after: Duration,
    /// How long it is STARTED before the SQL is run.
    #[serde(with = "humantime_serde")]
    pub hold: Duration,
    /// From `CancelStatement` to ABORTED.
    #[serde(with = "humantime_serde")]
    pub aborted_after: Duration,
    /// What is told instead of STARTED, such as `UNKNOWN`.
    pub started_as: Option<String>,
    /// The SQL is not run: the statement is FAILED, with this text.
    pub error: Option<String>,
    /// The SQL is not run: the statement is ABORTED, as if someone else had cancelled it.
    pub aborted: bool,
}

impl StatementCourse {
    fn is_for(&self, name: Option<&str>, sqls: &[String]) -> bool {
        let pattern = self.when.replace('%', "*");
        sqls.iter().map(String::as_str).chain(name).any(|text| matches(&pattern, text))
    }
}

impl RedshiftWorld {
    /// The course of a statement.
    pub(super) fn course(&self, name: Option<&str>, sqls: &[String]) -> StatementCourse {
        let course = self.courses.iter().find(|course| course.is_for(name, sqls));
        course.cloned().unwrap_or_default()
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.postgres.as_deref().is_some_and(|text| Server::read(text).is_none()) {
            let text = "redshift: `postgres` is not of the form `host=/folder dbname=… user=…`";
            return Err(Error::World(text.into()));
        }
        if self.page_rows == 0 {
            return Err(Error::World("redshift: a page needs a row".into()));
        }
        Ok(())
    }
}

fn default_databases() -> Vec<String> {
    vec!["dev".into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn courses_by_name_and_text() {
        let course = |when: &str| StatementCourse { when: when.into(), ..StatementCourse::default() };
        let sqls = ["insert into t values (1)".to_owned(), "select slow(2)".to_owned()];
        for (when, expected) in
            [("select slow%", true), ("nightly%", true), ("select", false), ("%slow%", true), ("", false)]
        {
            assert_eq!(course(when).is_for(Some("nightly-1"), &sqls), expected, "{when}");
        }
    }

    #[test]
    fn secrets_by_name() {
        let arn = "arn:aws:secretsmanager:us-east-2:222222222222:secret:team/dwh-AbCdEf";
        let secret = DatabaseSecret { arn: arn.into(), account: String::new(), username: String::new() };
        assert!(secret.is(arn) && secret.is("team/dwh") && !secret.is("team"));
    }
}
