//! `forebay bench`: measures a server, and the disk below it, from outside.
//!
//! Figures are only worth something beside others from the same minute on the same machine; that is what `--ceiling` and
//! `bench disk` are for.

mod action;
mod ceiling;
mod clock;
mod disk;
mod figures;
mod ledger;
mod outstanding;
mod produce;
mod queue;
mod refuse;
mod show;
mod stream;
mod tally;
mod waiters;

pub(crate) use action::{BenchCommand, run};
