//! A page of `GetStatementResult`, read value by value into [`Rows`] without a tree in between.
//!
//! The SDK's own reader makes an object of every value: seven times the work of reading the JSON, for results that can
//! have hundreds of megabytes. serde's visitors are in between. So the values, of which there are millions, are read by a
//! [`Cursor`], and the rest by serde.

use std::borrow::Cow;

use serde::Deserialize;
use sql_text::{Cell, Rows, columns};

use super::cursor::{Cursor, Fault};

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
    let end = std::str::from_utf8(body).map_err(|_| Fault::at(0)).and_then(|text| page(text, rows));
    let end = end.map_err(|fault| format!("its answer makes no sense at byte {}", fault.place()))?;
    if rows.is_begun() { Ok(end) } else { Err("its answer has no columns".to_owned()) }
}

fn page(text: &str, rows: &mut Rows) -> Result<End, Fault> {
    let mut page = Cursor::new(text);
    let mut end = End::default();
    // Records that come before the columns have to wait for them.
    let mut waiting: Option<Cursor<'_>> = None;
    page.object(|page, member| {
        match member {
            "Records" if rows.is_begun() => return records(page, rows),
            "Records" => {
                waiting = Some(page.clone());
                page.raw()?;
            }
            "ColumnMetadata" if !rows.is_begun() => {
                if let Some(found) = page.value::<Option<Vec<ColumnMetadata<'_>>>>()? {
                    rows.begin(columns(found.iter().map(|it| (it.title(), it.type_name()))));
                }
            }
            "NextToken" => {
                end.next_token = page.value::<Option<String>>()?.filter(|token| !token.is_empty());
            }
            "TotalNumRows" => {
                end.total = page.value::<Option<i64>>()?.and_then(|total| u64::try_from(total).ok());
            }
            _ => drop(page.raw()?),
        }
        Ok(())
    })?;
    page.end()?;
    match waiting {
        Some(mut waiting) if rows.is_begun() => records(&mut waiting, rows)?,
        _ => {}
    }
    Ok(end)
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
fn records(page: &mut Cursor<'_>, rows: &mut Rows) -> Result<(), Fault> {
    page.array(|page| {
        page.array(|page| value(page, rows))?;
        if rows.end_row() { Ok(()) } else { Err(page.fault()) }
    })
}

/// One value: a union, of which one member is there.
fn value(page: &mut Cursor<'_>, rows: &mut Rows) -> Result<(), Fault> {
    let begin = page.clone();
    if usual_value(page, rows).is_some() {
        return Ok(());
    }
    *page = begin;
    any_value(page, rows)
}

/// One value in the form that nearly all of them have: no white space, one member.
fn usual_value(page: &mut Cursor<'_>, rows: &mut Rows) -> Option<()> {
    if page.take_text("{\"stringValue\":") {
        let text = page.string().ok()?;
        page.take_text("}").then(|| rows.cell(Cell::Text(&text)))
    } else if page.take_text("{\"longValue\":") {
        let number = page.scalar().parse().ok()?;
        page.take_text("}").then(|| rows.cell(Cell::Long(number)))
    } else if page.take_text("{\"isNull\":true}") {
        rows.cell(Cell::Null);
        Some(())
    } else if page.take_text("{\"doubleValue\":") {
        let number = page.scalar().parse().ok()?;
        page.take_text("}").then(|| rows.cell(Cell::Double(number)))
    } else if page.take_text("{\"booleanValue\":") {
        let value = page.scalar().parse().ok()?;
        page.take_text("}").then(|| rows.cell(Cell::Bool(value)))
    } else {
        None
    }
}

/// One value in whatever form.
fn any_value(page: &mut Cursor<'_>, rows: &mut Rows) -> Result<(), Fault> {
    if page.is_null() {
        rows.cell(Cell::Null);
        return Ok(());
    }
    let mut told = false;
    page.object(|page, member| {
        // What is not there is NULL in the end, whatever `isNull` says.
        if member == "isNull" {
            page.scalar();
            return Ok(());
        }
        if page.is_null() {
            return Ok(());
        }
        if told {
            return page.raw().map(drop);
        }
        told = true;
        match member {
            "stringValue" => rows.cell(Cell::Text(&page.string()?)),
            "longValue" => rows.cell(Cell::Long(page.scalar().parse().map_err(|_| page.fault())?)),
            "booleanValue" => rows.cell(Cell::Bool(page.scalar().parse().map_err(|_| page.fault())?)),
            // What is no number is a word in quotes.
            "doubleValue" => {
                let number = page.scalar().trim_matches('"').parse();
                rows.cell(Cell::Double(number.map_err(|_| page.fault())?));
            }
            "blobValue" => rows.cell(Cell::Blob(&page.string()?)),
            _ => rows.cell(Cell::Unknown(page.raw()?)),
        }
        Ok(())
    })?;
    if !told {
        rows.cell(Cell::Null);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sql_text::Form;

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
            (r#" { "longValue" : 7 } "#, "7"),
            (r#"{"longValue":7,"isNull":false}"#, "7"),
            (r#"{"stringValue":"x","isNull":false,"other":{}}"#, "\"x\""),
            (r#"{"isNull":false}"#, "null"),
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
            "{",
            "<html>secret</html>",
            r#"{"ColumnMetadata":[{"name":"secret"}],"Records":[[{"stringValue":"secret}]]}"#,
            r#"{"ColumnMetadata":[{"name":"secret"}],"Records":[[{"stringValue":"a"} {"stringValue":"secret"}]]}"#,
            r#"{"ColumnMetadata":[{"name":"secret"}],"Records":[[{"booleanValue":secret}]]}"#,
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
