//! Bad input for every rpc of the stream service: rows of the walk.

use crate::{
    broker::seconds,
    grpc_walk::{Row, bad, bad_stream},
};
use forebay::proto::stream::v1::{self as wire, join_request, produce_request};

const NAME_RULE: &str = "1 to 128 letters";

fn create(settings: wire::Stream) -> wire::CreateStreamRequest {
    wire::CreateStreamRequest { stream_id: "new".into(), stream: Some(settings), shard_count: 1, ..Default::default() }
}

fn position(number: &str) -> Option<wire::Position> {
    Some(wire::Position { start: Some(wire::position::Start::AtSequenceNumber(number.into())) })
}

pub(crate) fn rows(method: &str) -> Option<Vec<Row>> {
    let name = || "a b".to_owned();
    let events = || "events".to_owned();
    Some(match method {
        "CreateStream" => vec![
            bad(
                wire::CreateStreamRequest { stream_id: name(), ..create(wire::Stream::default()) },
                "stream_id",
                NAME_RULE,
            ),
            bad(create(wire::Stream { durability: 9, ..Default::default() }), "stream.durability", "enum"),
            bad(create(wire::Stream { capacity_mode: 9, ..Default::default() }), "stream.capacity_mode", "enum"),
            bad(create(wire::Stream { retention: seconds(-1), ..Default::default() }), "stream.retention", "0 seconds"),
        ],
        "GetStream" => vec![bad(wire::GetStreamRequest { name: name(), view: 0 }, "name", NAME_RULE)],
        "ListStreams" => vec![
            bad(wire::ListStreamsRequest { page_size: 1001, ..Default::default() }, "page_size", "1000"),
            bad(wire::ListStreamsRequest { parent: "x".into(), ..Default::default() }, "parent", "namespaces/"),
        ],
        "UpdateStream" => {
            let paths = vec!["colour".to_owned()];
            let update = wire::UpdateStreamRequest {
                stream: Some(wire::Stream { name: events(), ..Default::default() }),
                update_mask: Some(prost_types::FieldMask { paths }),
            };
            vec![bad(update, "update_mask", "can change")]
        }
        "DeleteStream" => {
            vec![bad(wire::DeleteStreamRequest { name: name(), ..Default::default() }, "name", NAME_RULE)]
        }
        "ListShards" => {
            vec![bad(wire::ListShardsRequest { stream: name(), ..Default::default() }, "stream", NAME_RULE)]
        }
        "ReshardStream" => {
            let split =
                wire::reshard_stream_request::Split { shard_id: "x".into(), new_starting_hash_key: String::new() };
            let split = Some(wire::reshard_stream_request::Change::Split(split));
            vec![
                bad(wire::ReshardStreamRequest { stream: events(), change: None }, "change", "a split"),
                bad(wire::ReshardStreamRequest { stream: events(), change: split }, "split.shard_id", "shardId-"),
            ]
        }
        _ => return record_rows(method),
    })
}

fn record_rows(method: &str) -> Option<Vec<Row>> {
    let name = || "a b".to_owned();
    let events = || "events".to_owned();
    Some(match method {
        "PutRecords" => {
            let put = |count| wire::PutRecordsRequest {
                stream: events(),
                records: vec![wire::RecordInput::default(); count],
                durability: 0,
            };
            vec![
                bad(wire::PutRecordsRequest { stream: name(), ..put(1) }, "stream", NAME_RULE),
                bad(put(0), "records", "1 to 1000 entries"),
                bad(put(1001), "records", "1 to 1000 entries"),
                bad(wire::PutRecordsRequest { durability: 9, ..put(1) }, "durability", "enum"),
            ]
        }
        "ReadShard" => {
            let read = || wire::ReadShardRequest { stream: events(), shard_id: "0".into(), ..Default::default() };
            vec![
                bad(wire::ReadShardRequest { shard_id: "x".into(), ..read() }, "shard_id", "shardId-"),
                bad(wire::ReadShardRequest { position: position("x"), ..read() }, "position", "a sequence number"),
                bad(wire::ReadShardRequest { wait: seconds(21), ..read() }, "wait", "20s"),
            ]
        }
        "SubscribeShard" => {
            let follow = wire::SubscribeShardRequest { stream: events(), shard_id: "x".into(), ..Default::default() };
            vec![bad(follow, "shard_id", "shardId-")]
        }
        "SubscribeStream" => {
            let follow = wire::SubscribeStreamRequest { stream: name(), ..Default::default() };
            vec![bad(follow, "stream", NAME_RULE)]
        }
        "Produce" => {
            let open = produce_request::Open { stream: name(), ..Default::default() };
            let frame = Some(produce_request::Frame::Open(open));
            vec![bad_stream(vec![wire::ProduceRequest { frame }], "open.stream", NAME_RULE)]
        }
        "Join" => {
            let open = join_request::Open { stream: events(), group: name(), ..Default::default() };
            let frame = Some(join_request::Frame::Open(open));
            vec![
                bad_stream(vec![wire::JoinRequest { frame }], "open.group", "letters"),
                bad_stream(vec![wire::JoinRequest { frame: None }], "frame", "one open"),
            ]
        }
        "GetGroup" => vec![bad(wire::GetGroupRequest { name: events() }, "name", "/groups/")],
        "ListGroups" => {
            vec![bad(wire::ListGroupsRequest { stream: name(), ..Default::default() }, "stream", NAME_RULE)]
        }
        "SeekGroup" => vec![bad(wire::SeekGroupRequest { name: events(), ..Default::default() }, "name", "/groups/")],
        "DeleteGroup" => vec![bad(wire::DeleteGroupRequest { name: events() }, "name", "/groups/")],
        _ => return None,
    })
}
