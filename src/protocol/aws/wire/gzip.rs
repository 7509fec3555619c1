//! Bodies that clients pack before they send them.

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, header::CONTENT_ENCODING};
use std::io::Read;

/// Why a packed body is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol::aws) enum GzipError {
    Malformed,
    TooLarge,
}

/// Unpacks a body of at most so many bytes; `None` when its head says that it is not packed.
pub(in crate::protocol::aws) fn unpack(
    headers: &HeaderMap,
    body: &[u8],
    most: usize,
) -> Result<Option<Bytes>, GzipError> {
    let said = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !said.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("gzip")) {
        return Ok(None);
    }
    let mut whole = Vec::new();
    let mut some = MultiGzDecoder::new(body).take(most as u64 + 1);
    some.read_to_end(&mut whole).map_err(|_| GzipError::Malformed)?;
    if whole.len() > most { Err(GzipError::TooLarge) } else { Ok(Some(whole.into())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("in memory");
        encoder.finish().expect("in memory")
    }

    #[test]
    fn a_packed_body_is_unpacked_up_to_a_limit() {
        let mut headers = HeaderMap::new();
        let body = packed(&[b'x'; 5000]);
        assert_eq!(unpack(&headers, &body, 5000), Ok(None));
        headers.insert(CONTENT_ENCODING, "gzip".parse().expect("a value"));
        assert_eq!(unpack(&headers, &body, 5000), Ok(Some(vec![b'x'; 5000].into())));
        assert_eq!(unpack(&headers, &body, 4999), Err(GzipError::TooLarge));
        assert_eq!(unpack(&headers, &body[..body.len() / 2], 5000), Err(GzipError::Malformed));
        assert_eq!(unpack(&headers, b"not packed", 5000), Err(GzipError::Malformed));
    }
}
