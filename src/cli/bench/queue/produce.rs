//! `Produce`: how it is spelled for messages.

use super::{
    load::{Load, client},
    send::read,
};
use crate::{
    cli::{
        bench::{
            clock::Window,
            produce::{Kind, Told},
            tally::Tally,
        },
        credentials::Wire,
    },
    proto::queue::v1::{ProduceRequest, ProduceResponse, produce_request, produce_response},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

impl Kind for Load {
    type Request = ProduceRequest;
    type Response = ProduceResponse;

    fn window(&self) -> &Window {
        &self.window
    }

    fn limits(&self) -> (u64, u64) {
        (u64::from(self.args.batch()), u64::from(self.args.window))
    }

    async fn call(
        channel: Wire,
        requests: ReceiverStream<ProduceRequest>,
    ) -> Result<Streaming<ProduceResponse>, Status> {
        Ok(client(channel).produce(requests).await?.into_inner())
    }

    fn open(&self, client: u32) -> ProduceRequest {
        let (_, queue) = self.queue(client, 0);
        let open = produce_request::Open { queue, ..produce_request::Open::default() };
        frame(produce_request::Frame::Open(open))
    }

    fn batch(&self, client: u32, first: u64) -> (ProduceRequest, u64) {
        let messages = self.messages(client, first);
        let count = messages.len() as u64;
        (frame(produce_request::Frame::Batch(produce_request::Batch { first_sequence: first + 1, messages })), count)
    }

    fn read(tally: &mut Tally, response: &ProduceResponse) -> Told {
        match &response.frame {
            Some(produce_response::Frame::Acked(acked)) => Told::Acked {
                count: acked.results.len() as u64,
                stored: tally.results(acked.first_sequence.saturating_sub(1), acked.results.iter().map(read)),
            },
            Some(produce_response::Frame::Draining(_)) => Told::Draining,
            Some(produce_response::Frame::Opened(_)) | None => Told::Other,
        }
    }
}

fn frame(frame: produce_request::Frame) -> ProduceRequest {
    ProduceRequest { frame: Some(frame) }
}
