//! Forebay: a message broker that keeps what it acknowledged.
//!
//! | layer | what it does |
//! | --- | --- |
//! | [`base`] | ids, names, time, limits |
//! | [`domain`] | pure state machines: command in, events out |
//! | [`storage`] | the durable log and what is derived from it |
//! | [`proto`] | what is generated from the protos |

pub mod base;
pub mod domain;
pub mod proto;
pub mod storage;
