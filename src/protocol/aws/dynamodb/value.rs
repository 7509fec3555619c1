//! Attribute values in JSON: `{"S": "text"}`, `{"N": "12"}`, `{"M": {…}}`.

use super::reader::{Read, invalid};
use crate::{
    domain::table::{Item, Value, number::Number},
    protocol::aws::{
        fault::common,
        wire::{input::BASE64, json::Json},
    },
};
use base64::Engine as _;
use serde_json::json;
use std::collections::BTreeSet;

const EMPTY: &str = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
const SEVERAL: &str =
    "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes";

/// The attributes of an item or a key.
pub(super) fn item(json: &Json<'_>) -> Read<Item> {
    let members = json.as_members().ok_or_else(|| common::malformed("an item is not a structure"))?;
    members.iter().map(|(name, found)| Ok((name.clone().into_owned(), value(found)?))).collect()
}

pub(super) fn value(json: &Json<'_>) -> Read<Value> {
    let members = json.as_members().ok_or_else(|| common::malformed("an AttributeValue is not a structure"))?;
    let mut given = members.iter().filter(|(_, value)| *value != Json::Null);
    let (code, value) = given.next().ok_or_else(|| invalid(EMPTY))?;
    if given.next().is_some() {
        return Err(invalid(SEVERAL));
    }
    match &**code {
        "S" => Ok(Value::Text(text(value)?.to_owned())),
        "N" => number(value).map(Value::Number),
        "B" => bytes(value).map(Value::Bytes),
        "BOOL" => flag(value).map(Value::Flag),
        "NULL" if flag(value)? => Ok(Value::Null),
        "NULL" => {
            let why = "Null attribute value types must have the value of true";
            Err(invalid(format!("One or more parameter values were invalid: {why}")))
        }
        "M" => item(value).map(Value::Map),
        "L" => Ok(Value::List(items(value)?.iter().map(self::value).collect::<Read<_>>()?)),
        "SS" => set(value, "string", |item| text(item).map(ToOwned::to_owned)).map(Value::Texts),
        "NS" => set(value, "number", number).map(Value::Numbers),
        "BS" => set(value, "binary", bytes).map(Value::ByteSet),
        _ => Err(invalid(EMPTY)),
    }
}

fn flag(json: &Json<'_>) -> Read<bool> {
    if let Json::Flag(flag) = json {
        Ok(*flag)
    } else {
        Err(common::malformed("an attribute's value is not a boolean"))
    }
}

fn text<'j>(json: &'j Json<'_>) -> Read<&'j str> {
    json.as_text().ok_or_else(|| common::malformed("an attribute's value is not a string"))
}

fn items<'j>(json: &'j Json<'j>) -> Read<&'j [Json<'j>]> {
    json.as_items().ok_or_else(|| common::malformed("an attribute's value is not a list"))
}

fn number(json: &Json<'_>) -> Read<Number> {
    use crate::domain::table::number::NumberError;
    let text = text(json)?;
    text.trim().parse().map_err(|error| match error {
        NumberError::Malformed if text.is_empty() => invalid("The parameter cannot be converted to a numeric value"),
        NumberError::Malformed => {
            let shown: String = text.chars().take(100).collect();
            invalid(format!("The parameter cannot be converted to a numeric value: {shown}"))
        }
        NumberError::TooManyDigits | NumberError::TooLarge | NumberError::TooSmall => invalid(error.to_string()),
    })
}

fn bytes(json: &Json<'_>) -> Read<Vec<u8>> {
    let decoded = BASE64.decode(text(json)?);
    decoded.map_err(|_| common::malformed("an attribute's binary value is not base64"))
}

fn set<T: Ord>(json: &Json<'_>, what: &str, element: impl Fn(&Json<'_>) -> Read<T>) -> Read<BTreeSet<T>> {
    let items = items(json)?;
    if items.is_empty() {
        return Err(invalid(format!("One or more parameter values were invalid: An {what} set  may not be empty")));
    }
    let set = items.iter().map(element).collect::<Read<BTreeSet<T>>>()?;
    if set.len() < items.len() {
        return Err(invalid("One or more parameter values were invalid: Input collection contains duplicates."));
    }
    Ok(set)
}

pub(super) fn item_to(item: &Item) -> serde_json::Value {
    item.iter().map(|(name, value)| (name.clone(), value_to(value))).collect::<serde_json::Map<_, _>>().into()
}

fn value_to(value: &Value) -> serde_json::Value {
    let base64 = |bytes: &Vec<u8>| base64::engine::general_purpose::STANDARD.encode(bytes);
    match value {
        Value::Text(text) => json!({ "S": text }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::Bytes(bytes) => json!({ "B": base64(bytes) }),
        Value::Flag(flag) => json!({ "BOOL": flag }),
        Value::Null => json!({ "NULL": true }),
        Value::Map(map) => json!({ "M": item_to(map) }),
        Value::List(list) => json!({ "L": list.iter().map(value_to).collect::<Vec<_>>() }),
        Value::Texts(set) => json!({ "SS": set }),
        Value::Numbers(set) => json!({ "NS": set.iter().map(ToString::to_string).collect::<Vec<_>>() }),
        Value::ByteSet(set) => json!({ "BS": set.iter().map(base64).collect::<Vec<_>>() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Read<Item> {
        let bytes = text.to_owned().into_bytes();
        item(&Json::parse(&bytes).expect("JSON"))
    }

    #[test]
    fn every_type_comes_back_as_it_was_sent() {
        let text = r#"{"a":{"S":"grün"},"b":{"N":"-1.5"},"c":{"B":"AP8="},"d":{"BOOL":false},"e":{"NULL":true},"#
            .to_owned()
            + r#""f":{"M":{"x":{"S":""}}},"g":{"L":[{"N":"1"},{"L":[]}]},"h":{"SS":["a","b"]},"i":{"NS":["1","20"]},"#
            + r#""j":{"BS":["AA=="]}}"#;
        assert_eq!(item_to(&read(&text).expect("an item")).to_string(), text);
    }

    #[test]
    fn what_is_no_value_is_told() {
        for (bad, why) in [
            (r#"{"a":{}}"#, "is empty"),
            (r#"{"a":{"S":"x","N":"1"}}"#, "more than one datatypes"),
            (r#"{"a":{"N":"x"}}"#, "cannot be converted to a numeric value: x"),
            (r#"{"a":{"N":"1E999"}}"#, "Number overflow"),
            (r#"{"a":{"SS":[]}}"#, "An string set  may not be empty"),
            (r#"{"a":{"NS":["1","1.0"]}}"#, "contains duplicates"),
            (r#"{"a":{"NULL":false}}"#, "must have the value of true"),
            (r#"{"a":{"N":1}}"#, "not a string"),
            (r#"{"a":{"B":"?"}}"#, "not base64"),
            (r#"{"a":"x"}"#, "not a structure"),
        ] {
            let fault = read(bad).expect_err(bad);
            assert!(fault.message.contains(why), "{bad}: {}", fault.message);
        }
    }
}
