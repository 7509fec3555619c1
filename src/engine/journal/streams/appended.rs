//! The header of a stored record, written and read field by field: records are many, and their strings need no copies.

use crate::{
    base::time::Timestamp,
    domain::stream::ShardId,
    engine::journal::{
        DecodeError,
        sent::{number, small_number, text},
    },
};
use bytes::{BufMut as _, BytesMut};
use prost::encoding::{DecodeContext, WireType, decode_key, encode_key, encode_varint, skip_field, uint32, uint64};

/// The fields of `wire::AppendedHeader`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AppendedHeader<'a> {
    pub(crate) shard: ShardId,
    pub(crate) arrival: Timestamp,
    /// Bytes of all records of the shard up to here, also of those that are gone.
    pub(crate) bytes_total: u64,
    /// Empty: the producer gave none.
    pub(crate) partition_key: &'a str,
    /// The stream said so when the record came.
    pub(crate) encrypted: bool,
    /// A producer, and its sequence for the record.
    pub(crate) producer: Option<(&'a str, u64)>,
}

impl<'a> AppendedHeader<'a> {
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        uint32::encode(1, &self.shard.0, out);
        uint64::encode(2, &self.arrival.0, out);
        uint64::encode(3, &self.bytes_total, out);
        put_text(out, 4, self.partition_key);
        if self.encrypted {
            prost::encoding::bool::encode(5, &true, out);
        }
        if let Some((producer, sequence)) = self.producer {
            put_text(out, 6, producer);
            uint64::encode(7, &sequence, out);
        }
    }

    pub(crate) fn decode(header: &'a [u8]) -> Result<Self, DecodeError> {
        let (mut fields, mut key, mut producer, mut sequence) = (Self::default(), None, None, 0);
        let mut rest = header;
        while !rest.is_empty() {
            let (field, kind) = decode_key(&mut rest)?;
            match field {
                1 => fields.shard = ShardId(small_number(kind, &mut rest)?),
                2 => fields.arrival = Timestamp(number(kind, &mut rest)?),
                3 => fields.bytes_total = number(kind, &mut rest)?,
                4 => key = Some(text(kind, &mut rest)?),
                5 => fields.encrypted = number(kind, &mut rest)? != 0,
                6 => producer = Some(text(kind, &mut rest)?),
                7 => sequence = number(kind, &mut rest)?,
                _ => skip_field(kind, field, &mut rest, DecodeContext::default())?,
            }
        }
        // An empty one is written too.
        let partition_key = key.ok_or(DecodeError::Missing("partition key"))?;
        Ok(Self { partition_key, producer: producer.map(|producer| (producer, sequence)), ..fields })
    }
}

fn put_text(out: &mut BytesMut, field: u32, text: &str) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(text.len() as u64, out);
    out.put_slice(text.as_bytes());
}
