//! A stream as a pure state machine: records in the order of their shards, and the shards that divide the keys.

pub mod hash;
pub mod sequence;

#[cfg(test)]
mod tests;
