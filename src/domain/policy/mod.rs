//! The policy language: who may do what to which queue, under which conditions. Pure: a document in, a decision out.
//!
//! It is the language of AWS IAM in the versions 2008-10-17 and 2012-10-17, for callers and for queues. A document is
//! compiled once; a request borrows what it is asked about, so that judging it allocates only where a policy fills in
//! variables or compares an address or a time as text.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`action`] | the table of actions |
//! | [`document`], [`statement`], `principal`, `condition`, `operator` | the elements, read and matched |
//! | `arn`, `pattern`, `key`, `date` | what they compare |
//! | [`request`] | what is judged |
//! | [`decide`] | all policies together |
//! | [`edit`] | adds and removes statements in the text |
//! | `json`, [`error`] | the text, and what is wrong with it |
//!

#![doc = include_str!("../../docs/policies.md")]

pub mod action;
mod arn;
mod condition;
mod date;
pub mod decide;
pub mod document;
pub mod edit;
pub mod error;
mod json;
mod key;
mod operator;
mod pattern;
mod principal;
pub mod request;
pub mod statement;

#[cfg(test)]
mod tests;
