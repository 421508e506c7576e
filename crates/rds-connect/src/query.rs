//! SQL through one connection, statement after statement, as `psql -f` runs it: what there is to run, and how.

mod cancel;
mod course;
mod end;
mod left;
mod parameters;
mod settings;
mod show;
mod verdict;
mod wire;

use std::time::Duration;

use sql_text::{Dialect, Lexer, Statement, Token};

use self::cancel::Cancel;
pub(crate) use self::end::run;
pub(crate) use self::parameters::{Parameter, check};
pub(crate) use self::show::Show;

/// What there is to run, and how.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// At least one.
    pub(crate) statements: Vec<Statement>,
    pub(crate) parameters: Vec<Parameter>,
    /// All or nothing.
    pub(crate) single_transaction: bool,
    /// `default_transaction_read_only`.
    pub(crate) read_only: bool,
    /// `statement_timeout`.
    pub(crate) statement_timeout: Option<Duration>,
    /// The largest row that is read, in bytes.
    pub(crate) max_row_size: usize,
    pub(crate) show: Show,
}

/// The words of a statement outside of quotes.
fn words(sql: &str) -> impl Iterator<Item = &str> {
    Lexer::new(sql, Dialect::PostgreSql).filter_map(|token| match token {
        Token::Name(word) => Some(word),
        _ => None,
    })
}

/// Whether a statement is a `COPY … TO STDOUT`.
pub(crate) fn copies_out(sql: &str) -> bool {
    let mut words = words(sql);
    words.next().is_some_and(|word| word.eq_ignore_ascii_case("copy"))
        && words.any(|word| word.eq_ignore_ascii_case("stdout"))
}
