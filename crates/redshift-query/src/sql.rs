//! SQL as the user hands it over: where it comes from, its statements, its parameters, and the Data API's limits.

mod lexer;
mod source;

use std::fmt;

use self::lexer::{Lexer, Token};
pub(crate) use self::source::{Source, read};

/// The longest statement, in bytes.
const LONGEST_STATEMENT: usize = 100 * 1024;

/// The most statements of one request.
const MOST_STATEMENTS: usize = 40;

/// The longest first line of a statement that is shown.
const LONGEST_SHOWN: usize = 120;

/// One statement, without the semicolon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) origin: Origin,
}

/// Where a statement was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The file, or `--sql`.
    pub(crate) place: String,
    /// The line of its beginning, from 1.
    pub(crate) line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}", self.place, self.line)
    }
}

/// A value for `:name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Takes `text` apart at its semicolons. What is nothing but white space and comments is no statement.
///
/// Redshift's rules, not those of today's `PostgreSQL`: a backslash takes the meaning from the quote behind it.
pub(crate) fn split(text: &str, place: &str) -> Result<Vec<Statement>, String> {
    // Some editors begin a file with this mark; it is no SQL.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut statements = Vec::new();
    let mut begin = 0;
    let mut has_words = false;
    let line_of = |at: usize| text[..at].matches('\n').count() + 1;
    // Counted on from the statement before: a file may hold many.
    let (mut line, mut counted) = (1, 0);
    let mut take = |begin: usize, end: usize| {
        let part = &text[begin..end];
        let sql = part.trim();
        // White space that only Unicode knows as such.
        if sql.is_empty() {
            return;
        }
        let begin = begin + (part.len() - part.trim_start().len());
        line += text[counted..begin].matches('\n').count();
        counted = begin;
        let origin = Origin { place: place.to_owned(), line };
        statements.push(Statement { sql: sql.to_owned(), origin });
    };
    for token in Lexer::new(text) {
        match token {
            Token::Semicolon(at) => {
                if has_words {
                    take(begin, at);
                }
                begin = at + 1;
                has_words = false;
            }
            Token::Word | Token::Parameter(_) | Token::Literal(_) => has_words = true,
            Token::Open(at, what) => {
                return Err(format!("{what} that begins in {place} line {} is never ended", line_of(at)));
            }
        }
    }
    if has_words {
        take(begin, text.len());
    }
    Ok(statements)
}

/// Checks what the Data API would refuse: number and length of the statements, and parameters that none of them uses.
pub(crate) fn check(statements: &[Statement], parameters: &[Parameter]) -> Result<(), String> {
    if statements.is_empty() {
        return Err("there is no SQL statement in what was given".to_owned());
    }
    if statements.len() > MOST_STATEMENTS {
        return Err(format!(
            "there are {} statements, the Data API takes {MOST_STATEMENTS} at once: leave some to another run",
            statements.len()
        ));
    }
    for (number, Statement { sql, origin }) in (1..).zip(statements) {
        if sql.len() > LONGEST_STATEMENT {
            return Err(format!(
                "statement {number} ({origin}) has {} bytes, the Data API takes {LONGEST_STATEMENT} (100 KB)",
                sql.len()
            ));
        }
    }
    let used = |name: &str| {
        let is_it = |token| matches!(token, Token::Parameter(used) if used == name);
        statements.iter().any(|statement| Lexer::new(&statement.sql).any(is_it))
    };
    for (index, Parameter { name, .. }) in parameters.iter().enumerate() {
        if parameters[..index].iter().any(|earlier| earlier.name == *name) {
            return Err(format!("the parameter {name} is given twice"));
        }
        if !used(name) {
            return Err(format!(
                "the parameter {name} is used by no statement: write :{name} where its value should be, outside of quotes"
            ));
        }
    }
    Ok(())
}

/// Parses one `NAME=VALUE`.
pub(crate) fn parameter(text: &str) -> Result<Parameter, String> {
    let (name, value) = text.split_once('=').ok_or("it should have the form NAME=VALUE")?;
    named(name, value)
}

/// A parameter that the Data API takes: `ParameterName` and `ParameterValue`.
pub(crate) fn named(name: &str, value: &str) -> Result<Parameter, String> {
    let name = name.strip_prefix(':').unwrap_or(name);
    if name.is_empty() || !name.bytes().all(is_name) {
        return Err("a parameter's name is made of letters, digits and _".to_owned());
    }
    if value.is_empty() {
        return Err(format!(
            "the value of {name} is empty, which the Data API does not take: write '' into the SQL itself"
        ));
    }
    Ok(Parameter { name: name.to_owned(), value: value.to_owned() })
}

/// The first line of a statement for people, without what may be private: what stands in quotes, numbers, comments.
pub(crate) fn shown(sql: &str) -> String {
    let line = without_comments(sql).lines().next().unwrap_or_default().trim_end();
    let mut text = String::new();
    let mut from = 0;
    // A quote that goes on in the next line is open in this one, and hidden to its end.
    for token in Lexer::new(line) {
        let (begin, end) = match token {
            Token::Literal(range) => range,
            Token::Open(at, _) if !line[at..].starts_with("/*") => (at, line.len()),
            _ => continue,
        };
        text.push_str(&plain(&line[from..begin]));
        text.push_str("'…'");
        from = end;
    }
    text.push_str(&plain(&line[from..]));
    if text.chars().count() > LONGEST_SHOWN {
        text = text.chars().take(LONGEST_SHOWN).chain(['…']).collect();
    }
    text
}

/// What comes behind the comments that a statement begins with.
fn without_comments(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    loop {
        let behind = if rest.starts_with("--") {
            rest.split_once('\n').map(|(_, behind)| behind)
        } else if rest.starts_with("/*") {
            rest.split_once("*/").map(|(_, behind)| behind)
        } else {
            return rest;
        };
        rest = behind.unwrap_or_default().trim_start();
    }
}

/// A piece of SQL outside of literals, without numbers, quoted names and comments.
fn plain(sql: &str) -> String {
    let sql = sql.split("--").next().unwrap_or_default().split("/*").next().unwrap_or_default();
    let mut text = String::new();
    let (mut in_quotes, mut in_number) = (false, false);
    for c in sql.chars().filter(|c| !c.is_control()) {
        let digit = c.is_ascii_digit();
        if c == '"' {
            in_quotes = !in_quotes;
            text.push_str(if in_quotes { "\"…" } else { "\"" });
        } else if in_quotes || digit && in_number {
            // Hidden.
        } else {
            text.push(if digit { '…' } else { c });
        }
        in_number = digit;
    }
    text
}

/// What a parameter's name is made of.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqls(text: &str) -> Vec<String> {
        split(text, "t").unwrap().into_iter().map(|statement| statement.sql).collect()
    }

    #[test]
    fn statements_end_at_semicolons_outside_of_everything() {
        let cases: [(&str, &[&str]); 18] = [
            ("select 1", &["select 1"]),
            (" select 1 ; select 2;\n", &["select 1", "select 2"]),
            ("", &[]),
            (" ;; \n;", &[]),
            ("-- nothing\n; /* nor ; here */", &[]),
            ("select ';' ; select \";\"", &["select ';'", "select \";\""]),
            ("select 'it''s; one'; select 2", &["select 'it''s; one'", "select 2"]),
            ("select 'it\\'s; one'; select 2", &["select 'it\\'s; one'", "select 2"]),
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
        ];
        for (text, expected) in cases {
            assert_eq!(sqls(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_never_ended_is_named_with_its_line() {
        for (text, expected) in [
            ("select 1;\nselect 'a;\n", "a quote ' that begins in t line 2"),
            ("select \"a", "a quote \" that begins in t line 1"),
            ("\n\n/* /* */", "a comment /* that begins in t line 3"),
            ("do $x$ begin; end; $$;", "a quote $x$ that begins in t line 1"),
        ] {
            let error = split(text, "t").unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_statement_knows_where_it_was_written() {
        let statements = split("\n-- first\nselect 1;\n\n select 2", "load.sql").unwrap();
        let origins: Vec<String> = statements.iter().map(|statement| statement.origin.to_string()).collect();
        assert_eq!(origins, ["load.sql line 2", "load.sql line 5"]);
    }

    #[test]
    fn limits_are_named() {
        let long = format!("select '{}'", "x".repeat(LONGEST_STATEMENT));
        let many = "select 1;".repeat(41);
        for (text, expected) in [
            ("", "no SQL statement"),
            (&long, "statement 1 (t line 1) has 102409 bytes"),
            (&many, "there are 41 statements"),
        ] {
            let error = check(&split(text, "t").unwrap(), &[]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(check(&split(&"select 1;".repeat(40), "t").unwrap(), &[]), Ok(()));
    }

    #[test]
    fn every_parameter_is_used() {
        let parameters = |names: &[&str]| -> Vec<Parameter> {
            names.iter().map(|name| Parameter { name: (*name).to_owned(), value: "v".to_owned() }).collect()
        };
        for (sql, names, expected) in [
            ("select :a, :b", &["a", "b"][..], None),
            ("select :a; select :b", &["a", "b"], None),
            ("select :ab", &["a"], Some("a is used by no")),
            ("select ':a'", &["a"], Some("outside of quotes")),
            ("select 1 -- :a", &["a"], Some("a is used")),
            ("select x::a", &["a"], Some("a is used")),
            ("select x::date, :a", &["a"], None),
            ("select :a", &["a", "a"], Some("given twice")),
            ("select (:a)", &["a"], None),
            ("select 1", &[], None),
        ] {
            let checked = check(&split(sql, "t").unwrap(), &parameters(names));
            match expected {
                None => assert_eq!(checked, Ok(()), "{sql}"),
                Some(expected) => {
                    assert!(checked.as_ref().unwrap_err().contains(expected), "{sql}: {checked:?}");
                }
            }
        }
    }

    #[test]
    fn parameters() {
        let taken = parameter("day=2026-01-01").unwrap();
        assert_eq!((taken.name.as_str(), taken.value.as_str()), ("day", "2026-01-01"));
        assert_eq!(parameter(":q=a=b").unwrap().value, "a=b");
        for (text, expected) in [
            ("day", "NAME=VALUE"),
            ("=x", "letters"),
            ("a-b=x", "letters"),
            ("day=", "is empty"),
            ("ü=x", "letters"),
        ] {
            let error = parameter(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn what_is_shown_has_nothing_private() {
        for (sql, expected) in [
            ("select 17, a2 from t", "select …, a… from t"),
            ("-- pw Hunter2\nselect 1 -- Hunter2", "select … "),
            ("create user u password \"Hunter2\"", "create user u password \"…\""),
            ("\n  create user u password 'Hunter2'\n  createdb", "create user u password '…'"),
            ("select 'a', $$b$$ || 'c'", "select '…', '…' || '…'"),
            ("copy t from 's3://b' credentials 'aws_access", "copy t from '…' credentials '…'"),
            ("/* why\n */ select 'x' /* Hunter2", "select '…' "),
            ("-- only this", ""),
        ] {
            assert_eq!(shown(sql), expected);
        }
        assert_eq!(shown(&"x".repeat(500)).chars().count(), LONGEST_SHOWN + 1);
    }
}
