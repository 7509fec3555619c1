//! The queue service of a server that stores nothing.

use crate::{
    cli::{
        Failure,
        bench::{
            ceiling::{Answers, Ceiling, FRAME_BYTES, REQUEST_BYTES_MAX},
            ledger::Bodies,
            refuse::refuse,
        },
    },
    proto::queue::v1::{
        self as wire, ConsumeRequest, ConsumeResponse, ProduceRequest, ProduceResponse, ReceiveRequest,
        ReceiveResponse, ReceivedMessage, SendRequest, SendResponse, SendResult, SentMessage, SettleRequest,
        SettleResponse, consume_request, consume_response, produce_request, produce_response,
        queue_service_server::{QueueService, QueueServiceServer},
        send_result,
    },
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming, service::Routes};

const FRAMES: usize = 16;
const MESSAGE_ID: &str = "00008000-0000-8000-8000-000000000000";
/// As long as that of a broker.
const HANDLE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Starts a server that hands out `messages` that the first client is said to have sent.
pub(super) fn start(bodies: Bodies, size: usize, messages: u64) -> Result<Ceiling, Failure> {
    let nothing = Nothing { bodies, size, next: Arc::default(), messages };
    let service = QueueServiceServer::new(nothing).max_decoding_message_size(REQUEST_BYTES_MAX);
    Ceiling::start(Routes::new(service))
}

#[derive(Clone)]
struct Nothing {
    bodies: Bodies,
    size: usize,
    next: Arc<AtomicU64>,
    messages: u64,
}

impl Nothing {
    /// Up to so many of the messages that are left.
    fn some(&self, most: u64) -> Vec<ReceivedMessage> {
        let first = self.next.fetch_add(most, Ordering::Relaxed);
        let end = self.messages.min(first.saturating_add(most));
        (first..end.max(first))
            .map(|place| ReceivedMessage {
                message_id: MESSAGE_ID.to_owned(),
                receipt_handle: HANDLE.to_owned(),
                body: self.bodies.make(0, place),
                receive_count: 1,
                ..ReceivedMessage::default()
            })
            .collect()
    }

    async fn serve_consumer(
        self,
        mut calls: Streaming<ConsumeRequest>,
        answers: mpsc::Sender<Result<ConsumeResponse, Status>>,
    ) {
        let a_frame = (FRAME_BYTES / self.size.max(1)).max(1) as u64;
        let mut credit = 0_u64;
        while let Ok(Some(call)) = calls.message().await {
            let answer = match call.frame {
                Some(consume_request::Frame::Open(open)) => {
                    credit = open.flow_control.map_or(32, |flow| u64::from(flow.max_outstanding_messages));
                    consume_response::Frame::Opened(consume_response::Opened::default())
                }
                Some(consume_request::Frame::Settle(settle)) => {
                    credit += settle.settlements.len() as u64;
                    let settled =
                        consume_response::SettledThrough { settle_id: settle.settle_id, failures: Vec::new() };
                    consume_response::Frame::SettledThrough(settled)
                }
                Some(consume_request::Frame::FlowControl(_)) | None => continue,
            };
            if answers.send(Ok(ConsumeResponse { frame: Some(answer) })).await.is_err() {
                return;
            }
            while credit > 0 {
                let messages = self.some(credit.min(a_frame));
                if messages.is_empty() {
                    break;
                }
                credit -= messages.len() as u64;
                let delivery = consume_response::Frame::Delivery(consume_response::Delivery { messages });
                if answers.send(Ok(ConsumeResponse { frame: Some(delivery) })).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn stored() -> SendResult {
    let sent = SentMessage { message_id: MESSAGE_ID.to_owned(), ..SentMessage::default() };
    SendResult { result: Some(send_result::Result::Sent(sent)) }
}

#[tonic::async_trait]
impl QueueService for Nothing {
    async fn send(&self, request: Request<SendRequest>) -> Result<Response<SendResponse>, Status> {
        let results = request.get_ref().messages.iter().map(|_| stored()).collect();
        Ok(Response::new(SendResponse { results }))
    }

    async fn receive(&self, request: Request<ReceiveRequest>) -> Result<Response<ReceiveResponse>, Status> {
        let messages = self.some(u64::from(request.get_ref().max_messages.max(1)));
        Ok(Response::new(ReceiveResponse { messages }))
    }

    async fn settle(&self, _: Request<SettleRequest>) -> Result<Response<SettleResponse>, Status> {
        Ok(Response::new(SettleResponse::default()))
    }

    type ProduceStream = Answers<ProduceResponse>;

    async fn produce(
        &self,
        request: Request<Streaming<ProduceRequest>>,
    ) -> Result<Response<Self::ProduceStream>, Status> {
        let answers = request.into_inner().map(|call| {
            let frame = match call?.frame {
                Some(produce_request::Frame::Batch(batch)) => {
                    let results = batch.messages.iter().map(|_| stored()).collect();
                    let acked = produce_response::Acked { first_sequence: batch.first_sequence, results };
                    produce_response::Frame::Acked(acked)
                }
                Some(produce_request::Frame::Open(_)) | None => {
                    produce_response::Frame::Opened(produce_response::Opened::default())
                }
            };
            Ok(ProduceResponse { frame: Some(frame) })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    type ConsumeStream = Answers<ConsumeResponse>;

    async fn consume(
        &self,
        request: Request<Streaming<ConsumeRequest>>,
    ) -> Result<Response<Self::ConsumeStream>, Status> {
        let (answers, stream) = mpsc::channel(FRAMES);
        tokio::spawn(self.clone().serve_consumer(request.into_inner(), answers));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    refuse! {
        create_queue: CreateQueueRequest -> CreateQueueResponse,
        get_queue: GetQueueRequest -> GetQueueResponse,
        list_queues: ListQueuesRequest -> ListQueuesResponse,
        update_queue: UpdateQueueRequest -> UpdateQueueResponse,
        delete_queue: DeleteQueueRequest -> DeleteQueueResponse,
        purge_queue: PurgeQueueRequest -> PurgeQueueResponse,
        peek: PeekRequest -> PeekResponse,
        start_redrive: StartRedriveRequest -> StartRedriveResponse,
        list_redrives: ListRedrivesRequest -> ListRedrivesResponse,
        cancel_redrive: CancelRedriveRequest -> CancelRedriveResponse,
    }
}
