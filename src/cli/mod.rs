//! The command line. `serve` and `config` work on this machine, `storage` on a stopped data directory; everything else is a client of the
//! gRPC API.
//!
//! One file a command. A command returns an exit code's worth of truth: see [`Failure`]. Results go to standard output, notes and
//! progress to standard error.
//!
//! Absent on purpose: anything a client in another language could not do.

mod access;
mod args;
mod backup;
mod bench;
mod check;
mod client;
mod config;
mod credentials;
mod errors;
mod exit;
mod generate;
mod group;
mod input;
mod interrupt;
mod output;
mod progress;
mod queue;
mod removal;
mod retry;
mod run;
mod serve;
mod server;
mod storage;
mod storage_status;
mod stream;
mod tls;
mod value;
mod verify;
mod version;

pub(crate) use args::{Cli, Command};
pub(crate) use exit::{Exit, Failure};
pub use run::main;

#[cfg(test)]
mod tests;
