//! `forebay access`: who calls, and the keys of those who may.

mod action;
mod key;
mod record;

pub(crate) use action::{AccessArgs, run};
