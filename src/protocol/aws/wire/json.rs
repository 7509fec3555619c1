//! A JSON value that borrows from the request what it can: text without escapes is never copied.

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use std::{borrow::Cow, fmt};

#[derive(Clone, Debug, PartialEq)]
pub(in crate::protocol::aws) enum Json<'a> {
    Null,
    Flag(bool),
    Integer(i64),
    Real(f64),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    /// In the order of the text; the last of equal names counts.
    Object(Vec<(Cow<'a, str>, Self)>),
}

impl<'a> Json<'a> {
    /// Reads one object, the input of every operation. No bytes at all mean an empty one.
    pub(in crate::protocol::aws) fn parse(bytes: &'a [u8]) -> Result<Self, serde_json::Error> {
        if bytes.is_empty() {
            return Ok(Self::Object(Vec::new()));
        }
        let json: Self = serde_json::from_slice(bytes)?;
        json.as_members().is_some().then_some(json).ok_or_else(|| de::Error::custom("not an object"))
    }

    /// The member of that name; null counts as absent.
    pub(in crate::protocol::aws) fn member(&self, name: &str) -> Option<&Self> {
        let found = self.as_members()?.iter().rev().find(|(known, _)| known == name)?;
        (found.1 != Self::Null).then_some(&found.1)
    }

    pub(in crate::protocol::aws) fn as_members(&self) -> Option<&[(Cow<'a, str>, Self)]> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    pub(in crate::protocol::aws) fn as_items(&self) -> Option<&[Self]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    pub(in crate::protocol::aws) fn as_integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    pub(in crate::protocol::aws) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

/// Text that stays where it is when it can.
struct Borrowed<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Borrowed<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Json::Text(text) = Json::deserialize(deserializer)? else {
            return Err(de::Error::custom("a name is no text"));
        };
        Ok(Self(text))
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Flag(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Json::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or(Json::Real(value as f64), Json::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Json::Real(value))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(4);
        while let Some(Borrowed(name)) = map.next_key()? {
            members.push((name, map.next_value()?));
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_without_escapes_is_borrowed() {
        let json = Json::parse(br#"{"a":"plain","b":"es\"caped","n":3,"x":null,"l":[true,1.5]}"#).expect("valid");
        assert!(matches!(json.member("a"), Some(Json::Text(Cow::Borrowed("plain")))));
        assert_eq!(json.member("b"), Some(&Json::Text("es\"caped".into())));
        assert_eq!(json.member("n"), Some(&Json::Integer(3)));
        assert_eq!(json.member("x"), None);
        assert_eq!(json.member("l"), Some(&Json::List(vec![Json::Flag(true), Json::Real(1.5)])));
    }

    #[test]
    fn only_an_object_or_nothing_is_an_input() {
        assert_eq!(Json::parse(b"").expect("empty"), Json::Object(Vec::new()));
        for bad in ["[]", "1", "{", "{}{}", "{\"a\":}", "\u{feff}{}"] {
            assert!(Json::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Json::parse(deep.as_bytes()).is_err(), "nesting has a limit");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Json::parse(&bytes);
        }

        #[test]
        fn no_letters_of_json_make_the_reader_panic(text in r#"[\[\]{}:,"\\u0-9.eE+tfn -]{0,60}"#) {
            let _ = Json::parse(text.as_bytes());
        }

        #[test]
        fn what_was_written_is_read_back(name in ".{0,12}", text in ".{0,40}", number in any::<i64>()) {
            let written = serde_json::json!({"list": [text, number], "other": {name.clone(): text}}).to_string();
            let json = Json::parse(written.as_bytes()).expect("valid");
            let list = json.member("list").and_then(Json::as_items).expect("a list");
            prop_assert_eq!(list, [Json::Text(text.as_str().into()), Json::Integer(number)]);
            let other = json.member("other").and_then(|other| other.member(&name));
            prop_assert_eq!(other.and_then(Json::as_text), Some(text.as_str()));
        }
    }
}
