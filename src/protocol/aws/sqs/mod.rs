//! The operations of SQS over the use cases of the broker. Rules and texts are those of the API reference 2012-11-05.
//!
//! | file | operations |
//! | --- | --- |
//! | [`queues`] | create, delete, list, purge; attributes; URLs |
//! | [`send`], [`receive`], [`settle`] | messages |
//! | [`tags`], [`permissions`], [`move_tasks`] | what their names say |
//! | [`peek`] | reading without receiving, as emulators offer it |
//!
//! | file | what they share |
//! | --- | --- |
//! | [`name`] | URLs and ARNs of queues |
//! | [`attributes`], [`policies`] | between queue attributes and settings |
//! | [`batch`], [`message`] | rules of batches and of messages; how a message is written |

mod attributes;
mod batch;
mod message;
pub(super) mod move_tasks;
mod name;
pub(super) mod peek;
pub(super) mod permissions;
mod policies;
pub(super) mod queues;
pub(super) mod receive;
pub(super) mod send;
pub(super) mod settle;
pub(super) mod tags;
