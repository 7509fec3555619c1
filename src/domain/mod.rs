//! Pure decisions: state machines, where a command comes in and events come out, and the policy language. `now` is an
//! argument.
//!
//! Absent on purpose: IO, clocks, randomness, async, logging, wire names.

pub mod policy;
pub mod queue;
pub mod stream;
pub mod table;
