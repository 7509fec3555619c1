//! The AWS protocols.

pub mod sigv4;
