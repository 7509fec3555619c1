//! Text inside XML elements.

/// Adds the text with everything escaped that a parser would change or misread: carriage returns would come back as line
/// feeds.
pub(in crate::protocol::aws) fn escape(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escaped: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' => b"&quot;",
            b'\r' => b"&#xD;",
            _ => continue,
        };
        out.extend_from_slice(bytes.get(start..at).unwrap_or_default());
        out.extend_from_slice(escaped);
        start = at + 1;
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
}
