//! A partition: one thread that decides, applies and writes for the queues it owns.
//!
//! [`state`] is what replay rebuilds; [`worker`] is the loop; the other files are the commands, one noun each.
//! Absent on purpose: reading payloads, which happens outside the thread, and anything async.

pub(crate) mod archive_state;
mod catalog;
pub(crate) mod figures;
pub(crate) mod lack;
mod messages;
mod on_demand;
pub(crate) mod parking;
mod queues;
mod refusal;
mod relocation;
pub(crate) mod state;
mod stream_queues;
mod streams;
mod tables;
mod timers;
mod transfers;
mod waiters;
pub(crate) mod worker;
