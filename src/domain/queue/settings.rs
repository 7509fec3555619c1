//! How a queue behaves.

use crate::base::limits;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Standard,
    Fifo(Fifo),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fifo {
    /// The hash of the body stands in for a missing deduplication id.
    pub content_based_deduplication: bool,
    pub deduplication_scope: Scope,
    pub throughput_limit_scope: Scope,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    #[default]
    Queue,
    MessageGroup,
}

/// What of a queue's definition its state machine needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub kind: Kind,
    pub visibility_timeout: Duration,
    pub retention: Duration,
    pub delay: Duration,
    pub receive_wait: Duration,
    pub max_message_bytes: u32,
    /// A message received this often goes to the dead-letter queue instead of being received again.
    pub max_receive_count: Option<u32>,
    pub in_flight_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kind: Kind::Standard,
            visibility_timeout: limits::VISIBILITY_TIMEOUT_DEFAULT,
            retention: limits::RETENTION_DEFAULT,
            delay: Duration::ZERO,
            receive_wait: Duration::ZERO,
            max_message_bytes: limits::MESSAGE_BYTES_MAX,
            max_receive_count: None,
            in_flight_max: limits::IN_FLIGHT_MAX,
        }
    }
}

impl Settings {
    pub fn is_fifo(&self) -> bool {
        matches!(self.kind, Kind::Fifo(_))
    }
}
