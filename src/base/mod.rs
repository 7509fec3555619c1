//! Words every layer shares: ids, names, time, sizes, limits, entropy.
//!
//! Absent on purpose: IO, clocks that run by themselves, async, behaviour.

pub mod entropy;
pub mod id;
pub mod limits;
pub mod name;
pub mod reason;
pub mod secret;
pub mod stream_name;
pub mod stream_queue_arn;
pub mod time;
