//! SQL as texts and results as texts: what lies before and behind a database, whichever it is.
//!
//! [`read`] takes SQL from options, files, standard input or the folder of a `ConfigMap`, and takes it apart into its
//! [`Statement`]s by the rules of a [`Dialect`]. [`Rows`] takes result sets value by value, and writes them as JSON, JSON
//! Lines, CSV or a table, with memory for what was taken since the last look and no more.
//!
//! ```
//! use sql_text::{Cell, Dialect, Form, Kind, Rows, columns, split};
//!
//! let statements = split("select 1 as one; select ';'", "--sql", Dialect::PostgreSql)?;
//! assert_eq!(statements[1].sql, "select ';'");
//!
//! let mut rows = Rows::new(Form::Jsonl, false);
//! rows.begin(columns([("one", Kind::Integer)]));
//! rows.cell(Cell::Text("1"));
//! rows.end_row();
//! assert_eq!(rows.end(), 1);
//! assert_eq!(rows.take(), b"{\"one\":1}\n");
//! # Ok::<(), sql_text::Fault>(())
//! ```

mod cell;
mod count;
mod format;
mod json;
mod lexer;
mod nesting;
mod rows;
mod shown;
mod source;
mod statement;
mod table;
mod text;

pub use self::cell::{Cell, Column, Kind, columns};
pub use self::count::RowCount;
pub use self::format::{Format, null};
pub use self::lexer::{Dialect, Lexer, Parameter, Token, Use, is_name};
pub use self::rows::{Form, Rows};
pub use self::shown::shown;
pub use self::source::{Source, Sources, read, sql_value};
pub use self::statement::{Fault, Origin, Statement, split};
