//! `forebay backup`: `create` asks a running server; everything else works on a directory of backups, without a server.

mod action;
mod create;
mod list;
mod remove;
mod restore;
mod verify;

pub(crate) use action::{BackupCommand, run};
