//! `forebay.stream.v1.StreamService`: each rpc reads the wire, asks a use case and spells the answer.

use super::{
    call::{Call, Shared},
    convert,
    produce::ProduceStream,
    session::SessionStream,
    stream_follow::{self, FollowStream, ShardEvents, StreamEvents},
    stream_join::Join,
    stream_produce::Records,
    streams,
};
use crate::{
    base::reason::Refusal,
    domain::stream::Position,
    proto::stream::v1::{self as wire, stream_service_server::StreamService},
    service::streams::{
        change::{DeleteStream, NewStream, UpdateStream},
        follow::{Beginning, OpenFollow, Scope},
        groups::{ListGroups, SeekGroup},
        read::ReadShard,
        records::PutRecords,
        view::{ListShards, ListStreams, shard_id},
    },
};
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

/// The service of one listener.
pub(super) struct StreamApi {
    pub(super) shared: Arc<Shared>,
}

type Answer<T> = Result<Response<T>, Status>;

/// The answer of a call that goes on, under the call's request id.
fn going_on<S>(call: Call, stream: impl FnOnce(Call) -> S) -> Answer<S> {
    let mut response = call.response(());
    let metadata = std::mem::take(response.metadata_mut());
    Ok(Response::from_parts(metadata, stream(call), http::Extensions::new()))
}

#[tonic::async_trait]
impl StreamService for StreamApi {
    async fn create_stream(&self, request: Request<wire::CreateStreamRequest>) -> Answer<wire::CreateStreamResponse> {
        let (call, request) = self.shared.begin(request)?;
        let created = async {
            let create = NewStream {
                parent: request.parent,
                stream_id: request.stream_id,
                fields: streams::given(request.stream.unwrap_or_default())?,
                shards: request.shard_count,
            };
            let view = call.broker().new_stream(call.caller(), create).await?;
            Ok(wire::CreateStreamResponse { stream: Some(streams::stream(call.broker().region(), view)) })
        };
        call.reply(created.await)
    }

    async fn get_stream(&self, request: Request<wire::GetStreamRequest>) -> Answer<wire::GetStreamResponse> {
        let (call, request) = self.shared.begin(request)?;
        let found = call.broker().get_stream(call.caller(), &request.name).await;
        let region = call.broker().region();
        call.reply(found.map(|view| wire::GetStreamResponse { stream: Some(streams::stream(region, view)) }))
    }

    async fn list_streams(&self, request: Request<wire::ListStreamsRequest>) -> Answer<wire::ListStreamsResponse> {
        let (call, request) = self.shared.begin(request)?;
        let list = ListStreams {
            parent: request.parent,
            page_size: request.page_size.into(),
            page_token: request.page_token,
            id_prefix: request.id_prefix,
        };
        let page = call.broker().page_of_streams(call.caller(), list).await;
        let region = call.broker().region();
        call.reply(page.map(|page| wire::ListStreamsResponse {
            streams: page.items.into_iter().map(|view| streams::stream(region, view)).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_stream(&self, request: Request<wire::UpdateStreamRequest>) -> Answer<wire::UpdateStreamResponse> {
        let (call, request) = self.shared.begin(request)?;
        let updated = async {
            let mut stream = request.stream.unwrap_or_default();
            let mask = request.update_mask.unwrap_or_default();
            let update = UpdateStream {
                name: std::mem::take(&mut stream.name),
                etag: std::mem::take(&mut stream.etag),
                fields: streams::masked(stream, &mask.paths)?,
            };
            let view = call.broker().update_stream(call.caller(), update).await?;
            Ok(wire::UpdateStreamResponse { stream: Some(streams::stream(call.broker().region(), view)) })
        };
        call.reply(updated.await)
    }

    async fn delete_stream(&self, request: Request<wire::DeleteStreamRequest>) -> Answer<wire::DeleteStreamResponse> {
        let (call, request) = self.shared.begin(request)?;
        let delete = DeleteStream { name: request.name, etag: request.etag, force: request.force };
        let deleted = call.broker().delete_stream_named(call.caller(), delete).await;
        call.reply(deleted.map(|()| wire::DeleteStreamResponse {}))
    }

    async fn list_shards(&self, request: Request<wire::ListShardsRequest>) -> Answer<wire::ListShardsResponse> {
        let (call, request) = self.shared.begin(request)?;
        let list = ListShards {
            stream: request.stream,
            page_size: request.page_size.into(),
            page_token: request.page_token,
            with_closed: request.include_closed,
        };
        let page = call.broker().page_of_shards(call.caller(), list).await;
        call.reply(page.map(|page| wire::ListShardsResponse {
            shards: page.items.into_iter().map(streams::shard).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn reshard_stream(
        &self,
        request: Request<wire::ReshardStreamRequest>,
    ) -> Answer<wire::ReshardStreamResponse> {
        let (call, request) = self.shared.begin(request)?;
        let resharded = async {
            let reshard = streams::reshard(request.change)?;
            let (view, shards) = call.broker().reshard(call.caller(), &request.stream, reshard).await?;
            Ok(wire::ReshardStreamResponse {
                stream: Some(streams::stream(call.broker().region(), view)),
                new_shards: shards.into_iter().map(streams::shard).collect(),
            })
        };
        call.reply(resharded.await)
    }

    async fn put_records(&self, request: Request<wire::PutRecordsRequest>) -> Answer<wire::PutRecordsResponse> {
        let (call, request) = self.shared.begin(request)?;
        let put = async {
            super::queues::durability("durability", request.durability)?;
            let put = PutRecords { stream: request.stream, records: streams::records(request.records) };
            let results = call.broker().put(call.caller(), put).await?;
            Ok(wire::PutRecordsResponse { results: streams::results(results) })
        };
        call.reply(put.await)
    }

    type ProduceStream = ProduceStream<Records>;

    async fn produce(&self, request: Request<Streaming<wire::ProduceRequest>>) -> Answer<ProduceStream<Records>> {
        let (call, frames) = self.shared.begin(request)?;
        let drain = self.shared.drain.clone();
        going_on(call, |call| ProduceStream::new(call, frames, drain))
    }

    async fn read_shard(&self, request: Request<wire::ReadShardRequest>) -> Answer<wire::ReadShardResponse> {
        let (call, request) = self.shared.begin(request)?;
        let read = async {
            let read = ReadShard {
                stream: request.stream,
                shard: shard_id("shard_id", &request.shard_id)?,
                position: streams::position("position", request.position, Position::TrimHorizon)?,
                max_records: request.max_records,
                max_bytes: request.max_bytes,
                wait: convert::duration("wait", request.wait)?,
            };
            let page = call.broker().read_page(call.caller(), read).await?;
            Ok(wire::ReadShardResponse {
                records: streams::stored(page.records),
                next: page.next.map(streams::to_position),
                behind_tail: streams::behind(page.behind),
                child_shards: page.children.into_iter().map(streams::shard).collect(),
                lost_records: page.lost,
            })
        };
        call.reply(read.await)
    }

    type SubscribeShardStream = FollowStream<ShardEvents>;

    async fn subscribe_shard(
        &self,
        request: Request<wire::SubscribeShardRequest>,
    ) -> Answer<FollowStream<ShardEvents>> {
        let (call, request) = self.shared.begin(request)?;
        let open = || -> Result<OpenFollow, Refusal> {
            let shard = shard_id("shard_id", &request.shard_id)?;
            let position = streams::position("position", request.position, Position::TrimHorizon)?;
            let (scope, until) = (Scope::Shard(shard, position), streams::until(request.until)?);
            Ok(OpenFollow { stream: request.stream, scope, until })
        };
        let (open, drain) = (open(), self.shared.drain.clone());
        going_on(call, |call| stream_follow::open(call, open, drain))
    }

    type SubscribeStreamStream = FollowStream<StreamEvents>;

    async fn subscribe_stream(
        &self,
        request: Request<wire::SubscribeStreamRequest>,
    ) -> Answer<FollowStream<StreamEvents>> {
        let (call, request) = self.shared.begin(request)?;
        let open = || -> Result<OpenFollow, Refusal> {
            let position = streams::position("position", request.position, Position::TrimHorizon)?;
            let resume = request.resume.into_iter().map(|place| {
                let shard = shard_id("resume.shard_id", &place.shard_id)?;
                Ok((shard, streams::position("resume.position", place.position, Position::TrimHorizon)?))
            });
            let resume = resume.collect::<Result<_, Refusal>>()?;
            let (scope, until) = (Scope::All(Beginning { position, resume }), streams::until(request.until)?);
            Ok(OpenFollow { stream: request.stream, scope, until })
        };
        let (open, drain) = (open(), self.shared.drain.clone());
        going_on(call, |call| stream_follow::open(call, open, drain))
    }

    type JoinStream = SessionStream<Join>;

    async fn join(&self, request: Request<Streaming<wire::JoinRequest>>) -> Answer<Self::JoinStream> {
        let (call, frames) = self.shared.begin(request)?;
        let drain = self.shared.drain.clone();
        going_on(call, |call| SessionStream::open(call, frames, drain))
    }

    async fn get_group(&self, request: Request<wire::GetGroupRequest>) -> Answer<wire::GetGroupResponse> {
        let (call, request) = self.shared.begin(request)?;
        let found = call.broker().get_group(call.caller(), &request.name).await;
        let region = call.broker().region();
        call.reply(found.map(|view| wire::GetGroupResponse { group: Some(streams::group(region, view)) }))
    }

    async fn list_groups(&self, request: Request<wire::ListGroupsRequest>) -> Answer<wire::ListGroupsResponse> {
        let (call, request) = self.shared.begin(request)?;
        let list =
            ListGroups { stream: request.stream, page_size: request.page_size.into(), page_token: request.page_token };
        let page = call.broker().list_groups(call.caller(), list).await;
        let region = call.broker().region();
        call.reply(page.map(|page| wire::ListGroupsResponse {
            groups: page.items.into_iter().map(|view| streams::group(region, view)).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn seek_group(&self, request: Request<wire::SeekGroupRequest>) -> Answer<wire::SeekGroupResponse> {
        let (call, request) = self.shared.begin(request)?;
        let sought = async {
            let shards = request.shard_ids.iter().map(|id| shard_id("shard_ids", id));
            let seek = SeekGroup {
                name: request.name,
                position: streams::position("position", request.position, Position::TrimHorizon)?,
                shards: shards.collect::<Result<_, _>>()?,
                validate_only: request.validate_only,
            };
            let (view, shards) = call.broker().seek_group(call.caller(), seek).await?;
            Ok(wire::SeekGroupResponse {
                group: Some(streams::group(call.broker().region(), view)),
                shards: shards.iter().map(streams::sought).collect(),
            })
        };
        call.reply(sought.await)
    }

    async fn delete_group(&self, request: Request<wire::DeleteGroupRequest>) -> Answer<wire::DeleteGroupResponse> {
        let (call, request) = self.shared.begin(request)?;
        let deleted = call.broker().delete_group(call.caller(), &request.name).await;
        call.reply(deleted.map(|()| wire::DeleteGroupResponse {}))
    }
}
