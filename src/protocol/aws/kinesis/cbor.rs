//! CBOR as the AWS SDK for Java writes and reads it: containers without a length, moments as tag 1 over milliseconds.

use crate::{base::time::Timestamp, protocol::aws::wire::value::Value};
use bytes::Bytes;
use minicbor::{
    Decoder, Encoder,
    data::{IanaTag, Tag, Type},
    decode,
};
use std::{borrow::Cow, convert::Infallible};

/// How deep values may lie in each other: far deeper than those of any operation.
const DEPTH_MAX: usize = 32;
/// Says that what follows is CBOR; it changes nothing.
const SELF_DESCRIBED: u64 = 55_799;

/// Reads the input of an operation, which is one map.
///
/// # Errors
///
/// The bytes are no CBOR, or more than one value, or no map.
pub(super) fn parse(body: &Bytes) -> Result<Value<'_>, decode::Error> {
    let mut decoder = Decoder::new(body);
    let value = Reader { body }.value(&mut decoder, DEPTH_MAX)?;
    let is_whole = matches!(value, Value::Map(_)) && decoder.position() == body.len();
    is_whole.then_some(value).ok_or_else(|| decode::Error::message("not one map"))
}

/// Takes bytes out of the body without a copy.
struct Reader<'a> {
    body: &'a Bytes,
}

impl<'a> Reader<'a> {
    fn value(&self, from: &mut Decoder<'a>, depth: usize) -> Result<Value<'a>, decode::Error> {
        let Some(deeper) = depth.checked_sub(1) else { return Err(decode::Error::message("too deep")) };
        match from.datatype()? {
            Type::Bool => Ok(Value::Flag(from.bool()?)),
            Type::Null => from.null().map(|()| Value::Null),
            Type::Undefined => from.undefined().map(|()| Value::Null),
            Type::F16 => Ok(Value::Real(from.f16()?.into())),
            Type::F32 => Ok(Value::Real(from.f32()?.into())),
            Type::F64 => Ok(Value::Real(from.f64()?)),
            Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
                Ok(number(i128::from(from.int()?)))
            }
            Type::String => Ok(Value::Text(Cow::Borrowed(from.str()?))),
            Type::StringIndef => Ok(Value::Text(Cow::Owned(from.str_iter()?.collect::<Result<Vec<_>, _>>()?.concat()))),
            Type::Bytes => Ok(Value::Blob(self.body.slice_ref(from.bytes()?))),
            Type::BytesIndef => Ok(Value::Blob(from.bytes_iter()?.collect::<Result<Vec<_>, _>>()?.concat().into())),
            Type::Array | Type::ArrayIndef => self.list(from, deeper),
            Type::Map | Type::MapIndef => self.map(from, deeper),
            Type::Tag => self.tagged(from, deeper),
            Type::Simple | Type::Break | Type::Unknown(_) => Err(decode::Error::message("not a value")),
        }
    }

    fn list(&self, from: &mut Decoder<'a>, depth: usize) -> Result<Value<'a>, decode::Error> {
        let mut items = Vec::new();
        let mut left = from.array()?;
        while more(from, &mut left)? {
            items.push(self.value(from, depth)?);
        }
        Ok(Value::List(items))
    }

    fn map(&self, from: &mut Decoder<'a>, depth: usize) -> Result<Value<'a>, decode::Error> {
        let mut members = Vec::new();
        let mut left = from.map()?;
        while more(from, &mut left)? {
            let Value::Text(name) = self.value(from, depth)? else {
                return Err(decode::Error::message("a name is no text"));
            };
            members.push((name, self.value(from, depth)?));
        }
        Ok(Value::Map(members))
    }

    fn tagged(&self, from: &mut Decoder<'a>, depth: usize) -> Result<Value<'a>, decode::Error> {
        let tag = from.tag()?;
        let value = self.value(from, depth)?;
        if tag == Tag::new(SELF_DESCRIBED) {
            return Ok(value);
        }
        let millis = if let Value::Integer(millis) = value {
            Some(millis)
        } else if let Value::Real(millis) = value {
            #[expect(clippy::cast_possible_truncation, reason = "as far as a moment goes")]
            Some(millis as i64)
        } else {
            None
        };
        let millis = millis.filter(|_| tag == IanaTag::Timestamp.tag());
        millis.map(|millis| Value::Time(time(millis))).ok_or_else(|| decode::Error::message("an unknown tag"))
    }
}

/// Whether a container goes on: `left` counts down, where it does not end with a mark.
fn more(from: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, decode::Error> {
    match left {
        Some(0) => Ok(false),
        Some(left) => {
            *left -= 1;
            Ok(true)
        }
        None if from.datatype()? == Type::Break => {
            from.set_position(from.position() + 1);
            Ok(false)
        }
        None => Ok(true),
    }
}

fn number<'a>(number: i128) -> Value<'a> {
    #[expect(clippy::cast_precision_loss, reason = "no member is so large")]
    i64::try_from(number).map_or(Value::Real(number as f64), Value::Integer)
}

fn time(millis: i64) -> Timestamp {
    Timestamp(u64::try_from(millis).unwrap_or(0))
}

/// The value as CBOR with lengths.
pub(super) fn write(value: &Value<'_>) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::with_capacity(256));
    // Writing to a vector cannot fail.
    let _ = encode(&mut encoder, value);
    encoder.into_writer()
}

type Written = Result<(), minicbor::encode::Error<Infallible>>;

fn encode(to: &mut Encoder<Vec<u8>>, value: &Value<'_>) -> Written {
    match value {
        Value::Null => to.null().map(drop),
        Value::Flag(flag) => to.bool(*flag).map(drop),
        Value::Integer(number) => to.i64(*number).map(drop),
        Value::Real(number) => to.f64(*number).map(drop),
        Value::Text(text) => to.str(text).map(drop),
        Value::Blob(bytes) => to.bytes(bytes).map(drop),
        // A real number here breaks the SDK for Java.
        Value::Time(time) => to.tag(IanaTag::Timestamp)?.u64(time.as_millis()).map(drop),
        Value::List(items) => {
            to.array(items.len() as u64)?;
            items.iter().try_for_each(|item| encode(to, item))
        }
        Value::Map(members) => {
            to.map(members.len() as u64)?;
            members.iter().try_for_each(|(name, value)| {
                to.str(name)?;
                encode(to, value)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::aws::wire::value::{Members, Said};
    use proptest::prelude::*;

    fn bytes(hex: &str) -> Bytes {
        let digits: Vec<_> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("text"), 16).expect("hex");
        digits.chunks(2).map(pair).collect()
    }

    #[test]
    fn what_the_sdk_for_java_sends_is_read() {
        // PutRecord{StreamName, Data, PartitionKey} with containers that end with a mark.
        let put = bytes("bf 6a53747265616d4e616d65 6173 6444617461 43010203 6c506172746974696f6e4b6579 616b ff");
        let value = parse(&put).expect("valid");
        assert_eq!(value.text("StreamName"), Some("s"));
        assert_eq!(value.blob("Data"), Some(&Bytes::from_static(&[1, 2, 3])));
        assert_eq!(value.text("PartitionKey"), Some("k"));
        // A moment in milliseconds, as a whole and as a real number, and text and bytes in pieces.
        let moments = bytes("d9d9f7 a3 6141 c11b00000167bb5a3e17 6142 c1fb4276 7bb5a3e17000 6143 7f61786179ff");
        let value = parse(&moments).expect("valid");
        assert_eq!(value.time("A"), Some(Timestamp(0x0167_bb5a_3e17)));
        assert_eq!(value.time("B"), Some(Timestamp(0x0167_bb5a_3e17)));
        assert_eq!(value.text("C"), Some("xy"));
        assert_eq!(
            parse(&bytes("a1 6144 5f 4101 4102 ff")).expect("valid").blob("D").map(Bytes::as_ref),
            Some(&[1, 2][..])
        );
    }

    #[test]
    fn an_answer_is_written_with_moments_in_whole_milliseconds() {
        let said: Said = Members::default()
            .with("At", Timestamp(1_545_084_650_987))
            .with("Data", Bytes::from_static(&[0xff]))
            .with("Open", true)
            .with("Ids", vec![Said::from("a"), Said::from(-1_i64)])
            .into();
        let expected = "a4 624174 c11b00000167be38c5eb 6444617461 41ff 644f70656e f5 63496473 82 6161 20";
        assert_eq!(write(&said), bytes(expected));
    }

    #[test]
    fn what_is_no_single_map_is_refused() {
        let deep = format!("a16161{}00", "81".repeat(100));
        for bad in ["", "80", "01", "a1", "bf", "bf6161ff", "a16161 01 00", "a10101", "a161 61 c2 4101", "ff", &deep] {
            assert!(parse(&bytes(bad)).is_err(), "{bad}");
        }
        // A length that no body has.
        assert!(parse(&bytes("bb ffffffffffffffff")).is_err());
        assert!(parse(&bytes("a16161 5b ffffffffffffffff")).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body.into());
        }

        #[test]
        fn what_is_written_reads_back(text in ".{0,20}", number: i64, data in prop::collection::vec(any::<u8>(), 0..50), flag: bool) {
            let said: Said = Members::default()
                .with("Text", text)
                .with("Number", number)
                .with("Data", Bytes::from(data))
                .with("Part", Members::default().with("Flag", flag))
                .into();
            let written = Bytes::from(write(&said));
            prop_assert_eq!(parse(&written).expect("valid"), said);
        }
    }
}
