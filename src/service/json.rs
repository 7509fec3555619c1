//! Whether a text is JSON (RFC 8259), without keeping anything of it: enough for policies, which are stored to the byte.

/// Deeper nesting is refused, so that the check's stack stays small.
const DEPTH_MAX: usize = 64;

/// Whether `text` is one JSON object.
pub(super) fn is_object(text: &str) -> bool {
    let mut reader = Reader { rest: text.as_bytes() };
    reader.space();
    reader.rest.first() == Some(&b'{') && reader.value(0).is_some() && {
        reader.space();
        reader.rest.is_empty()
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn take(&mut self, wanted: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.space();
        match self.rest.first()? {
            b'{' => self.list(b"{", b"}", |reader| {
                reader.space();
                reader.string()?;
                reader.space();
                reader.take(b":")?;
                reader.value(depth + 1)
            }),
            b'[' => self.list(b"[", b"]", |reader| reader.value(depth + 1)),
            b'"' => self.string(),
            b't' => self.take(b"true"),
            b'f' => self.take(b"false"),
            b'n' => self.take(b"null"),
            _ => self.number(),
        }
    }

    fn list(&mut self, open: &[u8], close: &[u8], mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(open)?;
        self.space();
        if self.take(close).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            self.space();
            if self.take(close).is_some() {
                return Some(());
            }
            self.take(b",")?;
        }
    }

    fn string(&mut self) -> Option<()> {
        self.take(b"\"")?;
        loop {
            let (first, rest) = self.rest.split_first()?;
            self.rest = rest;
            match first {
                b'"' => return Some(()),
                b'\\' => self.escape()?,
                0..=0x1f => return None,
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let (kind, rest) = self.rest.split_first()?;
        self.rest = rest;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let (digits, rest) = self.rest.split_at_checked(4)?;
                self.rest = rest;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    fn digits(&mut self) -> Option<()> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.rest = self.rest.get(count..)?;
        (count > 0).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b"-");
        if self.take(b"0").is_none() {
            self.digits()?;
        }
        if self.take(b".").is_some() {
            self.digits()?;
        }
        if let [b'e' | b'E', rest @ ..] = self.rest {
            self.rest = rest;
            let _ = self.take(b"+").or_else(|| self.take(b"-"));
            self.digits()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_told_from_everything_else() {
        for good in ["{}", " {\"a\":[1,-0.5e+3,true,false,null,\"\\u00e9\\n\"]} ", "{\"a\":{\"b\":{}}}"] {
            assert!(is_object(good), "{good}");
        }
        let bad =
            ["", "[]", "1", "{", "{}x", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{'a':1}", "{\"a\":01}", "{\"a\":\"\t\"}"];
        for bad in bad {
            assert!(!is_object(bad), "{bad}");
        }
        assert!(!is_object(&format!("{{\"a\":{}}}", "[".repeat(100_000))));
    }
}
