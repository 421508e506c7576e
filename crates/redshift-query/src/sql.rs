//! SQL as the user hands it over: its parameters, and the Data API's limits.

use sql_text::{Dialect, Lexer, Token, is_name};
pub(crate) use sql_text::{Source, Statement};

/// A backslash takes the meaning from the quote behind it.
const DIALECT: Dialect = Dialect::Redshift;

/// The longest statement, in bytes.
const LONGEST_STATEMENT: usize = 100 * 1024;

/// The most statements of one request.
const MOST_STATEMENTS: usize = 40;

/// More than forty statements of the greatest length: a file that is longer is not meant.
pub(crate) const LONGEST_FILE: usize = 8 * 1024 * 1024;

/// A value for `:name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// Reads the statements of all sources, in their order.
pub(crate) fn read(sources: &[Source]) -> Result<Vec<Statement>, String> {
    sql_text::read(sources, DIALECT, LONGEST_FILE).map_err(|fault| fault.to_string())
}

/// What may be shown of a statement.
pub(crate) fn shown(sql: &str) -> String {
    sql_text::shown(sql, DIALECT)
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
        let is_it = |token| matches!(token, Token::Parameter(used) if used.name == name);
        statements.iter().any(|statement| Lexer::new(&statement.sql, DIALECT).any(is_it))
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The statements of a text.
    pub(crate) fn split(text: &str, place: &str) -> Vec<Statement> {
        sql_text::split(text, place, DIALECT).unwrap()
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
            let error = check(&split(text, "t"), &[]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(check(&split(&"select 1;".repeat(40), "t"), &[]), Ok(()));
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
            let checked = check(&split(sql, "t"), &parameters(names));
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
}
