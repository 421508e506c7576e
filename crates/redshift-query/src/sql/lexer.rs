//! As much of SQL as it takes to tell a semicolon, a parameter and a literal from what looks like one.

use super::is_name;

/// What matters of a text in SQL. Comments and white space are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// The end of a statement, and where it is.
    Semicolon(usize),
    /// `:name`.
    Parameter(&'a str),
    /// A string, in `'…'` or `$tag$…$tag$`, from here to there.
    Literal((usize, usize)),
    /// Anything else that makes a statement.
    Word,
    /// A quote or comment that begins here and is never ended. It is the last token.
    Open(usize, String),
}

/// Reads a text from its beginning.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// Passes over a quote that ends there, if it ends; gives `token`, or that it is never ended.
    fn quoted(&mut self, end: Option<usize>, quote: &str, token: impl Fn(usize) -> Token<'a>) -> Token<'a> {
        let begin = self.at;
        self.at = end.unwrap_or(self.text.len());
        end.map_or_else(|| Token::Open(begin, format!("a quote {quote}")), token)
    }

    /// Where a quote ends that begins here. Doubled it stands for itself, and so it does behind a backslash, if
    /// that has a meaning.
    fn end_of_quote(&self, quote: u8, backslash: bool) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut at = self.at + 1;
        loop {
            match *bytes.get(at)? {
                b'\\' if backslash => at += 2,
                byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
                byte if byte == quote => return Some(at + 1),
                _ => at += 1,
            }
        }
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
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let begin = self.at;
            return Some(match self.rest() {
                [] => return None,
                [byte, ..] if byte.is_ascii_whitespace() => {
                    self.at += 1;
                    continue;
                }
                [b'-', b'-', ..] => {
                    let line = self.text[begin..].find('\n');
                    self.at = line.map_or(self.text.len(), |length| begin + length);
                    continue;
                }
                [b'/', b'*', ..] => {
                    let end = self.end_of_comment();
                    self.at = end.unwrap_or(self.text.len());
                    if end.is_some() {
                        continue;
                    }
                    Token::Open(begin, "a comment /*".to_owned())
                }
                [b';', ..] => {
                    self.at += 1;
                    Token::Semicolon(begin)
                }
                [b'\'', ..] => {
                    let end = self.end_of_quote(b'\'', true);
                    self.quoted(end, "'", |end| Token::Literal((begin, end)))
                }
                [b'"', ..] => {
                    let end = self.end_of_quote(b'"', false);
                    self.quoted(end, "\"", |_| Token::Word)
                }
                // A cast.
                [b':', b':', ..] => {
                    self.at += 2;
                    Token::Word
                }
                [b':', byte, ..] if is_name(*byte) => {
                    let length = self.rest()[1..].iter().take_while(|byte| is_name(**byte)).count();
                    self.at += 1 + length;
                    Token::Parameter(&self.text[begin + 1..self.at])
                }
                [b'$', ..] => {
                    if let Some(tag) = self.dollar_tag() {
                        let inner = begin + tag.len();
                        let end = self.text[inner..].find(tag).map(|length| inner + length + tag.len());
                        self.quoted(end, tag, |end| Token::Literal((begin, end)))
                    } else {
                        self.at += 1;
                        Token::Word
                    }
                }
                // A `$` inside of a name begins no quote.
                [byte, ..] if is_name(*byte) || !byte.is_ascii() => {
                    let inside = |byte: &u8| is_name(*byte) || *byte == b'$' || !byte.is_ascii();
                    self.at += self.rest().iter().take_while(|byte| inside(byte)).count();
                    Token::Word
                }
                _ => {
                    self.at += 1;
                    Token::Word
                }
            });
        }
    }
}
