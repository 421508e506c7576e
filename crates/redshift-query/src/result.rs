//! Results: pages of the Data API become rows in one of the forms, with memory for one page and no more.

pub(crate) mod cell;
mod cursor;
mod json;
pub(crate) mod page;
mod rows;
mod table;
mod text;

pub(crate) use self::cell::Cell;
pub(crate) use self::rows::{Form, Rows};
