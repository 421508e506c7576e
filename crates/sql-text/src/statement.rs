//! Texts taken apart into statements.

use std::fmt;
use std::sync::Arc;

use crate::lexer::{Dialect, Lexer, Token};
use crate::nesting::Nesting;

/// One statement, without the semicolon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// As it was written.
    pub sql: String,
    /// Where it was written.
    pub origin: Origin,
}

/// Where a statement was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file, or the option.
    pub place: Arc<str>,
    /// The line of its beginning, from 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}", self.place, self.line)
    }
}

/// What is wrong with SQL that was handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It cannot be read; says which and why.
    #[error("{0}")]
    Unreadable(String),
    /// A quote or comment is never ended.
    #[error("{what} that begins in {origin} is never ended")]
    Unended {
        /// Which.
        what: String,
        /// Where it begins.
        origin: Origin,
    },
    /// It is no SQL, but something that psql does by itself.
    #[error("{what} in {origin} is for psql and no SQL")]
    Psql {
        /// A command with its backslash, or `COPY … FROM STDIN`.
        what: String,
        /// Where it is.
        origin: Origin,
    },
}

/// Takes `text` apart at its semicolons. What is nothing but white space and comments is no statement. A
/// `COPY … FROM STDIN` of [`Dialect::PostgreSql`] is a fault: what follows it would be data.
///
/// # Errors
/// Everything but [`Fault::Unreadable`].
pub fn split(text: &str, place: &str, dialect: Dialect) -> Result<Vec<Statement>, Fault> {
    // Some editors begin a file with this mark; it is no SQL.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let place: Arc<str> = place.into();
    let mut lines = Lines { text, at: 0, line: 1 };
    let mut statements = Vec::new();
    let (mut begin, mut has_words) = (0, false);
    let mut nesting = Nesting::default();
    for token in Lexer::new(text, dialect) {
        if dialect == Dialect::PostgreSql {
            nesting.take(&token);
        }
        match token {
            Token::Semicolon(at) if nesting.is_outside() => {
                if has_words {
                    statements.push(statement(begin, at, &mut lines, &place));
                }
                if nesting.copies_from_stdin() {
                    return Err(copy_from_stdin(place, lines.line));
                }
                (begin, has_words, nesting) = (at + 1, false, Nesting::default());
            }
            Token::Unended(at, what) => {
                let origin = Origin { place, line: lines.at(at) };
                return Err(Fault::Unended { what, origin });
            }
            Token::Meta(at, command) => {
                let origin = Origin { place, line: lines.at(at) };
                return Err(Fault::Psql { what: command.to_owned(), origin });
            }
            Token::Semicolon(_)
            | Token::Parameter(_)
            | Token::Literal(_)
            | Token::Name(_)
            | Token::Open
            | Token::Close
            | Token::Other => has_words = true,
        }
    }
    if has_words {
        statements.push(statement(begin, text.len(), &mut lines, &place));
    }
    if nesting.copies_from_stdin() {
        return Err(copy_from_stdin(place, lines.line));
    }
    Ok(statements)
}

fn copy_from_stdin(place: Arc<str>, line: usize) -> Fault {
    Fault::Psql { what: "COPY … FROM STDIN".to_owned(), origin: Origin { place, line } }
}

/// The statement from here to there, without the white space around it. White space is PostgreSQL's: a no-break space is part
/// of a name there, and must be sent.
fn statement(begin: usize, end: usize, lines: &mut Lines<'_>, place: &Arc<str>) -> Statement {
    let is_space = |c: char| c.is_ascii_whitespace();
    let part = lines.text[begin..end].trim_end_matches(is_space);
    let sql = part.trim_start_matches(is_space);
    let line = lines.at(begin + (part.len() - sql.len()));
    Statement { sql: sql.to_owned(), origin: Origin { place: place.clone(), line } }
}

/// Counts lines, on from where it was asked last: a file may hold many statements.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line of a byte that is not before the last one.
    fn at(&mut self, at: usize) -> usize {
        self.line += memchr::memchr_iter(b'\n', &self.text.as_bytes()[self.at..at]).count();
        self.at = at;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqls(text: &str, dialect: Dialect) -> Vec<String> {
        split(text, "t", dialect).unwrap().into_iter().map(|statement| statement.sql).collect()
    }

    #[test]
    fn statements_end_at_semicolons_outside_of_everything() {
        let cases: [(&str, &[&str]); 19] = [
            ("select 1", &["select 1"]),
            (" select 1 ; select 2;\n", &["select 1", "select 2"]),
            ("", &[]),
            (" ;; \n;", &[]),
            ("-- nothing\n; /* nor ; here */", &[]),
            ("select ';' ; select \";\"", &["select ';'", "select \";\""]),
            ("select 'it''s; one'; select 2", &["select 'it''s; one'", "select 2"]),
            ("select '\\\\'; select 2", &["select '\\\\'", "select 2"]),
            ("select \"a\"\";\" ; select 2", &["select \"a\"\";\"", "select 2"]),
            ("select 1 -- one; and\n+ 1; select 2", &["select 1 -- one; and\n+ 1", "select 2"]),
            ("/* a /* b; */ c; */ select 1; select 2", &["/* a /* b; */ c; */ select 1", "select 2"]),
            ("do $$ begin; end; $$; select 2", &["do $$ begin; end; $$", "select 2"]),
            ("do $a$ $$;$b$; $a$; select 2", &["do $a$ $$;$b$; $a$", "select 2"]),
            ("select a$b$;select $1;", &["select a$b$", "select $1"]),
            ("select 'ü;'; select 'é'", &["select 'ü;'", "select 'é'"]),
            ("select 1; -- the end", &["select 1"]),
            ("select 2 / 1; select 3 - 1", &["select 2 / 1", "select 3 - 1"]),
            // A no-break space is a letter to PostgreSQL.
            ("\u{a0}select 1\u{a0}; \u{a0} ;\n", &["\u{a0}select 1\u{a0}", "\u{a0}"]),
            ("\t\r\n\x0cselect 1\x0c;\u{3000}", &["select 1", "\u{3000}"]),
        ];
        for (text, expected) in cases {
            assert_eq!(sqls(text, Dialect::Redshift), expected, "{text}");
            assert_eq!(sqls(text, Dialect::PostgreSql), expected, "{text}");
        }
    }

    #[test]
    fn the_dialects_differ() {
        for (text, redshift, postgresql) in [
            (r"select 'it\'s; one'; select 2", &[r"select 'it\'s; one'", "select 2"][..], None),
            (r"select '\'; select 2", &[], Some(&[r"select '\'", "select 2"][..])),
            (
                r"select E'\';'; select 2",
                &[r"select E'\';'", "select 2"],
                Some(&[r"select E'\';'", "select 2"]),
            ),
            (
                "create rule r as on insert to t do (select 1; select 2); select 3",
                &["create rule r as on insert to t do (select 1", "select 2)", "select 3"],
                Some(&["create rule r as on insert to t do (select 1; select 2)", "select 3"]),
            ),
        ] {
            let told = |dialect| {
                split(text, "t", dialect)
                    .ok()
                    .map(|them| them.into_iter().map(|it| it.sql).collect::<Vec<_>>())
            };
            let expected = |sqls: &[&str]| sqls.iter().map(|sql| (*sql).to_owned()).collect::<Vec<_>>();
            assert_eq!(told(Dialect::Redshift).unwrap_or_default(), expected(redshift), "{text}");
            assert_eq!(told(Dialect::PostgreSql), postgresql.map(expected), "{text}");
        }
    }

    #[test]
    fn bodies_in_sql_are_one_statement() {
        let bodies = [
            "create function f() returns int begin atomic select 1; select 2; end",
            "CREATE OR REPLACE PROCEDURE p(a int) LANGUAGE sql BEGIN ATOMIC insert into t values (a); END",
            "create function f(x int) returns text begin atomic select case when x > 1 then 'a' else 'b' end; end",
            "create function f() returns int begin atomic select case 1 when 1 then case 2 when 2 then 3 end end; end",
            // Words in quotes, parentheses and names of columns with a dot are words like others to psql, too.
            "create function f() returns int begin atomic select 'end'; select (select 1 as \"end\"); end",
        ];
        for body in bodies {
            let text = format!("{body}; select 3");
            assert_eq!(sqls(&text, Dialect::PostgreSql), [body, "select 3"]);
        }
        for text in
            ["begin; select case when true then 1 end; end", "create table begin (a int); select 1; commit"]
        {
            let expected: Vec<&str> = text.split("; ").collect();
            assert_eq!(sqls(text, Dialect::PostgreSql), expected);
        }
    }

    #[test]
    fn what_only_psql_can_do_is_named() {
        for (text, expected) in [
            ("select 1;\n\\d t\n", "\\d in t line 2 is for psql"),
            ("select 1 \\gset\n", "\\gset in t line 1"),
            ("\\set day 'it''s'\n", "\\set in t line 1"),
            ("\n\\.\n", "\\. in t line 2"),
            ("\\copy t from 'x'", "\\copy in"),
            ("select 1;\ncopy t (a) from stdin (format csv);\n1\n\\.\n", "COPY … FROM STDIN in t line 2"),
            ("COPY t FROM STDIN", "COPY … FROM STDIN in t line 1"),
        ] {
            let error = split(text, "t", Dialect::PostgreSql).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        for text in ["copy (select a from stdin) to stdout", "select a from stdin", "select '\\d' -- \\d"] {
            assert_eq!(sqls(text, Dialect::PostgreSql), [text]);
        }
        assert_eq!(sqls("select 1 \\d", Dialect::Redshift).len(), 1);
    }

    #[test]
    fn what_is_never_ended_is_named_with_its_line() {
        for (text, expected) in [
            ("select 1;\nselect 'a;\n", "a quote ' that begins in t line 2"),
            ("select \"a", "a quote \" that begins in t line 1"),
            ("\n\n/* /* */", "a comment /* that begins in t line 3"),
            ("do $x$ begin; end; $$;", "a quote $x$ that begins in t line 1"),
        ] {
            let error = split(text, "t", Dialect::PostgreSql).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_statement_knows_where_it_was_written() {
        let statements = split("\n-- first\nselect 1;\n\n select 2", "load.sql", Dialect::Redshift).unwrap();
        let origins: Vec<String> = statements.iter().map(|statement| statement.origin.to_string()).collect();
        assert_eq!(origins, ["load.sql line 2", "load.sql line 5"]);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            cases: 1000,
            rng_seed: proptest::test_runner::RngSeed::Fixed(8),
            failure_persistence: None,
            ..Default::default()
        })]

        /// Whatever the text, its statements are parts of it, in their order, or one sentence says what is wrong.
        #[test]
        fn any_text_is_taken_apart_or_is_refused_in_one_line(
            parts in proptest::collection::vec(
                proptest::prop_oneof![
                    3 => "(select|create function f\\(\\)|begin( atomic)?|end|case|as|copy t from stdin|[a-zé]{1,3}|[0-9]) ?",
                    3 => "('|\"|E'|\\$\\$|\\$[a-z]?\\$|--|/\\*|\\*/|\\\\|\\(|\\)|\n|:|::|;)",
                    1 => "\\PC{0,4}",
                ],
                0..24,
            ),
            redshift in proptest::bool::ANY,
        ) {
            let dialect = if redshift { Dialect::Redshift } else { Dialect::PostgreSql };
            let text = parts.concat();
            match split(&text, "t", dialect) {
                Ok(statements) => {
                    let mut rest = text.as_str();
                    for statement in statements {
                        assert_ne!(statement.sql, "");
                        let at = rest.find(&statement.sql).expect(&text);
                        rest = &rest[at + statement.sql.len()..];
                    }
                }
                Err(fault) => assert!(!fault.to_string().contains('\n'), "{fault}"),
            }
        }
    }
}
