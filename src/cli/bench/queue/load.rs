//! What every client of a run shares.

use super::args::QueueBenchArgs;
use crate::cli::bench::ledger::Bodies;
use crate::cli::credentials::Wire;
use crate::{
    cli::bench::clock::{Window, now},
    proto::queue::v1::{Message, ReceivedMessage, queue_service_client::QueueServiceClient},
};
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

#[derive(Debug)]
pub(super) struct Load {
    pub(super) args: QueueBenchArgs,
    pub(super) queues: Vec<String>,
    pub(super) bodies: Bodies,
    backlog: Bodies,
    pub(super) window: Window,
    /// Messages that receivers still expect.
    left: AtomicU64,
    /// When the last of them came.
    finished: OnceLock<Instant>,
}

impl Load {
    pub(super) fn new(args: QueueBenchArgs, queues: Vec<String>, bodies: Bodies, window: Window, left: u64) -> Self {
        let backlog = bodies.of_backlog();
        Self { args, queues, bodies, backlog, window, left: AtomicU64::new(left), finished: OnceLock::new() }
    }

    /// Whether a message is of the backlog, which nobody counts.
    pub(super) fn is_backlog(&self, message: &ReceivedMessage) -> bool {
        self.args.backlog > 0 && self.backlog.read(&message.body).is_some()
    }

    /// The queue of a client's next call: each client goes round all queues, from another beginning.
    pub(super) fn queue(&self, client: u32, call: u64) -> (u32, String) {
        let count = self.queues.len().max(1) as u64;
        let at = (u64::from(client) + call) % count;
        let name = usize::try_from(at).ok().and_then(|at| self.queues.get(at)).cloned();
        (u32::try_from(at).unwrap_or(0), name.unwrap_or_default())
    }

    /// Messages of a client, from `place` on.
    pub(super) fn messages(&self, client: u32, place: u64) -> Vec<Message> {
        let places = place..place + u64::from(self.args.batch());
        places.map(|place| self.message(client, place)).collect()
    }

    pub(super) fn message(&self, client: u32, place: u64) -> Message {
        let fifo = self.args.fifo;
        Message {
            body: self.bodies.make(client, place),
            group_id: if fifo { format!("client-{client}") } else { String::new() },
            deduplication_id: if fifo { format!("{:x}-{client}-{place}", self.bodies.run()) } else { String::new() },
            ..Message::default()
        }
    }

    /// Takes note of messages that came.
    pub(super) fn came(&self, count: usize) {
        let count = count as u64;
        let fewer = |left: u64| Some(left.saturating_sub(count));
        let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).unwrap_or_else(|left| left);
        if before <= count {
            self.finished.get_or_init(now);
        }
    }

    pub(super) fn finished(&self) -> Option<Instant> {
        self.finished.get().copied()
    }

    pub(super) fn is_all_here(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

pub(super) fn client(channel: Wire) -> QueueServiceClient<Wire> {
    QueueServiceClient::new(channel).max_decoding_message_size(64 << 20)
}
