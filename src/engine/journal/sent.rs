//! Reads the header of a stored message without copying it: what `wire::SentHeader` decodes to, borrowed.
//!
//! Every delivery and every recovery reads one a message, and the generated code copies each text of it. A test holds
//! the two equal on every input, the malformed ones too: what one refuses, the other refuses.

use super::decode::DecodeError;
use crate::proto::storage::v1 as wire;
use prost::encoding::{
    DecodeContext, WireType, check_wire_type, decode_key, decode_varint, message, skip_field, uint32, uint64,
};

/// The fields as `wire::SentHeader` has them.
#[derive(Debug, Default)]
pub(super) struct SentHeader<'a> {
    pub(super) message_id: &'a [u8],
    pub(super) send_time_ms: u64,
    pub(super) visible_at_ms: u64,
    pub(super) size: u32,
    pub(super) group: Option<&'a str>,
    pub(super) deduplication_id: Option<&'a str>,
    pub(super) receive_count: u32,
    pub(super) first_receive_ms: Option<u64>,
    pub(super) dead_letter_source_id: Option<u64>,
    pub(super) transfer_source: Option<u32>,
    pub(super) transfer_number: u64,
    pub(super) producer: Option<&'a str>,
    pub(super) producer_sequence: u64,
    /// Few messages have any: left to the generated code.
    pub(super) attributes: Vec<wire::Attribute>,
    pub(super) sender: &'a str,
    pub(super) trace_context: &'a str,
    pub(super) dead_letter_source: &'a str,
    pub(super) dead_letter_reason: &'a str,
}

impl<'a> SentHeader<'a> {
    /// A field that comes twice has its last value; one that this version does not know is passed over.
    pub(super) fn decode(header: &'a [u8]) -> Result<Self, DecodeError> {
        let mut fields = Self::default();
        let mut rest = header;
        while !rest.is_empty() {
            let (field, kind) = decode_key(&mut rest)?;
            let rest = &mut rest;
            match field {
                1 => fields.message_id = bytes(kind, rest)?,
                2 => fields.send_time_ms = number(kind, rest)?,
                3 => fields.visible_at_ms = number(kind, rest)?,
                4 => fields.size = small_number(kind, rest)?,
                5 => fields.group = Some(text(kind, rest)?),
                6 => fields.deduplication_id = Some(text(kind, rest)?),
                7 => fields.receive_count = small_number(kind, rest)?,
                8 => fields.first_receive_ms = Some(number(kind, rest)?),
                9 => fields.dead_letter_source_id = Some(number(kind, rest)?),
                10 => fields.transfer_source = Some(small_number(kind, rest)?),
                11 => fields.transfer_number = number(kind, rest)?,
                12 => fields.producer = Some(text(kind, rest)?),
                13 => fields.producer_sequence = number(kind, rest)?,
                14 => message::merge_repeated(kind, &mut fields.attributes, rest, DecodeContext::default())?,
                15 => fields.sender = text(kind, rest)?,
                16 => fields.trace_context = text(kind, rest)?,
                17 => fields.dead_letter_source = text(kind, rest)?,
                18 => fields.dead_letter_reason = text(kind, rest)?,
                _ => skip_field(kind, field, rest, DecodeContext::default())?,
            }
        }
        Ok(fields)
    }
}

/// The fields of `wire::RelocatedHeader`.
#[derive(Debug, Default)]
pub(super) struct RelocatedHeader<'a> {
    pub(super) state: &'a [u8],
    pub(super) sent: &'a [u8],
}

impl<'a> RelocatedHeader<'a> {
    pub(super) fn decode(header: &'a [u8]) -> Result<Self, DecodeError> {
        let mut fields = Self::default();
        let mut rest = header;
        while !rest.is_empty() {
            let (field, kind) = decode_key(&mut rest)?;
            match field {
                1 => fields.state = bytes(kind, &mut rest)?,
                2 => fields.sent = bytes(kind, &mut rest)?,
                _ => skip_field(kind, field, &mut rest, DecodeContext::default())?,
            }
        }
        Ok(fields)
    }
}

pub(super) fn number(kind: WireType, rest: &mut &[u8]) -> Result<u64, DecodeError> {
    let mut value = 0;
    uint64::merge(kind, &mut value, rest, DecodeContext::default())?;
    Ok(value)
}

pub(super) fn small_number(kind: WireType, rest: &mut &[u8]) -> Result<u32, DecodeError> {
    let mut value = 0;
    uint32::merge(kind, &mut value, rest, DecodeContext::default())?;
    Ok(value)
}

fn bytes<'a>(kind: WireType, rest: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    check_wire_type(WireType::LengthDelimited, kind)?;
    let len = usize::try_from(decode_varint(rest)?).unwrap_or(usize::MAX);
    let (value, after) = rest.split_at_checked(len).ok_or(DecodeError::Malformed("a field is longer than the rest"))?;
    *rest = after;
    Ok(value)
}

pub(super) fn text<'a>(kind: WireType, rest: &mut &'a [u8]) -> Result<&'a str, DecodeError> {
    std::str::from_utf8(bytes(kind, rest)?).map_err(|_| DecodeError::Malformed("a text is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*, strategy::ValueTree as _};
    use prost::Message as _;

    /// The borrowed fields as the generated code has them.
    fn owned(header: SentHeader<'_>) -> wire::SentHeader {
        wire::SentHeader {
            message_id: header.message_id.to_vec(),
            send_time_ms: header.send_time_ms,
            visible_at_ms: header.visible_at_ms,
            size: header.size,
            group: header.group.map(Into::into),
            deduplication_id: header.deduplication_id.map(Into::into),
            receive_count: header.receive_count,
            first_receive_ms: header.first_receive_ms,
            dead_letter_source_id: header.dead_letter_source_id,
            transfer_source: header.transfer_source,
            transfer_number: header.transfer_number,
            producer: header.producer.map(Into::into),
            producer_sequence: header.producer_sequence,
            attributes: header.attributes,
            sender: header.sender.into(),
            trace_context: header.trace_context.into(),
            dead_letter_source: header.dead_letter_source.into(),
            dead_letter_reason: header.dead_letter_reason.into(),
        }
    }

    /// Fields in any order, known and unknown, most with the kind they ought to have, some with another one.
    fn fields() -> impl Strategy<Value = Vec<u8>> {
        let content = prop_oneof![
            4 => any::<String>().prop_map(String::into_bytes),
            1 => vec(any::<u8>(), 0..40),
            1 => (any::<String>(), any::<String>()).prop_map(|(name, text)| {
                let value = Some(wire::attribute::Value::Text(text));
                wire::Attribute { name, data_type: "String".into(), value }.encode_to_vec()
            }),
        ];
        let field = (1..22_u64, 0..40_u64, any::<u64>(), content).prop_map(|(field, odd, number, content)| {
            let is_number = [2, 3, 4, 7, 8, 9, 10, 11, 13, 19].contains(&field);
            let kind = if odd < 8 { odd } else { u64::from(!is_number) * 2 };
            let mut out = Vec::new();
            prost::encoding::encode_varint(field << 3 | kind, &mut out);
            match kind {
                0 => prost::encoding::encode_varint(number, &mut out),
                1 => out.extend_from_slice(&number.to_le_bytes()),
                2 => prost::encoding::encode_varint(content.len() as u64, &mut out),
                5 => out.extend_from_slice(&number.to_le_bytes()[..4]),
                _ => {}
            }
            if kind == 2 {
                out.extend_from_slice(&content);
            }
            out
        });
        vec(field, 0..12).prop_map(|fields| fields.concat())
    }

    proptest! {
        #[test]
        fn the_borrowed_header_is_the_generated_one(
            header in fields(),
            cut in 0..400_usize,
            change in (any::<usize>(), any::<u8>(), any::<bool>()),
        ) {
            let mut header = header;
            if cut < 100 {
                header.truncate(cut);
            }
            let (at, value, is_changed) = change;
            let at = at % header.len().max(1);
            if is_changed && let Some(byte) = header.get_mut(at) {
                *byte = value;
            }
            let generated = wire::SentHeader::decode(&*header).ok();
            prop_assert_eq!(SentHeader::decode(&header).ok().map(owned), generated);
        }

        #[test]
        fn garbage_is_to_both_the_same(garbage in vec(any::<u8>(), 0..200)) {
            let generated = wire::SentHeader::decode(&*garbage).ok();
            prop_assert_eq!(SentHeader::decode(&garbage).ok().map(owned), generated);
        }
    }

    #[test]
    fn the_generated_test_inputs_are_not_all_refused() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let good = (0..100).filter(|_| {
            let header = fields().new_tree(&mut runner).expect("a header").current();
            SentHeader::decode(&header).is_ok_and(|header| !header.sender.is_empty() || header.group.is_some())
        });
        assert!(good.count() > 5);
    }
}
