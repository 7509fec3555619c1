//! What every client of a run shares.

use super::{
    args::{Mode, StreamBenchArgs},
    tail::Flights,
};
use crate::{
    cli::{
        bench::{clock::Window, ledger::Bodies},
        credentials::Wire,
    },
    proto::stream::v1::{RecordInput, stream_service_client::StreamServiceClient},
};
use std::{ops::Range, time::Instant};

/// Partition keys of each client: enough that every shard gets its part.
const KEYS: u64 = 64;

#[derive(Debug)]
pub(super) struct Load {
    pub(super) args: StreamBenchArgs,
    pub(super) stream: String,
    pub(super) bodies: Bodies,
    pub(super) window: Window,
    /// Kept only for who follows.
    pub(super) flights: Flights,
}

impl Load {
    /// Records of a client, from `place` on.
    pub(super) fn records(&self, client: u32, place: u64) -> Vec<RecordInput> {
        let places = place..place + u64::from(self.args.batch());
        places.map(|place| self.record(client, place)).collect()
    }

    /// Records set out.
    pub(super) fn begin(&self, client: u32, places: Range<u64>, at: Instant) {
        if self.args.mode == Mode::Tail {
            self.flights.begin(client, places, at);
        }
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
