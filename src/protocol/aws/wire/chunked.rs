//! Bodies sent in chunks that carry their own signatures or end with trailers: the framing that AWS calls `aws-chunked`.
//!
//! `SIZE[;chunk-signature=SIGNATURE]\r\n DATA \r\n`, repeated, SIZE in hexadecimal; then a chunk of size 0, then perhaps
//! trailers, one a line, then an empty line. Nothing here is proved: see [`sigv4`](super::super::sigv4) for that.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use sha2::{Digest, Sha256};
use std::ops::Range;

pub(in crate::protocol::aws) const PAYLOAD: &str = "x-amz-content-sha256";
const STREAMING: &str = "STREAMING-";
const TRAILER: &str = "-TRAILER";
const DECODED_LENGTH: &str = "x-amz-decoded-content-length";
const CHUNK_SIGNATURE: &str = ";chunk-signature=";
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";
/// The longest line of a chunk or a trailer.
const LINE_BYTES_MAX: usize = 4096;
const TRAILERS_MAX: usize = 16;

/// Name and value.
type Trailer = (String, String);

/// A body without its framing, and what the framing said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::protocol::aws) struct Chunked {
    /// What the chunks hold together.
    pub(in crate::protocol::aws) content: Bytes,
    /// All of them, the empty one at the end too.
    pub(in crate::protocol::aws) chunks: Vec<Chunk>,
    /// As sent; without the signature.
    pub(in crate::protocol::aws) trailers: Vec<Trailer>,
    pub(in crate::protocol::aws) trailer_signature: Option<String>,
}

/// Where a chunk's data stands in the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::protocol::aws) struct Chunk {
    pub(in crate::protocol::aws) data: Range<usize>,
    pub(in crate::protocol::aws) signature: Option<String>,
}

/// Why a body is not what its head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::protocol::aws) enum ChunkError {
    #[error("The chunks of the request's body are malformed.")]
    Malformed,
    #[error("The request's body is not as long as x-amz-decoded-content-length says.")]
    Length,
    #[error("The request's body does not match the checksum of its trailer.")]
    Checksum,
}

/// Takes a body apart; `None` when its head says that it stands there as it is.
pub(in crate::protocol::aws) fn unpack(headers: &HeaderMap, body: &Bytes) -> Result<Option<Chunked>, ChunkError> {
    let said = headers.get(PAYLOAD).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !said.starts_with(STREAMING) {
        return Ok(None);
    }
    let chunked = Reader { rest: body }.chunked(said.ends_with(TRAILER))?;
    if let Some(length) = headers.get(DECODED_LENGTH) {
        let length = length.to_str().ok().and_then(|length| length.parse::<usize>().ok());
        if length != Some(chunked.content.len()) {
            return Err(ChunkError::Length);
        }
    }
    chunked.check_sums()?;
    Ok(Some(chunked))
}

impl Chunked {
    /// Checksums of other kinds say nothing that the length and the signatures do not.
    fn check_sums(&self) -> Result<(), ChunkError> {
        for (name, value) in &self.trailers {
            let computed = match name.to_ascii_lowercase().as_str() {
                "x-amz-checksum-crc32" => BASE64.encode(crc32fast::hash(&self.content).to_be_bytes()),
                "x-amz-checksum-sha256" => BASE64.encode(Sha256::digest(&self.content)),
                _ => continue,
            };
            if computed != *value {
                return Err(ChunkError::Checksum);
            }
        }
        Ok(())
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn chunked(mut self, has_trailers: bool) -> Result<Chunked, ChunkError> {
        let mut content = BytesMut::with_capacity(self.rest.len());
        let mut chunks = Vec::new();
        loop {
            let (size, signature) = self.head()?;
            let data = self.rest.split_at_checked(size).ok_or(ChunkError::Malformed)?;
            self.rest = data.1;
            let start = content.len();
            content.extend_from_slice(data.0);
            chunks.push(Chunk { data: start..content.len(), signature });
            if size == 0 {
                break;
            }
            self.expect(b"\r\n")?;
        }
        let (trailers, trailer_signature) = if has_trailers { self.trailers()? } else { (Vec::new(), None) };
        // Some clients leave the empty line out when there is nothing before it.
        if !self.rest.is_empty() {
            self.expect(b"\r\n")?;
        }
        match self.rest {
            [] => Ok(Chunked { content: content.freeze(), chunks, trailers, trailer_signature }),
            [..] => Err(ChunkError::Malformed),
        }
    }

    /// The line before a chunk's data.
    fn head(&mut self) -> Result<(usize, Option<String>), ChunkError> {
        let line = self.line()?;
        let (size, signature) = match line.split_once(CHUNK_SIGNATURE) {
            Some((size, signature)) => (size, Some(signature.to_owned())),
            None => (line, None),
        };
        let is_hex = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = is_hex.then(|| usize::from_str_radix(size, 16).ok()).flatten();
        Ok((size.ok_or(ChunkError::Malformed)?, signature))
    }

    fn trailers(&mut self) -> Result<(Vec<Trailer>, Option<String>), ChunkError> {
        let (mut trailers, mut signature) = (Vec::new(), None);
        while !self.rest.is_empty() && !self.rest.starts_with(b"\r\n") {
            let (name, value) = self.line()?.split_once(':').ok_or(ChunkError::Malformed)?;
            if name.eq_ignore_ascii_case(TRAILER_SIGNATURE) {
                signature = Some(value.trim().to_owned());
            } else if trailers.len() < TRAILERS_MAX {
                trailers.push((name.to_owned(), value.trim().to_owned()));
            } else {
                return Err(ChunkError::Malformed);
            }
        }
        Ok((trailers, signature))
    }

    /// Up to the next line end, which is taken too.
    fn line(&mut self) -> Result<&'a str, ChunkError> {
        let within = self.rest.get(..self.rest.len().min(LINE_BYTES_MAX)).unwrap_or_default();
        let end = within.windows(2).position(|pair| pair == b"\r\n").ok_or(ChunkError::Malformed)?;
        let (line, rest) = self.rest.split_at_checked(end).ok_or(ChunkError::Malformed)?;
        self.rest = rest;
        self.expect(b"\r\n")?;
        std::str::from_utf8(line).map_err(|_| ChunkError::Malformed)
    }

    fn expect(&mut self, wanted: &[u8]) -> Result<(), ChunkError> {
        self.rest = self.rest.strip_prefix(wanted).ok_or(ChunkError::Malformed)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UNSIGNED: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

    fn unpacked(said: &str, more: &[(&'static str, &str)], body: &[u8]) -> Result<Option<Chunked>, ChunkError> {
        let mut headers = HeaderMap::new();
        for (name, value) in more.iter().copied().chain([(PAYLOAD, said)]) {
            headers.insert(name, value.parse().expect("a header's value"));
        }
        unpack(&headers, &Bytes::copy_from_slice(body))
    }

    fn content(said: &str, body: &str) -> Result<String, ChunkError> {
        let chunked = unpacked(said, &[], body.as_bytes())?.expect("it is in chunks");
        Ok(String::from_utf8_lossy(&chunked.content).into_owned())
    }

    #[test]
    fn chunks_are_put_together_and_trailers_read() {
        let body = b"4\r\nWiki\r\nB;chunk-signature=ab\r\n\r\npedia in \r\n0\r\nX-Amz-Checksum-CRC32:iZDXNw==\r\n\
                     x-amz-trailer-signature:cd\r\n\r\n";
        let sum = BASE64.encode(crc32fast::hash(b"Wiki\r\npedia in ").to_be_bytes());
        let body = String::from_utf8_lossy(body).replace("iZDXNw==", &sum);
        let length = [(DECODED_LENGTH, "15")];
        let found = unpacked(UNSIGNED, &length, body.as_bytes());
        let found = found.expect("well formed").expect("in chunks");
        assert_eq!(found.content, "Wiki\r\npedia in ");
        let signatures: Vec<_> = found.chunks.iter().map(|chunk| chunk.signature.as_deref()).collect();
        assert_eq!(signatures, [None, Some("ab"), None]);
        assert_eq!(found.trailers, [("X-Amz-Checksum-CRC32".to_owned(), sum)]);
        assert_eq!(found.trailer_signature.as_deref(), Some("cd"));
        assert_eq!(unpacked("UNSIGNED-PAYLOAD", &[], b"4\r\nWiki\r\n0\r\n\r\n"), Ok(None));
        assert_eq!(content(UNSIGNED, "0\r\n"), Ok(String::new()), "the empty line may be missing");
    }

    #[test]
    fn what_is_not_whole_or_not_what_it_says_is_refused() {
        for body in [
            "",
            "4",
            "4\r\n",
            "4\r\nWiki",
            "4\r\nWiki\r\n",
            "4\r\nWikiX\r\n0\r\n\r\n",
            "-4\r\nWiki\r\n0\r\n\r\n",
            "+4\r\nWiki\r\n0\r\n\r\n",
            "g\r\n",
            "ffffffffffffffff\r\n",
            "11111111111111111\r\n",
            "0\r\n\r\nmore",
            "0\r\nno colon\r\n\r\n",
        ] {
            assert_eq!(content(UNSIGNED, body), Err(ChunkError::Malformed), "{body:?}");
        }
        let plain = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
        assert_eq!(content(plain, "0\r\na:b\r\n\r\n"), Err(ChunkError::Malformed), "no trailer was announced");
        let too_many = format!("0\r\n{}\r\n", "a:b\r\n".repeat(TRAILERS_MAX + 1));
        assert_eq!(content(UNSIGNED, &too_many), Err(ChunkError::Malformed));
        let short = unpacked(UNSIGNED, &[(DECODED_LENGTH, "5")], b"4\r\nWiki\r\n0\r\n\r\n");
        assert_eq!(short, Err(ChunkError::Length));
        for name in ["x-amz-checksum-crc32", "x-amz-checksum-sha256"] {
            assert_eq!(content(UNSIGNED, &format!("0\r\n{name}:AAAAAB==\r\n\r\n")), Err(ChunkError::Checksum));
        }
        assert_eq!(content(UNSIGNED, "0\r\nx-amz-checksum-crc32c:AAAAAB==\r\n\r\n"), Ok(String::new()));
    }

    proptest! {
        #[test]
        fn however_a_body_is_cut_it_is_put_together_again(parts in proptest::collection::vec("[ -~\r\n]{1,40}", 0..8)) {
            let mut body = String::new();
            for part in &parts {
                body += &format!("{:X}\r\n{part}\r\n", part.len());
            }
            prop_assert_eq!(content(UNSIGNED, &(body + "0\r\n\r\n")), Ok(parts.concat()));
        }

        #[test]
        fn no_body_makes_the_reader_panic(body in "[0-9a-f;:=\r\n]{0,60}") {
            let _ = content(UNSIGNED, &body);
        }
    }
}
