//! Forebay: a message broker that keeps what it acknowledged.
//!
//! | layer | what it does |
//! | --- | --- |
//! | [`base`] | ids, names, time, limits |
//! | [`domain`] | pure state machines: command in, events out; the policy language |
//! | [`storage`] | the durable log and what is derived from it |
//! | [`engine`] | one thread a partition between state machines and log |
//! | [`service`] | one file per use case: authorise, validate, call the engine |
//! | [`protocol`] | wire languages |
//! | [`proto`] | the compiled protos |
//! | [`runtime`] | puts everything together |
//! | [`config`] | what the broker is told, and where each value came from |
//! | [`telemetry`] | what it says about itself |
//! | [`cli`] | the command line |

pub mod base;
pub mod cli;
pub mod config;
pub mod domain;
pub mod engine;
pub mod proto;
pub mod protocol;
pub mod runtime;
pub mod service;
pub mod storage;
pub mod telemetry;
