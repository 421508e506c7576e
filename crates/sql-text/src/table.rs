//! Rows under each other, as psql shows them to people.

use crate::cell::Column;

/// So many rows are looked at before the widths are settled.
const SIZED_ROWS: usize = 1000;
/// So many bytes of them at most.
const SIZED_BYTES: usize = 256 * 1024;

/// A column is no wider: a value that is longer stands out, and no other line is filled up for it.
const WIDEST: usize = 1000;

/// A table that is being written. Its first rows are kept until they have told the widths of the columns; what is wider
/// and comes later stands out.
#[derive(Debug, Default)]
pub(super) struct Table {
    columns: Vec<Column>,
    row: Vec<String>,
    kept: Vec<Vec<String>>,
    kept_bytes: usize,
    /// Once they are settled.
    widths: Vec<usize>,
    settled: bool,
}

impl Table {
    pub(super) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.to_vec(), ..Self::default() }
    }

    pub(super) fn cell(&mut self, text: &str) {
        self.row.push(printable(text));
    }

    pub(super) fn end_row(&mut self, out: &mut Vec<u8>) {
        let row = std::mem::take(&mut self.row);
        if self.settled {
            self.line(&row, out);
            return;
        }
        self.kept_bytes += row.iter().map(String::len).sum::<usize>();
        self.kept.push(row);
        if self.kept.len() >= SIZED_ROWS || self.kept_bytes >= SIZED_BYTES {
            self.settle(out);
        }
    }

    /// Writes what is left, and how many rows there were.
    pub(super) fn end(&mut self, rows: u64, out: &mut Vec<u8>) {
        if !self.settled {
            self.settle(out);
        }
        let s = if rows == 1 { "" } else { "s" };
        out.extend_from_slice(format!("({rows} row{s})\n").as_bytes());
    }

    fn settle(&mut self, out: &mut Vec<u8>) {
        self.settled = true;
        let kept = std::mem::take(&mut self.kept);
        let names: Vec<String> = self.columns.iter().map(|column| printable(&column.name)).collect();
        self.widths = (0..names.len())
            .map(|index| {
                let cells = kept.iter().filter_map(|row| row.get(index)).map(|cell| width(cell));
                cells.chain([width(&names[index])]).max().unwrap_or_default().min(WIDEST)
            })
            .collect();
        let header = names.iter().zip(&self.widths).map(|(name, full)| {
            let free = full.saturating_sub(width(name));
            format!(" {}{name}{} ", " ".repeat(free / 2), " ".repeat(free - free / 2))
        });
        let header = header.collect::<Vec<_>>().join("|");
        let rule = self.widths.iter().map(|width| "-".repeat(width + 2)).collect::<Vec<_>>().join("+");
        out.extend_from_slice(format!("{header}\n{rule}\n").as_bytes());
        for row in &kept {
            self.line(row, out);
        }
    }

    fn line(&self, row: &[String], out: &mut Vec<u8>) {
        let last = row.len().saturating_sub(1);
        for (index, cell) in row.iter().enumerate() {
            let full = self.widths.get(index).copied().unwrap_or_default();
            let free = " ".repeat(full.saturating_sub(width(cell)));
            let right = self.columns.get(index).is_some_and(|column| column.kind.is_number());
            let (before, after) = if right { (free.as_str(), "") } else { ("", free.as_str()) };
            // A large value is not copied once more.
            for text in [" ", before, cell] {
                out.extend_from_slice(text.as_bytes());
            }
            if index < last {
                out.extend_from_slice(after.as_bytes());
                out.extend_from_slice(b" |");
            }
        }
        out.push(b'\n');
    }
}

/// What moves a cursor, or worse, is shown instead of done.
fn printable(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' => c.escape_default().to_string(),
        c if c.is_control() => format!("\\x{:02x}", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(shown).collect()
}

/// How many columns of a terminal a text takes, as far as the usual scripts go.
fn width(text: &str) -> usize {
    let columns = |c: char| match u32::from(c) {
        // Marks that stand above or below another character, and joiners.
        0x300..=0x36f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        // East Asian scripts, full-width forms and pictures.
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    };
    text.chars().map(columns).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::columns;

    fn table(named: &[(&str, &str)], rows: &[&[&str]]) -> String {
        let mut table = Table::new(&columns(named.iter().copied()));
        let mut out = Vec::new();
        for row in rows {
            for cell in *row {
                table.cell(cell);
            }
            table.end_row(&mut out);
        }
        table.end(rows.len() as u64, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn as_psql_shows_it() {
        let named = [("id", "int4"), ("name", "text"), ("x", "text"), ("amount", "float8"), ("w", "text")];
        let shown =
            table(&named, &[&["1", "a", "", "1.5", "l1\nl2"], &["12345", "long name", "v", "22.25", "ü漢"]]);
        let expected = "  id   |   name    | x | amount |   w    
-------+-----------+---+--------+--------
     1 | a         |   |    1.5 | l1\\nl2
 12345 | long name | v |  22.25 | ü漢
(2 rows)
";
        assert_eq!(shown, expected);
        assert_eq!(table(&[("id", "int4")], &[]), " id \n----\n(0 rows)\n");
        assert_eq!(table(&[("id", "int4")], &[&["1"]]), " id \n----\n  1\n(1 row)\n");
    }

    #[test]
    fn what_comes_late_and_is_wider_stands_out() {
        let mut table = Table::new(&columns([("a", "text"), ("b", "text")]));
        let mut out = Vec::new();
        for _ in 0..SIZED_ROWS - 1 {
            table.cell("x");
            table.cell("y");
            table.end_row(&mut out);
        }
        assert!(out.is_empty(), "the widths are not known yet");
        for cells in [["x", "y"], ["wide", "z"]] {
            for cell in cells {
                table.cell(cell);
            }
            table.end_row(&mut out);
        }
        assert!(table.kept.is_empty());
        assert!(String::from_utf8(out).unwrap().ends_with(" x | y\n wide | z\n"));
    }

    #[test]
    fn a_very_long_value_stands_out() {
        let long = "x".repeat(WIDEST + 1);
        let shown = table(&[("a", "text"), ("b", "text")], &[&["1", "2"], &[&long, "3"]]);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], format!("{}+---", "-".repeat(WIDEST + 2)));
        assert_eq!(lines[3], format!(" {long} | 3"));
    }

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        assert_eq!(printable("a\tb\u{1b}[2J\u{9b}c"), "a\\tb\\x1b[2J\\x9bc");
        assert_eq!((width("e\u{301}"), width("漢字"), width("🎉")), (1, 4, 2));
    }
}
