//! Where statements run, and as whom: the combinations that the Data API takes.

use std::fmt;

use serde::Serialize;

/// What every request that reaches a database says of it. The names are those of the API's members, and the form goes
/// into the digest that a key is turned into.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Connection {
    /// A provisioned cluster.
    pub(crate) cluster: Option<String>,
    /// A serverless workgroup: name or ARN.
    pub(crate) workgroup: Option<String>,
    /// A session that an earlier statement has left open; it stands for all the rest.
    pub(crate) session: Option<String>,
    pub(crate) database: Option<String>,
    /// The database user to get credentials for.
    pub(crate) db_user: Option<String>,
    /// The secret with user and password.
    pub(crate) secret: Option<String>,
}

impl Connection {
    /// The same, if it is a combination that the Data API takes; else what is wrong, as a sentence.
    pub(crate) fn checked(self) -> Result<Self, String> {
        let Self { cluster, workgroup, session, database, db_user, secret } = &self;
        let beside_session = [
            ("--cluster-identifier", cluster),
            ("--workgroup-name", workgroup),
            ("--database", database),
            ("--db-user", db_user),
            ("--secret-arn", secret),
        ];
        if session.is_some() {
            return match beside_session.iter().find(|(_, given)| given.is_some()) {
                Some((option, _)) => Err(format!(
                    "{option} does not go with --session-id: a session has its own database and user"
                )),
                None => Ok(self),
            };
        }
        match (cluster, workgroup) {
            (None, None) => {
                return Err("there is no place to run it: give --cluster-identifier, --workgroup-name or --session-id"
                    .to_owned());
            }
            (Some(_), Some(_)) => {
                return Err("--cluster-identifier and --workgroup-name are two places: give one".to_owned());
            }
            (None, Some(_)) if db_user.is_some() => {
                return Err(
                    "--db-user goes with --cluster-identifier only: a workgroup makes the user of the IAM \
                            identity, or takes the one of --secret-arn"
                        .to_owned(),
                );
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        if db_user.is_some() && secret.is_some() {
            return Err("--db-user and --secret-arn are two users: give one".to_owned());
        }
        if database.is_none() {
            return Err(
                "--database is missing: neither a cluster nor a workgroup has one by itself".to_owned()
            );
        }
        Ok(self)
    }

    /// The region of the workgroup, where an ARN says it.
    pub(crate) fn region(&self) -> Option<&str> {
        self.workgroup.as_deref()?.strip_prefix("arn:")?.split(':').nth(2)
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, workgroup, session, database, db_user, secret } = self;
        match (cluster, workgroup, session) {
            (Some(cluster), ..) => write!(f, "cluster {cluster}")?,
            (None, Some(workgroup), _) => write!(f, "workgroup {workgroup}")?,
            (None, None, Some(session)) => write!(f, "session {session}")?,
            (None, None, None) => f.write_str("nowhere")?,
        }
        if let Some(database) = database {
            write!(f, ", database {database}")?;
        }
        match (db_user, secret) {
            (Some(user), _) => write!(f, ", user {user}"),
            (None, Some(secret)) => write!(f, ", secret {secret}"),
            (None, None) if session.is_none() => f.write_str(", as the IAM identity"),
            (None, None) => Ok(()),
        }
    }
}

/// `ClusterIdentifier`.
pub(crate) fn cluster(text: &str) -> Result<String, String> {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let fits = text.len() <= 63
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.split('-').all(word);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("a cluster's name has up to 63 lower-case letters, digits and single hyphens, and begins with a letter"
            .to_owned())
    }
}

/// `WorkgroupName`: a name, or the ARN of a workgroup of this or another account.
pub(crate) fn workgroup(text: &str) -> Result<String, String> {
    let name = |text: &str, least: usize| {
        (least..=63).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let parts: Vec<&str> = text.split(':').collect();
    let fits = match parts.as_slice() {
        ["arn", partition, "redshift-serverless", region, account, resource] => {
            let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
            let path = resource.strip_prefix("workgroup/").unwrap_or_default();
            partition.starts_with("aws")
                && !region.is_empty()
                && is_account
                && text.len() <= 128
                && path.split('/').count() <= 2
                && path.split('/').all(|part| name(part, 1))
        }
        [text] => name(text, 3),
        _ => false,
    };
    if fits {
        Ok(text.to_owned())
    } else {
        Err("it should be a workgroup's name (3 to 63 lower-case letters, digits and hyphens) or its ARN: \
             arn:aws:redshift-serverless:REGION:ACCOUNT:workgroup/ID"
            .to_owned())
    }
}

/// The id of a session.
pub(crate) fn session(text: &str) -> Result<String, String> {
    uuid(text).map(|()| text.to_owned()).ok_or_else(|| "a session's id has the form of a UUID".to_owned())
}

/// The id of a statement, or that of a batch with `:N` for its Nth statement.
pub(crate) fn statement(text: &str) -> Result<String, String> {
    let (id, number) = text.split_once(':').unwrap_or((text, "1"));
    let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    uuid(id).filter(|()| is_number).map(|()| text.to_owned()).ok_or_else(|| {
        "a statement's id has the form of a UUID, and :N behind it for the Nth of a batch".to_owned()
    })
}

/// `UUID` of the API, which takes all lower-case letters.
fn uuid(text: &str) -> Option<()> {
    let part = |part: &str| part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    (lengths == [8, 4, 4, 4, 12] && text.split('-').all(part)).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `c` cluster, `w` workgroup, `s` session, `d` database, `u` user, `x` secret.
    fn connection(parts: &str) -> Connection {
        let given = |part: char| parts.contains(part).then(|| part.to_string());
        Connection {
            cluster: given('c'),
            workgroup: given('w'),
            session: given('s'),
            database: given('d'),
            db_user: given('u'),
            secret: given('x'),
        }
    }

    #[test]
    fn combinations() {
        for (parts, expected) in [
            ("cdu", Ok("cluster c, database d, user u")),
            ("cd", Ok("cluster c, database d, as the IAM identity")),
            ("cdx", Ok("cluster c, database d, secret x")),
            ("wdx", Ok("workgroup w, database d, secret x")),
            ("wd", Ok("workgroup w, database d, as the IAM identity")),
            ("s", Ok("session s")),
            ("", Err("no place to run it")),
            ("d", Err("no place to run it")),
            ("dx", Err("no place to run it")),
            ("cwd", Err("two places")),
            ("wdu", Err("--db-user goes with --cluster-identifier")),
            ("cdux", Err("two users")),
            ("c", Err("--database is missing")),
            ("w", Err("--database is missing")),
            ("sc", Err("--cluster-identifier does not go with --session-id")),
            ("sw", Err("--workgroup-name does not go")),
            ("sd", Err("--database does not go")),
            ("su", Err("--db-user does not go")),
            ("sx", Err("--secret-arn does not go")),
        ] {
            match (connection(parts).checked(), expected) {
                (Ok(connection), Ok(expected)) => assert_eq!(connection.to_string(), expected),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{parts}: {error}"),
                (checked, _) => panic!("{parts}: {checked:?}"),
            }
        }
    }

    #[test]
    fn names_of_clusters_and_workgroups() {
        let long = "x".repeat(64);
        for (text, fits) in [
            ("analytics", true),
            ("a1-b2", true),
            ("", false),
            ("1a", false),
            ("a--b", false),
            ("a-", false),
            ("A", false),
            (&long, false),
            (&long[1..], true),
        ] {
            assert_eq!(cluster(text).is_ok(), fits, "{text}");
        }
        let arn = "arn:aws:redshift-serverless:eu-west-1:333333333333:workgroup/0a1b2c3d-0000-0000-0000-000000000000";
        for (text, fits) in [
            ("analytics", true),
            ("ab", false),
            ("A-b", false),
            (arn, true),
            ("arn:aws:redshift-serverless:eu-west-1:333333333333:workgroup/c/w", true),
            ("arn:aws:redshift:eu-west-1:333333333333:workgroup/w", false),
            ("arn:aws:redshift-serverless:eu-west-1:3:workgroup/w", false),
            ("arn:aws:redshift-serverless:eu-west-1:333333333333:namespace/w", false),
        ] {
            assert_eq!(workgroup(text).is_ok(), fits, "{text}");
        }
        let connection = Connection { workgroup: Some(arn.to_owned()), ..Connection::default() };
        assert_eq!(connection.region(), Some("eu-west-1"));
        assert_eq!(connection_region("analytics"), None);
    }

    fn connection_region(workgroup: &str) -> Option<String> {
        let connection = Connection { workgroup: Some(workgroup.to_owned()), ..Connection::default() };
        connection.region().map(str::to_owned)
    }

    #[test]
    fn ids() {
        let id = "d9b6c0c9-0747-4bf4-b142-e8883122f766";
        for (text, fits) in [
            (id.to_owned(), true),
            (format!("{id}:2"), true),
            (format!("{id}:40"), true),
            (format!("{id}:"), false),
            (format!("{id}:400"), false),
            (format!("{id}:x"), false),
            (id.to_uppercase(), false),
            ("latest".to_owned(), false),
        ] {
            assert_eq!(statement(&text).is_ok(), fits, "{text}");
        }
        assert!(session(id).is_ok() && session("x").is_err());
    }
}
