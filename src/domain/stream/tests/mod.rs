//! Scenario tables in virtual time, naive models, and proofs that what is restored is what was.

mod random;
mod script;

mod ack_model;
mod acks;
mod convergence;
mod demand;
mod groups;
mod hash;
mod properties;
mod sequence;
mod settings;
mod shards;
mod throttle;
