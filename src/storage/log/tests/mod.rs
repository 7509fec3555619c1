//! Tests of the log as a whole: contract, crashes, damage, formats.

mod contract;
mod crash;
mod support;
mod world;
