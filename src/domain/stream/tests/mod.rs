//! Scenario tables in virtual time, naive models, and proofs that what is restored is what was.

mod script;

mod acks;
mod demand;
mod hash;
mod sequence;
mod settings;
mod shards;
mod throttle;
