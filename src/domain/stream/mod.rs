//! A stream as a pure state machine: shards divide the keys, and records get the next place of the shard of their key.
//!
//! `machine` holds it, one file a kind of command decides, `apply` changes. It holds a few numbers per shard, and nothing
//! per record: records stand in the storage, by shard and index.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`hash`], [`sequence`] | where a record goes, and what its place is called |
//! | [`shards`] | the table of shards |
//! | [`create`], [`put`], [`reshard`], [`configure`], [`consumers`], [`queues`], [`demand`] | the decisions |
//! | [`list`], [`position`] | what readers ask |
//! | [`throttle`] | the limits of a shard, in memory only |
//! | [`acks`] | queues over a stream: each record acknowledged for itself |
//! | [`groups`] | consumer groups: members, leases of shards, checkpoints |

pub mod acks;
mod apply;
pub mod checkpoint;
pub mod configure;
pub mod consumers;
pub mod create;
pub mod demand;
pub mod error;
pub mod event;
pub mod groups;
pub mod hash;
pub mod list;
mod machine;
pub mod position;
pub mod put;
pub mod queues;
mod recent;
pub mod reshard;
pub mod sequence;
pub mod settings;
pub mod shards;
mod tags;
pub mod throttle;

pub use self::{
    checkpoint::Head,
    error::{Field, StreamError},
    machine::{Phase, Stream},
    position::{Cursor, Position, PositionError},
    sequence::{SequenceNumber, ShardId},
    shards::Shard,
};

#[cfg(test)]
mod tests;
