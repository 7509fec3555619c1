//! Amazon Kinesis Data Streams: JSON 1.1 and CBOR, and the events of subscriptions.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`face`] | one request: its checks in the order of AWS, its answer |
//! | [`table`], [`call`] | operation → handler, what a handler knows |
//! | [`channels`] | operations |
//! | [`shape`], [`convert`], [`validate`] | what the operations take in, and what is wrong with an input |
//! | [`fault`] | the errors |
//!
//! Absent on purpose: rules of streams, the engine.

mod call;
mod channels;
mod convert;
pub(super) mod face;
mod fault;
mod shape;
mod table;
mod validate;

#[cfg(test)]
mod tests;
