//! What every client of a run shares.

use super::args::StreamBenchArgs;
use crate::{
    cli::{
        bench::{clock::Window, ledger::Bodies},
        credentials::Wire,
    },
    proto::stream::v1::{RecordInput, stream_service_client::StreamServiceClient},
};

/// Partition keys of each client: enough that every shard gets its part.
const KEYS: u64 = 64;

#[derive(Debug)]
pub(super) struct Load {
    pub(super) args: StreamBenchArgs,
    pub(super) stream: String,
    pub(super) bodies: Bodies,
    pub(super) window: Window,
}

impl Load {
    /// Records of a client, from `place` on.
    pub(super) fn records(&self, client: u32, place: u64) -> Vec<RecordInput> {
        let places = place..place + u64::from(self.args.batch());
        places.map(|place| self.record(client, place)).collect()
    }

    pub(super) fn record(&self, client: u32, place: u64) -> RecordInput {
        RecordInput {
            data: self.bodies.make(client, place),
            partition_key: format!("{client}-{}", place % KEYS),
            ..RecordInput::default()
        }
    }
}

pub(super) fn client(channel: Wire) -> StreamServiceClient<Wire> {
    StreamServiceClient::new(channel).max_decoding_message_size(64 << 20)
}
