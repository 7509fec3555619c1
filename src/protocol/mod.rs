//! Wire languages. Each turns bytes into a service's request and its response into bytes, and knows nothing else.
//!
//! Absent on purpose: rules of queues, the engine, other protocols.

pub mod grpc;
