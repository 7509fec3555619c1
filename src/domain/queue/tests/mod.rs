//! Scenario tables in virtual time, a naive model, and proofs that a restored queue is the same queue.

mod commands;
mod model;
mod script;

mod convergence;
mod dead_letters;
mod deduplication;
mod fair;
mod fifo;
mod lifecycle;
mod properties;
mod standard;
mod waiting;
