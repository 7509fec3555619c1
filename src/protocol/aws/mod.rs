//! The languages of the AWS SDKs: AWS JSON, Query with XML, and CBOR, for the services that stand here.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`face`] | one request from its first byte to its answer's last |
//! | `detect` | which service and operation a request means, in which form |
//! | `table` | service × operation → handler |
//! | `call` | what a handler knows of its call, and how it answers |
//! | [`fault`], [`errors`] | why a call failed, in every form; the one table from reasons to codes |
//! | `access` | who calls |
//! | [`sigv4`] | signatures |
//! | `wire` | the forms: JSON, Query, XML, CBOR |
//! | `sqs`, `sts`, `dynamodb`, `cloudwatch` | the operations |
//! | `kinesis` | a face of its own below this one: streams in JSON 1.1 and CBOR |
//! | `emulator` | endpoints for people who come from emulators |
//!
//! Absent on purpose: rules of queues, the engine, gRPC.

mod access;
mod call;
mod cloudwatch;
mod detect;
mod dynamodb;
mod emulator;
pub mod errors;
pub mod face;
pub mod fault;
mod kinesis;
pub mod sigv4;
mod sqs;
mod sts;
mod table;
mod wire;
