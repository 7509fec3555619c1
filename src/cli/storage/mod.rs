//! `forebay storage`: looks at a data directory that no broker uses. Only `repair` changes anything, and it says what.

mod action;
mod dump;
mod entry;
mod inspect;
mod repair;
mod streams;
mod verify;

pub(crate) use action::{StorageArgs, run};
