//! Access keys: who has one, what a key says of its holder, and how a call proves that it has it.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`key`] | one key, the rules of its fields, and making one |
//! | [`keys`] | all keys of a data directory: looked up by every call, changed seldom and durably |
//! | [`authenticate`] | from what a call carries to a caller |
//! | [`manage`] | the use cases: who am I, create, import, list, revoke |
//!
//! Absent on purpose: what a caller may do (`authorise`), and the signatures of the AWS protocols.

pub mod authenticate;
pub mod key;
pub mod keys;
pub mod manage;
