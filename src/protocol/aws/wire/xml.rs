//! Text inside XML elements.

use std::borrow::Cow;

/// What stands where XML has no character.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Whether XML 1.0 has the character.
pub(in crate::protocol::aws) fn has(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => c >= ' ',
    }
}

/// The text with replacement characters where XML has none.
pub(in crate::protocol::aws) fn legible(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.chars().all(has) {
        return text;
    }
    Cow::Owned(text.chars().map(|c| if has(c) { c } else { char::REPLACEMENT_CHARACTER }).collect())
}

/// Adds the text with everything escaped that a parser would change or misread: carriage returns would come back as line
/// feeds. Characters that XML has not, at which a parser would give up, are replaced.
pub(in crate::protocol::aws) fn escape(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let mut len = 1;
        let escaped: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' => b"&quot;",
            b'\r' => b"&#xD;",
            b'\t' | b'\n' => continue,
            0..=0x1f => REPLACEMENT,
            0xef if matches!(bytes.get(at + 1..at + 3), Some([0xbf, 0xbe | 0xbf])) => {
                len = 3;
                REPLACEMENT
            }
            _ => continue,
        };
        out.extend_from_slice(bytes.get(start..at).unwrap_or_default());
        out.extend_from_slice(escaped);
        start = at + len;
    }
    out.extend_from_slice(bytes.get(start..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_parser_would_change_is_escaped() {
        let mut out = Vec::new();
        escape(&mut out, "<a b=\"c\">&\r\n\tä</a>");
        assert_eq!(String::from_utf8_lossy(&out), "&lt;a b=&quot;c&quot;&gt;&amp;&#xD;\n\tä&lt;/a&gt;");
    }

    #[test]
    fn what_xml_has_not_is_replaced() {
        let mut out = Vec::new();
        escape(&mut out, "a\0b\u{1f}c\x7f\u{fffe}\u{ffff}d\u{fffd}\u{fffc}\u{f000}");
        let replaced = "a\u{fffd}b\u{fffd}c\x7f\u{fffd}\u{fffd}d\u{fffd}\u{fffc}\u{f000}";
        assert_eq!(std::str::from_utf8(&out), Ok(replaced));
        assert_eq!(legible("a\0b\u{ffff}\r\n\tä".into()), "a\u{fffd}b\u{fffd}\r\n\tä");
        assert!(matches!(legible("plain".into()), Cow::Borrowed("plain")));
    }
}
