//! The options that say in which form rows are wanted.

use clap::ValueEnum;

use crate::rows::Form;

/// Forms of a result, as `--output` names them; with what NULL looks like it is a [`Form`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object.
    Json,
    /// A JSON object for each row.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
    /// For people.
    // The other binaries' name for what is for people.
    #[value(alias = "text")]
    Table,
    /// Nothing.
    None,
}

impl Format {
    /// The form, with what `--null` says; a file for the result (`to_file`) needs one.
    ///
    /// # Errors
    /// A file for nothing, as a sentence for the user.
    pub fn form(self, null: Option<String>, to_file: bool) -> Result<Form, String> {
        Ok(match self {
            Self::Json => Form::Json,
            Self::Jsonl => Form::Jsonl,
            Self::Csv => Form::Csv { null: null.unwrap_or_default() },
            Self::Table => Form::Table { null },
            Self::None if to_file => {
                return Err("--output none leaves nothing for --output-file".to_owned());
            }
            Self::None => Form::Nothing,
        })
    }
}

/// Reads what NULL is to look like: `--null`.
///
/// # Errors
/// What has to be quoted itself would not be told from the text.
pub fn null(text: &str) -> Result<String, String> {
    if text.contains([',', '"', '\n', '\r']) {
        Err("it may not have commas, quotes or line ends in it".to_owned())
    } else {
        Ok(text.to_owned())
    }
}
