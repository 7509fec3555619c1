//! Leases messages, waiting for the first one if asked to.

use super::{
    authorise::Action,
    broker::{Broker, Caller, draining},
    check,
    words::{Receipt, ReceivedMessage},
};
use crate::{
    base::{limits, reason::Refusal},
    engine::message::ReceiveOptions,
};
use std::time::Duration;

/// Most bytes of a received message besides what its size counts: handle, ids, times, sender, trace context.
pub const MESSAGE_OVERHEAD_BYTES: usize = 900;

#[derive(Clone, Debug, Default)]
pub struct Receive {
    pub queue: String,
    /// `None`: one.
    pub max_messages: Option<u32>,
    /// `None`: as the queue says.
    pub wait: Option<Duration>,
    /// `None`: as the queue says.
    pub visibility_timeout: Option<Duration>,
    /// FIFO only; empty: none.
    pub receive_attempt_id: String,
}

impl Broker {
    /// Once the server drains nobody waits any more, and whoever waits is refused at once, so that they ask another one.
    ///
    /// # Cancel safety
    /// Dropping the future gives back what it leased.
    pub async fn receive(&self, caller: &Caller, request: Receive) -> Result<Vec<ReceivedMessage>, Refusal> {
        let queue = self.queue_for(caller, Action::Receive, "queue", &request.queue)?;
        let most = limits::RECEIVE_MESSAGES_MAX;
        let max_messages = check::number("max_messages", request.max_messages.unwrap_or(1), 1, most)? as usize;
        let wait = request.wait.unwrap_or(queue.options.receive_wait);
        let wait = check::duration("wait", wait, Duration::ZERO, limits::RECEIVE_WAIT_MAX)?;
        if let Some(timeout) = request.visibility_timeout {
            check::duration("visibility_timeout", timeout, Duration::ZERO, limits::VISIBILITY_TIMEOUT_MAX)?;
        }
        let attempt_id = check::short_id("receive_attempt_id", &request.receive_attempt_id)?;
        if attempt_id.is_some() && queue.options.fifo.is_none() {
            return Err(check::outside("receive_attempt_id", "set", "only on FIFO queues"));
        }
        let wait = if self.draining().is_cancelled() { Duration::ZERO } else { wait };
        let max_bytes = Some((limits::RESPONSE_FRAME_BYTES - max_messages * MESSAGE_OVERHEAD_BYTES) as u64);
        let visibility_timeout = request.visibility_timeout;
        let options = ReceiveOptions { max_messages, max_bytes, wait, visibility_timeout, attempt_id };
        tokio::select! {
            received = self.engine.receive(&queue, options) => received,
            () = self.draining().cancelled(), if !wait.is_zero() => Err(draining()),
        }
    }

    /// The lease as clients spell it, the same in every protocol.
    pub fn receipt_handle(&self, receipt: &Receipt) -> String {
        self.engine.receipt_handle(receipt)
    }
}
