//! `forebay stream`: one file a command.

mod action;
mod create;
mod delete;
mod get;
mod list;
mod newest;
mod print;
mod put;
pub(crate) mod range;
mod read;
mod reader;
mod reading;
mod record;
mod report;
mod reshard;
mod set;
mod settings;
mod shard;
mod shards;
mod template;

pub(crate) use action::{StreamArgs, run};
