//! JSON (RFC 8259) as a tree that knows where each value stands in the text: errors can point at it, and an edit can
//! leave every other byte as it was. An object with the same name twice is refused.

use super::error::{Fault, PolicyError, quoted};
use std::{borrow::Cow, ops::Range};

/// Deeper nesting is refused: no policy needs it, and the reader's stack stays small.
const DEPTH_MAX: usize = 16;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    pub(super) value: Value<'a>,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Object(Vec<Member<'a>>),
    List(Vec<Node<'a>>),
    Text(Cow<'a, str>),
    /// As written.
    Number(&'a str),
    Bool(bool),
    Null,
}

#[derive(Clone, Debug)]
pub(super) struct Member<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) node: Node<'a>,
}

impl<'a> Node<'a> {
    pub(super) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    pub(super) fn members(&self) -> Option<&[Member<'a>]> {
        if let Value::Object(members) = &self.value { Some(members) } else { None }
    }

    /// The items of a list; anything else is one item.
    pub(super) fn items(&self) -> &[Self] {
        if let Value::List(items) = &self.value { items } else { std::slice::from_ref(self) }
    }

    /// Whether both say the same: spaces, the order of members and the spelling of characters say nothing.
    pub(super) fn means(&self, other: &Node<'_>) -> bool {
        match (&self.value, &other.value) {
            (Value::Object(here), Value::Object(there)) => {
                let named = |name: &str| there.iter().find(|member| member.name == name);
                let said = |member: &Member<'_>| named(&member.name).is_some_and(|same| member.node.means(&same.node));
                here.len() == there.len() && here.iter().all(said)
            }
            (Value::List(here), Value::List(there)) => {
                here.len() == there.len() && here.iter().zip(there).all(|(here, there)| here.means(there))
            }
            (Value::Text(here), Value::Text(there)) => here == there,
            (Value::Number(here), Value::Number(there)) => here == there,
            (Value::Bool(here), Value::Bool(there)) => here == there,
            (Value::Null, Value::Null) => true,
            (
                Value::Object(_) | Value::List(_) | Value::Text(_) | Value::Number(_) | Value::Bool(_) | Value::Null,
                _,
            ) => false,
        }
    }

    /// What stands here, for errors.
    pub(super) fn spell(&self) -> String {
        match &self.value {
            Value::Object(_) => "an object".to_owned(),
            Value::List(items) if items.is_empty() => "an empty list".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Text(text) => quoted(text),
            Value::Number(number) => (*number).to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Null => "null".to_owned(),
        }
    }
}

/// Reads one value that is the whole text.
pub(super) fn parse(text: &str) -> Result<Node<'_>, PolicyError> {
    let mut reader = Reader { text, at: 0 };
    let node = reader.value(0)?;
    reader.space();
    match reader.peek() {
        None => Ok(node),
        Some(_) => Err(reader.wrong("the end of the document")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn slice(&self, from: usize) -> &'a str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        self.at += if found { wanted.len() } else { 0 };
        found
    }

    /// Something else than `allowed` stands here.
    fn wrong(&self, allowed: &str) -> PolicyError {
        let before = self.text.get(..self.at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let found = self.rest().chars().next().map_or_else(|| "the end".to_owned(), |char| format!("{char:?}"));
        PolicyError::new(Fault::Syntax, format!("line {line}, column {column}"), found, allowed)
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, PolicyError> {
        self.space();
        if depth > DEPTH_MAX {
            return Err(self.wrong(&format!("{DEPTH_MAX} levels of nesting at most")));
        }
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => Value::Object(self.object(depth)?),
            Some(b'[') => Value::List(self.list(depth)?),
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ if self.take("true") => Value::Bool(true),
            _ if self.take("false") => Value::Bool(false),
            _ if self.take("null") => Value::Null,
            _ => return Err(self.wrong("a JSON value")),
        };
        Ok(Node { value, span: start..self.at })
    }

    fn object(&mut self, depth: usize) -> Result<Vec<Member<'a>>, PolicyError> {
        let mut members: Vec<Member<'a>> = Vec::new();
        self.take("{");
        self.space();
        if self.take("}") {
            return Ok(members);
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a name in double quotes"));
            }
            let before = self.at;
            let name = self.string()?;
            if members.iter().any(|member| member.name == name) {
                self.at = before;
                return Err(self.wrong(&format!("{} once in an object", quoted(&name))));
            }
            self.space();
            if !self.take(":") {
                return Err(self.wrong("':'"));
            }
            members.push(Member { name, node: self.value(depth + 1)? });
            self.space();
            if self.take("}") {
                return Ok(members);
            }
            if !self.take(",") {
                return Err(self.wrong("',' or '}'"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node<'a>>, PolicyError> {
        let mut items = Vec::new();
        self.take("[");
        self.space();
        if self.take("]") {
            return Ok(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take("]") {
                return Ok(items);
            }
            if !self.take(",") {
                return Err(self.wrong("',' or ']'"));
            }
        }
    }

    /// Borrows from the text unless something is escaped.
    fn string(&mut self) -> Result<Cow<'a, str>, PolicyError> {
        self.take("\"");
        let mut start = self.at;
        let mut unescaped: Option<String> = None;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let piece = self.slice(start);
                    self.at += 1;
                    return Ok(match unescaped {
                        None => Cow::Borrowed(piece),
                        Some(text) => Cow::Owned(text + piece),
                    });
                }
                Some(b'\\') => {
                    let text = unescaped.get_or_insert_default();
                    text.push_str(self.text.get(start..self.at).unwrap_or_default());
                    self.at += 1;
                    let char = self.escape()?;
                    unescaped.get_or_insert_default().push(char);
                    start = self.at;
                }
                None | Some(0..=0x1f) => return Err(self.wrong("the rest of a string, or '\"'")),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<char, PolicyError> {
        const ALLOWED: &str = "an escape: one of \" \\ / b f n r t, or u and four hex digits";
        let char = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.wrong(ALLOWED)),
        };
        self.at += 1;
        Ok(char)
    }

    fn unicode(&mut self) -> Result<char, PolicyError> {
        let first = self.four_digits()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !self.take("\\u") {
                    return Err(self.wrong("the second half of a surrogate pair"));
                }
                match self.four_digits()? {
                    second @ 0xdc00..=0xdfff => 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                    _ => return Err(self.wrong("the second half of a surrogate pair")),
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.wrong("the first half of a surrogate pair before"))
    }

    fn four_digits(&mut self) -> Result<u32, PolicyError> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.wrong("four hex digits"))?;
        self.at += 4;
        Ok(code)
    }

    fn number(&mut self) -> Result<Value<'a>, PolicyError> {
        let start = self.at;
        self.take("-");
        if !self.take("0") {
            self.digits()?;
        }
        if self.take(".") {
            self.digits()?;
        }
        if self.take("e") || self.take("E") {
            let _ = self.take("+") || self.take("-");
            self.digits()?;
        }
        Ok(Value::Number(self.slice(start)))
    }

    fn digits(&mut self) -> Result<(), PolicyError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.wrong("a digit")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(text).expect_err(text).to_string()
    }

    #[test]
    fn values_know_where_they_stand() {
        let text = " {\"a\": [1, -0.5e+3, true, null], \"b\\n\": \"\\u00e9\\ud83d\\ude00é\"} ";
        let Node { value: Value::Object(members), span } = parse(text).expect("json") else { panic!("an object") };
        assert_eq!(span, 1..text.len() - 1);
        let [list, word] = &members[..] else { panic!("two members") };
        assert_eq!(&text[list.node.span.clone()], "[1, -0.5e+3, true, null]");
        assert_eq!(word.name, "b\n");
        assert!(matches!(&word.node.value, Value::Text(text) if text == "é😀é"));
    }

    #[test]
    fn what_is_no_json_is_pointed_at() {
        assert_eq!(error(""), "line 1, column 1 is the end, allowed is a JSON value");
        assert_eq!(error("{\n  'a': 1}"), "line 2, column 3 is '\\'', allowed is a name in double quotes");
        assert_eq!(error("{\"a\": 1,}"), "line 1, column 9 is '}', allowed is a name in double quotes");
        assert_eq!(error("{\"a\": 1} x"), "line 1, column 10 is 'x', allowed is the end of the document");
        assert_eq!(error("{\"a\":1,\"a\":2}"), "line 1, column 8 is '\"', allowed is \"a\" once in an object");
        for bad in ["01", "1.", "-", "1e", "[1", "{\"a\"}", "\"\t\"", "\"\\x\"", "\"\\ud800\"", "\"\\udc00\"", "nul"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(error(&"[".repeat(100_000)).contains("16 levels"));
    }
}
