//! What is below every wire language: the sockets of a port, the connections over them, the drain.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`serve`] | the accept loop, HTTP/1.1 and HTTP/2 on one socket, the drain |
//! | `calls` | the calls of a connection, run by its own task |
//! | `incoming`, [`connections`] | sockets with TCP_NODELAY, counted and closable |
//! | `refuse` | what connections over the limit are told |
//! | [`tls`] | the certificate of a port, which can change while it serves |
//! | [`drain`] | begins the end, and says how long it may take |
//!
//! Absent on purpose: what a request means.

mod calls;
pub mod connections;
pub mod drain;
mod incoming;
mod refuse;
pub mod serve;
pub mod tls;
