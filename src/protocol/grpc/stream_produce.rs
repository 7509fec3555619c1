//! `Produce` of records into a stream.

use super::{
    call::Call,
    convert,
    produce::{Kind, Said, Told},
    queues, streams,
};
use crate::{
    base::{limits, reason::Refusal},
    proto::stream::v1::{
        ProduceRequest, ProduceResponse, produce_request,
        produce_response::{self, Frame},
    },
    service::streams::produce::{Acked, OpenProduce, ProduceSession},
};
use std::task::{Context, Poll};

pub(super) struct Records;

impl Kind for Records {
    type Request = ProduceRequest;
    type Response = ProduceResponse;
    type Open = produce_request::Open;
    type Batch = produce_request::Batch;
    type Acked = Acked;
    type Session = ProduceSession;

    fn read(request: ProduceRequest) -> Option<Said<Self>> {
        Some(match request.frame? {
            produce_request::Frame::Open(open) => Said::Open(open),
            produce_request::Frame::Batch(batch) => Said::Batch(batch),
        })
    }

    fn spell(told: Told<Self>) -> ProduceResponse {
        let frame = match told {
            Told::Opened { last_sequence, max_outstanding_bytes } => {
                let max_batch_bytes = limits::BATCH_BYTES as u32;
                Frame::Opened(produce_response::Opened { last_sequence, max_outstanding_bytes, max_batch_bytes })
            }
            Told::Acked(acked) => {
                let results = streams::results(acked.results);
                Frame::Acked(produce_response::Acked { first_sequence: acked.first_sequence, results })
            }
            Told::Draining { grace } => {
                Frame::Draining(produce_response::Draining { grace: Some(convert::to_duration(grace)) })
            }
        };
        ProduceResponse { frame: Some(frame) }
    }

    async fn begin(call: &Call, open: produce_request::Open) -> Result<ProduceSession, Refusal> {
        queues::durability("open.durability", open.durability)?;
        let open = OpenProduce { stream: open.stream, producer_id: open.producer_id };
        call.broker().open_stream_produce(call.caller(), open).await
    }

    fn opened(session: &ProduceSession) -> (u64, u64) {
        (session.last_sequence(), session.max_outstanding_bytes())
    }

    fn push(session: &mut ProduceSession, batch: produce_request::Batch) -> Result<(), Refusal> {
        session.push(batch.first_sequence, streams::records(batch.records))
    }

    fn poll_acked(session: &mut ProduceSession, cx: &mut Context<'_>) -> Poll<Acked> {
        session.poll_acked(cx)
    }

    fn has_room(session: &ProduceSession) -> bool {
        session.has_room()
    }

    fn is_settled(session: &ProduceSession) -> bool {
        session.is_settled()
    }
}
