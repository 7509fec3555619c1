//! Amazon Kinesis Data Streams: JSON 1.1 and CBOR, and the events of subscriptions.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`face`] | one request: its checks in the order of AWS, its answer |
//! | [`table`], [`call`] | operation → handler, what a handler knows |
//! | [`streams`], [`describe`], [`settings`], [`put`], [`read`], [`consumers`], [`subscribe`], [`tags`], [`queues`], [`queue_records`], [`channels`], [`account`] | operations |
//! | [`target`], [`token`], [`words`] | which stream, iterators, what streams refuse in the words of AWS |
//! | [`shape`], [`convert`], [`validate`] | what the operations take in, and what is wrong with an input |
//! | [`fault`] | the errors |
//! | [`cbor`] | the form that the SDK for Java speaks |
//!
//! Absent on purpose: rules of streams, the engine.

mod account;
mod call;
mod cbor;
mod channels;
mod consumers;
mod convert;
mod describe;
pub(super) mod face;
mod fault;
mod put;
mod queue_records;
mod queues;
mod read;
mod settings;
mod shape;
mod streams;
pub(super) mod subscribe;
mod table;
mod tags;
mod target;
mod token;
mod validate;
mod words;

#[cfg(test)]
mod tests;
