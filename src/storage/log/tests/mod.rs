//! Tests of the log as a whole: contract, crashes, damage, formats.

mod batch;
mod contract;
mod crash;
mod damage;
mod failure;
mod full;
mod fuzz;
mod golden;
mod matrix;
mod pin;
mod reuse;
mod scrub;
mod support;
mod traits;
mod world;
