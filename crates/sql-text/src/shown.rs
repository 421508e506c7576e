//! What may be shown of a statement.

use crate::lexer::{Dialect, Lexer, Token};

/// The longest first line of a statement that is shown.
const LONGEST_SHOWN: usize = 120;

/// The first line of a statement for people, without what may be private: what stands in quotes, numbers, comments.
pub fn shown(sql: &str, dialect: Dialect) -> String {
    let line = without_comments(sql).lines().next().unwrap_or_default().trim_end();
    let mut text = String::new();
    let mut from = 0;
    // A quote that goes on in the next line is open in this one, and hidden to its end.
    for token in Lexer::new(line, dialect) {
        let (begin, end) = match token {
            Token::Literal(range) => (range.start, range.end),
            Token::Unended(at, _) if !line[at..].starts_with("/*") => (at, line.len()),
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

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(shown(sql, Dialect::Redshift), expected);
            assert_eq!(shown(sql, Dialect::PostgreSql), expected);
        }
        assert_eq!(shown(&"x".repeat(500), Dialect::PostgreSql).chars().count(), LONGEST_SHOWN + 1);
    }
}
