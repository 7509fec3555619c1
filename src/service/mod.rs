//! One file per use case: authorise, validate, call the engine. Requests and responses are plain structs.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`broker`] | what every use case stands on: engine, clock, facts of the server |
//! | [`authorise`] | the one place that says who may do what |
//! | [`access`] | access keys: who calls |
//! | [`audit`] | denied and administrative calls, written down |
//! | [`words`] | the engine's plain data that passes through unchanged |
//! | [`check`], [`attributes`], [`settings`] | rules of fields |
//! | `create_queue` … `status` | one use case each |
//! | [`produce`], [`consume`] | streaming sessions |
//! | [`streams`] | streams: finding, deciding, putting, reading |
//! | [`tables`], [`metrics`] | what clients of streams need besides them: leases, and a place for their metrics |
//! | [`sessions`] | what a broken consume call leaves for its successor |
//!
//! Absent on purpose: wire formats, HTTP, status codes.

pub mod access;
pub mod attributes;
pub mod audit;
pub mod authorise;
pub mod backup;
pub mod broker;
pub(crate) mod check;
pub mod consume;
pub mod create_queue;
pub mod delete_queue;
pub mod explain;
pub mod get_queue;
pub mod list_queues;
pub mod metrics;
mod ordered;
pub mod peek;
pub mod permissions;
pub mod produce;
pub mod purge_queue;
pub mod receive;
pub mod redrive;
pub mod send;
mod sequences;
pub mod sessions;
pub mod settings;
pub mod settle;
pub mod status;
pub mod streams;
pub mod tables;
pub mod tags;
pub mod update_queue;
pub mod verify_storage;
pub mod words;
