//! The framing of `application/vnd.amazon.eventstream`.
//!
//! `length u32 | length of the headers u32 | crc u32 of both | headers | payload | crc u32 of all before`, big endian; a
//! header is `length u8 | name | 7 | length u16 | text`.

use bytes::{BufMut, Bytes, BytesMut};

/// What a text is marked with, among the kinds of a header's value.
const TEXT: u8 = 7;
/// Two lengths and three checksums, of which one is the payload's.
const FRAME_BYTES: usize = 16;
/// A header without its name and value.
const HEADER_BYTES: usize = 4;

/// One message. Names and values of headers are short texts of this program.
pub(in crate::protocol::aws) fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let headers_len: usize = headers.iter().map(|(name, value)| HEADER_BYTES + name.len() + value.len()).sum();
    let total = FRAME_BYTES + headers_len + payload.len();
    let mut out = BytesMut::with_capacity(total);
    out.put_u32(wide(total));
    out.put_u32(wide(headers_len));
    out.put_u32(crc32fast::hash(&out));
    for (name, value) in headers {
        out.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        out.put_slice(name.as_bytes());
        out.put_u8(TEXT);
        out.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        out.put_slice(value.as_bytes());
    }
    out.put_slice(payload);
    out.put_u32(crc32fast::hash(&out));
    out.freeze()
}

/// An event of a kind.
pub(in crate::protocol::aws) fn event(kind: &str, content_type: &str, payload: &[u8]) -> Bytes {
    frame(&[(":event-type", kind), (":content-type", content_type), (":message-type", "event")], payload)
}

/// What ends a stream that fails.
pub(in crate::protocol::aws) fn exception(kind: &str, content_type: &str, payload: &[u8]) -> Bytes {
    frame(&[(":exception-type", kind), (":content-type", content_type), (":message-type", "exception")], payload)
}

fn wide(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The vectors that the SDKs are tested with.
    #[test]
    fn the_frames_are_those_of_the_sdks() {
        assert_eq!(hex(&frame(&[], b"")), "000000100000000005c248eb7d98c8ff");
        assert_eq!(hex(&frame(&[], b"{'foo':'bar'}")), "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936");
        assert_eq!(
            hex(&frame(&[("content-type", "application/json")], b"{'foo':'bar'}")),
            "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e\
             7b27666f6f273a27626172277d8d9c08b1"
        );
    }

    #[test]
    fn an_event_and_an_exception_say_what_they_are() {
        let event = event("initial-response", "application/json", b"{}");
        let text = String::from_utf8_lossy(&event).into_owned();
        assert!(text.contains(":message-type\u{7}\0\u{5}event"), "{text:?}");
        let failed = exception("ResourceInUseException", "application/json", b"{}");
        let text = String::from_utf8_lossy(&failed).into_owned();
        assert!(text.contains(":exception-type\u{7}\0\u{16}ResourceInUseException"), "{text:?}");
    }
}
