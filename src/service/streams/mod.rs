//! Streams: who may, which stream, and the engine's calls.
//!
//! What a stream decides is its state machine's: a protocol passes the method to call, as a decision over the view of the
//! stream, and says the refusals in its own words.

pub mod call;
pub mod change;
pub mod fault;
pub mod find;
pub mod follow;
pub mod groups;
pub mod join;
mod membership;
mod pace;
mod plan;
pub mod produce;
pub mod queue_records;
pub mod queues;
pub mod quota;
pub mod read;
mod readers;
pub mod records;
pub mod token;
pub mod view;
