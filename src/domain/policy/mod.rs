//! The policy language: who may do what to which queue, under which conditions. Pure: a document in, a decision out.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`action`] | the table of actions |

pub mod action;
