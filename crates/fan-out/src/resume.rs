//! The responses of an earlier run.

use crate::digest::Digest;
use crate::earlier::{Done, Earlier};
use crate::error::Error;
use crate::lines::{Item, Line, Lines, open_file};
use serde::Deserialize;
use std::borrow::Cow;
use std::io;
use std::path::Path;

/// No response has more bytes: the largest payload that a service sends, were each of its bytes escaped.
const LONGEST: usize = 256 * 1024 * 1024;

/// What counts of a response.
#[derive(Deserialize)]
struct Seen<'a> {
    line: u64,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    digest: Option<Cow<'a, str>>,
    #[serde(borrow)]
    detail: Option<Detail<'a>>,
}

/// What counts of its detail, whose other members are the binary's.
#[derive(Deserialize)]
struct Detail<'a> {
    #[serde(borrow)]
    expect: Option<Cow<'a, str>>,
}

impl Seen<'_> {
    fn done(&self) -> Done {
        let expect = self.detail.as_ref().and_then(|detail| detail.expect.as_deref());
        match &*self.status {
            "ok" if expect == Some("not_evaluated") => Done::NotEvaluated,
            "ok" => Done::Ok,
            "unknown" => Done::Unknown,
            _ => Done::No,
        }
    }
}

/// Reads which lines have a response, at whatever place and after however many others.
///
/// What is not a response is passed over: a killed run leaves half a line. A file that does not exist is not a mistake:
/// the first run of a Job has none.
///
/// # Errors
/// The file cannot be read, or a response has no digest, so that nothing says which line it belongs to.
pub(crate) async fn read(path: &Path) -> Result<Earlier, Error> {
    let failed = |source| Error::Resume { place: path.display().to_string(), source };
    let mut earlier = Earlier::default();
    let file = match open_file(path).await {
        Ok((file, _)) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            tracing::info!(resume = %path.display(), "there are no earlier responses");
            return Ok(earlier);
        }
        Err(err) => return Err(failed(err)),
    };
    let mut lines = Lines::new(Box::new(file), LONGEST);
    let (mut ok, mut odd) = (0_u64, 0_u64);
    loop {
        match lines.next(|_| true).await {
            Ok(Some(Line::Whole(Item { line: number, text }))) => match serde_json::from_slice::<Seen>(&text)
            {
                Ok(seen) => match seen.digest.as_deref().map(Digest::parse) {
                    Some(Some(digest)) => {
                        ok += u64::from(seen.status == "ok");
                        earlier.note(digest, seen.line, seen.done());
                    }
                    // It was never sent: a line that is too long is not held, and has no digest.
                    None if seen.status == "usage" => {}
                    None | Some(None) => {
                        return Err(Error::NoDigest { place: path.display().to_string(), number });
                    }
                },
                Err(_) => odd += 1,
            },
            Ok(Some(Line::TooLong(_))) => odd += 1,
            Ok(None) => break,
            Err(Error::Read { source, .. }) => return Err(failed(source)),
            Err(err) => return Err(err),
        }
    }
    earlier.complete();
    if odd > 0 {
        tracing::warn!(resume = %path.display(), lines = odd, "lines that are not responses were passed over");
    }
    tracing::info!(resume = %path.display(), ok, "earlier responses read");
    Ok(earlier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Target;

    /// The digest of a line of its own number.
    fn digest(line: u64) -> Digest {
        Target::new(&"t").digest(&line.to_be_bytes())
    }

    /// Writes `text` with the digests of the lines in place of `D1` to `D9`, and reads it.
    async fn earlier(text: &[u8]) -> Result<Earlier, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut text = String::from_utf8_lossy(text).into_owned();
        for line in 1..10 {
            let digest = serde_json::to_string(&digest(line)).unwrap();
            text = text.replace(&format!("D{line}"), &format!("\"digest\":{digest}"));
        }
        std::fs::write(&path, text).unwrap();
        read(&path).await
    }

    /// The lines, of the first six, that are still to be done.
    async fn left(text: &[u8]) -> Vec<u64> {
        let mut earlier = earlier(text).await.unwrap();
        (1..=6).filter(|line| earlier.take(digest(*line)) == Done::No).collect()
    }

    #[tokio::test]
    async fn ok_lines_are_done_and_all_others_are_not() {
        for (text, expected) in [
            ("", &[1, 2, 3, 4, 5, 6][..]),
            (
                "{\"line\":2,\"status\":\"ok\",D2,\"payload\":[1]}\n{\"line\":1,\"status\":\"ok\",D1}\n",
                &[3, 4, 5, 6],
            ),
            // Appended: what failed at first was ok later, and the other way round.
            (
                "{\"line\":1,\"status\":\"failed\",D1}\n{\"line\":2,\"status\":\"ok\",D2}\n\
                 {\"line\":1,\"status\":\"ok\",D1}\n{\"line\":2,\"status\":\"failed\",D2}\n",
                &[3, 4, 5, 6],
            ),
            ("{\"line\":1,\"status\":\"ok\",D1}\n{\"line\":2,\"status\":\"ok\",D2,\"payl", &[2, 3, 4, 5, 6]),
            // Torn, and then appended to by another program.
            (
                "{\"line\":2,\"sta{\"line\":1,\"status\":\"ok\",D1}\n{\"line\":3,\"status\":\"ok\",D3}\n",
                &[1, 2, 4, 5, 6],
            ),
            (
                "\n\nno json\n[1]\n{\"status\":\"ok\"}\n{\"line\":\"1\",\"status\":\"ok\"}\n",
                &[1, 2, 3, 4, 5, 6],
            ),
            ("{\"status\":\"\\u006fk\",D1,\"line\":1}\r\n", &[2, 3, 4, 5, 6]),
            // The number of a line is not what counts.
            ("{\"line\":99,\"status\":\"ok\",D1}\n", &[2, 3, 4, 5, 6]),
            ("{\"line\":9,\"status\":\"usage\",\"error\":\"too long\"}\n", &[1, 2, 3, 4, 5, 6]),
            ("{\"line\":2,\"status\":\"unknown\",D2}\n", &[1, 3, 4, 5, 6]),
        ] {
            assert_eq!(left(text.as_bytes()).await, expected, "{text}");
        }
        assert_eq!(left(b"\xff\n{\"line\":1,\"status\":\"ok\",D1}").await, [2, 3, 4, 5, 6]);
    }

    #[tokio::test]
    async fn what_could_not_be_judged_is_known_by_its_detail() {
        let mut earlier = earlier(
            b"{\"line\":1,\"status\":\"ok\",D1,\"detail\":{\"expect\":\"not_evaluated\"}}\n\
              {\"line\":2,\"status\":\"ok\",D2,\"detail\":{\"stack\":[]}}\n",
        )
        .await
        .unwrap();
        assert_eq!([1, 2].map(|line| earlier.take(digest(line))), [Done::NotEvaluated, Done::Ok]);
    }

    #[tokio::test]
    async fn a_response_without_a_digest_is_refused() {
        for text in [
            "{\"line\":1,\"status\":\"ok\",D1}\n{\"line\":2,\"status\":\"ok\"}\n",
            "{\"line\":1,\"status\":\"ok\",D1}\n{\"line\":2,\"status\":\"failed\",\"digest\":\"0\"}\n",
        ] {
            let refused = earlier(text.as_bytes()).await;
            assert!(matches!(refused, Err(Error::NoDigest { number: 2, .. })), "{text}");
        }
    }

    #[tokio::test]
    async fn a_missing_file_is_a_first_run_and_a_directory_is_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&folder.path().join("none")).await.is_ok());
        assert!(matches!(read(folder.path()).await, Err(Error::Resume { .. })));
    }
}
