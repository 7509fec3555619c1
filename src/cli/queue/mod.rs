//! `forebay queue`: one file a command.

mod action;
mod call;
mod consume;
mod create;
mod delete;
mod exec;
mod get;
mod list;
mod message;
mod peek;
mod purge;
mod receive;
mod record;
mod redrive;
mod send;
mod set;
mod settings;
mod settle;

pub(crate) use action::{QueueArgs, run};
