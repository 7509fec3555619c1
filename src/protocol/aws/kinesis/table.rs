//! Operation → handler. An operation that is not here is unknown.

use super::{
    account,
    call::{Call, Outcome},
    channels, consumers, describe, put, queue_records, queues, read, settings, streams, subscribe, tags,
};
use crate::protocol::aws::{fault::Fault, wire::value::Value};
use std::{future::Future, pin::Pin};

pub(super) type Handling<'a> = Pin<Box<dyn Future<Output = Result<Outcome, Fault>> + Send + 'a>>;
type Handler = for<'a> fn(&'a Call, &'a Value<'a>) -> Handling<'a>;

pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) handler: Handler,
}

macro_rules! operations {
    ($($name:literal => $handler:path;)+) => {
        /// In the order of names.
        const OPERATIONS: &[Operation] =
            &[$(Operation { name: $name, handler: |call, input| Box::pin($handler(call, input)) },)+];
    };
}

operations! {
    "AcknowledgeDeadLetterQueueRecords" => queue_records::acknowledge_dead_letters;
    "AcknowledgeQueueRecords" => queue_records::acknowledge;
    "AddTagsToStream" => tags::add;
    "CreateChannel" => channels::create;
    "CreateQueue" => queues::create;
    "CreateStream" => streams::create;
    "DecreaseStreamRetentionPeriod" => settings::decrease_retention;
    "DeleteChannel" => channels::delete;
    "DeleteQueue" => queues::delete;
    "DeleteResourcePolicy" => tags::delete_policy;
    "DeleteStream" => streams::delete;
    "DeregisterStreamConsumer" => consumers::deregister;
    "DescribeAccountSettings" => account::describe;
    "DescribeChannel" => channels::describe;
    "DescribeLimits" => describe::describe_limits;
    "DescribeQueue" => queues::describe;
    "DescribeStream" => describe::describe_stream;
    "DescribeStreamConsumer" => consumers::describe;
    "DescribeStreamSummary" => describe::describe_summary;
    "DisableEnhancedMonitoring" => settings::disable_monitoring;
    "EnableEnhancedMonitoring" => settings::enable_monitoring;
    "GetRecords" => read::get_records;
    "GetResourcePolicy" => tags::get_policy;
    "GetShardIterator" => read::get_shard_iterator;
    "IncreaseStreamRetentionPeriod" => settings::increase_retention;
    "ListChannels" => channels::list;
    "ListQueues" => queues::list;
    "ListShards" => describe::list_shards;
    "ListStreamConsumers" => consumers::list;
    "ListStreams" => describe::list_streams;
    "ListTagsForResource" => tags::list_of_resource;
    "ListTagsForStream" => tags::list;
    "MergeShards" => streams::merge;
    "PutRecord" => put::put_record;
    "PutRecords" => put::put_records;
    "PutResourcePolicy" => tags::put_policy;
    "ReceiveDeadLetterQueueRecords" => queue_records::receive_dead_letters;
    "ReceiveQueueRecords" => queue_records::receive;
    "RegisterStreamConsumer" => consumers::register;
    "RemoveTagsFromStream" => tags::remove;
    "RestoreDeadLetterQueueRecords" => queue_records::restore;
    "SplitShard" => streams::split;
    "StartStreamEncryption" => settings::start_encryption;
    "StopStreamEncryption" => settings::stop_encryption;
    "SubscribeToShard" => subscribe::subscribe;
    "TagResource" => tags::tag_resource;
    "UntagResource" => tags::untag_resource;
    "UpdateAccountSettings" => account::update;
    "UpdateChannel" => channels::update;
    "UpdateDeadLetterQueueRecordsVisibility" => queue_records::update_dead_letter_visibility;
    "UpdateMaxRecordSize" => settings::update_record_size;
    "UpdateQueue" => queues::update;
    "UpdateQueueRecordsVisibility" => queue_records::update_visibility;
    "UpdateShardCount" => streams::update_count;
    "UpdateStreamMode" => settings::update_mode;
    "UpdateStreamRecordDistributionStrategy" => settings::update_distribution;
    "UpdateStreamWarmThroughput" => settings::update_warm_throughput;
}

pub(super) fn find(name: &str) -> Option<&'static Operation> {
    let at = OPERATIONS.binary_search_by(|operation| operation.name.cmp(name)).ok()?;
    OPERATIONS.get(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::aws::kinesis::shape;

    #[test]
    fn every_operation_has_a_shape_and_is_found() {
        assert!(OPERATIONS.is_sorted_by(|one, other| one.name < other.name), "the search wants an order");
        for row in OPERATIONS {
            assert!(find(row.name).is_some() && shape::of_operation(row.name).is_some(), "{}", row.name);
        }
        assert!(find("Subscribe").is_none());
    }
}
