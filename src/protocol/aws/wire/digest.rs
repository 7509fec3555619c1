//! The MD5s that clients compare: "Calculating the MD5 message digest for message attributes" in the SQS guide.

use crate::service::words::{Attribute, AttributeValue};
use md5::{Digest, Md5};

/// How a value travelled, as the digest tells it.
const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// An MD5 in hexadecimal.
pub(in crate::protocol::aws) struct Hex([u8; 32]);

impl Hex {
    fn of(hash: Md5) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(hash.finalize()) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        Self(text)
    }

    pub(in crate::protocol::aws) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

pub(in crate::protocol::aws) fn of_body(body: &[u8]) -> Hex {
    Hex::of(Md5::new_with_prefix(body))
}

/// `None` without attributes.
pub(in crate::protocol::aws) fn of_attributes<'a>(attributes: impl Iterator<Item = &'a Attribute>) -> Option<Hex> {
    let mut sorted: Vec<_> = attributes.collect();
    if sorted.is_empty() {
        return None;
    }
    sorted.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let mut hash = Md5::new();
    for attribute in sorted {
        add(&mut hash, attribute.name.as_bytes());
        add(&mut hash, attribute.data_type.as_bytes());
        match &attribute.value {
            AttributeValue::Text(text) => {
                hash.update([TEXT]);
                add(&mut hash, text.as_bytes());
            }
            AttributeValue::Binary(bytes) => {
                hash.update([BINARY]);
                add(&mut hash, bytes);
            }
        }
    }
    Some(Hex::of(hash))
}

fn add(hash: &mut Md5, bytes: &[u8]) {
    // Sizes are bounded by the size of a request.
    hash.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    hash.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn text(name: &str, data_type: &str, value: &str) -> Attribute {
        Attribute { name: name.into(), data_type: data_type.into(), value: AttributeValue::Text(value.into()) }
    }

    fn binary(name: &str, value: &'static [u8]) -> Attribute {
        let value = AttributeValue::Binary(Bytes::from_static(value));
        Attribute { name: name.into(), data_type: "Binary".into(), value }
    }

    #[test]
    fn digests_are_those_that_sdks_compute() {
        let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let cases = [
            (vec![text("timestamp", "Number", "1493147359900")], "235c5c510d26fb653d073faed50ae77c"),
            (vec![text("Foo", "String", "Bar")], "ae7155c6026991b6d54b11589678bf9c"),
            (vec![binary("attr", b"hello")], "04e019971f8f1c20259810536678faf2"),
            (vec![text("b", "String.custom", "x"), binary("a", b"\0\x01")], "2748ac3f060d88e8c7f89a9eba7764b8"),
            (vec![text("AWSTraceHeader", "String", trace)], "5ae4d5d7636402d80f4eb6d213245a88"),
        ];
        for (attributes, expected) in cases {
            let digest = of_attributes(attributes.iter()).expect("there are some");
            assert_eq!(digest.as_str(), expected, "{attributes:?}");
        }
        assert!(of_attributes([].iter()).is_none());
        assert_eq!(of_body(b"hello").as_str(), "5d41402abc4b2a76b9719d911017c592");
    }
}
