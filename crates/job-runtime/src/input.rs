//! What a user hands over: option values, files, standard input, JSON.

mod parser;

pub use self::parser::{InputParser, file, utf_8, value};

use serde::de::IgnoredAny;
use std::fs::File;
use std::io::{self, Read};

/// Reads a whole file; `-` is standard input. At most `limit` bytes are kept in memory.
///
/// For option parsers, which run before the first call.
///
/// # Errors
/// A file that cannot be read, or is longer than `limit`.
pub fn bytes(path: &str, limit: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    match path {
        "-" => io::stdin().take(most).read_to_end(&mut bytes),
        path => File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)),
    }
    .map_err(|error| error.to_string())?;
    if bytes.len() > limit {
        return Err(format!("it has more than {limit} bytes"));
    }
    Ok(bytes)
}

/// As [`bytes`], of text in UTF-8.
///
/// # Errors
/// Those of [`bytes`], and bytes that are no UTF-8.
pub fn text(path: &str, limit: usize) -> Result<String, String> {
    String::from_utf8(bytes(path, limit)?).map_err(|_| "it is no UTF-8 text".to_owned())
}

/// Whether `bytes` are one JSON value in UTF-8.
///
/// # Errors
/// They are not; says where, and quotes nothing.
pub fn check_json(bytes: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned())?;
    serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|error| json_fault(&error))
}

/// What is wrong with a JSON text, and where. The parser's own words may quote a value, which may be a secret.
pub fn json_fault(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "it is something else",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is no JSON",
    };
    format!("{what}, line {} column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "four").unwrap();
        let path = file.to_str().unwrap();
        assert_eq!(text(path, 4), Ok("four".to_owned()));
        assert_eq!(bytes(path, 3), Err("it has more than 3 bytes".to_owned()));
        assert!(bytes("/nowhere", 3).unwrap_err().contains("No such file"));
        std::fs::write(&file, [0xff]).unwrap();
        assert_eq!(text(path, 4), Err("it is no UTF-8 text".to_owned()));
    }

    #[test]
    fn json_is_one_value_in_utf_8() {
        for (bytes, problem) in [
            (&b"{\"a\":[1e400]} "[..], None),
            (b"", Some("it ends too early, line 1 column 0")),
            (b"{}{}", Some("it is no JSON, line 1 column 3")),
            (b"\"\xff\"", Some("it is no UTF-8 text")),
        ] {
            assert_eq!(check_json(bytes).err().as_deref(), problem);
        }
    }

    #[test]
    fn faults_name_the_place_and_no_value() {
        let fault = |text| json_fault(&serde_json::from_str::<serde_json::Value>(text).unwrap_err());
        assert_eq!(fault(r#"{"password": "#), "it ends too early, line 1 column 13");
        assert_eq!(fault("{\n  secret}"), "it is no JSON, line 2 column 3");
    }
}
