//! A queue over a stream: every record of every shard is leased, acknowledged, hidden or set aside for itself, while the
//! stream keeps it for everybody else.
//!
//! What is acknowledged is not written down: it is what lies below the first record never received and is in no run. A
//! run is an interval of records with one fate. So the state follows the holes between acknowledgements, and a consumer
//! that keeps up costs a number per shard, whatever the backlog.

pub mod about;
pub mod event;
pub mod machine;
pub mod manage;
pub mod receive;
pub mod runs;
pub mod settle;

pub use self::{
    about::{About, Created, Settings, Start, Status},
    event::Event,
    machine::{Head, StreamQueue},
    runs::{Fate, Run},
    settle::{AckError, Handle},
};
