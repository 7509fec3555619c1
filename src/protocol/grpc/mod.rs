//! The native protocol: gRPC and gRPC-Web.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`face`] | the services together, as the port needs them |
//! | `dispatch` | from a path to a service; gRPC-Web beside it; deadlines |
//! | `call` | who calls, over which connection, under which request id |
//! | [`errors`] | the one table from reasons to codes, and the details of a status |
//! | `queue_service`, `admin_service`, `access_service` | the rpcs |
//! | `stream_service`, `stream_follow` | those of streams |
//! | `session`, `consume`, `stream_join` | `Consume` and `Join`, and how each is spelled |
//! | `produce`, `queue_produce`, `stream_produce` | `Produce`, and how it is spelled for messages and for records |
//! | `convert`, `queues`, `messages`, `streams`, [`access`] | between wire messages and the services' structs |
//!
//! Absent on purpose: rules of queues, the engine, sockets.

pub mod access;
mod access_service;
mod admin_service;
mod call;
mod consume;
mod convert;
mod dispatch;
pub mod errors;
pub mod face;
mod messages;
mod produce;
mod queue_produce;
mod queue_service;
mod queues;
mod session;
mod storage;
mod stream_follow;
mod stream_join;
mod stream_produce;
mod stream_service;
mod streams;
mod verify;
