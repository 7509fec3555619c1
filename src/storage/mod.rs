//! The durable log and what is derived from it. Bytes and ids: no queue is known here, nothing is async.
//!
//! `unsafe` stands only in the memory-map file, `std::fs` only in the IO adapter.

pub mod access;
mod aside;
pub mod backup;
pub mod checkpoint;
pub mod file_error;
mod fixed;
pub mod identity;
pub mod index;
pub mod io;
pub mod log;
pub mod offline;
pub mod shard;
pub mod snapshot;
pub mod store;
