//! `forebay bench queue`.
//!
//! One file a way to load the server ([`send`], [`produce`], [`receive`], [`consume`]); each client keeps its own tally. Every
//! message says who sent it and in which place, so that the ledger can tell at the end what was lost, changed, doubled or
//! overtaken.

mod args;
mod ceiling;
mod consume;
mod fill;
mod load;
mod produce;
mod receive;
mod report;
mod round;
mod run;
mod send;

pub(crate) use args::QueueBenchArgs;
pub(crate) use run::run;

#[cfg(test)]
mod tests;
