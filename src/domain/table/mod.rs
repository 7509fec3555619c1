//! Tables of items, as far as clients of streams keep their leases in them: the small part of DynamoDB that they use.
//!
//! [`Tables`] decides with `&self` and changes by [`event::Event`]s only, live and in replay alike. An event carries the whole
//! new item, so replay converges.
//!
//! | file | what it holds |
//! | --- | --- |
//! | [`number`], [`value`], [`path`] | attribute values and where they stand |
//! | [`expression`] | conditions, updates, projections and key conditions, written as text or as structures |
//! | [`schema`] | what a table is; `define` decides about creating and changing one |
//! | [`position`] | where an item stands in its table and in its indexes |
//! | `store` | one table's items and indexes |
//! | `tables` | all tables |
//! | `write`, [`read`] | the decisions about items |
//! | [`error`] | refusals in the words of DynamoDB |

pub mod define;
pub mod error;
pub mod event;
pub mod expression;
pub mod number;
pub mod path;
pub mod position;
pub mod read;
pub mod schema;
mod store;
mod tables;
#[cfg(test)]
mod tests;
pub mod value;
pub mod write;

pub use self::{
    error::{ErrorKind, TableError},
    store::Table,
    tables::{Answer, Limits, Request, Shown, Tables, TablesImage},
    value::{Item, Value},
};
