//! Streams as the services see them.
//!
//! A stream lives in one partition, whose thread decides everything about it.

pub mod definition;
pub mod record;
pub mod view;
