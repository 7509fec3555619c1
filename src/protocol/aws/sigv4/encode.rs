//! Percent-encoding as signatures have it: everything but letters, digits and `-._~`, with upper-case digits.

use std::borrow::Cow;

const HEX_UPPER: &[u8; 16] = b"0123456789ABCDEF";
const HEX_LOWER: &[u8; 16] = b"0123456789abcdef";

/// Appends one byte, encoded where it must be.
pub(super) fn push(out: &mut Vec<u8>, byte: u8) {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        out.push(byte);
        return;
    }
    out.extend_from_slice(&[b'%', digit(HEX_UPPER, byte >> 4), digit(HEX_UPPER, byte & 15)]);
}

/// The bytes that a part of a query stands for: `+` is a space, an escape that is none stands for itself.
pub(super) fn decoded(part: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = part;
    std::iter::from_fn(move || {
        let (&first, after) = rest.split_first()?;
        rest = after;
        match (first, after) {
            (b'+', _) => Some(b' '),
            (b'%', [high, low, after @ ..]) => match (value(*high), value(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    Some(high << 4 | low)
                }
                (None, _) | (_, None) => Some(b'%'),
            },
            (byte, _) => Some(byte),
        }
    })
}

/// A part of a query as text; `None` when it is not UTF-8.
pub(super) fn decode(part: &str) -> Option<Cow<'_, str>> {
    if !part.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(part));
    }
    String::from_utf8(decoded(part.as_bytes()).collect()).ok().map(Cow::Owned)
}

/// A hash as lower-case hexadecimal digits.
pub(super) fn hex(hash: &[u8; 32]) -> [u8; 64] {
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(hash) {
        pair.copy_from_slice(&[digit(HEX_LOWER, byte >> 4), digit(HEX_LOWER, byte & 15)]);
    }
    text
}

/// The hash that 64 hexadecimal digits spell, in lower case only: AWS compares the text.
pub(super) fn unhex(text: &[u8]) -> Option<[u8; 32]> {
    if text.len() != 64 || text.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = *pair else { return None };
        *byte = value(high)? << 4 | value(low)?;
    }
    Some(hash)
}

fn digit(digits: &[u8; 16], nibble: u8) -> u8 {
    digits.get(usize::from(nibble)).copied().unwrap_or_default()
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_part_is_decoded_leniently() {
        let text = |part| decode(part).map(Cow::into_owned);
        assert_eq!(text("a%2Fb+c%20d").as_deref(), Some("a/b c d"));
        assert_eq!(text("100%").as_deref(), Some("100%"));
        assert_eq!(text("%zz%4").as_deref(), Some("%zz%4"));
        assert_eq!(text("%ff"), None);
    }

    #[test]
    fn hexadecimal_digits_come_back() {
        let hash: [u8; 32] = std::array::from_fn(|index| (index * 37) as u8);
        assert_eq!(unhex(&hex(&hash)), Some(hash));
        assert_eq!(unhex(&[b'A'; 64]), None);
        assert_eq!(unhex(&[b'g'; 64]), None);
        assert_eq!(unhex(b"00"), None);
    }
}
