//! Wire languages. Each turns bytes into a service's request and its response into bytes, and knows nothing else.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`port`] | sockets, connections, the drain |
//! | [`front`] | one port for all languages: tells request by request which one it speaks |
//! | [`grpc`] | the native language |
//! | [`aws`] | the languages of the AWS SDKs |
//!
//! Absent on purpose: rules of queues, the engine. Languages do not know each other.

pub mod aws;
pub mod front;
pub mod grpc;
pub mod port;
