//! Writes members of an answer in the form the caller understands: compact JSON, XML, or the JSON that Query callers get
//! who ask for it.

use super::xml;
use crate::service::words::{Attribute, AttributeValue};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use std::{borrow::Cow, io::Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol::aws) enum Form {
    /// AWS JSON 1.0.
    Json,
    /// Query, answered in XML.
    Xml,
    /// Query, answered in JSON with the names of the XML.
    QueryJson,
    /// Smithy's second RPC protocol; only operations that answer nothing have it.
    Cbor,
}

/// A member's name in JSON and in XML.
type Names = (&'static str, &'static str);

/// Members of one structure, and of those inside of it.
pub(in crate::protocol::aws) struct Writer {
    form: Form,
    out: Vec<u8>,
    /// Whether the structure being written has no member yet.
    first: bool,
}

impl Writer {
    pub(in crate::protocol::aws) fn new(form: Form) -> Self {
        Self::with_capacity(form, 256)
    }

    pub(in crate::protocol::aws) fn with_capacity(form: Form, bytes: usize) -> Self {
        Self { form, out: Vec::with_capacity(bytes), first: true }
    }

    pub(in crate::protocol::aws) fn finish(self) -> Vec<u8> {
        self.out
    }

    fn is_xml(&self) -> bool {
        self.form == Form::Xml
    }

    /// The text as it will be read: XML lacks some characters.
    pub(in crate::protocol::aws) fn as_read<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        if self.is_xml() { xml::legible(text) } else { text }
    }

    /// The attribute as it will be read.
    pub(in crate::protocol::aws) fn attribute_as_read<'a>(&self, attribute: &'a Attribute) -> Cow<'a, Attribute> {
        let is_legible = |text: &str| text.chars().all(xml::has);
        let Attribute { name, data_type, value } = attribute;
        let text = match value {
            AttributeValue::Text(text) => text.as_str(),
            AttributeValue::Binary(_) => "",
        };
        if !self.is_xml() || [name, data_type, text].into_iter().all(is_legible) {
            return Cow::Borrowed(attribute);
        }
        let read = |text: &str| xml::legible(text.into()).into_owned();
        let value = match value {
            AttributeValue::Text(text) => AttributeValue::Text(read(text)),
            AttributeValue::Binary(bytes) => AttributeValue::Binary(bytes.clone()),
        };
        Cow::Owned(Attribute { name: read(name), data_type: read(data_type), value })
    }

    fn name_of(&self, (json, query): Names) -> &'static str {
        if self.form == Form::Json { json } else { query }
    }

    pub(in crate::protocol::aws) fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn tag(&mut self, name: &str, is_end: bool) {
        self.raw(if is_end { "</" } else { "<" });
        self.raw(name);
        self.raw(">");
    }

    fn json_text(&mut self, text: &str) {
        // Without stopping at the first, so that many bytes are looked at in one step.
        let is_escaped = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        if !text.bytes().fold(false, |found, byte| found | is_escaped(byte)) {
            self.out.push(b'"');
            self.raw(text);
            return self.out.push(b'"');
        }
        // Writing to a vector cannot fail.
        let _ = serde_json::to_writer(&mut self.out, text);
    }

    fn json_name(&mut self, name: &str) {
        self.comma();
        self.json_text(name);
        self.raw(":");
    }

    fn comma(&mut self) {
        if !self.first {
            self.raw(",");
        }
        self.first = false;
    }

    /// A structure's braces around its members.
    fn braces(&mut self, members: impl FnOnce(&mut Self)) {
        if self.is_xml() {
            return members(self);
        }
        self.raw("{");
        self.first = true;
        members(self);
        self.raw("}");
        self.first = false;
    }

    /// A structure without a name: the answer as a whole, or an element.
    pub(in crate::protocol::aws) fn structure(&mut self, members: impl FnOnce(&mut Self)) {
        self.braces(members);
    }

    pub(in crate::protocol::aws) fn part(&mut self, name: &str, members: impl FnOnce(&mut Self)) {
        if self.is_xml() {
            self.tag(name, false);
            members(self);
            return self.tag(name, true);
        }
        self.json_name(name);
        self.braces(members);
    }

    pub(in crate::protocol::aws) fn text(&mut self, name: &str, text: &str) {
        if self.is_xml() {
            self.tag(name, false);
            xml::escape(&mut self.out, text);
            return self.tag(name, true);
        }
        self.json_name(name);
        self.json_text(text);
    }

    /// Text that is no longer than it looks: ids, digests, numbers. Nothing in it needs escaping.
    pub(in crate::protocol::aws) fn plain(&mut self, name: &str, text: impl std::fmt::Display) {
        let (open, close) = if self.is_xml() { ("<", ">") } else { (if self.first { "\"" } else { ",\"" }, "\":\"") };
        self.first = false;
        self.raw(open);
        self.raw(name);
        self.raw(close);
        // Writing to a vector cannot fail.
        let _ = write!(self.out, "{text}");
        if self.is_xml() { self.tag(name, true) } else { self.raw("\"") }
    }

    pub(in crate::protocol::aws) fn number(&mut self, name: &str, number: u64) {
        self.bare(name, number);
    }

    pub(in crate::protocol::aws) fn flag(&mut self, name: &str, flag: bool) {
        self.bare(name, flag);
    }

    fn bare(&mut self, name: &str, value: impl std::fmt::Display) {
        if self.is_xml() {
            return self.plain(name, value);
        }
        self.json_name(name);
        let _ = write!(self.out, "{value}");
    }

    /// A list of structures; nothing at all when it is empty.
    pub(in crate::protocol::aws) fn list<T>(
        &mut self,
        names: Names,
        items: impl IntoIterator<Item = T>,
        mut item_of: impl FnMut(&mut Self, T),
    ) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            return;
        }
        let name = self.name_of(names);
        if self.is_xml() {
            for item in items {
                self.tag(name, false);
                item_of(self, item);
                self.tag(name, true);
            }
            return;
        }
        self.json_name(name);
        self.raw("[");
        self.first = true;
        for item in items {
            self.comma();
            self.braces(|writer| item_of(writer, item));
        }
        self.raw("]");
        self.first = false;
    }

    /// A list of texts; nothing at all when it is empty.
    pub(in crate::protocol::aws) fn texts(&mut self, names: Names, texts: impl IntoIterator<Item = String>) {
        let mut texts = texts.into_iter().peekable();
        if texts.peek().is_none() {
            return;
        }
        let name = self.name_of(names);
        if self.is_xml() {
            return texts.for_each(|text| self.text(name, &text));
        }
        self.json_name(name);
        self.raw("[");
        self.first = true;
        for text in texts {
            self.comma();
            self.json_text(&text);
        }
        self.raw("]");
        self.first = false;
    }

    /// A map of texts; nothing at all when it is empty.
    pub(in crate::protocol::aws) fn map<K: AsRef<str>, V: AsRef<str>>(
        &mut self,
        names: Names,
        (key, value): (&'static str, &'static str),
        pairs: impl IntoIterator<Item = (K, V)>,
    ) {
        let mut pairs = pairs.into_iter().peekable();
        if self.form != Form::Json {
            return self.list(names, pairs, |writer, (name, text)| {
                writer.text(key, name.as_ref());
                writer.text(value, text.as_ref());
            });
        }
        if pairs.peek().is_none() {
            return;
        }
        self.json_name(names.0);
        self.braces(|writer| pairs.for_each(|(name, text)| writer.text(name.as_ref(), text.as_ref())));
    }

    /// Message attributes; nothing at all without any.
    pub(in crate::protocol::aws) fn attributes<'a>(
        &mut self,
        names: Names,
        attributes: impl IntoIterator<Item = &'a Attribute>,
    ) {
        let mut attributes = attributes.into_iter().peekable();
        if self.form != Form::Json {
            return self.list(names, attributes, |writer, attribute| {
                writer.text("Name", &attribute.name);
                writer.part("Value", |writer| writer.value(attribute));
            });
        }
        if attributes.peek().is_none() {
            return;
        }
        self.json_name(names.0);
        self.braces(|writer| {
            for attribute in attributes {
                writer.json_name(&attribute.name);
                writer.braces(|writer| writer.value(attribute));
            }
        });
    }

    fn value(&mut self, attribute: &Attribute) {
        match &attribute.value {
            AttributeValue::Text(text) => self.text("StringValue", text),
            AttributeValue::Binary(bytes) => self.plain("BinaryValue", BASE64.encode(bytes)),
        }
        self.text("DataType", &attribute.data_type);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: Form) -> String {
        let mut writer = Writer::new(form);
        writer.structure(|w| {
            w.text("Body", "a\"b\r");
            w.plain("Id", 7);
            w.number("Count", 3);
            w.flag("Fault", true);
            w.texts(("Urls", "Url"), ["x".to_owned(), "y".to_owned()]);
            w.texts(("None", "No"), []);
            w.map(("Tags", "Tag"), ("Key", "Value"), [("k", "v")]);
            w.list(("Items", "Item"), [1, 2], |w, item| w.number("N", item));
            let value = AttributeValue::Text("t".into());
            w.attributes(("Attrs", "Attr"), [&Attribute { name: "n".into(), data_type: "String".into(), value }]);
        });
        String::from_utf8(writer.finish()).expect("text")
    }

    #[test]
    fn one_answer_has_three_forms() {
        assert_eq!(
            written(Form::Json),
            r#"{"Body":"a\"b\r","Id":"7","Count":3,"Fault":true,"Urls":["x","y"],"Tags":{"k":"v"},"#.to_owned()
                + r#""Items":[{"N":1},{"N":2}],"Attrs":{"n":{"StringValue":"t","DataType":"String"}}}"#
        );
        assert_eq!(
            written(Form::Xml),
            "<Body>a&quot;b&#xD;</Body><Id>7</Id><Count>3</Count><Fault>true</Fault><Url>x</Url><Url>y</Url>"
                .to_owned()
                + "<Tag><Key>k</Key><Value>v</Value></Tag><Item><N>1</N></Item><Item><N>2</N></Item>"
                + "<Attr><Name>n</Name><Value><StringValue>t</StringValue><DataType>String</DataType></Value></Attr>"
        );
        assert_eq!(
            written(Form::QueryJson),
            r#"{"Body":"a\"b\r","Id":"7","Count":3,"Fault":true,"Url":["x","y"],"Tag":[{"Key":"k","Value":"v"}],"#
                .to_owned()
                + r#""Item":[{"N":1},{"N":2}],"Attr":[{"Name":"n","Value":{"StringValue":"t","DataType":"String"}}]}"#
        );
    }

    #[test]
    fn every_character_is_escaped_that_has_to_be() {
        for character in (0..=0xff).filter_map(char::from_u32).chain(['\u{2028}', '😀']) {
            let text = format!("a{character}b");
            let mut writer = Writer::new(Form::Json);
            writer.json_text(&text);
            assert_eq!(writer.finish(), serde_json::to_vec(&text).expect("JSON"), "{character:?}");
        }
    }
}
