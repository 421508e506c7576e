//! The body of a `PutObject`, as clients send it: plain, or in chunks with a checksum after them.

use bytes::{Bytes, BytesMut};

use crate::crypto::from_base64;
use crate::dispatch::Incoming;
use crate::refusal::Refusal;

const CHECKSUM: &str = "x-amz-checksum-crc32";

/// The data of an object, if it is what its checksum tells of.
pub(crate) fn data(incoming: &Incoming) -> Result<Bytes, Refusal> {
    let claimed = incoming.header(CHECKSUM).map(str::to_owned);
    let chunked = incoming.header("content-encoding").is_some_and(|coding| coding.contains("aws-chunked"));
    let (data, claimed) = if chunked {
        let (data, trailer) = unchunked(&incoming.body).ok_or_else(incomplete)?;
        (data, trailer.or(claimed))
    } else {
        (incoming.body.clone(), claimed)
    };
    let length = incoming.header("x-amz-decoded-content-length").and_then(|length| length.parse().ok());
    if length.is_some_and(|length: usize| length != data.len()) {
        return Err(incomplete());
    }
    let sum = crc32fast::hash(&data).to_be_bytes();
    if claimed.is_some_and(|claimed| from_base64(&claimed).as_deref() != Some(&sum[..])) {
        let text = "The CRC32 you specified did not match the calculated checksum.";
        return Err(Refusal::new(400, "BadDigest", text));
    }
    Ok(data)
}

/// Takes chunks and trailing headers apart; gives the data and its checksum.
fn unchunked(body: &[u8]) -> Option<(Bytes, Option<String>)> {
    let (mut data, mut rest) = (BytesMut::new(), body);
    let line = |rest: &mut &[u8]| {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let text = std::str::from_utf8(&rest[..end]).ok()?.to_owned();
        *rest = &rest[end + 2..];
        Some(text)
    };
    loop {
        let size = usize::from_str_radix(line(&mut rest)?.split(';').next()?, 16).ok()?;
        if size == 0 {
            break;
        }
        data.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
    let mut checksum = None;
    while let Some(text) = line(&mut rest) {
        checksum = text
            .strip_prefix(CHECKSUM)
            .and_then(|t| t.strip_prefix(':'))
            .map(|t| t.trim().to_owned())
            .or(checksum);
    }
    Some((data.freeze(), checksum))
}

fn incomplete() -> Refusal {
    let text = "You did not provide the number of bytes specified by the Content-Length HTTP header";
    Refusal::new(400, "IncompleteBody", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_and_their_checksum() {
        let body = b"5\r\nhello\r\n1\r\n!\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        assert_eq!(unchunked(body), Some((Bytes::from_static(b"hello!"), Some("AAAA".into()))));
        assert_eq!(unchunked(b"0\r\n\r\n"), Some((Bytes::new(), None)));
        for bad in [&b"5\r\nhell"[..], b"x\r\n", b"5\r\nhello!\r\n0\r\n\r\n", b""] {
            assert_eq!(unchunked(bad), None);
        }
    }
}
