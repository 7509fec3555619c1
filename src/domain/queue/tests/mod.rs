//! Scenario tables in virtual time, a naive model, and proofs that a restored queue is the same queue.

mod script;

mod fifo;
mod standard;
