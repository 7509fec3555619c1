//! Scenario tables in virtual time, a naive model, and proofs that a restored queue is the same queue.

mod script;

mod dead_letters;
mod deduplication;
mod fair;
mod fifo;
mod lifecycle;
mod standard;
