//! A statement as this program sees it: what its status means, and how it is shown.

use job_runtime::Verdict;
use serde::Serialize;

use crate::sql;

/// Judges a `StatusString`; `None` for one that this program does not know.
pub(crate) fn judge(status: &str) -> Option<Verdict> {
    match status {
        "SUBMITTED" | "PICKED" | "STARTED" => Some(Verdict::Pending),
        "FINISHED" => Some(Verdict::Succeeded),
        "FAILED" => Some(Verdict::Failed),
        "ABORTED" => Some(Verdict::Stopped),
        _ => None,
    }
}

/// As [`judge`], where a status that is not known is pending.
pub(crate) fn verdict(status: &str) -> Verdict {
    judge(status).unwrap_or(Verdict::Pending)
}

/// What `DescribeStatement` says of a statement, or of one of a batch.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Part {
    #[serde(rename = "statement_id")]
    pub(crate) id: String,
    pub(crate) status: String,
    /// Rows returned or affected, as far as there are any.
    pub(crate) rows: Option<i64>,
    pub(crate) duration_seconds: Option<f64>,
    pub(crate) redshift_query_id: Option<i64>,
    pub(crate) has_result_set: bool,
    pub(crate) error: Option<String>,
    /// Whose text may be private.
    #[serde(skip)]
    pub(crate) sql: Option<String>,
}

/// A statement, with those of its batch.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Statement {
    #[serde(flatten)]
    pub(crate) whole: Part,
    pub(crate) database: Option<String>,
    pub(crate) cluster_identifier: Option<String>,
    pub(crate) workgroup_name: Option<String>,
    pub(crate) db_user: Option<String>,
    pub(crate) session_id: Option<String>,
    /// RFC 3339.
    pub(crate) created_at: Option<String>,
    /// Those of a batch, in their order.
    pub(crate) statements: Vec<Part>,
    /// Whether those are committed one by one.
    #[serde(skip)]
    pub(crate) auto_commit: bool,
}

impl Statement {
    /// The ids of what has a result to fetch, in order. Of a batch that was rolled back there is none.
    pub(crate) fn result_sets(&self) -> Vec<&str> {
        if self.statements.is_empty() {
            let finished = self.whole.status == "FINISHED" && self.whole.has_result_set;
            return finished.then_some(self.whole.id.as_str()).into_iter().collect();
        }
        if self.whole.status != "FINISHED" && !self.auto_commit {
            return Vec::new();
        }
        let with_result = |part: &&Part| part.has_result_set && part.status == "FINISHED";
        self.statements.iter().filter(with_result).map(|part| part.id.as_str()).collect()
    }

    /// The rows that it has returned; where it has returned nothing, those that it has affected.
    pub(crate) fn counted_rows(&self) -> u64 {
        let count = |parts: &mut dyn Iterator<Item = &Part>| {
            parts.filter_map(|part| u64::try_from(part.rows?).ok()).fold(0, u64::saturating_add)
        };
        let whole = [&self.whole];
        let parts: Vec<&Part> =
            if self.statements.is_empty() { whole.to_vec() } else { self.statements.iter().collect() };
        let returning = |part: &&Part| part.has_result_set;
        if parts.iter().any(returning) {
            count(&mut parts.into_iter().filter(returning))
        } else {
            count(&mut parts.into_iter())
        }
    }

    /// How it ended: a batch whose statements are committed one by one has failed where one of them has.
    pub(crate) fn verdict(&self) -> Verdict {
        match verdict(&self.whole.status) {
            Verdict::Succeeded if self.statements.iter().any(|part| part.status == "FAILED") => {
                Verdict::Failed
            }
            verdict => verdict,
        }
    }

    /// Why it did not do what it should, as a fragment; `written` are the statements as the user wrote them, if they
    /// are known.
    pub(crate) fn failure(&self, written: &[sql::Statement]) -> String {
        let culprit = self.statements.iter().position(|part| part.status == "FAILED" || part.error.is_some());
        let part = culprit.map_or(&self.whole, |index| &self.statements[index]);
        let written =
            written.get(culprit.unwrap_or(0)).filter(|_| culprit.is_some() || self.statements.is_empty());
        let sql = part.sql.as_deref().or(written.map(|written| written.sql.as_str()));

        let which = match culprit {
            Some(index) => {
                format!("statement {} of {} of {}", index + 1, self.statements.len(), self.whole.id)
            }
            None => format!("statement {}", self.whole.id),
        };
        let place = written.map(|written| written.origin.to_string());
        let place: Vec<String> = place.into_iter().chain(sql.map(sql::shown)).collect();
        let place = if place.is_empty() { String::new() } else { format!(" ({})", place.join(": ")) };
        let error = part.error.as_deref().or(self.whole.error.as_deref());
        let Some(error) = error else { return format!("{which}{place} ended {}", part.status) };
        let position = match (sql.and_then(|sql| position(error, sql)), written) {
            (Some((line, column)), Some(sql::Statement { origin, .. })) => {
                format!("; that is {} line {} column {column}", origin.place, origin.line + line - 1)
            }
            (Some((line, column)), None) => format!("; that is line {line} column {column}"),
            (None, _) => String::new(),
        };
        let words: Vec<&str> = error.split_whitespace().collect();
        format!("{which}{place} ended {}: {}{position}", part.status, words.join(" "))
    }
}

/// Line and column, from 1, of the `Position: N` that an error text of the database names; it counts characters.
fn position(error: &str, sql: &str) -> Option<(usize, usize)> {
    let (_, rest) = error.split_once("Position: ")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let at: usize = rest[..digits].parse().ok()?;
    let before: String = sql.chars().take(at.checked_sub(1)?).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    Some((line, column))
}

/// The command to look at a statement with; the console has no page for one.
pub(crate) fn command(id: &str, region: &str) -> String {
    format!("aws redshift-data describe-statement --id {id} --region {region}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(id: &str, status: &str, rows: Option<i64>, has_result_set: bool) -> Part {
        Part { id: id.to_owned(), status: status.to_owned(), rows, has_result_set, ..Part::default() }
    }

    #[test]
    fn every_status_has_a_verdict() {
        for (status, verdict) in [
            ("SUBMITTED", Some(Verdict::Pending)),
            ("PICKED", Some(Verdict::Pending)),
            ("STARTED", Some(Verdict::Pending)),
            ("FINISHED", Some(Verdict::Succeeded)),
            ("FAILED", Some(Verdict::Failed)),
            ("ABORTED", Some(Verdict::Stopped)),
            ("UNKNOWN", None),
        ] {
            assert_eq!(judge(status), verdict, "{status}");
        }
        // ALL is a filter and no status.
        for status in aws_sdk_redshiftdata::types::StatusString::values().iter().filter(|it| **it != "ALL") {
            assert!(judge(status).is_some(), "{status} is not judged");
        }
    }

    #[test]
    fn results_and_rows() {
        let alone = |status: &str, rows, result| Statement {
            whole: part("i", status, rows, result),
            ..Statement::default()
        };
        let batch = |status: &str, auto_commit, statements: Vec<Part>| Statement {
            whole: part("i", status, Some(9), true),
            auto_commit,
            statements,
            ..Statement::default()
        };
        let parts = |second: &str| {
            vec![
                part("i:1", "FINISHED", Some(7), false),
                part("i:2", second, Some(2), true),
                part("i:3", "FINISHED", Some(3), true),
            ]
        };
        let cases: [(Statement, &[&str], u64, Verdict); 8] = [
            (alone("FINISHED", Some(5), true), &["i"], 5, Verdict::Succeeded),
            (alone("FINISHED", Some(5), false), &[], 5, Verdict::Succeeded),
            (alone("FINISHED", None, false), &[], 0, Verdict::Succeeded),
            (alone("FAILED", Some(-1), true), &[], 0, Verdict::Failed),
            (batch("FINISHED", false, parts("FINISHED")), &["i:2", "i:3"], 5, Verdict::Succeeded),
            (batch("FAILED", false, parts("FAILED")), &[], 5, Verdict::Failed),
            (batch("FAILED", true, parts("FAILED")), &["i:3"], 5, Verdict::Failed),
            (batch("FINISHED", true, parts("FAILED")), &["i:3"], 5, Verdict::Failed),
        ];
        for (statement, sets, rows, verdict) in cases {
            assert_eq!(statement.result_sets(), sets);
            assert_eq!((statement.counted_rows(), statement.verdict()), (rows, verdict), "{statement:?}");
        }
    }

    #[test]
    fn a_failure_names_statement_place_and_position() {
        let written =
            sql::tests::split("create table t (i int);\n\ninsert into t\nvalues ('secret', 1)", "load.sql");
        let error = "ERROR: INSERT has more expressions than target columns\n  Position: 33";
        let mut failed = part("i:2", "FAILED", None, false);
        failed.error = Some(error.to_owned());
        failed.sql = Some(written[1].sql.clone());
        let batch = Statement {
            whole: part("i", "FAILED", None, false),
            statements: vec![part("i:1", "ABORTED", None, false), failed.clone()],
            ..Statement::default()
        };
        assert_eq!(
            batch.failure(&written),
            "statement 2 of 2 of i (load.sql line 3: insert into t) ended FAILED: ERROR: INSERT has more expressions \
             than target columns Position: 33; that is load.sql line 4 column 19"
        );
        assert_eq!(
            batch.failure(&[]),
            "statement 2 of 2 of i (insert into t) ended FAILED: ERROR: INSERT has more expressions than target \
             columns Position: 33; that is line 2 column 19"
        );
        let alone = Statement { whole: Part { id: "i".to_owned(), ..failed }, ..Statement::default() };
        assert!(alone.failure(&[]).starts_with("statement i (insert into t) ended FAILED: ERROR"));
        let silent = Statement { whole: part("i", "ABORTED", None, false), ..Statement::default() };
        assert_eq!(silent.failure(&[]), "statement i ended ABORTED");
    }

    #[test]
    fn positions() {
        for (error, sql, expected) in [
            ("Position: 1", "selct 1", Some((1, 1))),
            ("x Position: 9; [ErrorId: 1-2]", "select 1\nfrm", Some((1, 9))),
            ("Position: 10", "select 1\nfrm", Some((2, 1))),
            ("Position: 11", "select 'ü',\nx", Some((1, 11))),
            ("Position: 0", "x", None),
            ("Position: many", "x", None),
            ("no place", "x", None),
        ] {
            assert_eq!(position(error, sql), expected, "{error}");
        }
    }
}
