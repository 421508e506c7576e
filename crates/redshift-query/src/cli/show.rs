//! The options that say how a result is shown.

use std::path::PathBuf;

use clap::Args;
use job_runtime::Expect;
use sql_text::{Format, RowCount, null};

use crate::show::Show;

/// How a result is shown, and what is expected of it.
#[derive(Debug, Default, Args)]
#[group(skip)]
#[allow(clippy::doc_markdown, reason = "the comments are the help text, where backticks would show")]
#[command(next_help_heading = "Result")]
pub(super) struct ShowArgs {
    /// What NULL looks like in csv [default: nothing] and table [default: NULL]
    ///
    /// A text that looks the same is quoted in csv: without this option an empty text is "".
    #[arg(long, env = "REDSHIFT_NULL", value_name = "TEXT", value_parser = null, allow_hyphen_values = true)]
    null: Option<String>,

    /// A file for the result; stdout then tells about the statement
    #[arg(long, env = "REDSHIFT_OUTPUT_FILE", value_name = "FILE", value_parser = job_runtime::file::destination)]
    output_file: Option<PathBuf>,

    /// End with exit code 10 unless there are so many rows: 5, 1.., ..10 or 1..10
    ///
    /// The rows that are returned, by all statements of a batch; where nothing is returned, the rows that are affected.
    #[arg(long, env = "REDSHIFT_EXPECT_ROWS", value_name = "COUNT")]
    expect_rows: Option<RowCount>,

    /// End with exit code 10 unless this JMESPath expression is true of the result in JSON
    ///
    /// Of what --output json prints, 10 MiB at most; the rows are in results[0], results[1], ….
    #[arg(long, env = "REDSHIFT_EXPECT", value_name = "JMESPATH")]
    expect: Option<Expect>,
}

impl ShowArgs {
    pub(super) fn into_show(self, format: Format) -> Result<Show, String> {
        let Self { null, output_file, expect_rows, expect } = self;
        let form = format.form(null, output_file.is_some())?;
        Ok(Show { form, output_file, expect_rows, expect })
    }
}
