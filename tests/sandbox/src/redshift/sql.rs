//! SQL with named parameters, made into SQL with numbered ones.

use std::iter::Peekable;
use std::str::CharIndices;

/// SQL as the server takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbered {
    pub(super) sql: String,
    /// Names in the order of their numbers.
    pub(super) names: Vec<String>,
    /// Where in `sql` a parameter ends, and how much longer its name is than its number; in characters.
    shifts: Vec<(usize, isize)>,
}

impl Numbered {
    /// Puts `$1` for the first name, and so on. Names are found where SQL could have one: not in texts, quoted
    /// names, comments and casts.
    pub(super) fn new(sql: &str) -> Self {
        let mut numbered = Self::default();
        let mut characters = sql.char_indices().peekable();
        // How far it has been taken over.
        let mut done = 0;
        let mut before = ' ';
        while let Some((at, character)) = characters.next() {
            let rest = &sql[at..];
            let skip = match character {
                '\'' => text(rest, matches!(before, 'e' | 'E')),
                '"' => quoted(rest),
                '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
                '/' if rest.starts_with("/*") => comment(rest),
                '$' if !before.is_alphanumeric() => dollars(rest).unwrap_or(1),
                ':' if rest.starts_with("::") => 2,
                ':' => {
                    let name: &str = &rest[1..];
                    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                    let name = &name[..end.unwrap_or(name.len())];
                    // `[1:2]` is a slice of an array.
                    if !name.is_empty() && !before.is_alphanumeric() {
                        numbered.sql.push_str(&sql[done..at]);
                        numbered.push(name);
                        done = at + 1 + name.len();
                    }
                    1 + name.len()
                }
                _ => 1,
            };
            before = character;
            forward(&mut characters, at + skip);
        }
        numbered.sql.push_str(&sql[done..]);
        numbered
    }

    fn push(&mut self, name: &str) {
        let known = self.names.iter().position(|known| known == name);
        let index = known.unwrap_or_else(|| {
            self.names.push(name.into());
            self.names.len() - 1
        });
        let number = format!("${}", index + 1);
        self.sql.push_str(&number);
        let longer = (name.len() + 1).cast_signed() - number.len().cast_signed();
        self.shifts.push((self.sql.chars().count(), longer));
    }

    /// Where a character of the numbered SQL was in the SQL with names; both count from 1.
    pub(super) fn position(&self, position: usize) -> usize {
        let before = self.shifts.iter().filter(|(end, _)| *end < position);
        position.saturating_add_signed(before.map(|(_, longer)| longer).sum())
    }
}

fn forward(characters: &mut Peekable<CharIndices<'_>>, to: usize) {
    while characters.next_if(|(at, _)| *at < to).is_some() {}
}

/// The length of a text in single quotes.
fn text(rest: &str, backslashes: bool) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = backslashes,
            '\'' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a quoted name.
fn quoted(rest: &str) -> usize {
    rest[1..].find('"').map_or(rest.len(), |at| at + 2)
}

/// The length of a comment, which may hold others.
fn comment(rest: &str) -> usize {
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        let Some(tail) = rest.get(at..) else { return rest.len() };
        let (open, close) = (tail.find("/*"), tail.find("*/"));
        let Some(close) = close else { return rest.len() };
        let step = open.filter(|open| *open < close).map_or((close, -1), |open| (open, 1));
        (at, depth) = (at + step.0 + 2, depth + step.1);
    }
    at
}

/// The length of a text between dollars.
fn dollars(rest: &str) -> Option<usize> {
    let tag = &rest[..rest[1..].find('$')? + 2];
    let name = &tag[1..tag.len() - 1];
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    let end = is_name.then(|| rest[tag.len()..].find(tag))?;
    Some(end.map_or(rest.len(), |end| tag.len() + end + tag.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_where_sql_has_them() {
        for (sql, expected, names) in [
            ("select :a, :b_2, :a", "select $1, $2, $1", &["a", "b_2"][..]),
            ("select ':a', \":b\", :c::text", "select ':a', \":b\", $1::text", &["c"]),
            ("select 'it''s :a' || E'\\':b' || :c", "select 'it''s :a' || E'\\':b' || $1", &["c"]),
            ("select '\\' || :c", "select '\\' || $1", &["c"]),
            ("-- :a\nselect /* :b /* */ :c */ :d", "-- :a\nselect /* :b /* */ :c */ $1", &["d"]),
            ("select $$ :a $$, $x$ :b $$ $x$, :c", "select $$ :a $$, $x$ :b $$ $x$, $1", &["c"]),
            ("select x[1:2], :é, ':", "select x[1:2], :é, ':", &[]),
            ("select 'é' || :a", "select 'é' || $1", &["a"]),
        ] {
            let numbered = Numbered::new(sql);
            assert_eq!(
                (numbered.sql.as_str(), &numbered.names[..]),
                (expected, &names.map_names()[..]),
                "{sql}"
            );
        }
    }

    #[test]
    fn positions() {
        let numbered = Numbered::new("select :alpha, nothing, :b, nobody");
        let at = |numbered: &Numbered, text: &str| numbered.sql.find(text).unwrap() + 1;
        assert_eq!(numbered.position(1), 1);
        assert_eq!(numbered.position(at(&numbered, "nothing")), 16);
        assert_eq!(numbered.position(at(&numbered, "nobody")), 29);
    }

    trait Names {
        fn map_names(&self) -> Vec<String>;
    }

    impl Names for [&str] {
        fn map_names(&self) -> Vec<String> {
            self.iter().map(|name| (*name).to_owned()).collect()
        }
    }
}
