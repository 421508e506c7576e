//! Start once: how a statement is recognised as the work of a key, and what an earlier one means.
//!
//! A statement keeps its name, and `ListStatements` finds statements of a day by the beginning of their names, those of
//! the role's other sessions included. So the key goes into the name, together with where and what: another statement
//! under the same key is other work. What was started and is not listed yet is covered by the `ClientToken`, which is
//! made of the same: the Data API answers a second request with it by the id of the first one's statement.

use job_runtime::{Verdict, digest};
use serde::Serialize;

use crate::run::Run;

/// What statements without a name of the user's begin with.
const PREFIX: &str = "redshift-query";

/// Length of the digest in a name: room for more keys than a day has.
const NAME_DIGITS: usize = 16;

/// `ClientToken` takes no more.
const TOKEN_DIGITS: usize = 64;

/// What the work of a key is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// `StatementName`.
    pub(crate) name: String,
    /// What the tokens are made of.
    material: String,
}

impl Mark {
    /// The mark of `run` under `key`.
    pub(crate) fn new(key: &str, run: &Run) -> Self {
        #[derive(Serialize)]
        struct Material<'a> {
            key: &'a str,
            connection: &'a crate::connection::Connection,
            sql: Vec<&'a str>,
            parameters: Vec<(&'a str, &'a str)>,
            auto_commit: bool,
        }
        // JSON keeps apart what a mere chain of texts would not.
        let material = job_runtime::json(&Material {
            key,
            connection: &run.connection,
            sql: run.statements.iter().map(|statement| statement.sql.as_str()).collect(),
            parameters: run.parameters.iter().map(|it| (it.name.as_str(), it.value.as_str())).collect(),
            auto_commit: run.auto_commit,
        });
        let prefix = run.statement_name.as_deref().unwrap_or(PREFIX);
        Self { name: format!("{prefix}.{}", digest(&material, NAME_DIGITS)), material }
    }

    /// The `ClientToken` of a start. One that follows a failed statement has another: with the first one's the Data API
    /// would answer by the failed statement.
    pub(crate) fn token(&self, after: Option<&str>) -> String {
        match after {
            None => digest(&self.material, TOKEN_DIGITS),
            Some(failed) => digest(&format!("{}/after/{failed}", self.material), TOKEN_DIGITS),
        }
    }
}

/// A token for a start without a key: nobody else has it, and so this process can send its start again.
pub(crate) fn token_of_process() -> String {
    digest(&format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..)), TOKEN_DIGITS)
}

/// A statement that carries the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Earlier {
    pub(crate) id: String,
    pub(crate) verdict: Verdict,
    /// When it was sent, in milliseconds.
    pub(crate) created: i64,
}

/// What the earlier statements of a key lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing stands in the way of a start; the failed statement that it follows, if there is one.
    Start { after: Option<String> },
    /// This statement is the work: wait for it, or report how it ended.
    Adopt(Earlier),
}

/// Decides by the earlier statements, in any order. `rerun` says that a failure is no reason not to start again.
///
/// One that is still going wins over any that has ended; among those that have ended the newest counts.
pub(crate) fn decide(earlier: &[Earlier], rerun: bool) -> Decision {
    let newest = |pending: bool| {
        let of_kind = earlier.iter().filter(|it| !pending || it.verdict == Verdict::Pending);
        of_kind.max_by_key(|it| it.created)
    };
    match newest(true).or_else(|| newest(false)) {
        None => Decision::Start { after: None },
        Some(found) => match found.verdict {
            Verdict::Failed | Verdict::Stopped if rerun => Decision::Start { after: Some(found.id.clone()) },
            Verdict::Pending | Verdict::Succeeded | Verdict::Failed | Verdict::Stopped => {
                Decision::Adopt(found.clone())
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Connection;
    use crate::sql;

    fn run(sql: &str) -> Run {
        let connection = Connection {
            workgroup: Some("w".to_owned()),
            database: Some("d".to_owned()),
            ..Connection::default()
        };
        Run { connection, statements: sql::tests::split(sql, "t"), ..Run::default() }
    }

    #[test]
    fn whatever_changes_the_work_changes_the_mark() {
        let mark = Mark::new("k", &run("select 1"));
        let name = mark.name.strip_prefix("redshift-query.").unwrap();
        assert_eq!((name.len(), mark.token(None).len()), (16, 64));
        assert!(mark.token(None).starts_with(name), "the same digest");
        assert_eq!(Mark::new("k", &run("select 1;")), mark, "what is sent is the same");

        let user = Connection { db_user: Some("u".to_owned()), ..run("").connection };
        let parameters = vec![sql::parameter("a=1").unwrap()];
        for other in [
            Mark::new("l", &run("select 1")),
            Mark::new("k", &run("select 2")),
            Mark::new("k", &run("select 1; select 1")),
            Mark::new("k", &Run { connection: user, ..run("select 1") }),
            Mark::new("k", &Run { parameters, ..run("select 1") }),
            Mark::new("k", &Run { auto_commit: true, ..run("select 1") }),
        ] {
            assert!(other.name != mark.name && other.token(None) != mark.token(None));
        }
        let named = Mark::new("k", &Run { statement_name: Some("nightly".to_owned()), ..run("select 1") });
        assert_eq!(named.name, format!("nightly.{name}"));
        assert_eq!(named.token(None), mark.token(None));
        assert_ne!(mark.token(Some("id-1")), mark.token(None));
        assert_ne!(mark.token(Some("id-1")), mark.token(Some("id-2")));
        assert_ne!(token_of_process(), token_of_process());
    }

    #[test]
    fn what_earlier_statements_lead_to() {
        use Verdict::{Failed, Pending, Stopped, Succeeded};
        // Verdicts oldest first; the index of the adopted one with `report` and with `rerun`.
        let cases: [(&[Verdict], Option<usize>, Option<usize>); 8] = [
            (&[], None, None),
            (&[Pending], Some(0), Some(0)),
            (&[Succeeded], Some(0), Some(0)),
            (&[Failed], Some(0), None),
            (&[Stopped], Some(0), None),
            (&[Failed, Succeeded], Some(1), Some(1)),
            (&[Pending, Failed], Some(0), Some(0)),
            (&[Succeeded, Failed], Some(1), None),
        ];
        for (verdicts, report, rerun) in cases {
            let earlier: Vec<Earlier> = (0..)
                .zip(verdicts)
                .map(|(created, verdict)| Earlier { id: format!("id-{created}"), verdict: *verdict, created })
                .collect();
            for (expected, rerun) in [(report, false), (rerun, true)] {
                let expected = match expected {
                    Some(index) => Decision::Adopt(earlier[index].clone()),
                    None => Decision::Start { after: earlier.last().map(|it| it.id.clone()) },
                };
                assert_eq!(decide(&earlier, rerun), expected, "{verdicts:?}, rerun {rerun}");
            }
        }
    }
}
