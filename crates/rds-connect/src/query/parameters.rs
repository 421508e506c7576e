//! Values for the names in a statement.
//!
//! `:name` is a value, as in the Data API and JDBC's named queries: the server gets it apart from the statement. In the
//! forms that psql has for its variables, `:'name'` and `:"name"`, it becomes a literal or a quoted name in the text, so
//! that it can stand where no value can: in `CREATE USER … PASSWORD :'password'` or `SET search_path TO :"schema"`.

use std::borrow::Cow;
use std::fmt;

use sql_text::{Dialect, Lexer, Statement, Token, Use, is_name};

/// A value for a name; none is NULL.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
}

/// It may be private.
impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameter").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Parameter {
    /// # Errors
    /// It is no name.
    pub(crate) fn new(name: &str, value: Option<String>) -> Result<Self, String> {
        let first = name.bytes().next();
        if !name.bytes().all(is_name) || first.is_none_or(|byte| byte.is_ascii_digit()) {
            return Err(
                "a parameter's name is made of letters, digits and _, and begins with no digit".to_owned()
            );
        }
        if value.as_ref().is_some_and(|value| value.contains('\0')) {
            return Err(format!(
                "the value of {name} has a zero byte in it, which PostgreSQL has no place for"
            ));
        }
        Ok(Self { name: name.to_owned(), value })
    }
}

/// Checks that each parameter is used and given once.
pub(crate) fn check(statements: &[Statement], parameters: &[Parameter]) -> Result<(), String> {
    if parameters.is_empty() {
        return Ok(());
    }
    let mut unused: Vec<&str> = Vec::with_capacity(parameters.len());
    for Parameter { name, .. } in parameters {
        if unused.contains(&name.as_str()) {
            return Err(format!("the parameter {name} is given twice"));
        }
        unused.push(name);
    }
    for Statement { sql, origin } in statements {
        for token in Lexer::new(sql, Dialect::PostgreSql) {
            let Token::Parameter(used) = token else { continue };
            let null = |parameter: &Parameter| parameter.name == used.name && parameter.value.is_none();
            if used.used == Use::Identifier && parameters.iter().any(null) {
                return Err(format!("the parameter {} is null, which is no name ({origin})", used.name));
            }
            unused.retain(|name| *name != used.name);
        }
    }
    match unused.first() {
        Some(name) => Err(format!(
            "the parameter {name} is used by no statement: write :{name} where its value should be, outside of quotes"
        )),
        None => Ok(()),
    }
}

/// A statement as it is sent.
pub(crate) struct Bound<'a> {
    pub(crate) sql: Cow<'a, str>,
    /// For `$1`, `$2`…
    pub(crate) values: Vec<Option<&'a str>>,
    /// What was put in place of what: the end of it in what is sent, and the characters that it is longer.
    moved: Vec<(usize, isize)>,
}

impl<'a> Bound<'a> {
    /// Puts `parameters` into `written`.
    pub(crate) fn new(written: &'a str, parameters: &'a [Parameter]) -> Self {
        let mut bound = Self { sql: Cow::Borrowed(written), values: Vec::new(), moved: Vec::new() };
        if parameters.is_empty() {
            return bound;
        }
        let mut sql = String::with_capacity(written.len());
        let (mut copied, mut names) = (0, Vec::new());
        for token in Lexer::new(written, Dialect::PostgreSql) {
            let Token::Parameter(used) = token else { continue };
            // Another name is none of ours: `a[low:high]`.
            let Some(parameter) = parameters.iter().find(|parameter| parameter.name == used.name) else {
                continue;
            };
            sql.push_str(&written[copied..used.range.start]);
            let value = parameter.value.as_deref();
            let put = match (used.used, value) {
                (Use::Value, value) => {
                    let known = names.iter().position(|name| *name == used.name);
                    let index = known.unwrap_or_else(|| {
                        names.push(used.name);
                        bound.values.push(value);
                        names.len() - 1
                    });
                    format!("${}", index + 1)
                }
                (Use::Literal, None) => "NULL".to_owned(),
                (Use::Literal, Some(value)) => literal(value),
                (Use::Identifier, value) => quoted('"', value.unwrap_or_default()),
            };
            sql.push_str(&put);
            let longer = put.chars().count().cast_signed() - used.range.len().cast_signed();
            bound.moved.push((sql.chars().count(), longer));
            copied = used.range.end;
        }
        if copied > 0 {
            sql.push_str(&written[copied..]);
            bound.sql = Cow::Owned(sql);
        }
        bound
    }

    /// Where in the statement as it was written the character is that the server means, both from 1.
    pub(crate) fn written(&self, position: usize) -> usize {
        let before = self.moved.iter().take_while(|(end, _)| *end < position);
        let longer: isize = before.map(|(_, longer)| longer).sum();
        position.saturating_add_signed(-longer).max(1)
    }
}

/// A literal that is the same whatever `standard_conforming_strings` says.
fn literal(value: &str) -> String {
    if value.contains('\\') {
        // The space keeps the E apart from a word before it.
        format!(" E{}", quoted('\'', &value.replace('\\', "\\\\")))
    } else {
        quoted('\'', value)
    }
}

fn quoted(quote: char, text: &str) -> String {
    let doubled = text.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{doubled}{quote}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, Option<&str>)]) -> Vec<Parameter> {
        pairs.iter().map(|(name, value)| Parameter::new(name, value.map(str::to_owned)).unwrap()).collect()
    }

    #[test]
    fn names_get_their_values() {
        let parameters =
            given(&[("a", Some("1")), ("q", Some("it's \\")), ("n", None), ("s", Some("my \"s\""))]);
        for (written, sql, values) in [
            ("select 1", "select 1", &[][..]),
            ("select :a, :n, :a", "select $1, $2, $1", &[Some("1"), None]),
            ("select ':a', x::date, y[lo:hi], :b", "select ':a', x::date, y[lo:hi], :b", &[]),
            ("select :'a', :'n', :'q'", "select '1', NULL,  E'it''s \\\\'", &[]),
            ("set search_path to :\"s\"", "set search_path to \"my \"\"s\"\"\"", &[]),
            (
                "select :q, ü, :'a' from :\"s\".t",
                "select $1, ü, '1' from \"my \"\"s\"\"\".t",
                &[Some("it's \\")],
            ),
        ] {
            let bound = Bound::new(written, &parameters);
            assert_eq!((bound.sql.as_ref(), bound.values.as_slice()), (sql, values), "{written}");
        }
        assert!(matches!(Bound::new("select :b", &parameters).sql, Cow::Borrowed(_)));
    }

    #[test]
    fn places_are_those_of_what_was_written() {
        let parameters = given(&[("long_name", Some("1")), ("a", Some("a long value"))]);
        let written = "select ü, :long_name + :'a', broken";
        let bound = Bound::new(written, &parameters);
        assert_eq!(bound.sql, "select ü, $1 + 'a long value', broken");
        let place = |text: &str, of: &str| text[..text.find(of).unwrap()].chars().count() + 1;
        for word in ["select", "ü", "+", "broken"] {
            assert_eq!(bound.written(place(&bound.sql, word)), place(written, word), "{word}");
        }
        assert_eq!(bound.written(place(&bound.sql, "$1")), place(written, ":long_name"));
    }

    #[test]
    fn each_is_used_and_given_once() {
        let statements = sql_text::split("select :a; select :'b', :\"c\"", "t", Dialect::PostgreSql).unwrap();
        let some = Some("x");
        for (parameters, expected) in [
            (&[("a", some), ("b", None), ("c", some)][..], None),
            (&[("a", some), ("a", some)], Some("a is given twice")),
            (&[("d", some)], Some("d is used by no statement")),
            (&[("c", None)], Some("c is null, which is no name (t line 1)")),
        ] {
            let told = check(&statements, &given(parameters)).err();
            assert_eq!(told.is_some(), expected.is_some(), "{told:?}");
            assert!(told.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
        for name in ["", "1", "1a", "a-b", "ü"] {
            assert!(Parameter::new(name, None).is_err(), "{name}");
        }
        assert!(Parameter::new("a", Some("\0".to_owned())).is_err());
        assert!(!format!("{:?}", Parameter::new("a", Some("Hunter2".to_owned()))).contains("Hunter2"));
    }
}
