//! Whether each member of a request has the kind of value it must have, in the words of AWS.

use super::{
    fault::{self, Encoding},
    shape::{Member, Shape},
};
use crate::{
    base::time::Timestamp,
    protocol::aws::{fault::Fault, wire::value::Value},
};
use base64::{DecodeError, Engine as _, engine::general_purpose::STANDARD as BASE64};
use std::borrow::Cow;

const LIST: &str = "Start of list found where not expected";
const MAP: &str = "Start of structure or map found where not expected.";
const INTEGER_MAX: i64 = i32::MAX as i64;
/// What a message repeats of a value.
const SHOWN_MAX: usize = 1024;

/// The value with every member turned into its kind. Members that nobody knows are dropped, and so is what is null.
///
/// # Errors
///
/// `SerializationException` for the first member of another kind.
pub(super) fn convert<'a>(value: Value<'a>, shape: &Shape, encoding: Encoding) -> Result<Value<'a>, Fault> {
    match (shape, value) {
        (_, Value::Null) => Ok(Value::Null),
        (Shape::Structure(members), Value::Map(given)) => structure(given, members, encoding),
        (Shape::Map(_, _, element), Value::Map(given)) => map(given, element, encoding),
        (Shape::List(_, element), Value::List(items)) => {
            let items = items.into_iter().filter(|item| *item != Value::Null);
            items.map(|item| convert(item, element, encoding)).collect::<Result<_, _>>().map(Value::List)
        }
        (_, Value::List(_)) => Err(fault::serialization(LIST)),
        (_, Value::Map(_)) => Err(fault::serialization(MAP)),
        (Shape::Structure(_), _) => Err(fault::serialization("Expected null")),
        (Shape::Map(..), _) => Err(fault::serialization("Expected map or null")),
        (Shape::List(..), _) => Err(fault::serialization("Expected list or null")),
        (_, value) => scalar(value, shape, encoding),
    }
}

type Given<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

fn structure<'a>(given: Given<'a>, members: &[Member], encoding: Encoding) -> Result<Value<'a>, Fault> {
    let mut converted = Vec::with_capacity(given.len());
    for (name, value) in given {
        if let Some(member) = members.iter().find(|member| member.name == name)
            && value != Value::Null
        {
            converted.push((name, convert(value, &member.shape, encoding)?));
        }
    }
    Ok(Value::Map(converted))
}

fn map<'a>(given: Given<'a>, element: &Shape, encoding: Encoding) -> Result<Value<'a>, Fault> {
    let there = given.into_iter().filter(|(_, value)| *value != Value::Null);
    there.map(|(name, value)| Ok((name, convert(value, element, encoding)?))).collect::<Result<_, _>>().map(Value::Map)
}

fn scalar<'a>(value: Value<'a>, shape: &Shape, encoding: Encoding) -> Result<Value<'a>, Fault> {
    match (shape, value) {
        (Shape::Text { .. } | Shape::Enum(_), Value::Text(text)) => Ok(Value::Text(text)),
        (Shape::Integer(_), Value::Integer(number)) => Ok(Value::Integer(number.clamp(-INTEGER_MAX - 1, INTEGER_MAX))),
        #[expect(clippy::cast_possible_truncation, reason = "as AWS does: the fraction does not count")]
        (Shape::Integer(_), Value::Real(number)) => Ok(Value::Integer(i64::from(number as i32))),
        (Shape::Flag, Value::Flag(flag)) => Ok(Value::Flag(flag)),
        (Shape::Flag, Value::Text(text)) if text == "true" || text == "false" => Ok(Value::Flag(text == "true")),
        (Shape::Flag, Value::Text(text)) => Err(unlike(&format!("'{}'", shown(&text)), "an Boolean")),
        (Shape::Time, Value::Time(time)) => Ok(Value::Time(time)),
        #[expect(clippy::cast_precision_loss, reason = "a moment has far fewer digits")]
        (Shape::Time, Value::Integer(number)) => Ok(Value::Time(moment(number as f64, encoding))),
        (Shape::Time, Value::Real(number)) => Ok(Value::Time(moment(number, encoding))),
        (Shape::Blob(_), Value::Blob(bytes)) => Ok(Value::Blob(bytes)),
        (Shape::Blob(_), Value::Text(text)) => blob(&text),
        (shape, value) => Err(unlike(class_of(&value), kind_of(shape))),
    }
}

fn unlike(found: &str, wanted: &str) -> Fault {
    fault::serialization(format!("{found} can not be converted to {wanted}"))
}

fn kind_of(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text { .. } | Shape::Enum(_) => "an String",
        Shape::Integer(_) => "an Integer",
        Shape::Flag => "an Boolean",
        Shape::Time => "milliseconds since epoch",
        Shape::Blob(_) => "a Blob",
        Shape::List(..) | Shape::Map(..) | Shape::Structure(_) => "null",
    }
}

/// What a value is called in the messages of a server written in Java.
fn class_of(value: &Value<'_>) -> &'static str {
    match value {
        Value::Flag(_) => "class java.lang.Boolean",
        Value::Integer(_) | Value::Real(_) => "class com.amazon.coral.value.json.numbers.TruncatingBigNumber",
        Value::Blob(_) => "class java.nio.HeapByteBuffer",
        Value::Time(_) => "class java.util.Date",
        Value::Text(_) | Value::Null | Value::List(_) | Value::Map(_) => "class java.lang.String",
    }
}

/// A moment as a number: seconds in JSON, milliseconds in CBOR.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as far as a moment goes")]
fn moment(number: f64, encoding: Encoding) -> Timestamp {
    let millis = match encoding {
        Encoding::Json => number * 1000.0,
        Encoding::Cbor => number,
    };
    Timestamp(millis.round() as u64)
}

fn blob<'a>(text: &str) -> Result<Value<'a>, Fault> {
    let wrong = |why: &str| unlike(&format!("'{}'", shown(text)), &format!("a Blob: {why}"));
    if !text.len().is_multiple_of(4) {
        let why = format!("Base64 encoded length is expected a multiple of 4 bytes but found: {}", text.len());
        return Err(wrong(&why));
    }
    let decoded = BASE64.decode(text).map_err(|error| match error {
        DecodeError::InvalidByte(_, byte) => wrong(&format!("Invalid Base64 character: '{}'", char::from(byte))),
        // The third word is misspelt by AWS.
        DecodeError::InvalidLastSymbol(..) | DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => {
            wrong("Invalid last non-pad Base64 character dectected")
        }
    })?;
    Ok(Value::Blob(decoded.into()))
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}
