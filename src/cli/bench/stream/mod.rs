//! `forebay bench stream`.
//!
//! One file a way to load the server ([`put`], [`produce`], [`read`], [`tail`]); each client keeps its own tally. Every record
//! says who put it and in which place, so that the ledger can tell at the end what was lost, changed, doubled or overtaken in
//! its shard.

mod args;
mod ceiling;
mod fill;
mod load;
mod produce;
mod put;
mod read;
mod report;
mod round;
mod run;
mod tail;

pub(crate) use args::StreamBenchArgs;
pub(crate) use run::run;

#[cfg(test)]
mod tests;
