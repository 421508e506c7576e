//! Results: kept as the server sent them, cut into pages, told as JSON or CSV.

use serde_json::{Value, json};

use super::postgres::{Column, Fields, Rows};
use super::world::RedshiftWorld;
use crate::crypto::base64;

/// The largest row, and the largest result.
const LARGEST_ROW: usize = 64 << 10;
const LARGEST: usize = 500 << 20;

/// The object ids of types.
mod kind {
    pub(super) const BOOL: u32 = 16;
    pub(super) const BYTEA: u32 = 17;
    pub(super) const INT8: u32 = 20;
    pub(super) const INT2: u32 = 21;
    pub(super) const INT4: u32 = 23;
    pub(super) const OID: u32 = 26;
    pub(super) const FLOAT4: u32 = 700;
    pub(super) const FLOAT8: u32 = 701;
    pub(super) const BPCHAR: u32 = 1042;
    pub(super) const VARCHAR: u32 = 1043;
    pub(super) const NUMERIC: u32 = 1700;
}

/// The rows of a statement.
#[derive(Debug)]
pub(super) struct ResultSet {
    pub(super) columns: Vec<Column>,
    /// What is told of each column.
    pub(super) metadata: Vec<Value>,
    pub(super) rows: u64,
    /// Bytes in all fields.
    pub(super) size: u64,
    pages: Vec<Vec<u8>>,
    /// The statement has rows, be they none.
    pub(super) there: bool,
    /// Why the service does not keep it.
    pub(super) refused: Option<&'static str>,
    page_rows: usize,
    page_bytes: usize,
    rows_in_last: usize,
}

impl ResultSet {
    pub(super) fn new(settings: &RedshiftWorld) -> Self {
        Self {
            columns: Vec::new(),
            metadata: Vec::new(),
            rows: 0,
            size: 0,
            pages: Vec::new(),
            there: false,
            refused: None,
            page_rows: settings.page_rows,
            page_bytes: settings.page_bytes,
            rows_in_last: 0,
        }
    }

    /// Is there another page after this one?
    pub(super) fn has_page(&self, page: usize) -> bool {
        page < self.pages.len().max(1)
    }

    fn page(&self, page: usize) -> impl Iterator<Item = Fields<'_>> {
        let mut rest = Fields(self.pages.get(page).map_or(&[][..], |page| &page[..]));
        let columns = self.columns.len();
        std::iter::from_fn(move || {
            let row = rest.clone();
            if row.0.is_empty() || columns == 0 {
                return None;
            }
            for _ in 0..columns {
                rest.next()?;
            }
            Some(row)
        })
    }

    /// A page as `GetStatementResult` has it.
    pub(super) fn json(&self, page: usize, next: Option<&str>) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.pages.get(page).map_or(0, Vec::len) * 4 + 1024);
        out.extend(b"{\"Records\":[");
        let kinds: Vec<u32> = self.columns.iter().map(|column| column.kind).collect();
        let mut first = true;
        for row in self.page(page) {
            out.extend(if first { &b"["[..] } else { b",[" });
            first = false;
            let mut between = &b""[..];
            for (kind, field) in kinds.iter().zip(row) {
                out.extend(between);
                between = b",";
                push_field(&mut out, *kind, field);
            }
            out.push(b']');
        }
        out.extend(b"]");
        self.finish(out, next)
    }

    /// A page as `GetStatementResultV2` has it.
    pub(super) fn csv(&self, page: usize, next: Option<&str>) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.pages.get(page).map_or(0, Vec::len) + 1024);
        for row in self.page(page) {
            let mut between = &b""[..];
            for (kind, field) in self.columns.iter().map(|column| column.kind).zip(row) {
                text.extend(between);
                between = b",";
                push_csv(&mut text, kind, field);
            }
            text.extend(b"\r\n");
        }
        let mut out = Vec::with_capacity(text.len() * 2 + 1024);
        out.extend(b"{\"Records\":[{\"CSVRecords\":");
        push_text(&mut out, &text);
        out.extend(b"}],\"ResultFormat\":\"CSV\"");
        self.finish(out, next)
    }

    fn finish(&self, mut out: Vec<u8>, next: Option<&str>) -> Vec<u8> {
        let tail = match next {
            Some(next) => format!(",\"TotalNumRows\":{},\"NextToken\":{}", self.rows, json!(next)),
            None => format!(",\"TotalNumRows\":{}", self.rows),
        };
        out.extend(tail.as_bytes());
        out.extend(format!(",\"ColumnMetadata\":{}}}", json!(self.metadata)).as_bytes());
        out
    }
}

impl Rows for ResultSet {
    fn columns(&mut self, columns: Vec<Column>) {
        self.columns = columns;
        self.there = true;
    }

    fn row(&mut self, fields: &[u8]) {
        let size = fields.len() - (fields.len()).min(self.columns.len() * 4);
        self.rows += 1;
        self.size += size as u64;
        if size > LARGEST_ROW {
            self.refused = Some("Packet for query is too large: a row of the result exceeds 64 KB");
        } else if self.size > LARGEST as u64 {
            self.refused = Some("Database response exceeded size limit");
        }
        if self.refused.is_some() {
            self.pages.clear();
            return;
        }
        match self.pages.last_mut() {
            Some(page)
                if self.rows_in_last < self.page_rows && page.len() + fields.len() <= self.page_bytes =>
            {
                page.extend(fields);
                self.rows_in_last += 1;
            }
            _ => {
                if let Some(page) = self.pages.last_mut() {
                    page.shrink_to_fit();
                }
                self.pages.push(fields.to_vec());
                self.rows_in_last = 1;
            }
        }
    }
}

fn push_field(out: &mut Vec<u8>, kind: u32, field: Option<&[u8]>) {
    let Some(text) = field else {
        out.extend(b"{\"isNull\":true}");
        return;
    };
    match kind {
        kind::BOOL => {
            out.extend(b"{\"booleanValue\":");
            out.extend(if text == b"t" { &b"true"[..] } else { b"false" });
        }
        kind::INT2 | kind::INT4 | kind::INT8 | kind::OID => {
            out.extend(b"{\"longValue\":");
            out.extend(text);
        }
        kind::FLOAT4 | kind::FLOAT8 => {
            out.extend(b"{\"doubleValue\":");
            // JSON has no other numbers; in words they are as AWS spells them.
            if text.last().is_some_and(u8::is_ascii_digit) {
                out.extend(text);
            } else {
                push_text(out, text);
            }
        }
        kind::BYTEA => {
            out.extend(b"{\"blobValue\":");
            push_text(out, base64(&bytes(text)).as_bytes());
        }
        _ => {
            out.extend(b"{\"stringValue\":");
            push_text(out, text);
        }
    }
    out.push(b'}');
}

/// A field of CSV by RFC 4180. NULL is nothing at all, and an empty text is a pair of quotes.
fn push_csv(out: &mut Vec<u8>, kind: u32, field: Option<&[u8]>) {
    let Some(text) = field else { return };
    let text = match kind {
        kind::BOOL => {
            if text == b"t" {
                &b"true"[..]
            } else {
                b"false"
            }
        }
        _ => text,
    };
    if !text.is_empty() && !text.iter().any(|byte| matches!(byte, b'"' | b',' | b'\r' | b'\n')) {
        out.extend(text);
        return;
    }
    out.push(b'"');
    for byte in text {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte < b' ' || *byte == b'"' || *byte == b'\\') {
        out.extend(&rest[..at]);
        match rest[at] {
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            byte @ (b'"' | b'\\') => out.extend([b'\\', byte]),
            byte => out.extend(format!("\\u{byte:04x}").as_bytes()),
        }
        rest = &rest[at + 1..];
    }
    out.extend(rest);
    out.push(b'"');
}

/// The bytes of a `bytea`, which is told as `\x6162`.
fn bytes(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0).to_le_bytes()[0];
    text.get(2..)
        .unwrap_or_default()
        .chunks_exact(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

/// Where a column comes from, as the catalogue tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) not_null: Option<bool>,
}

/// What is told of a column; `kind_name` is how the server calls its type.
pub(super) fn metadata(column: &Column, kind_name: &str, origin: &Origin) -> Value {
    let (precision, scale) = sizes(column.kind, column.modifier);
    json!({
        "name": column.name,
        "label": column.name,
        "typeName": type_name(kind_name),
        "precision": precision,
        "scale": scale,
        "nullable": origin.not_null.map_or(2, |not_null| i32::from(!not_null)),
        "isSigned": is_signed(column.kind),
        "isCaseSensitive": is_text(column.kind),
        "isCurrency": false,
        "length": 0,
        "schemaName": origin.schema,
        "tableName": origin.table,
    })
}

/// How Redshift calls a type of `PostgreSQL`.
pub(super) fn type_name(kind: &str) -> &str {
    match kind {
        "text" | "unknown" | "uuid" | "xml" | "name" => "varchar",
        "json" | "jsonb" => "super",
        "bytea" => "varbyte",
        other => other,
    }
}

pub(super) fn is_signed(kind: u32) -> bool {
    matches!(kind, kind::INT2 | kind::INT4 | kind::INT8 | kind::FLOAT4 | kind::FLOAT8 | kind::NUMERIC)
}

pub(super) fn is_text(kind: u32) -> bool {
    !is_signed(kind) && !matches!(kind, kind::BOOL | kind::OID | 1082 | 1083 | 1114 | 1184 | 1186 | 1266)
}

/// Precision and scale, as the driver of the Data API tells them.
pub(super) fn sizes(kind: u32, modifier: i32) -> (i32, i32) {
    match kind {
        kind::BOOL => (1, 0),
        kind::INT2 => (5, 0),
        kind::INT4 | kind::OID => (10, 0),
        kind::INT8 => (19, 0),
        kind::FLOAT4 => (8, 8),
        kind::FLOAT8 => (17, 17),
        kind::NUMERIC if modifier >= 4 => ((modifier - 4) >> 16, (modifier - 4) & 0xffff),
        kind::NUMERIC => (0, 0),
        kind::BPCHAR | kind::VARCHAR if modifier >= 4 => (modifier - 4, 0),
        // date, time, timestamp, timestamptz, timetz
        1082 => (13, 0),
        1083 => (15, 6),
        1114 => (29, 6),
        1184 => (35, 6),
        1266 => (21, 6),
        _ => (i32::MAX, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: &[Option<&str>]) -> Vec<u8> {
        let field = |field: Option<&str>| match field {
            Some(text) => [&i32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat(),
            None => (-1_i32).to_be_bytes().to_vec(),
        };
        fields.iter().copied().flat_map(field).collect()
    }

    fn result(kinds: &[u32], rows: &[&[Option<&str>]], page_rows: usize) -> ResultSet {
        let mut result = ResultSet::new(&RedshiftWorld { page_rows, ..RedshiftWorld::default() });
        let column =
            |kind: &u32| Column { name: "c".into(), table: 0, attribute: 0, kind: *kind, modifier: -1 };
        result.columns(kinds.iter().map(column).collect());
        for fields in rows {
            result.row(&row(fields));
        }
        result
    }

    #[test]
    fn fields_by_their_types() {
        let kinds = [16, 20, 701, 701, 17, 25, 1700, 25];
        let fields = [
            Some("t"),
            Some("-7"),
            Some("1e+20"),
            Some("NaN"),
            Some("\\x6162"),
            Some("a\"\\\n\u{1}é"),
            Some("1.50"),
            None,
        ];
        let told: Value = serde_json::from_slice(&result(&kinds, &[&fields], 9).json(0, None)).unwrap();
        let expected = json!([[
            { "booleanValue": true }, { "longValue": -7 }, { "doubleValue": 1e20 }, { "doubleValue": "NaN" },
            { "blobValue": "YWI=" }, { "stringValue": "a\"\\\n\u{1}é" }, { "stringValue": "1.50" }, { "isNull": true },
        ]]);
        assert_eq!((&told["Records"], &told["TotalNumRows"]), (&expected, &json!(1)));
    }

    #[test]
    fn pages() {
        let rows: Vec<[Option<&str>; 1]> = vec![[Some("1")], [Some("2")], [Some("3")]];
        let rows: Vec<&[Option<&str>]> = rows.iter().map(|row| &row[..]).collect();
        let result = result(&[23], &rows, 2);
        assert!(result.has_page(1) && !result.has_page(2));
        let told: Value = serde_json::from_slice(&result.json(0, Some("n"))).unwrap();
        assert_eq!((told["Records"].as_array().unwrap().len(), &told["NextToken"]), (2, &json!("n")));
        let told: Value = serde_json::from_slice(&result.json(1, None)).unwrap();
        assert_eq!((&told["Records"], &told["TotalNumRows"]), (&json!([[{ "longValue": 3 }]]), &json!(3)));
    }

    #[test]
    fn csv_tells_null_from_nothing() {
        let rows: &[&[Option<&str>]] =
            &[&[Some(""), None, Some("a,\"b\"\n")], &[Some("x"), Some("f"), Some("y")]];
        let told: Value = serde_json::from_slice(&result(&[25, 16, 25], rows, 9).csv(0, None)).unwrap();
        assert_eq!(told["Records"], json!([{ "CSVRecords": "\"\",,\"a,\"\"b\"\"\n\"\r\nx,false,y\r\n" }]));
    }

    #[test]
    fn too_large() {
        let large = "x".repeat(LARGEST_ROW + 1);
        assert!(result(&[25], &[&[Some(&large)]], 9).refused.is_some());
    }
}
