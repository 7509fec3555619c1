//! Consumer groups: members share the shards of a stream, and the broker keeps how far each shard is processed.
//!
//! A shard has one owner at a time, under a generation that rises with every assignment, so a member that lost a shard
//! cannot commit for it any more. A shard is given out when its parents are processed to their ends: so a key's records
//! come in order across splits and merges.

pub mod assign;
pub mod event;
pub mod machine;
pub mod members;
pub mod progress;

pub use self::{
    event::Event,
    machine::{Group, Head, Lease, Member, MemberId},
    members::{GroupError, Join},
    progress::{Commit, Sought},
};
