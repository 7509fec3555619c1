//! `forebay group`: one file a command.

mod action;
mod delete;
mod get;
mod list;
mod record;
mod seek;

pub(crate) use action::{GroupArgs, run};
pub(crate) use list::fetch;
