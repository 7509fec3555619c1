//! The canonical request: method, path, query, signed headers and payload in the one spelling that both sides hash.

use super::{
    claim::{Claim, Form},
    encode::{decoded, push},
    head::Head,
    payload::Payload,
    presigned::{SECURITY_TOKEN, SIGNATURE},
};
use std::ops::Range;

/// Room for the canonical request of what SDKs send, so that it is written without growing.
const CAPACITY: usize = 1024;

/// Choices that a client may have made either way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading<'a> {
    pub(super) host: &'a [u8],
    /// The security token of a presigned request is left out: some clients add it to the finished link.
    pub(super) without_token: bool,
}

pub(super) fn request(claim: &Claim<'_>, head: &Head<'_>, reading: Reading<'_>, payload: &Payload<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(CAPACITY + head.query.len());
    out.extend_from_slice(head.method.as_bytes());
    out.push(b'\n');
    path(&mut out, head.path);
    out.push(b'\n');
    query(&mut out, head.query, claim.form, reading.without_token);
    out.push(b'\n');
    for name in claim.signed_headers.split(';') {
        header(&mut out, head, name, reading.host);
    }
    out.push(b'\n');
    out.extend_from_slice(claim.signed_headers.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload.as_bytes());
    out
}

/// The path without empty, `.` and `..` segments (RFC 3986, section 5.2.4), each byte of it encoded once more than on
/// the wire.
fn path(out: &mut Vec<u8>, path: &str) {
    let start = out.len();
    out.push(b'/');
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                // Back to behind the slash before the last segment.
                let written = out.get(start + 1..).unwrap_or_default();
                let without_slash = written.strip_suffix(b"/").unwrap_or(written);
                let kept = without_slash.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
                out.truncate(start + 1 + kept);
            }
            _ => {
                segment.bytes().for_each(|byte| push(out, byte));
                out.push(b'/');
            }
        }
    }
    let is_folder = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    if !is_folder && out.len() > start + 1 {
        out.pop();
    }
}

/// One parameter: where its encoded name and value stand in the scratch.
type Pair = (Range<usize>, Range<usize>);

/// The parameters encoded, in the order of their encoded names and then values.
fn query(out: &mut Vec<u8>, query: &str, form: Form, without_token: bool) {
    if query.is_empty() {
        return;
    }
    let is_left_out = |name: &str| match form {
        Form::Header => false,
        Form::Presigned { .. } => name == SIGNATURE || (without_token && name == SECURITY_TOKEN),
    };
    let mut scratch = Vec::with_capacity(query.len() * 2);
    let mut pairs: Vec<Pair> = Vec::with_capacity(16);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if is_left_out(name) {
            continue;
        }
        let start = scratch.len();
        decoded(name.as_bytes()).for_each(|byte| push(&mut scratch, byte));
        let middle = scratch.len();
        decoded(value.as_bytes()).for_each(|byte| push(&mut scratch, byte));
        pairs.push((start..middle, middle..scratch.len()));
    }
    let text = |range: &Range<usize>| scratch.get(range.clone()).unwrap_or_default();
    pairs.sort_unstable_by(|(a, b), (c, d)| (text(a), text(b)).cmp(&(text(c), text(d))));
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(text(name));
        out.push(b'=');
        out.extend_from_slice(text(value));
    }
}

/// `name:value`, several values joined by commas; a header that is not there counts as empty.
fn header(out: &mut Vec<u8>, head: &Head<'_>, name: &str, host: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    if matches!(name, "host" | ":authority") {
        trimmed(out, host);
    } else {
        for (index, value) in head.headers.get_all(name).iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            trimmed(out, value.as_bytes());
        }
    }
    out.push(b'\n');
}

/// The value without spaces around it, and with one space where several follow each other.
fn trimmed(out: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(text: &str) -> String {
        let mut out = b"GET\n".to_vec();
        path(&mut out, text);
        String::from_utf8(out.split_off(4)).unwrap()
    }

    #[test]
    fn paths_are_normalised_and_encoded_once_more() {
        let cases = [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/./", "/"),
            ("/a/..", "/"),
            ("/../a", "/a"),
            ("/a/b/..", "/a/"),
            ("/a/b/../c", "/a/c"),
            ("/a/./b/.", "/a/b/"),
            ("/a//b/", "/a/b/"),
            ("/000000000000/my-queue.fifo", "/000000000000/my-queue.fifo"),
            ("/a b~", "/a%20b~"),
            ("/a%20b", "/a%2520b"),
            ("/a%2F../b", "/a%252F../b"),
        ];
        for (text, canonical) in cases {
            assert_eq!(path_of(text), canonical, "{text}");
        }
    }

    #[test]
    fn parameters_are_sorted_by_their_encoded_bytes() {
        let canonical = |text| {
            let mut out = Vec::new();
            query(&mut out, text, Form::Header, false);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(canonical("b=2&a=1&a=0&a"), "a=&a=0&a=1&b=2");
        assert_eq!(canonical("a-b=1&a=2&A=3"), "A=3&a=2&a-b=1");
        assert_eq!(canonical("k=a+b&k=a%2fb&&=x"), "=x&k=a%20b&k=a%2Fb");
        assert_eq!(canonical("X-Amz-Signature=1"), "X-Amz-Signature=1");
    }
}
