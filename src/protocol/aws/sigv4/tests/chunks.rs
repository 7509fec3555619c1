//! The published examples of "Signature calculations for the Authorization header: transferring payload in multiple
//! chunks", with and without trailers.

use super::{
    super::{Claim, Head, SignatureError, Verifier},
    support::Request,
};
use crate::{
    base::time::Timestamp,
    protocol::aws::wire::chunked::{self, Chunked},
};
use bytes::Bytes;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// 2013-05-24 00:00:00.
const SIGNED_AT: Timestamp = Timestamp(1_369_353_600_000);
const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const WITH_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const CHECKSUM: &str = "x-amz-checksum-crc32c:sOO8/Q==\r\n";
const SIGNATURES: [&str; 3] = [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
];
const TRAILER_SIGNATURES: [&str; 4] = [
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435",
];

/// The example's request: 65 KiB of the letter `a`, in chunks of 64 KiB.
fn request(said: &str) -> Request {
    let names = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
                 x-amz-storage-class";
    let (names, signature) = match said {
        SIGNED => (names.to_owned(), "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"),
        _ => {
            let names = names.replace("content-length;host", "host").replace("x-amz-storage-class", "x-amz-trailer");
            (names, "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e")
        }
    };
    let names =
        if said == SIGNED { names } else { names.replace("x-amz-trailer", "x-amz-storage-class;x-amz-trailer") };
    let scope = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
    let authorization = format!("AWS4-HMAC-SHA256 Credential={scope},SignedHeaders={names},Signature={signature}");
    let request = Request { method: "PUT".into(), path: "/examplebucket/chunkObject.txt".into(), ..Request::default() };
    let request = request
        .with_header("host", "s3.amazonaws.com")
        .with_header("x-amz-date", "20130524T000000Z")
        .with_header("x-amz-storage-class", "REDUCED_REDUNDANCY")
        .with_header("authorization", &authorization)
        .with_header("x-amz-content-sha256", said)
        .with_header("content-encoding", "aws-chunked")
        .with_header("x-amz-decoded-content-length", "66560");
    if said == SIGNED {
        request.with_header("content-length", "66824")
    } else {
        request.with_header("x-amz-trailer", "x-amz-checksum-crc32c")
    }
}

fn body(signatures: &[&str], trailers: &str) -> String {
    let chunk = |size: usize, at: usize, end: &str| {
        format!("{size:x};chunk-signature={}\r\n{}{end}", signatures[at], "a".repeat(size))
    };
    format!("{}{}{}{trailers}\r\n", chunk(65536, 0, "\r\n"), chunk(1024, 1, "\r\n"), chunk(0, 2, ""))
}

fn with_trailer() -> String {
    body(&TRAILER_SIGNATURES, &format!("{CHECKSUM}x-amz-trailer-signature:{}\r\n", TRAILER_SIGNATURES[3]))
}

fn verify(said: &str, body: String) -> Result<(), SignatureError> {
    let request = request(said);
    let headers = request.header_map();
    let chunked: Chunked = chunked::unpack(&headers, &Bytes::from(body)).expect("well formed").expect("in chunks");
    let head = Head { method: &request.method, path: &request.path, query: "", authority: None, headers: &headers };
    let claim = Claim::parse(&head)?.expect("signed");
    Verifier::default().verify_chunked(&claim, &head, &chunked, SECRET, SIGNED_AT)
}

#[test]
fn the_published_examples_hold() {
    assert_eq!(verify(SIGNED, body(&SIGNATURES, "")), Ok(()));
    assert_eq!(verify(WITH_TRAILER, with_trailer()), Ok(()));
}

#[test]
fn a_chunk_a_trailer_or_a_signature_that_was_changed_is_refused() {
    let refused = |said: &str, body: String| assert_eq!(verify(said, body), Err(SignatureError::Mismatch));
    refused(SIGNED, body(&SIGNATURES, "").replacen("aaaa", "aaab", 1));
    for changed in 0..3 {
        let mut signatures = SIGNATURES;
        signatures[changed] = SIGNATURES[(changed + 1) % 3];
        refused(SIGNED, body(&signatures, ""));
    }
    refused(SIGNED, body(&SIGNATURES, "").replacen(&format!(";chunk-signature={}", SIGNATURES[1]), "", 1));
    refused(WITH_TRAILER, with_trailer().replace("sOO8/Q==", "AAAA/Q=="));
    refused(WITH_TRAILER, with_trailer().replace("x-amz-trailer-signature:d8", "x-amz-trailer-signature:d9"));
    refused(WITH_TRAILER, body(&TRAILER_SIGNATURES, CHECKSUM));
}

#[test]
fn a_head_that_names_the_form_signs_it() {
    // The chunks hold for their own form; said to be unsigned, the head does not.
    let request = request(SIGNED);
    let mut headers = request.header_map();
    headers.insert("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER".parse().expect("a value"));
    let chunked = chunked::unpack(&headers, &Bytes::from(body(&SIGNATURES, ""))).expect("well formed");
    let head = Head { method: &request.method, path: &request.path, query: "", authority: None, headers: &headers };
    let claim = Claim::parse(&head).expect("well formed").expect("signed");
    let verified = Verifier::default().verify_chunked(&claim, &head, &chunked.expect("chunks"), SECRET, SIGNED_AT);
    assert_eq!(verified, Err(SignatureError::Mismatch));
}
