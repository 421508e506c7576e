//! Pages of the Data API, read value by value into the rows of [`sql_text`].

mod cursor;
pub(crate) mod page;
