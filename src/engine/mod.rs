//! Where the state machines meet the log: one thread a partition, replies that wait for the disk, timers, waiters,
//! the outbox between partitions, the catalog, checkpoints and recovery.
//!
//! Absent on purpose: protocols, HTTP, gRPC, authorisation.

pub mod access;
mod archive;
pub mod backup;
mod catalog;
mod checkpoint;
pub mod client;
mod command;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod damage_tests;
pub mod definition;
mod directory;
mod evacuate;
#[cfg(test)]
mod evacuate_tests;
pub mod figures;
#[cfg(test)]
mod full_tests;
mod gate;
#[cfg(test)]
mod golden_tests;
mod host;
#[cfg(test)]
mod idle_tests;
mod image;
mod inbox;
mod journal;
mod later;
#[cfg(test)]
mod later_tests;
pub mod message;
pub mod open;
pub mod opening;
pub mod options;
mod outbox;
#[cfg(test)]
mod parking_tests;
mod partition;
mod payloads;
mod rebuilt;
mod receipt;
mod replay;
pub mod scrub;
#[cfg(test)]
mod stream_tests;
pub mod streams;
pub mod tables;
#[cfg(test)]
mod tests;
mod upkeep;
#[cfg(test)]
mod week_tests;
