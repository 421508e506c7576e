//! Value parsers of options that take data: the text itself, or a file that holds it.

use super::bytes;
use crate::env;
use clap::builder::TypedValueParser;
use clap::parser::ValueSource;
use clap::{Arg, Command};
use std::ffi::OsStr;

/// What the AWS CLI puts before the name of a file of text, and of one of bytes.
const TEXT: &str = "file://";
const BINARY: &str = "fileb://";

/// Makes a `T` of the bytes that the user handed over. Made by [`value`] and [`file()`].
#[derive(Debug)]
pub struct InputParser<T> {
    names_a_file: bool,
    limit: usize,
    parse: fn(&[u8]) -> Result<T, String>,
}

/// For an option whose value is the data, such as `--payload`. `file://PATH` and `fileb://PATH` are read as the AWS CLI
/// reads them: only as the whole value, and only where they were typed. A variable's value is data whatever is in it, so
/// that a program that sets it cannot have another file sent. A file has at most `limit` bytes.
///
/// ```
/// #[derive(clap::Args)]
/// struct Cli {
///     #[arg(long, value_parser = job_runtime::input::value(1024, |body| Ok(body.to_vec())))]
///     body: Option<Vec<u8>>,
/// }
/// ```
pub fn value<T>(limit: usize, parse: fn(&[u8]) -> Result<T, String>) -> InputParser<T> {
    InputParser { names_a_file: false, limit, parse }
}

/// For an option whose value names the file with the data, such as `--payload-file`; `-` is standard input. A typed
/// `file://` or `fileb://` before the name changes nothing. A file has at most `limit` bytes.
pub fn file<T>(limit: usize, parse: fn(&[u8]) -> Result<T, String>) -> InputParser<T> {
    InputParser { names_a_file: true, limit, parse }
}

/// As [`str::from_utf8`], for the functions that [`value`] and [`file()`] take.
///
/// # Errors
/// The bytes are not UTF-8.
pub fn utf_8(bytes: &[u8]) -> Result<&str, String> {
    str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

impl<T> InputParser<T> {
    fn read(&self, text: &str, typed: bool) -> Result<T, String> {
        let prefixed = Some(text).filter(|_| typed).and_then(prefixed);
        match prefixed {
            Some((prefix, path)) => {
                let path = from_home(path);
                let bytes = bytes(&path, self.limit).map_err(|problem| format!("{path}: {problem}"))?;
                if prefix == TEXT && !self.names_a_file && str::from_utf8(&bytes).is_err() {
                    return Err(format!("{path} is not UTF-8 text: write {BINARY} for a file of bytes"));
                }
                (self.parse)(&bytes)
            }
            None if self.names_a_file => {
                let bytes = bytes(text, self.limit).map_err(|problem| match text {
                    "-" => problem,
                    path => format!("{path}: {problem}"),
                })?;
                (self.parse)(&bytes)
            }
            None => (self.parse)(text.as_bytes()),
        }
    }
}

/// The prefix of the AWS CLI, and the path behind it.
fn prefixed(text: &str) -> Option<(&'static str, &str)> {
    [TEXT, BINARY].into_iter().find_map(|prefix| Some((prefix, text.strip_prefix(prefix)?)))
}

/// Shells leave the `~` of `file://~/name` to the program.
fn from_home(path: &str) -> String {
    match (path.strip_prefix("~/"), env::home()) {
        (Some(rest), Some(home)) => format!("{home}/{rest}"),
        _ => path.to_owned(),
    }
}

impl<T> Clone for InputParser<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for InputParser<T> {}

impl<T: Clone + Send + Sync + 'static> TypedValueParser for InputParser<T> {
    type Value = T;

    fn parse_ref(&self, cmd: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        self.parse_ref_(cmd, arg, value, ValueSource::EnvVariable)
    }

    fn parse_ref_(
        &self,
        cmd: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<T, clap::Error> {
        let parser = *self;
        // A function is a parser whose errors clap words like those of any other option.
        let read = move |text: &str| parser.read(text, source == ValueSource::CommandLine);
        read.parse_ref(cmd, arg, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Result<String, String> {
        utf_8(bytes).map(str::to_owned)
    }

    #[test]
    fn prefixes_count_where_they_were_typed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f").display().to_string();
        std::fs::write(&path, "four").unwrap();
        let (file_url, bytes_url) = (format!("file://{path}"), format!("fileb://{path}"));
        let value = value(4, text);
        for url in [&file_url, &bytes_url] {
            assert_eq!(value.read(url, true).as_deref(), Ok("four"));
            assert_eq!(value.read(url, false).as_ref(), Ok(url), "a variable is data");
            let inside = format!("x={url}");
            assert_eq!(value.read(&inside, true), Ok(inside), "only the whole value");
        }
        let file = file(4, text);
        for name in [&path, &file_url, &bytes_url] {
            assert_eq!(file.read(name, true).as_deref(), Ok("four"));
        }
        assert!(file.read(&file_url, false).unwrap_err().contains("No such file"));
    }

    #[test]
    fn what_is_wrong_with_a_file_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f").display().to_string();
        let read = |url: String| value(4, text).read(&url, true).unwrap_err();
        assert!(read(format!("file://{path}")).starts_with(&format!("{path}: No such file")));
        std::fs::write(&path, "fives").unwrap();
        assert_eq!(read(format!("fileb://{path}")), format!("{path}: it has more than 4 bytes"));
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(
            read(format!("file://{path}")),
            format!("{path} is not UTF-8 text: write fileb:// for a file of bytes")
        );
        assert_eq!(read(format!("fileb://{path}")), "it is not UTF-8 text");
    }
}
