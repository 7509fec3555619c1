//! Pure state machines: a command comes in, events come out, `now` is an argument.
//!
//! Absent on purpose: IO, clocks, randomness, async, logging, wire names.

pub mod policy;
pub mod queue;
