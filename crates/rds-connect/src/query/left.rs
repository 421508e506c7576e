//! What is left in the database of a run that did not come to its end: it decides whether another try does harm.

use crate::query::course::{Step, Transaction};
use crate::query::{Query, words};

/// What may be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing.
    Nothing,
    /// What was committed before; what was at work is undone.
    Earlier,
    /// What was at work may be committed, or not.
    Unclear,
}

impl Left {
    /// Of a run that ended in `step` with something `committed` before it or nothing. What was at work is known to be
    /// `undone`, or not.
    pub(crate) fn new(query: &Query, step: Step, committed: bool, undone: bool) -> Self {
        if query.read_only {
            Self::Nothing
        } else if !undone && may_commit(query, step) {
            Self::Unclear
        } else if committed {
            Self::Earlier
        } else {
            Self::Nothing
        }
    }

    /// In words.
    pub(crate) fn in_words(self, query: &Query, step: Step) -> &'static str {
        match (self, step) {
            (Self::Nothing, Step::Settings | Step::Begin) => "nothing was run",
            (Self::Nothing, _) if query.single_transaction => "the transaction is rolled back",
            (Self::Nothing, _) => "nothing is committed",
            (Self::Earlier, _) => "what was committed before stays",
            (Self::Unclear, Step::Statement { index, .. }) if commits_by_itself(query, index) => {
                "what it has committed by itself stays"
            }
            (Self::Unclear, Step::Commit) => "the transaction may be committed",
            (Self::Unclear, _) => "it may be committed",
        }
    }
}

/// Whether a step can commit something.
fn may_commit(query: &Query, step: Step) -> bool {
    match step {
        Step::Settings | Step::Begin => false,
        Step::Commit => true,
        Step::Statement { index, before } => before == Transaction::None || ends_transaction(query, index),
    }
}

/// Whether a statement may commit the transaction that it stands in, and so be done when its error is told.
pub(crate) fn ends_transaction(query: &Query, index: usize) -> bool {
    let first = words(&query.statements[index].sql).next();
    first.is_none_or(|word| ["commit", "end", "prepare"].iter().any(|end| word.eq_ignore_ascii_case(end)))
}

/// Whether a statement ends its transaction and begins the next one.
pub(crate) fn chains(query: &Query, index: usize) -> bool {
    let words: Vec<String> = words(&query.statements[index].sql).map(str::to_ascii_lowercase).collect();
    let ends =
        words.first().is_some_and(|word| ["commit", "end", "rollback", "abort"].contains(&word.as_str()));
    ends && words.ends_with(&["and".to_owned(), "chain".to_owned()])
}

/// Whether a statement may commit parts of its work, and fail behind them: procedures can, outside of a transaction.
pub(crate) fn commits_by_itself(query: &Query, index: usize) -> bool {
    let sql = &query.statements[index].sql;
    let first = words(sql).next().unwrap_or_default();
    // The text of a procedure is in the database, that of a block is here.
    first.eq_ignore_ascii_case("call")
        || first.eq_ignore_ascii_case("do") && sql.to_ascii_lowercase().contains("commit")
}

/// Whether a statement that the server calls so leaves nothing behind that lasts.
pub(crate) fn is_harmless(command: &str) -> bool {
    matches!(
        command,
        "" | "SET" | "SHOW" | "RESET" | "BEGIN" | "START TRANSACTION" | "ROLLBACK" | "LISTEN" | "PREPARE"
    )
}

#[cfg(test)]
mod tests {
    use sql_text::{Dialect, Form, split};

    use super::*;
    use crate::query::Show;

    fn query(read_only: bool) -> Query {
        Query {
            statements: split("select 1; commit; insert into t values (1)", "t", Dialect::PostgreSql)
                .unwrap(),
            parameters: Vec::new(),
            single_transaction: false,
            read_only,
            statement_timeout: None,
            max_row_size: 1024,
            show: Show { form: Form::Nothing, output_file: None, expect_rows: None, expect: None },
        }
    }

    #[test]
    fn statements_that_commit_on_the_way() {
        for (sql, chained, itself) in [
            ("commit", false, false),
            ("COMMIT and CHAIN", true, false),
            ("rollback work and chain", true, false),
            ("commit and no chain", false, false),
            ("rollback to chain", false, false),
            ("select 'and chain'", false, false),
            ("call p(1)", false, true),
            ("do $$ begin insert into t values (1); COMMIT; end $$", false, true),
            ("do $$ begin insert into t values (1); end $$", false, false),
        ] {
            let statements = split(sql, "t", Dialect::PostgreSql).unwrap();
            let query = Query { statements, ..query(false) };
            assert_eq!((chains(&query, 0), commits_by_itself(&query, 0)), (chained, itself), "{sql}");
        }
    }

    #[test]
    fn what_may_be_committed() {
        use Left::{Earlier, Nothing, Unclear};
        let at = |index, before| Step::Statement { index, before };
        // What is left when the connection is lost, and when the server tells an error.
        for (step, committed, lost, told) in [
            (Step::Settings, false, Nothing, Nothing),
            (Step::Begin, false, Nothing, Nothing),
            (at(0, Transaction::None), false, Unclear, Nothing),
            (at(0, Transaction::None), true, Unclear, Earlier),
            (at(0, Transaction::Open), false, Nothing, Nothing),
            (at(0, Transaction::Open), true, Earlier, Earlier),
            (at(1, Transaction::Open), false, Unclear, Nothing),
            (at(2, Transaction::Open), false, Nothing, Nothing),
            (Step::Commit, false, Unclear, Nothing),
        ] {
            let left = |undone| Left::new(&query(false), step, committed, undone);
            assert_eq!((left(false), left(true)), (lost, told), "{step:?} {committed}");
            assert_eq!(Left::new(&query(true), step, committed, false), Nothing);
        }
    }
}
