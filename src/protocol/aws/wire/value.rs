//! Values of requests and answers of the services that speak JSON and CBOR: one model for both.

use super::json::Json;
use crate::base::time::Timestamp;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use std::{borrow::Cow, io::Write};

#[derive(Clone, Debug, PartialEq)]
pub(in crate::protocol::aws) enum Value<'a> {
    Null,
    Flag(bool),
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Blob(Bytes),
    Time(Timestamp),
    List(Vec<Self>),
    /// A structure or a map, in the order written; the last of equal names counts.
    Map(Vec<(Cow<'a, str>, Self)>),
}

/// A value of an answer.
pub(in crate::protocol::aws) type Said = Value<'static>;

impl<'a> From<Json<'a>> for Value<'a> {
    fn from(json: Json<'a>) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Flag(flag) => Self::Flag(flag),
            Json::Integer(number) => Self::Integer(number),
            Json::Real(number) => Self::Real(number),
            Json::Text(text) => Self::Text(text),
            Json::List(items) => Self::List(items.into_iter().map(Self::from).collect()),
            Json::Object(members) => Self::Map(members.into_iter().map(|(name, value)| (name, value.into())).collect()),
        }
    }
}

macro_rules! from {
    ($($kind:ty => |$value:ident| $made:expr;)+) => {
        $(impl From<$kind> for Said {
            fn from($value: $kind) -> Self {
                $made
            }
        })+
    };
}

from! {
    &'static str => |text| Self::Text(Cow::Borrowed(text));
    String => |text| Self::Text(Cow::Owned(text));
    bool => |flag| Self::Flag(flag);
    i64 => |number| Self::Integer(number);
    u32 => |number| Self::Integer(number.into());
    u64 => |number| Self::Integer(number.try_into().unwrap_or(i64::MAX));
    usize => |number| Self::Integer(number.try_into().unwrap_or(i64::MAX));
    Timestamp => |time| Self::Time(time);
    Bytes => |bytes| Self::Blob(bytes);
    Vec<Said> => |items| Self::List(items);
    Members => |members| Self::Map(members.0);
}

/// The members of a structure of an answer.
#[derive(Debug, Default)]
pub(in crate::protocol::aws) struct Members(Vec<(Cow<'static, str>, Said)>);

impl Members {
    #[must_use]
    pub(in crate::protocol::aws) fn with(mut self, name: &'static str, value: impl Into<Said>) -> Self {
        self.0.push((Cow::Borrowed(name), value.into()));
        self
    }

    /// A member that is left out when there is nothing.
    #[must_use]
    pub(in crate::protocol::aws) fn maybe(self, name: &'static str, value: Option<impl Into<Said>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

/// Members of a request, which were checked before.
impl Value<'_> {
    pub(in crate::protocol::aws) fn member(&self, name: &str) -> Option<&Self> {
        let Self::Map(members) = self else { return None };
        members.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(in crate::protocol::aws) fn text(&self, name: &str) -> Option<&str> {
        self.member(name)?.as_text()
    }

    pub(in crate::protocol::aws) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(in crate::protocol::aws) fn integer(&self, name: &str) -> Option<i64> {
        if let Some(Self::Integer(number)) = self.member(name) { Some(*number) } else { None }
    }

    /// As the shape of the member bounds it, else nothing.
    pub(in crate::protocol::aws) fn count(&self, name: &str) -> Option<u32> {
        self.integer(name).and_then(|number| u32::try_from(number).ok())
    }

    pub(in crate::protocol::aws) fn flag(&self, name: &str) -> bool {
        matches!(self.member(name), Some(Self::Flag(true)))
    }

    pub(in crate::protocol::aws) fn time(&self, name: &str) -> Option<Timestamp> {
        if let Some(Self::Time(time)) = self.member(name) { Some(*time) } else { None }
    }

    pub(in crate::protocol::aws) fn blob(&self, name: &str) -> Option<&Bytes> {
        if let Some(Self::Blob(bytes)) = self.member(name) { Some(bytes) } else { None }
    }

    pub(in crate::protocol::aws) fn items(&self, name: &str) -> &[Self] {
        if let Some(Self::List(items)) = self.member(name) { items } else { &[] }
    }

    /// The texts of a map.
    pub(in crate::protocol::aws) fn pairs(&self, name: &str) -> impl Iterator<Item = (&str, &str)> {
        let members = if let Some(Self::Map(members)) = self.member(name) { members.as_slice() } else { &[] };
        members.iter().filter_map(|(name, value)| Some((name.as_ref(), value.as_text()?)))
    }
}

impl Value<'_> {
    /// The value as compact JSON: bytes as base64, moments as seconds with milliseconds.
    pub(in crate::protocol::aws) fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.write_json(&mut out);
        out
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Flag(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
            Self::Integer(number) => write(out, format_args!("{number}")),
            Self::Real(number) => write(out, format_args!("{number:?}")),
            Self::Text(text) => write_text(out, text),
            Self::Blob(bytes) => {
                out.push(b'"');
                let start = out.len();
                out.resize(start + bytes.len().div_ceil(3) * 4, 0);
                let room = out.get_mut(start..).unwrap_or_default();
                let written = BASE64.encode_slice(bytes, room).unwrap_or_default();
                out.truncate(start + written);
                out.push(b'"');
            }
            Self::Time(time) => {
                let millis = time.as_millis();
                write(out, format_args!("{}.{:03}", millis / 1000, millis % 1000));
            }
            Self::List(items) => separated(out, (b'[', b']'), items, |out, item| item.write_json(out)),
            Self::Map(members) => separated(out, (b'{', b'}'), members, |out, (name, value)| {
                write_text(out, name);
                out.push(b':');
                value.write_json(out);
            }),
        }
    }
}

fn separated<T>(out: &mut Vec<u8>, (open, close): (u8, u8), items: &[T], each: impl Fn(&mut Vec<u8>, &T)) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        each(out, item);
    }
    out.push(close);
}

fn write(out: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = out.write_fmt(what);
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_written_as_the_sdks_read_it() {
        let said: Said = Members::default()
            .with("Data", Bytes::from_static(b"hello"))
            .with("At", Timestamp(1_545_084_650_087))
            .with("Empty", Bytes::new())
            .maybe("Absent", None::<bool>)
            .with("List", vec![Said::from(1_u32), Said::from("a\"b")])
            .into();
        let json = String::from_utf8(said.to_json()).expect("text");
        assert_eq!(json, r#"{"Data":"aGVsbG8=","At":1545084650.087,"Empty":"","List":[1,"a\"b"]}"#);
    }

    #[test]
    fn the_last_of_equal_names_counts() {
        let json = Json::parse(br#"{"A":1,"A":2,"B":{"x":"y"}}"#).expect("valid");
        let value = Value::from(json);
        assert_eq!(value.integer("A"), Some(2));
        assert_eq!(value.pairs("B").collect::<Vec<_>>(), [("x", "y")]);
        assert_eq!(value.text("A"), None);
    }
}
