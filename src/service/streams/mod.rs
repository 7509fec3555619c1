//! Streams: who may, which stream, and the engine's calls.
//!
//! What a stream decides is its state machine's: a protocol passes the method to call, as a decision over the view of the
//! stream, and says the refusals in its own words.

pub mod call;
pub mod fault;
pub mod find;
pub mod token;
