//! Where a semicolon does not end a statement of `PostgreSQL`: in parentheses, and in the body of a function that is
//! written in SQL itself (`BEGIN ATOMIC … END`).

use crate::lexer::Token;

/// The words that a function's definition begins with.
const DEFINITIONS: [&[&str]; 4] = [
    &["create", "function"],
    &["create", "procedure"],
    &["create", "or", "replace", "function"],
    &["create", "or", "replace", "procedure"],
];

/// So many words tell whether a statement is one of [`DEFINITIONS`].
const TELLING: usize = 4;

/// How deep inside of a statement we are, and what it begins with.
#[derive(Debug, Default)]
pub(crate) struct Nesting<'a> {
    parentheses: usize,
    /// `BEGIN` and `CASE` without their `END`. psql counts the same, and no more.
    bodies: usize,
    /// The first words.
    beginning: Vec<&'a str>,
    /// Whether the last word was `FROM`, outside of parentheses.
    from: bool,
    from_stdin: bool,
}

impl<'a> Nesting<'a> {
    /// Takes the next token of the statement.
    pub(crate) fn take(&mut self, token: &Token<'a>) {
        match token {
            Token::Open => self.parentheses += 1,
            Token::Close => self.parentheses = self.parentheses.saturating_sub(1),
            Token::Name(word) => self.name(word),
            _ => {}
        }
    }

    /// Whether a semicolon here is the statement's end.
    pub(crate) fn is_outside(&self) -> bool {
        self.parentheses == 0 && self.bodies == 0
    }

    /// Whether the statement is a `COPY … FROM STDIN`.
    pub(crate) fn copies_from_stdin(&self) -> bool {
        self.from_stdin && self.begins_with(&["copy"])
    }

    fn begins_with(&self, words: &[&str]) -> bool {
        let mut pairs = words.iter().zip(&self.beginning);
        self.beginning.len() >= words.len() && pairs.all(|(word, found)| found.eq_ignore_ascii_case(word))
    }

    fn name(&mut self, word: &'a str) {
        if self.beginning.len() < TELLING {
            self.beginning.push(word);
        }
        if self.parentheses > 0 {
            return;
        }
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        self.from_stdin |= self.from && is("stdin");
        self.from = is("from");
        let opens = is("begin") || self.bodies > 0 && is("case");
        let closes = self.bodies > 0 && is("end");
        if (opens || closes) && DEFINITIONS.iter().any(|words| self.begins_with(words)) {
            self.bodies = if opens { self.bodies + 1 } else { self.bodies - 1 };
        }
    }
}
