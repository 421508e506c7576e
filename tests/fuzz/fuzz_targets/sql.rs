//! An SQL script: every statement is a part of it, in its order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sql_text::Dialect;

fuzz_target!(|text: &str| {
    for dialect in [Dialect::Redshift, Dialect::PostgreSql] {
        let Ok(statements) = sql_text::split(text, "fuzz", dialect) else { continue };
        let mut rest = text;
        for statement in statements {
            let at = rest.find(statement.sql.as_str()).expect("a part of what is left of the script");
            rest = &rest[at + statement.sql.len()..];
        }
    }
});
