//! Rows on their way out, value by value, in the form that was asked for.

use crate::cell::{Cell, Column, Kind};
use crate::json::Keys;
use crate::table::Table;
use crate::text::{csv_field, text};
use job_runtime::{Expect, Expectation};

/// The longest result that a condition is worked out on, in bytes of JSON.
const LONGEST_COPY: usize = 10 * 1024 * 1024;

/// What NULL looks like in a table, unless the user says otherwise: an empty cell could be an empty text.
const NULL_IN_TABLE: &str = "NULL";

/// The forms of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Arrays of objects, in one document.
    Json,
    /// An object a line.
    Jsonl,
    /// A header and lines of values; with what NULL looks like.
    Csv {
        /// In place of NULL.
        null: String,
    },
    /// For people; with what NULL looks like.
    Table {
        /// In place of NULL, unless it is `NULL`.
        null: Option<String>,
    },
    /// Nothing.
    Nothing,
}

/// Takes result sets value by value, and has them as text in the form. What was taken is to be fetched with
/// [`take`](Self::take), so that no more than a page of them is ever held.
#[derive(Debug)]
pub struct Rows {
    form: Form,
    out: Vec<u8>,
    /// The whole in JSON beside it, for a condition.
    copy: Option<Duplicate>,
    columns: Vec<Column>,
    keys: Keys,
    table: Table,
    /// The column of the next value.
    at: usize,
    /// Whether a set was begun and not ended.
    begun: bool,
    sets: usize,
    count: u64,
}

/// A copy of the result in JSON.
#[derive(Debug, Default)]
struct Duplicate {
    text: Vec<u8>,
    overflown: bool,
}

impl Rows {
    /// With a `copy` in JSON for a condition, or without.
    pub fn new(form: Form, copy: bool) -> Self {
        Self {
            form,
            out: Vec::new(),
            copy: copy.then(Duplicate::default),
            columns: Vec::new(),
            keys: Keys::default(),
            table: Table::default(),
            at: 0,
            begun: false,
            sets: 0,
            count: 0,
        }
    }

    /// Whether anybody wants to have the rows.
    pub fn is_wanted(&self) -> bool {
        self.form != Form::Nothing || self.copy.is_some()
    }

    /// Writes what surrounds the sets of a document in JSON; the other forms have no such thing.
    pub fn frame(&mut self, text: &str) {
        self.in_json(|out| out.extend_from_slice(text.as_bytes()));
    }

    /// Does `write` to everything that is a document in JSON.
    fn in_json(&mut self, write: impl Fn(&mut Vec<u8>)) {
        if self.form == Form::Json {
            write(&mut self.out);
        }
        if let Some(copy) = self.copy.as_mut().filter(|copy| !copy.overflown) {
            write(&mut copy.text);
            copy.check();
        }
    }

    /// Whether the columns of the set are known.
    pub fn is_begun(&self) -> bool {
        self.begun
    }

    /// Begins a set.
    pub fn begin(&mut self, columns: Vec<Column>) {
        let first = self.sets == 0;
        self.begun = true;
        self.sets += 1;
        (self.at, self.count) = (0, 0);
        self.keys = Keys::new(&columns);
        self.in_json(|out| out.extend_from_slice(if first { b"[" } else { b",[" }));
        match &self.form {
            Form::Json | Form::Jsonl | Form::Nothing => {}
            Form::Csv { null } => {
                if !first {
                    self.out.push(b'\n');
                }
                for (index, column) in columns.iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    csv_field(Some(&column.name), null, &mut self.out);
                }
                self.out.push(b'\n');
            }
            Form::Table { .. } => {
                if !first {
                    self.out.push(b'\n');
                }
                self.table = Table::new(&columns);
            }
        }
        self.columns = columns;
    }

    /// Takes the next value of the row. One too many is passed over, and told by [`end_row`](Self::end_row).
    pub fn cell(&mut self, cell: Cell<'_>) {
        let index = self.at;
        self.at += 1;
        let Some(kind) = self.columns.get(index).map(|column| column.kind) else { return };
        let first = index == 0;
        let separator = first && self.count > 0;
        match &self.form {
            Form::Nothing => {}
            Form::Json => {
                if separator {
                    self.out.push(b',');
                }
                self.keys.write(index, cell, kind, &mut self.out);
            }
            Form::Jsonl => self.keys.write(index, cell, kind, &mut self.out),
            Form::Csv { null } => {
                if !first {
                    self.out.push(b',');
                }
                write_csv(cell, kind, null, &mut self.out);
            }
            Form::Table { null } => {
                let null = null.as_deref().unwrap_or(NULL_IN_TABLE);
                text(cell, kind, |text| self.table.cell(text.unwrap_or(null)));
            }
        }
        if let Some(copy) = self.copy.as_mut().filter(|copy| !copy.overflown) {
            if separator {
                copy.text.push(b',');
            }
            self.keys.write(index, cell, kind, &mut copy.text);
        }
    }

    /// Ends the row; `false` where it had more or fewer values than there are columns.
    pub fn end_row(&mut self) -> bool {
        let whole = self.at == self.columns.len();
        self.at = 0;
        self.count += 1;
        match &self.form {
            Form::Nothing => {}
            Form::Json => self.keys.end_row(&mut self.out),
            Form::Jsonl => {
                self.keys.end_row(&mut self.out);
                self.out.push(b'\n');
            }
            Form::Csv { .. } => self.out.push(b'\n'),
            Form::Table { .. } => self.table.end_row(&mut self.out),
        }
        if let Some(copy) = self.copy.as_mut().filter(|copy| !copy.overflown) {
            self.keys.end_row(&mut copy.text);
            copy.check();
        }
        whole
    }

    /// Ends the set; gives its number of rows.
    pub fn end(&mut self) -> u64 {
        self.begun = false;
        self.in_json(|out| out.push(b']'));
        if let Form::Table { .. } = self.form {
            self.table.end(self.count, &mut self.out);
        }
        self.count
    }

    /// Rows of the set up to now.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many bytes there are to write.
    pub fn pending(&self) -> usize {
        self.out.len()
    }

    /// What there is to write; it is forgotten here.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Gives the memory back that [`take`](Self::take) took along.
    pub fn give_back(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.out = buffer;
    }

    /// What `expect` says of the copy in JSON.
    pub fn judge(&self, expect: &Expect) -> Expectation {
        self.copied().map_or_else(
            || {
                let problem = "its result is longer than the 10 MiB that --expect is evaluated on";
                Expectation::NotEvaluated(problem.to_owned())
            },
            |copy| expect.judge(copy),
        )
    }

    /// The copy in JSON: `None` where the result is too long for one.
    fn copied(&self) -> Option<&[u8]> {
        self.copy.as_ref().filter(|copy| !copy.overflown).map(|copy| copy.text.as_slice())
    }
}

fn write_csv(cell: Cell<'_>, kind: Kind, null: &str, out: &mut Vec<u8>) {
    match cell {
        // By far the most, and without a text in between.
        Cell::Text(text) => csv_field(Some(text), null, out),
        Cell::Null => out.extend_from_slice(null.as_bytes()),
        cell => text(cell, kind, |text| csv_field(text, null, out)),
    }
}

impl Duplicate {
    fn check(&mut self) {
        if self.text.len() > LONGEST_COPY {
            *self = Self { text: Vec::new(), overflown: true };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::columns;

    fn write(form: Form) -> (String, Rows) {
        let mut rows = Rows::new(form, true);
        rows.frame("{\"results\":[");
        rows.begin(columns([("a", "int4"), ("b", "text")]));
        for (number, cell) in [(1, Cell::Text("x,y")), (2, Cell::Null), (3, Cell::Text(""))] {
            rows.cell(Cell::Long(number));
            rows.cell(cell);
            assert!(rows.end_row());
        }
        assert_eq!(rows.end(), 3);
        rows.begin(columns([("c", "bool")]));
        rows.cell(Cell::Bool(true));
        rows.end_row();
        rows.end();
        rows.begin(columns([("d", "bool")]));
        rows.end();
        rows.frame("]}\n");
        (String::from_utf8(rows.take()).unwrap(), rows)
    }

    #[test]
    fn every_form_of_several_sets() {
        let json = "{\"results\":[[{\"a\":1,\"b\":\"x,y\"},{\"a\":2,\"b\":null},{\"a\":3,\"b\":\"\"}],[{\"c\":true}],[]]}\n";
        let jsonl = "{\"a\":1,\"b\":\"x,y\"}\n{\"a\":2,\"b\":null}\n{\"a\":3,\"b\":\"\"}\n{\"c\":true}\n";
        let csv = "a,b\n1,\"x,y\"\n2,\n3,\"\"\n\nc\nt\n\nd\n";
        let marked = "a,b\n1,\"x,y\"\n2,\\N\n3,\n\nc\nt\n\nd\n";
        let table = " a |  b   \n---+------\n 1 | x,y\n 2 | NULL\n 3 | \n(3 rows)\n\n c \n---\n t\n(1 row)\n\n d \n---\n(0 rows)\n";
        for (form, expected) in [
            (Form::Json, json),
            (Form::Jsonl, jsonl),
            (Form::Csv { null: String::new() }, csv),
            (Form::Csv { null: "\\N".to_owned() }, marked),
            (Form::Table { null: None }, table),
            (Form::Nothing, ""),
        ] {
            let (text, rows) = write(form.clone());
            assert_eq!(text, expected, "{form:?}");
            assert_eq!(rows.copied(), Some(json.as_bytes()), "the copy is the same whatever the form");
        }
    }

    #[test]
    fn a_row_of_another_length_is_told() {
        let mut rows = Rows::new(Form::Jsonl, false);
        rows.begin(columns([("a", "int4")]));
        assert!(!rows.end_row(), "too short");
        rows.cell(Cell::Null);
        rows.cell(Cell::Null);
        assert!(!rows.end_row(), "too long");
    }

    #[test]
    fn a_copy_has_a_limit() {
        let mut rows = Rows::new(Form::Nothing, true);
        rows.begin(columns([("a", "text")]));
        let long = "x".repeat(1024 * 1024);
        for _ in 0..11 {
            rows.cell(Cell::Text(&long));
            rows.end_row();
        }
        rows.end();
        assert_eq!(rows.copied(), None);
        assert!(rows.is_wanted());
        assert!(!Rows::new(Form::Nothing, false).is_wanted());
    }
}
