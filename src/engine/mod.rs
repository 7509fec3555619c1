//! Where the state machines meet the log: one thread a partition, replies that wait for the disk, timers, waiters,
//! the outbox between partitions, the catalog, checkpoints and recovery.
//!
//! Absent on purpose: protocols, HTTP, gRPC, authorisation.

pub mod definition;
pub mod message;
