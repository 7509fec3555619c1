//! `forebay bench`: measures a server, and the disk below it, from outside.
//!
//! Figures are only worth something beside others from the same minute on the same machine; that is what `--ceiling` and
//! `bench disk` are for.

mod action;
mod clock;
mod disk;
mod queue;
mod show;
mod waiters;

pub(crate) use action::{BenchCommand, run};
