//! The durable log and what is derived from it. Bytes and ids: no queue is known here, nothing is async.
//!
//! `unsafe` stands only in the memory-map file, `std::fs` only in the IO adapter.

mod fixed;
pub mod index;
pub mod io;
pub mod log;
