//! Records as clients put them. Each succeeds or fails alone; what is wrong with the call itself refuses the whole of it.

use super::fault::StreamFault;
use crate::{
    base::{limits, reason::Refusal},
    domain::stream::hash::{HashKey, KeyError, PartitionKey},
    service::{
        authorise::Action,
        broker::{Broker, Caller},
        check,
        words::{EntryResult, NewRecord, PutBatch, PutRecord, StreamHandle},
    },
};
use bytes::Bytes;

/// A record as a producer gives it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub data: Bytes,
    pub partition_key: String,
    /// Empty: the hash of the partition key.
    pub explicit_hash_key: String,
}

#[derive(Clone, Debug, Default)]
pub struct PutRecords {
    pub stream: String,
    pub records: Vec<Record>,
}

impl Broker {
    /// One result a record, in the order of the request.
    pub async fn put(&self, caller: &Caller, request: PutRecords) -> Result<Vec<EntryResult<PutRecord>>, Refusal> {
        let stream = self.stream_for(caller, Action::PutRecords, "stream", &request.stream)?;
        check_batch(&request.records)?;
        let Checked { good, refused } = check_records(request.records);
        let put = match good.is_empty() {
            true => Vec::new(),
            false => self.put_checked(&stream, PutBatch { records: good, producer: None }).await?,
        };
        // Both lists are in the order of the request.
        let mut put = put.into_iter();
        let mut results = Vec::with_capacity(put.len() + refused.len());
        for (index, refusal) in refused {
            results.extend(put.by_ref().take(index - results.len()));
            results.push(Err(refusal));
        }
        results.extend(put);
        Ok(results)
    }

    pub(super) async fn put_checked(
        &self,
        stream: &StreamHandle,
        batch: PutBatch,
    ) -> Result<Vec<EntryResult<PutRecord>>, Refusal> {
        let results = self.put_records(stream, batch).await?;
        Ok(results.into_iter().map(|result| result.map_err(|error| StreamFault::from(error).into())).collect())
    }
}

/// The records of one call, told apart.
pub(super) struct Checked {
    pub(super) good: Vec<NewRecord>,
    /// With the index of each in the call, rising.
    pub(super) refused: Vec<(usize, Refusal)>,
}

/// What holds for the call as a whole.
pub(super) fn check_batch(records: &[Record]) -> Result<(), Refusal> {
    check::entries("records", records.len())?;
    if records.len() == 1 {
        return Ok(());
    }
    let bytes = records.iter().map(|record| record.data.len() + record.partition_key.len()).sum::<usize>();
    if bytes > limits::BATCH_BYTES {
        let limit = format!("{} bytes in one call", limits::BATCH_BYTES);
        return Err(check::outside("records", format!("{bytes} bytes"), limit));
    }
    Ok(())
}

pub(super) fn check_records(records: Vec<Record>) -> Checked {
    let mut checked = Checked { good: Vec::with_capacity(records.len()), refused: Vec::new() };
    for (index, record) in records.into_iter().enumerate() {
        match check_record(index, record) {
            Ok(record) => checked.good.push(record),
            Err(refusal) => checked.refused.push((index, refusal)),
        }
    }
    checked
}

fn check_record(index: usize, record: Record) -> Result<NewRecord, Refusal> {
    let at = |field: &str| format!("records[{index}].{field}");
    let invalid = |field: &str, error: &KeyError| Refusal::invalid(at(field), error.to_string());
    let key = PartitionKey::parse(&record.partition_key).map_err(|error| invalid("partition_key", &error))?;
    let hash = match record.explicit_hash_key.as_str() {
        "" => key.hash(),
        text => hash_key(text).map_err(|refusal| refusal.at(at("explicit_hash_key")))?,
    };
    Ok(NewRecord { partition_key: key.as_str().into(), hash, data: record.data, after: None })
}

/// Reads a decimal hash key; a long text is not repeated whole.
pub fn hash_key(text: &str) -> Result<HashKey, Refusal> {
    HashKey::parse(&check::shorten(text)).map_err(|error| Refusal::invalid("hash_key", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, hash: &str) -> Record {
        Record { data: Bytes::from_static(b"d"), partition_key: key.into(), explicit_hash_key: hash.into() }
    }

    #[test]
    fn each_record_is_judged_alone() {
        let records = vec![record("k", ""), record("", ""), record("k", "7"), record("k", "-7"), record("k", "007")];
        let Checked { good, refused } = check_records(records);
        assert_eq!(good.iter().map(|record| record.hash.0 == 7).collect::<Vec<_>>(), [false, true]);
        let fields: Vec<_> = refused.iter().map(|(index, refusal)| (*index, refusal.field.as_deref())).collect();
        let expected = [
            (1, Some("records[1].partition_key")),
            (3, Some("records[3].explicit_hash_key")),
            (4, Some("records[4].explicit_hash_key")),
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn a_batch_has_its_limits_and_one_large_record_may_pass_them() {
        let large = |bytes: usize| Record { data: vec![0; bytes].into(), ..record("k", "") };
        assert_eq!(check_batch(&[large(limits::BATCH_BYTES + 1)]), Ok(()));
        assert!(check_batch(&[large(limits::BATCH_BYTES), large(1)]).is_err());
        assert!(check_batch(&[]).is_err());
    }
}
