//! Forebay: a message broker that keeps what it acknowledged.
//!
//! | layer | what it does |
//! | --- | --- |
//! | [`base`] | ids, names, time, limits |
//! | [`domain`] | pure state machines: command in, events out |
//! | [`storage`] | the durable log and what is derived from it |

pub mod base;
pub mod domain;
pub mod storage;
