//! The answers of an earlier run.

use crate::error::Error;
use crate::lines::{Item, Line, Lines, open_file};
use crate::selection::Selection;
use serde::Deserialize;
use std::borrow::Cow;
use std::io;
use std::path::Path;

/// No answer has more bytes: the largest payload that a service sends, were each of its bytes escaped.
const LONGEST: usize = 256 * 1024 * 1024;

/// What counts of an answer.
#[derive(Deserialize)]
struct Seen<'a> {
    line: u64,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    detail: Option<Detail<'a>>,
}

/// What counts of its detail, whose other members are the binary's.
#[derive(Deserialize)]
struct Detail<'a> {
    #[serde(borrow)]
    expect: Option<Cow<'a, str>>,
}

/// Leaves out every line that has an `ok` in the file, at whatever place and after however many other answers.
///
/// What is no answer is passed over: a killed run leaves half a line. A file that is not there is no mistake: the
/// first run of a Job has none.
/// Returns how many of them `--expect` could not be evaluated on.
pub(crate) async fn read(path: &Path, selection: &mut Selection) -> Result<u64, Error> {
    let failed = |source| Error::Resume { place: path.display().to_string(), source };
    let file = match open_file(path).await {
        Ok((file, _)) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            tracing::info!(resume = %path.display(), "there are no earlier answers");
            return Ok(0);
        }
        Err(err) => return Err(failed(err)),
    };
    let mut lines = Lines::new(Box::new(file), LONGEST);
    let (mut ok, mut odd, mut not_evaluated) = (0_u64, 0_u64, 0_u64);
    loop {
        match lines.next(|_| true).await {
            Ok(Some(Line::Whole(Item { text, .. }))) => match serde_json::from_slice::<Seen>(&text) {
                Ok(seen) if seen.status == "ok" => {
                    ok += 1;
                    let expect = seen.detail.and_then(|detail| detail.expect);
                    not_evaluated += u64::from(expect.as_deref() == Some("not_evaluated"));
                    selection.leave_out(seen.line);
                }
                Ok(_) => {}
                Err(_) => odd += 1,
            },
            Ok(Some(Line::TooLong(_))) => odd += 1,
            Ok(None) => break,
            Err(Error::Read { source, .. }) => return Err(failed(source)),
            Err(err) => return Err(err),
        }
    }
    if odd > 0 {
        tracing::warn!(resume = %path.display(), lines = odd, "lines that are no answers were passed over");
    }
    tracing::info!(resume = %path.display(), ok, "earlier answers");
    Ok(not_evaluated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::Shard;

    /// The lines, of the first six, that are still to be done.
    async fn left(text: &[u8]) -> Vec<u64> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        std::fs::write(&path, text).unwrap();
        let mut selection = Selection::new(Shard::WHOLE);
        read(&path, &mut selection).await.unwrap();
        (1..=6).filter(|line| selection.takes(*line)).collect()
    }

    #[tokio::test]
    async fn ok_lines_are_done_and_all_others_are_not() {
        for (text, expected) in [
            ("", &[1, 2, 3, 4, 5, 6][..]),
            (
                "{\"line\":2,\"status\":\"ok\",\"payload\":[1]}\n{\"line\":1,\"status\":\"ok\"}\n",
                &[3, 4, 5, 6],
            ),
            // Appended: what failed at first was ok later, and the other way round.
            (
                "{\"line\":1,\"status\":\"failed\"}\n{\"line\":2,\"status\":\"ok\"}\n{\"line\":1,\"status\":\"ok\"}\n{\"line\":2,\"status\":\"unknown\"}\n",
                &[3, 4, 5, 6],
            ),
            ("{\"line\":1,\"status\":\"ok\"}\n{\"line\":2,\"status\":\"ok\",\"payl", &[2, 3, 4, 5, 6]),
            // Torn, and then written on by another hand.
            (
                "{\"line\":2,\"sta{\"line\":1,\"status\":\"ok\"}\n{\"line\":3,\"status\":\"ok\"}\n",
                &[1, 2, 4, 5, 6],
            ),
            (
                "\n\nno json\n[1]\n{\"status\":\"ok\"}\n{\"line\":\"1\",\"status\":\"ok\"}\n",
                &[1, 2, 3, 4, 5, 6],
            ),
            ("{\"status\":\"\\u006fk\",\"line\":1}\r\n", &[2, 3, 4, 5, 6]),
            ("{\"line\":0,\"status\":\"ok\"}\n{\"line\":99,\"status\":\"ok\"}\n", &[1, 2, 3, 4, 5, 6]),
        ] {
            assert_eq!(left(text.as_bytes()).await, expected, "{text}");
        }
        assert_eq!(left(b"\xff\n{\"line\":1,\"status\":\"ok\"}").await, [2, 3, 4, 5, 6]);
    }

    #[tokio::test]
    async fn a_missing_file_is_a_first_run_and_a_folder_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let mut selection = Selection::new(Shard::WHOLE);
        read(&folder.path().join("none"), &mut selection).await.unwrap();
        assert!(matches!(read(folder.path(), &mut selection).await, Err(Error::Resume { .. })));
    }
}
