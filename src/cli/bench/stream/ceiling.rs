//! The stream service of a server that stores nothing.

use crate::{
    cli::{
        Failure,
        bench::{
            ceiling::{Answers, Ceiling, FRAME_BYTES, REQUEST_BYTES_MAX},
            ledger::Bodies,
            refuse::refuse,
        },
    },
    proto::stream::v1::{
        self as wire, Position, Record,
        position::Start,
        produce_request, produce_response, put_result,
        stream_service_server::{StreamService, StreamServiceServer},
        subscribe_shard_response::{Event, Records},
    },
};
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status, Streaming, service::Routes};

/// As long as those of a broker.
const SEQUENCE_DIGITS: usize = 56;
const SHARD_ID: &str = "shardId-000000000000";

/// Starts a server whose `shards` hold `records` that the first client is said to have put.
pub(super) fn start(bodies: Bodies, size: usize, records: u64, shards: u32) -> Result<Ceiling, Failure> {
    let nothing = Nothing { bodies, size, records, shards: u64::from(shards) };
    let service = StreamServiceServer::new(nothing).max_decoding_message_size(REQUEST_BYTES_MAX);
    Ceiling::start(Routes::new(service))
}

#[derive(Clone)]
struct Nothing {
    bodies: Bodies,
    size: usize,
    records: u64,
    shards: u64,
}

impl Nothing {
    /// Up to so many records of a shard, from its `next` on: of each `shards` places one is its own.
    fn some(&self, shard_id: &str, next: u64, most: u64) -> Vec<Record> {
        let shard = shard_id.rsplit('-').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default();
        let places = (next..next.saturating_add(most)).map(|index| (index, index * self.shards + shard));
        places
            .take_while(|(_, place)| *place < self.records)
            .map(|(index, place)| Record {
                sequence_number: format!("{index:0SEQUENCE_DIGITS$}"),
                partition_key: "0-0".to_owned(),
                data: self.bodies.make(0, place),
                ..Record::default()
            })
            .collect()
    }

    /// As many as a broker would put into one frame.
    fn frame_records(&self) -> u64 {
        (FRAME_BYTES / self.size.max(1)).max(1) as u64
    }
}

fn stored() -> wire::PutResult {
    let sequence_number = "0".repeat(SEQUENCE_DIGITS);
    let put = wire::PutRecord { shard_id: SHARD_ID.to_owned(), sequence_number, ..wire::PutRecord::default() };
    wire::PutResult { result: Some(put_result::Result::Put(put)) }
}

/// How many records stand in front of a position.
fn index(position: Option<Position>) -> u64 {
    match position.and_then(|position| position.start) {
        Some(Start::AfterSequenceNumber(number)) => number.parse::<u64>().map_or(0, |index| index + 1),
        Some(Start::TrimHorizon(_) | Start::Latest(_) | Start::AtSequenceNumber(_) | Start::AtTime(_)) | None => 0,
    }
}

#[tonic::async_trait]
impl StreamService for Nothing {
    async fn put_records(
        &self,
        request: Request<wire::PutRecordsRequest>,
    ) -> Result<Response<wire::PutRecordsResponse>, Status> {
        let results = request.get_ref().records.iter().map(|_| stored()).collect();
        Ok(Response::new(wire::PutRecordsResponse { results }))
    }

    async fn read_shard(
        &self,
        request: Request<wire::ReadShardRequest>,
    ) -> Result<Response<wire::ReadShardResponse>, Status> {
        let request = request.into_inner();
        let records = self.some(&request.shard_id, index(request.position), u64::from(request.max_records));
        let next = records.last().map(|last| Start::AfterSequenceNumber(last.sequence_number.clone()));
        let next = next.map(|start| Position { start: Some(start) });
        Ok(Response::new(wire::ReadShardResponse { records, next, ..wire::ReadShardResponse::default() }))
    }

    type ProduceStream = Answers<wire::ProduceResponse>;

    async fn produce(
        &self,
        request: Request<Streaming<wire::ProduceRequest>>,
    ) -> Result<Response<Self::ProduceStream>, Status> {
        let answers = request.into_inner().map(|call| {
            let frame = match call?.frame {
                Some(produce_request::Frame::Batch(batch)) => {
                    let results = batch.records.iter().map(|_| stored()).collect();
                    let acked = produce_response::Acked { first_sequence: batch.first_sequence, results };
                    produce_response::Frame::Acked(acked)
                }
                Some(produce_request::Frame::Open(_)) | None => {
                    produce_response::Frame::Opened(produce_response::Opened::default())
                }
            };
            Ok(wire::ProduceResponse { frame: Some(frame) })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    type SubscribeShardStream = Answers<wire::SubscribeShardResponse>;

    async fn subscribe_shard(
        &self,
        request: Request<wire::SubscribeShardRequest>,
    ) -> Result<Response<Self::SubscribeShardStream>, Status> {
        let (this, shard, most) = (self.clone(), request.into_inner().shard_id, self.frame_records());
        let frames = (0..).map(move |frame| this.some(&shard, frame * most, most));
        let events = frames.take_while(|records| !records.is_empty()).map(|records| {
            let event = Event::Records(Records { records, ..Records::default() });
            Ok(wire::SubscribeShardResponse { event: Some(event) })
        });
        Ok(Response::new(Box::pin(tokio_stream::iter(events))))
    }

    type SubscribeStreamStream = Answers<wire::SubscribeStreamResponse>;
    type JoinStream = Answers<wire::JoinResponse>;

    async fn join(&self, _: Request<Streaming<wire::JoinRequest>>) -> Result<Response<Self::JoinStream>, Status> {
        Err(Status::unimplemented("this server only serves as a ceiling"))
    }

    async fn subscribe_stream(
        &self,
        _: Request<wire::SubscribeStreamRequest>,
    ) -> Result<Response<Self::SubscribeStreamStream>, Status> {
        Err(Status::unimplemented("this server only serves as a ceiling"))
    }

    refuse! {
        create_stream: CreateStreamRequest -> CreateStreamResponse,
        get_stream: GetStreamRequest -> GetStreamResponse,
        list_streams: ListStreamsRequest -> ListStreamsResponse,
        update_stream: UpdateStreamRequest -> UpdateStreamResponse,
        delete_stream: DeleteStreamRequest -> DeleteStreamResponse,
        list_shards: ListShardsRequest -> ListShardsResponse,
        reshard_stream: ReshardStreamRequest -> ReshardStreamResponse,
        get_group: GetGroupRequest -> GetGroupResponse,
        list_groups: ListGroupsRequest -> ListGroupsResponse,
        seek_group: SeekGroupRequest -> SeekGroupResponse,
        delete_group: DeleteGroupRequest -> DeleteGroupResponse,
    }
}
