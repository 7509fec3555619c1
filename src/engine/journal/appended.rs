//! The entry of a stream's record.
//!
//! A segment of a stream keeps the entry as it is, so whoever reads a year later reads this.

use super::{decode::DecodeError, kind, streams::AppendedHeader};
use crate::{
    base::{
        id::{Location, StreamId},
        time::Timestamp,
    },
    domain::stream::event::Appended,
    engine::streams::record::NewRecord,
    storage::log::{FrameBuilder, StoredEntry},
};
use bytes::Bytes;
use std::sync::Arc;

/// What a reader gets of the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) arrival: Timestamp,
    pub(crate) partition_key: Bytes,
    pub(crate) encrypted: bool,
}

/// Appends a record.
pub(crate) fn push_appended(
    frame: &mut FrameBuilder,
    stream: StreamId,
    appended: &Appended,
    record: &NewRecord,
    encrypted: bool,
    producer: Option<(&str, u64)>,
) -> Location {
    let header = AppendedHeader {
        shard: appended.shard,
        arrival: appended.at,
        bytes_total: appended.bytes_total,
        partition_key: &record.partition_key,
        encrypted,
        producer,
    };
    frame.push(kind::STREAM_APPENDED, stream.0, appended.index, |out| header.encode(out), &record.data)
}

/// A producer, and its sequence for the record.
type Sequence = (Arc<str>, u64);

/// What the partition learns of the entry.
pub(super) fn appended(entry: &StoredEntry) -> Result<(Appended, Option<Sequence>), DecodeError> {
    let fields = AppendedHeader::decode(&entry.header)?;
    let appended =
        Appended { shard: fields.shard, index: entry.seq, at: fields.arrival, bytes_total: fields.bytes_total };
    Ok((appended, fields.producer.map(|(id, sequence)| (id.into(), sequence))))
}

/// What a reader gets of a record's entry.
pub(crate) fn appended_header(entry: &StoredEntry) -> Result<RecordHeader, DecodeError> {
    if entry.kind != kind::STREAM_APPENDED {
        return Err(DecodeError::UnknownKind(entry.kind));
    }
    let fields = AppendedHeader::decode(&entry.header)?;
    Ok(RecordHeader {
        arrival: fields.arrival,
        partition_key: entry.header.slice_ref(fields.partition_key.as_bytes()),
        encrypted: fields.encrypted,
    })
}

/// The bytes of all records of the shard in front of this one.
pub(crate) fn bytes_before(entry: &StoredEntry) -> Result<u64, DecodeError> {
    let fields = AppendedHeader::decode(&entry.header)?;
    let own = (fields.partition_key.len() + entry.body.len()) as u64;
    Ok(fields.bytes_total.saturating_sub(own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::id::{Epoch, Lsn, PartitionId},
        domain::stream::{ShardId, hash::HashKey},
        storage::log::entry,
    };

    fn written(producer: Option<(&str, u64)>) -> StoredEntry {
        let mut frame = FrameBuilder::new(PartitionId(0), Epoch(Lsn(1)), Lsn(2), Timestamp(3));
        let appended = Appended { shard: ShardId(3), index: 7, at: Timestamp(99), bytes_total: 1000 };
        let record =
            NewRecord { partition_key: "key".into(), hash: HashKey(1), data: Bytes::from_static(b"data"), after: None };
        let at = push_appended(&mut frame, StreamId(5), &appended, &record, true, producer);
        entry::open(&Bytes::copy_from_slice(&frame.as_bytes()[at.offset as usize..])).expect("an entry")
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let entry = written(Some(("p", 9)));
        assert_eq!((entry.target, entry.seq, &entry.body[..]), (5, 7, &b"data"[..]));
        let (event, producer) = appended(&entry).expect("sound");
        assert_eq!(event, Appended { shard: ShardId(3), index: 7, at: Timestamp(99), bytes_total: 1000 });
        assert_eq!(producer, Some(("p".into(), 9)));
        let header = appended_header(&entry).expect("sound");
        assert_eq!((&header.partition_key[..], header.arrival, header.encrypted), (&b"key"[..], Timestamp(99), true));
        assert_eq!(bytes_before(&entry).expect("sound"), 993);
        assert_eq!(appended(&written(None)).expect("sound").1, None);
    }

    #[test]
    fn a_header_that_is_none_is_refused() {
        let entry = StoredEntry { header: Bytes::from_static(&[0x0a, 0xff]), ..written(None) };
        assert!(appended(&entry).is_err() && appended_header(&entry).is_err() && bytes_before(&entry).is_err());
    }
}
