//! Streams as the services see them, and what stands between their state machines and their records.
//!
//! A stream lives in one partition, whose thread decides everything about it. Its records are entries of the log first,
//! and of shard segments later. Who reads asks neither: the [`feed`] of the stream knows where each durable record
//! stands.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`definition`], [`handle`] | what the catalog keeps of a stream, and what calls look up |
//! | [`record`] | records, as plain data |
//! | [`view`] | what a decision sees, and what it changes |
//! | `catalog` | which streams there are, for partition 0 |
//! | `state` | a stream and what stands on it, as its partition keeps it |
//! | `client`, `queue_client` | the calls |
//! | [`delivery`] | records of queues, and their receipt handles |
//! | `queue_names` | which names queues have |
//! | `feed`, `tail` | where the durable records stand, and who waits for more |
//! | `reading` | records out of the log and out of segments |
//! | `opening` | streams at a start |
//! | `writer` | the thread that brings records from the log to the segments |

pub(in crate::engine) mod catalog;
mod client;
pub mod definition;
pub mod delivery;
pub(in crate::engine) mod feed;
pub mod handle;
pub(in crate::engine) mod opening;
mod queue_client;
pub(in crate::engine) mod queue_names;
pub(in crate::engine) mod reading;
pub mod record;
pub(in crate::engine) mod state;
pub(in crate::engine) mod tail;
pub mod view;
pub(in crate::engine) mod writer;
