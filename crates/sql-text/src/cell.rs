//! Columns and values.

use std::collections::HashSet;

/// A column of a result set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// What it is called.
    pub name: String,
    /// What it is called in an object, where no two members may share a name.
    pub key: String,
    /// What matters of its type.
    pub kind: Kind,
}

/// What matters of a column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers.
    Integer,
    /// Floating point of four bytes.
    Single,
    /// Floating point of eight bytes.
    Double,
    /// Decimals, which come as text and stay text, to the last digit.
    Decimal,
    /// Truth.
    Boolean,
    /// Text in JSON.
    Json,
    /// Anything else.
    Other,
}

impl From<&str> for Kind {
    /// By the name of a type.
    fn from(type_name: &str) -> Self {
        match type_name.trim_start_matches('_') {
            "int2" | "int4" | "int8" | "smallint" | "integer" | "bigint" | "int" | "oid" | "serial"
            | "bigserial" => Self::Integer,
            "float4" | "real" => Self::Single,
            "float8" | "double precision" | "float" => Self::Double,
            "numeric" | "decimal" => Self::Decimal,
            "bool" | "boolean" => Self::Boolean,
            "super" | "json" | "jsonb" => Self::Json,
            _ => Self::Other,
        }
    }
}

impl Kind {
    /// Whether people read it from the right.
    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Single | Self::Double | Self::Decimal)
    }
}

/// Columns of these names and types. A name that is there already gets a number behind it in objects: `sum`, `sum_2`.
pub fn columns<'a, K: Into<Kind>>(given: impl IntoIterator<Item = (&'a str, K)>) -> Vec<Column> {
    let (names, kinds): (Vec<&str>, Vec<K>) = given.into_iter().unzip();
    let mut taken: HashSet<String> = HashSet::new();
    let mut columns = Vec::new();
    for (name, kind) in names.iter().zip(kinds) {
        let mut key = (*name).to_owned();
        let mut number = 2;
        // Nor may the new name be that of another column.
        while taken.contains(&key) || number > 2 && names.contains(&key.as_str()) {
            key = format!("{name}_{number}");
            number += 1;
        }
        taken.insert(key.clone());
        columns.push(Column { name: (*name).to_owned(), key, kind: kind.into() });
    }
    columns
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// None.
    Null,
    /// Truth.
    Bool(bool),
    /// A whole number.
    Long(i64),
    /// A floating-point number, of either size.
    Double(f64),
    /// The text of a value of any type, as the database prints it.
    Text(&'a str),
    /// Bytes, in base64.
    Blob(&'a str),
    /// A kind of value that this version does not know, in JSON.
    Unknown(&'a str),
}

/// A floating-point number as `PostgreSQL` prints it: the fewest digits that give the same number again.
pub(crate) fn double(number: f64, kind: Kind) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let single = kind == Kind::Single;
    #[expect(clippy::cast_possible_truncation, reason = "a number of a column of four bytes")]
    let scientific = if single { format!("{:e}", number as f32) } else { format!("{number:e}") };
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    // Where the digits would only be filled up with zeros.
    let most = if single { 6 } else { 15 };
    if !(-4..most).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    // The same digits, with the point where it belongs.
    let (minus, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).map(char::from);
    let mut text = String::with_capacity(24);
    text.push_str(minus);
    if exponent < 0 {
        text.push_str("0.");
        text.extend((1..-exponent).map(|_| '0'));
        text.extend(digits);
        return text;
    }
    let whole = usize::try_from(exponent).unwrap_or_default() + 1;
    for (index, digit) in digits.enumerate() {
        if index == whole {
            text.push('.');
        }
        text.push(digit);
    }
    let written = text.len() - minus.len();
    text.extend((written..whole).map(|_| '0'));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_as_postgresql_prints_them() {
        for (number, expected) in [
            (0.1, "0.1"),
            (-0.0, "-0"),
            (1.0, "1"),
            (1e14, "100000000000000"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e15, "1e+15"),
            (1e20, "1e+20"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (0.1 + 0.2, "0.30000000000000004"),
            (0.0, "0"),
            (-12.5, "-12.5"),
            (10.0, "10"),
            (-1200.0, "-1200"),
            (1234.5, "1234.5"),
            (-0.000_123, "-0.000123"),
            (99_999_999_999_999.9, "99999999999999.9"),
        ] {
            assert_eq!(double(number, Kind::Double), expected);
        }
        for (number, expected) in [
            (f64::from(0.1_f32), "0.1"),
            (0.1, "0.1"),
            (1e6, "1e+06"),
            (123_456.0, "123456"),
            (f64::from(16_777_216_f32), "1.6777216e+07"),
        ] {
            assert_eq!(double(number, Kind::Single), expected);
        }
    }

    #[test]
    fn keys_are_unique_and_names_stay() {
        let told = |names: &[&str]| -> Vec<String> {
            columns(names.iter().map(|name| (*name, "int4"))).into_iter().map(|column| column.key).collect()
        };
        assert_eq!(told(&["a", "b"]), ["a", "b"]);
        assert_eq!(told(&["a", "a", "a"]), ["a", "a_2", "a_3"]);
        assert_eq!(told(&["a", "a", "a_2"]), ["a", "a_3", "a_2"]);
        assert_eq!(told(&["a_2", "a", "a"]), ["a_2", "a", "a_3"]);
        assert_eq!(columns([("a", ""), ("a", "")])[1].name, "a");
    }

    #[test]
    fn kinds_by_the_names_of_types() {
        for (name, kind) in [
            ("int8", Kind::Integer),
            ("float4", Kind::Single),
            ("float8", Kind::Double),
            ("numeric", Kind::Decimal),
            ("super", Kind::Json),
            ("bool", Kind::Boolean),
            ("varchar", Kind::Other),
        ] {
            assert_eq!(Kind::from(name), kind, "{name}");
        }
    }
}
