//! A page of `GetStatementResult`, read value by value into [`Rows`] without a tree in between.
//!
//! The SDK's own reader makes an object of every value: six times the work of reading the JSON, for results that can
//! have hundreds of megabytes.

use std::borrow::Cow;
use std::fmt;

use job_runtime::input;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::cell::{self, Cell};
use super::rows::Rows;

/// What a page says beside its rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    /// What to ask for the next page with.
    pub(crate) next_token: Option<String>,
    /// Rows of the whole set.
    pub(crate) total: Option<u64>,
}

/// Reads a page; the set is begun where it is not yet.
///
/// # Errors
/// What is wrong with the page, in no words of its own.
pub(crate) fn read(body: &[u8], rows: &mut Rows) -> Result<End, String> {
    let fault =
        |error: serde_json::Error| format!("its answer makes no sense: {}", input::json_fault(&error));
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let end = Page { rows }.deserialize(&mut deserializer).map_err(fault)?;
    deserializer.end().map_err(fault)?;
    if rows.is_begun() { Ok(end) } else { Err("its answer has no columns".to_owned()) }
}

/// Members of a page.
#[derive(Deserialize)]
#[serde(field_identifier)]
enum PageMember {
    ColumnMetadata,
    Records,
    NextToken,
    TotalNumRows,
    #[serde(other)]
    Other,
}

struct Page<'a> {
    rows: &'a mut Rows,
}

impl<'de> DeserializeSeed<'de> for Page<'_> {
    type Value = End;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<End, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Page<'_> {
    type Value = End;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page of a result")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut page: A) -> Result<End, A::Error> {
        let Self { rows } = self;
        let mut end = End::default();
        // Records that come before the columns have to wait for them.
        let mut waiting: Option<&RawValue> = None;
        while let Some(member) = page.next_key()? {
            match member {
                PageMember::ColumnMetadata if rows.is_begun() => drop(page.next_value::<IgnoredAny>()?),
                PageMember::ColumnMetadata => {
                    if let Some(columns) = page.next_value::<Option<Vec<ColumnMetadata<'_>>>>()? {
                        rows.begin(cell::columns(
                            columns.iter().map(|column| (column.title(), column.type_name())),
                        ));
                    }
                }
                PageMember::Records if rows.is_begun() => {
                    page.next_value_seed(Records { rows: &mut *rows })?;
                }
                PageMember::Records => waiting = Some(page.next_value()?),
                PageMember::NextToken => {
                    end.next_token = page.next_value::<Option<String>>()?.filter(|token| !token.is_empty());
                }
                PageMember::TotalNumRows => {
                    end.total = page.next_value::<Option<i64>>()?.and_then(|total| u64::try_from(total).ok());
                }
                PageMember::Other => drop(page.next_value::<IgnoredAny>()?),
            }
        }
        if let Some(records) = waiting.filter(|_| rows.is_begun()) {
            let mut deserializer = serde_json::Deserializer::from_str(records.get());
            Records { rows }.deserialize(&mut deserializer).map_err(A::Error::custom)?;
        }
        Ok(end)
    }
}

#[derive(Deserialize)]
struct ColumnMetadata<'a> {
    #[serde(default, borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    label: Option<Cow<'a, str>>,
    #[serde(default, borrow, rename = "typeName")]
    type_name: Option<Cow<'a, str>>,
}

impl ColumnMetadata<'_> {
    /// What the query calls it, else what the table does.
    fn title(&self) -> &str {
        let label = self.label.as_deref().filter(|label| !label.is_empty());
        label.or(self.name.as_deref()).unwrap_or_default()
    }

    fn type_name(&self) -> &str {
        self.type_name.as_deref().unwrap_or_default()
    }
}

/// All rows of a page.
struct Records<'a> {
    rows: &'a mut Rows,
}

impl<'de> DeserializeSeed<'de> for Records<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Records<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<(), A::Error> {
        while records.next_element_seed(Record { rows: &mut *self.rows })?.is_some() {}
        Ok(())
    }
}

/// One row.
struct Record<'a> {
    rows: &'a mut Rows,
}

impl<'de> DeserializeSeed<'de> for Record<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Record<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut record: A) -> Result<(), A::Error> {
        while record.next_element_seed(Field { rows: &mut *self.rows })?.is_some() {}
        if self.rows.end_row() { Ok(()) } else { Err(A::Error::custom("a row has another length")) }
    }
}

/// Members of a value, of which there is one.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum FieldMember {
    IsNull,
    BooleanValue,
    LongValue,
    DoubleValue,
    StringValue,
    BlobValue,
    #[serde(other)]
    Other,
}

/// One value.
struct Field<'a> {
    rows: &'a mut Rows,
}

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.rows.cell(Cell::Null);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut field: A) -> Result<(), A::Error> {
        let rows = self.rows;
        let mut told = false;
        while let Some(member) = field.next_key()? {
            let cell = match member {
                _ if told => {
                    field.next_value::<IgnoredAny>()?;
                    None
                }
                // A value that is not there is NULL in the end, whatever this says.
                FieldMember::IsNull => {
                    field.next_value::<IgnoredAny>()?;
                    None
                }
                FieldMember::BooleanValue => field.next_value::<Option<bool>>()?.map(Cell::Bool),
                FieldMember::LongValue => field.next_value::<Option<i64>>()?.map(Cell::Long),
                // Read here to the last bit, which the parser does not promise.
                FieldMember::DoubleValue => match field.next_value::<Option<&RawValue>>()? {
                    Some(number) => {
                        let number = number.get().trim_matches('"').parse();
                        Some(Cell::Double(number.map_err(|_| A::Error::custom("no number"))?))
                    }
                    None => None,
                },
                FieldMember::StringValue => {
                    told = field.next_value_seed(Text { rows: &mut *rows, blob: false })?;
                    None
                }
                FieldMember::BlobValue => {
                    told = field.next_value_seed(Text { rows: &mut *rows, blob: true })?;
                    None
                }
                FieldMember::Other => {
                    field.next_value::<Option<&RawValue>>()?.map(|json| Cell::Unknown(json.get()))
                }
            };
            if let Some(cell) = cell {
                rows.cell(cell);
                told = true;
            }
        }
        if !told {
            rows.cell(Cell::Null);
        }
        Ok(())
    }
}

/// A text, written from where it stands; tells whether there was one.
struct Text<'a> {
    rows: &'a mut Rows,
    /// It is base64.
    blob: bool,
}

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Text<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        self.rows.cell(if self.blob { Cell::Blob(text) } else { Cell::Text(text) });
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::Form;
    use super::*;

    const COLUMNS: &str = r#""ColumnMetadata":[{"name":"a","label":"first","typeName":"int8","nullable":1},{"name":"b","typeName":"varchar"}]"#;

    fn rows() -> Rows {
        Rows::new(Form::Jsonl, false)
    }

    fn text(rows: &mut Rows) -> String {
        String::from_utf8(rows.take()).unwrap()
    }

    #[test]
    fn pages_in_any_order_of_their_members() {
        let records =
            r#""Records":[[{"longValue":1},{"stringValue":"x"}],[{"isNull":true},{"stringValue":""}]]"#;
        let expected = "{\"first\":1,\"b\":\"x\"}\n{\"first\":null,\"b\":\"\"}\n";
        let rest = r#""NextToken":"t","TotalNumRows":5,"ResultFormat":"json""#;
        for page in [
            format!("{{{COLUMNS},{records},{rest}}}"),
            format!("{{{records},{rest},{COLUMNS}}}"),
            format!(" {{{rest} , {records}, {COLUMNS}}}\n"),
        ] {
            let mut rows = rows();
            let end = read(page.as_bytes(), &mut rows).unwrap();
            assert_eq!(end, End { next_token: Some("t".to_owned()), total: Some(5) });
            assert_eq!(text(&mut rows), expected, "{page}");
            // The next page may leave the columns out.
            let next = r#"{"Records":[[{"longValue":2},{"stringValue":"y"}]],"NextToken":""}"#;
            assert_eq!(read(next.as_bytes(), &mut rows).unwrap(), End::default());
            assert_eq!((text(&mut rows).as_str(), rows.count()), ("{\"first\":2,\"b\":\"y\"}\n", 3));
        }
    }

    #[test]
    fn every_member_of_a_value() {
        for (field, expected) in [
            (r#"{"isNull":true}"#, "null"),
            (r#"{"booleanValue":false}"#, "false"),
            (r#"{"longValue":-9223372036854775808}"#, "-9223372036854775808"),
            (r#"{"doubleValue":0.1}"#, "0.1"),
            (r#"{"doubleValue":1.0E-7}"#, "1e-07"),
            (r#"{"doubleValue":5e-324}"#, "5e-324"),
            (r#"{"doubleValue":179769313486231570000e288}"#, "1.7976931348623157e+308"),
            (r#"{"doubleValue":"NaN"}"#, "\"NaN\""),
            (r#"{"doubleValue":"-Infinity"}"#, "\"-Infinity\""),
            (r#"{"stringValue":"a\"\u00fc\n"}"#, "\"a\\\"ü\\n\""),
            (r#"{"stringValue":null,"isNull":true}"#, "null"),
            (r#"{"isNull":false,"stringValue":"x"}"#, "\"x\""),
            (r#"{"blobValue":"AP8="}"#, "\"AP8=\""),
            (r#"{"vectorValue":[1,2]}"#, "[1,2]"),
            ("{}", "null"),
            ("null", "null"),
        ] {
            let page =
                format!(r#"{{"ColumnMetadata":[{{"name":"v","typeName":"x"}}],"Records":[[{field}]]}}"#);
            let mut rows = rows();
            read(page.as_bytes(), &mut rows).unwrap();
            assert_eq!(text(&mut rows), format!("{{\"v\":{expected}}}\n"), "{field}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_told_without_its_words() {
        for page in [
            "",
            "<html>secret</html>",
            r#"{"Records":[]}"#,
            r#"{"ColumnMetadata":[{"name":"secret"}],"Records":[[]]}"#,
            r#"{"ColumnMetadata":[{"name":"secret"}],"Records":[[{"longValue":"secret"}]]}"#,
            r#"{"ColumnMetadata":[{"name":"secret"}],"Records":[[{"doubleValue":"secret"}]]}"#,
            r#"{"ColumnMetadata":[{"name":"a"}],"Records":[]} secret"#,
        ] {
            let error = read(page.as_bytes(), &mut rows()).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
