//! Frames of `application/vnd.amazon.eventstream`.
//!
//! A frame is its length, the length of its headers, a checksum of these two, the headers, the payload and a
//! checksum of everything before it; all numbers are big-endian, all checksums CRC-32.

use bytes::{BufMut as _, Bytes, BytesMut};

/// What such a body is called.
pub(crate) const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// Both lengths and their checksum.
const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;
/// The type of a header whose value is text.
const TEXT: u8 = 7;

/// An event.
pub(crate) fn event(kind: &str, content_type: &str, payload: &[u8]) -> Bytes {
    frame(&[(":event-type", kind), (":content-type", content_type), (":message-type", "event")], payload)
}

/// An error that ends the stream.
pub(crate) fn exception(kind: &str, payload: &[u8]) -> Bytes {
    let headers =
        [(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")];
    frame(&headers, payload)
}

fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut block = BytesMut::new();
    for (name, value) in headers {
        // Names and values here are words of the protocol: far below the limits of their length fields.
        block.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        block.put_slice(name.as_bytes());
        block.put_u8(TEXT);
        block.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        block.put_slice(value.as_bytes());
    }
    let total = PRELUDE + block.len() + payload.len() + CHECKSUM;
    let mut frame = BytesMut::with_capacity(total);
    frame.put_u32(u32::try_from(total).unwrap_or(u32::MAX));
    frame.put_u32(u32::try_from(block.len()).unwrap_or(u32::MAX));
    frame.put_u32(crc32fast::hash(&frame));
    frame.put_slice(&block);
    frame.put_slice(payload);
    frame.put_u32(crc32fast::hash(&frame));
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hex;

    /// Frames that botocore's parser reads as meant.
    #[test]
    fn as_botocore_reads_them() {
        assert_eq!(
            hex(&event("PayloadChunk", "application/octet-stream", b"hello")),
            "0000006f0000005af5fe871f0b3a6576656e742d7479706507000c5061796c6f61644368756e6b0d3a636f6e74656e742d74797065\
             0700186170706c69636174696f6e2f6f637465742d73747265616d0d3a6d6573736167652d747970650700056576656e7468656c6c6f\
             29e71260"
        );
        assert_eq!(
            hex(&exception("ModelStreamError", b"{}")),
            "000000700000005e102343550f3a657863657074696f6e2d747970650700104d6f64656c53747265616d4572726f720d3a636f6e7465\
             6e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74797065070009657863657074696f6e7b7d\
             4a86ad4d"
        );
    }
}
