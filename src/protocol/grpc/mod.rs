//! The native protocol: gRPC and gRPC-Web on one port.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`server`] | the accept loop, connection settings, the drain |
//! | `incoming`, [`connections`] | sockets with TCP_NODELAY, counted and closable |
//! | `dispatch` | from a path to a service; gRPC-Web beside it |
//! | `call` | who calls, over which connection, under which request id |
//! | [`errors`] | the one table from reasons to codes, and the details of a status |
//! | `queue_service`, `produce`, `consume`, `admin_service` | the rpcs |
//! | `convert`, `queues`, `messages` | between wire messages and the services' structs |
//!
//! Absent on purpose: rules of queues, the engine.

mod admin_service;
mod call;
pub mod connections;
mod consume;
mod convert;
mod dispatch;
pub mod errors;
mod incoming;
mod messages;
mod produce;
mod queue_service;
mod queues;
pub mod server;
