//! `forebay.queue.v1.QueueService`: each rpc reads the wire, asks a use case and spells the answer.

use super::{
    call::Shared, consume::Consume, convert, messages, produce::ProduceStream, queue_produce::Messages, queues,
    session::SessionStream,
};
use crate::{
    base::reason::Refusal,
    proto::{
        common::v1::ResourceView,
        queue::v1::{self as wire, queue_service_server::QueueService},
    },
    service::{
        create_queue::CreateQueue,
        delete_queue::DeleteQueue,
        get_queue::GetQueue,
        list_queues::ListQueues,
        peek::Peek,
        receive::Receive,
        redrive::{ListRedrives, StartRedrive},
        send::Send,
        settle::Settle,
        update_queue::UpdateQueue,
    },
};
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

/// The service of one listener.
pub(super) struct QueueApi {
    pub(super) shared: Arc<Shared>,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl QueueService for QueueApi {
    async fn create_queue(&self, request: Request<wire::CreateQueueRequest>) -> Answer<wire::CreateQueueResponse> {
        let (call, request) = self.shared.begin(request)?;
        let created = async {
            let queue = request.queue.unwrap_or_default();
            let create = CreateQueue {
                parent: request.parent,
                queue_id: request.queue_id,
                is_fifo: queues::is_fifo(&queue)?,
                fields: queues::given(queue)?,
                validate_only: request.validate_only,
            };
            let queue = queues::queue(call.broker().region(), call.broker().create_queue(call.caller(), create).await?);
            Ok(wire::CreateQueueResponse { queue: Some(queue) })
        };
        call.reply(created.await)
    }

    async fn get_queue(&self, request: Request<wire::GetQueueRequest>) -> Answer<wire::GetQueueResponse> {
        let (call, request) = self.shared.begin(request)?;
        let found = async {
            let get = GetQueue { name: request.name, with_figures: with_figures(request.view)? };
            let queue = queues::queue(call.broker().region(), call.broker().get_queue(call.caller(), get).await?);
            Ok(wire::GetQueueResponse { queue: Some(queue) })
        };
        call.reply(found.await)
    }

    async fn list_queues(&self, request: Request<wire::ListQueuesRequest>) -> Answer<wire::ListQueuesResponse> {
        let (call, request) = self.shared.begin(request)?;
        let listed = async {
            let list = ListQueues {
                parent: request.parent,
                page_size: request.page_size.into(),
                page_token: request.page_token,
                id_prefix: request.id_prefix,
                dead_letter_queue: request.dead_letter_queue,
                with_figures: with_figures(request.view)?,
            };
            let page = call.broker().list_queues(call.caller(), list).await?;
            let queues = page.queues.into_iter().map(|queue| queues::queue(call.broker().region(), queue)).collect();
            Ok(wire::ListQueuesResponse { queues, next_page_token: page.next_page_token })
        };
        call.reply(listed.await)
    }

    async fn update_queue(&self, request: Request<wire::UpdateQueueRequest>) -> Answer<wire::UpdateQueueResponse> {
        let (call, request) = self.shared.begin(request)?;
        let updated = async {
            let mut queue = request.queue.unwrap_or_default();
            let mask = request.update_mask.unwrap_or_default();
            let update = UpdateQueue {
                name: std::mem::take(&mut queue.name),
                etag: std::mem::take(&mut queue.etag),
                fields: queues::masked(queue, &mask.paths)?,
                validate_only: request.validate_only,
            };
            let queue = queues::queue(call.broker().region(), call.broker().update_queue(call.caller(), update).await?);
            Ok(wire::UpdateQueueResponse { queue: Some(queue) })
        };
        call.reply(updated.await)
    }

    async fn delete_queue(&self, request: Request<wire::DeleteQueueRequest>) -> Answer<wire::DeleteQueueResponse> {
        let (call, request) = self.shared.begin(request)?;
        let delete = DeleteQueue { name: request.name, etag: request.etag };
        let deleted = call.broker().delete_queue(call.caller(), delete).await;
        call.reply(deleted.map(|()| wire::DeleteQueueResponse {}))
    }

    async fn purge_queue(&self, request: Request<wire::PurgeQueueRequest>) -> Answer<wire::PurgeQueueResponse> {
        let (call, request) = self.shared.begin(request)?;
        let purged = call.broker().purge_queue(call.caller(), &request.name).await;
        call.reply(purged.map(|purged_messages| wire::PurgeQueueResponse { purged_messages }))
    }

    async fn send(&self, request: Request<wire::SendRequest>) -> Answer<wire::SendResponse> {
        let (call, request) = self.shared.begin(request)?;
        let sent = async {
            queues::durability("durability", request.durability)?;
            let messages = messages::messages(request.messages)?;
            let send = Send { queue: request.queue, messages, ..Send::default() };
            let results = call.broker().send(call.caller(), send).await?;
            Ok(wire::SendResponse { results: messages::send_results(results) })
        };
        call.reply(sent.await)
    }

    async fn receive(&self, request: Request<wire::ReceiveRequest>) -> Answer<wire::ReceiveResponse> {
        let (call, request) = self.shared.begin(request)?;
        let received = async {
            let receive = Receive {
                queue: request.queue,
                max_messages: (request.max_messages != 0).then_some(request.max_messages),
                wait: convert::duration("wait", request.wait)?,
                visibility_timeout: convert::duration("visibility_timeout", request.visibility_timeout)?,
                receive_attempt_id: request.receive_attempt_id,
            };
            let received = call.broker().receive(call.caller(), receive).await?;
            let spell = |message| messages::received(call.broker(), message);
            Ok(wire::ReceiveResponse { messages: received.into_iter().map(spell).collect() })
        };
        call.reply(received.await)
    }

    async fn settle(&self, request: Request<wire::SettleRequest>) -> Answer<wire::SettleResponse> {
        let (call, request) = self.shared.begin(request)?;
        let settled = async {
            let settlements = messages::settlements(request.settlements)?;
            let failures = call.broker().settle(call.caller(), Settle { queue: request.queue, settlements }).await?;
            Ok(wire::SettleResponse { failures: messages::failures(failures) })
        };
        call.reply(settled.await)
    }

    async fn peek(&self, request: Request<wire::PeekRequest>) -> Answer<wire::PeekResponse> {
        let (call, request) = self.shared.begin(request)?;
        let peeked = async {
            let peek = Peek {
                states: messages::states(&request.states)?,
                queue: request.queue,
                page_size: request.page_size.into(),
                page_token: request.page_token,
                group_id: request.group_id,
                max_body_bytes: request.max_body_bytes,
            };
            let page = call.broker().peek(call.caller(), peek).await?;
            let messages = page.messages.into_iter().map(|message| messages::peeked(call.broker(), message)).collect();
            Ok(wire::PeekResponse { messages, next_page_token: page.next_page_token })
        };
        call.reply(peeked.await)
    }

    type ProduceStream = ProduceStream<Messages>;

    async fn produce(&self, request: Request<Streaming<wire::ProduceRequest>>) -> Answer<ProduceStream<Messages>> {
        let (call, frames) = self.shared.begin(request)?;
        let mut response = call.response(());
        let metadata = std::mem::take(response.metadata_mut());
        let grace = self.shared.drain.clone();
        Ok(Response::from_parts(metadata, ProduceStream::new(call, frames, grace), http::Extensions::new()))
    }

    type ConsumeStream = SessionStream<Consume>;

    async fn consume(&self, request: Request<Streaming<wire::ConsumeRequest>>) -> Answer<Self::ConsumeStream> {
        let (call, frames) = self.shared.begin(request)?;
        let mut response = call.response(());
        let metadata = std::mem::take(response.metadata_mut());
        let grace = self.shared.drain.clone();
        Ok(Response::from_parts(metadata, SessionStream::open(call, frames, grace), http::Extensions::new()))
    }

    async fn start_redrive(&self, request: Request<wire::StartRedriveRequest>) -> Answer<wire::StartRedriveResponse> {
        let (call, request) = self.shared.begin(request)?;
        let start = StartRedrive {
            source_queue: request.source_queue,
            destination_queue: request.destination_queue,
            max_messages_per_second: request.max_messages_per_second,
        };
        let started = call.broker().start_redrive(call.caller(), start).await;
        call.reply(started.map(|view| wire::StartRedriveResponse { redrive: Some(queues::redrive(view)) }))
    }

    async fn list_redrives(&self, request: Request<wire::ListRedrivesRequest>) -> Answer<wire::ListRedrivesResponse> {
        let (call, request) = self.shared.begin(request)?;
        let list = ListRedrives {
            source_queue: request.source_queue,
            page_size: request.page_size.into(),
            page_token: request.page_token,
        };
        let page = call.broker().list_redrives(call.caller(), list).await;
        call.reply(page.map(|page| wire::ListRedrivesResponse {
            redrives: page.redrives.into_iter().map(queues::redrive).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn cancel_redrive(
        &self,
        request: Request<wire::CancelRedriveRequest>,
    ) -> Answer<wire::CancelRedriveResponse> {
        let (call, request) = self.shared.begin(request)?;
        let cancelled = call.broker().cancel_redrive(call.caller(), &request.name).await;
        call.reply(cancelled.map(|view| wire::CancelRedriveResponse { redrive: Some(queues::redrive(view)) }))
    }
}

fn with_figures(view: i32) -> Result<bool, Refusal> {
    Ok(match convert::known("view", view)? {
        ResourceView::Unspecified | ResourceView::Basic => false,
        ResourceView::Full => true,
    })
}
