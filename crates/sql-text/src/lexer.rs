//! As much of SQL as it takes to tell a semicolon, a parameter and a literal from what looks like one.

use std::ops::Range;

/// Whose rules a text follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Amazon Redshift's, and of old `PostgreSQL`: a backslash takes the meaning from the quote behind it.
    Redshift,
    /// Today's `PostgreSQL`, as psql reads it: a backslash has a meaning in `E'…'` alone (`standard_conforming_strings`).
    PostgreSql,
}

/// What matters of a text in SQL. Comments and white space are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token<'a> {
    /// The end of a statement, and where it is, unless it is inside of parentheses or a body.
    Semicolon(usize),
    /// A place for a value.
    Parameter(Parameter<'a>),
    /// A string, in `'…'` or `$tag$…$tag$`.
    Literal(Range<usize>),
    /// A name or a word of the language, without quotes.
    Name(&'a str),
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// A command of psql, and where it is.
    Meta(usize, &'a str),
    /// Anything else that makes a statement.
    Other,
    /// A quote or comment that begins here and is never ended. It is the last token.
    Unended(usize, String),
}

/// A place for a value: `:name`, `:'name'` or `:"name"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What the value is there.
    pub used: Use,
    /// Where it is written, from the colon on.
    pub range: Range<usize>,
}

/// What a value is where it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// `:name`: a value.
    Value,
    /// `:'name'`: a literal. Of today's `PostgreSQL`.
    Literal,
    /// `:"name"`: a name. Of today's `PostgreSQL`.
    Identifier,
}

/// Reads a text from its beginning.
#[derive(Debug)]
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
}

/// What a parameter's name is made of.
pub fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl<'a> Lexer<'a> {
    /// At the beginning of `text`.
    pub fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, at: 0, dialect }
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// Takes `length` bytes.
    fn take(&mut self, length: usize, token: Token<'a>) -> Token<'a> {
        self.at += length;
        token
    }

    /// Passes over a quote that ends there, if it ends; gives `token`, or that it is never ended.
    fn quoted(&mut self, end: Option<usize>, quote: &str, token: impl Fn(usize) -> Token<'a>) -> Token<'a> {
        let begin = self.at;
        self.at = end.unwrap_or(self.text.len());
        end.map_or_else(|| Token::Unended(begin, format!("a quote {quote}")), token)
    }

    /// Where a quote ends that begins at `begin`. Doubled it stands for itself, and so it does behind a backslash, if
    /// that has a meaning.
    fn end_of_quote(&self, begin: usize, quote: u8, backslash: bool) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut at = begin + 1;
        loop {
            match *bytes.get(at)? {
                b'\\' if backslash => at += 2,
                byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
                byte if byte == quote => return Some(at + 1),
                _ => at += 1,
            }
        }
    }

    /// Where an `E'…'` ends whose quote is at `begin`. What goes on in another line is of the same kind.
    fn end_of_escapes(&self, begin: usize) -> Option<usize> {
        let end = self.end_of_quote(begin, b'\'', true)?;
        let behind = &self.text.as_bytes()[end..];
        let blank = behind.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let goes_on = behind.get(blank) == Some(&b'\'') && behind[..blank].contains(&b'\n');
        if goes_on { self.end_of_escapes(end + blank) } else { Some(end) }
    }

    /// The `$tag$` that begins here.
    fn dollar_tag(&self) -> Option<&'a str> {
        let name = |byte: &u8| is_name(*byte) || !byte.is_ascii();
        let length = self.rest()[1..].iter().take_while(|byte| name(byte)).count();
        let tag = &self.rest()[1..=length];
        let is_tag =
            self.rest().get(length + 1) == Some(&b'$') && !tag.first().is_some_and(u8::is_ascii_digit);
        is_tag.then(|| &self.text[self.at..self.at + length + 2])
    }

    /// Passes over a comment with those in it; `None` where it is never ended.
    fn end_of_comment(&self) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut depth = 0;
        let mut at = self.at;
        loop {
            match bytes.get(at..at + 2)? {
                b"/*" => (depth, at) = (depth + 1, at + 2),
                b"*/" if depth == 1 => return Some(at + 2),
                b"*/" => (depth, at) = (depth - 1, at + 2),
                _ => at += 1,
            }
        }
    }

    /// The parameter whose colon is here.
    fn parameter(&self) -> Option<Parameter<'a>> {
        let rest = self.rest();
        let (used, quote) = match (self.dialect, rest.get(1)?) {
            (Dialect::PostgreSql, b'\'') => (Use::Literal, Some(&b'\'')),
            (Dialect::PostgreSql, b'"') => (Use::Identifier, Some(&b'"')),
            _ => (Use::Value, None),
        };
        let before = 1 + usize::from(quote.is_some());
        let length = rest[before..].iter().take_while(|byte| is_name(**byte)).count();
        let ended = quote.is_none() || rest.get(before + length) == quote;
        let begin = self.at + before;
        (length > 0 && ended).then(|| Parameter {
            name: &self.text[begin..begin + length],
            used,
            range: self.at..begin + length + usize::from(quote.is_some()),
        })
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let modern = self.dialect == Dialect::PostgreSql;
        loop {
            let begin = self.at;
            return Some(match self.rest() {
                [] => return None,
                [byte, ..] if byte.is_ascii_whitespace() => {
                    self.at += 1;
                    continue;
                }
                [b'-', b'-', ..] => {
                    let line = self.text[begin..].find(|c| c == '\n' || modern && c == '\r');
                    self.at = line.map_or(self.text.len(), |length| begin + length);
                    continue;
                }
                [b'/', b'*', ..] => {
                    let end = self.end_of_comment();
                    self.at = end.unwrap_or(self.text.len());
                    if end.is_some() {
                        continue;
                    }
                    Token::Unended(begin, "a comment /*".to_owned())
                }
                [b';', ..] => self.take(1, Token::Semicolon(begin)),
                [b'(', ..] => self.take(1, Token::Open),
                [b')', ..] => self.take(1, Token::Close),
                [b'\\', behind @ ..] if modern => {
                    let letters = behind.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                    let sign = letters == 0 && behind.first().is_some_and(u8::is_ascii_graphic);
                    let length = 1 + letters + usize::from(sign);
                    self.take(length, Token::Meta(begin, &self.text[begin..begin + length]))
                }
                [b'\'', ..] => {
                    let end = self.end_of_quote(begin, b'\'', !modern);
                    self.quoted(end, "'", |end| Token::Literal(begin..end))
                }
                [b'e' | b'E', b'\'', ..] if modern => {
                    let end = self.end_of_escapes(begin + 1);
                    self.quoted(end, "E'", |end| Token::Literal(begin..end))
                }
                [b'"', ..] => {
                    let end = self.end_of_quote(begin, b'"', false);
                    self.quoted(end, "\"", |_| Token::Other)
                }
                // A cast.
                [b':', b':', ..] => self.take(2, Token::Other),
                [b':', ..] => match self.parameter() {
                    Some(parameter) => self.take(parameter.range.len(), Token::Parameter(parameter)),
                    None => self.take(1, Token::Other),
                },
                [b'$', ..] => {
                    if let Some(tag) = self.dollar_tag() {
                        let inner = begin + tag.len();
                        let end = self.text[inner..].find(tag).map(|length| inner + length + tag.len());
                        self.quoted(end, tag, |end| Token::Literal(begin..end))
                    } else {
                        self.take(1, Token::Other)
                    }
                }
                // A `$` inside of a name begins no quote.
                [byte, ..] if is_name(*byte) || !byte.is_ascii() => {
                    let inside = |byte: &u8| is_name(*byte) || *byte == b'$' || !byte.is_ascii();
                    let length = self.rest().iter().take_while(|byte| inside(byte)).count();
                    self.take(length, Token::Name(&self.text[begin..begin + length]))
                }
                _ => self.take(1, Token::Other),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The literals of a text, and the names of its parameters.
    fn told(text: &str, dialect: Dialect) -> (Vec<&str>, Vec<(&str, Use)>) {
        let (mut literals, mut parameters) = (Vec::new(), Vec::new());
        for token in Lexer::new(text, dialect) {
            match token {
                Token::Literal(range) => literals.push(&text[range]),
                Token::Parameter(Parameter { name, used, .. }) => parameters.push((name, used)),
                _ => {}
            }
        }
        (literals, parameters)
    }

    #[test]
    fn a_backslash_means_something_here_and_nothing_there() {
        for (text, redshift, postgresql) in [
            (r"'a\'b' c'", &[r"'a\'b'"][..], &[r"'a\'", "' c'"][..]),
            (r"E'a\'b'", &[r"'a\'b'"], &[r"E'a\'b'"]),
            (r"xe'a\' 'b'", &[r"'a\' '"], &[r"'a\'", "'b'"]),
            ("e'a\\\\'\n 'b\\'c'", &[r"'a\\'", r"'b\'c'"], &["e'a\\\\'\n 'b\\'c'"]),
            ("e'a' 'b'", &["'a'", "'b'"], &["e'a'", "'b'"]),
            (r"U&'\0041''' x", &[r"'\0041'''"], &[r"'\0041'''"]),
            (r"$a$ \' $a$", &[r"$a$ \' $a$"], &[r"$a$ \' $a$"]),
        ] {
            assert_eq!(told(text, Dialect::Redshift).0, redshift, "{text}");
            assert_eq!(told(text, Dialect::PostgreSql).0, postgresql, "{text}");
        }
    }

    #[test]
    fn places_for_values() {
        use Use::{Identifier, Literal, Value};
        for (text, redshift, postgresql) in [
            (":a, :b_1", &[("a", Value), ("b_1", Value)][..], &[("a", Value), ("b_1", Value)][..]),
            (":'a' :\"b\"", &[], &[("a", Literal), ("b", Identifier)]),
            (":'a b' :\"b", &[], &[]),
            ("x::date, y := 1, ':a', \":a\", $$:a$$ -- :a", &[], &[]),
        ] {
            assert_eq!(told(text, Dialect::Redshift).1, redshift, "{text}");
            assert_eq!(told(text, Dialect::PostgreSql).1, postgresql, "{text}");
        }
        let Some(Token::Parameter(found)) = Lexer::new(":'day' x", Dialect::PostgreSql).next() else {
            panic!("a parameter");
        };
        assert_eq!(found.range, 0..6);
    }
}
