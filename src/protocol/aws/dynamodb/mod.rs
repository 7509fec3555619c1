//! The part of DynamoDB that clients of streams keep their leases in. Texts are those of the API reference 2012-08-10.
//!
//! | file | operations |
//! | --- | --- |
//! | [`tables`] | create, describe, list, update, delete |
//! | [`extras`] | expiry, recovery, tags |
//! | [`items`], [`search`], [`batches`] | items: one, many in order, many by their keys |
//!
//! | file | what they share |
//! | --- | --- |
//! | `reader` | members of a request |
//! | `value` | attribute values in JSON |
//! | `expressions` | conditions, updates and projections, in both generations |
//! | `faults` | refusals |

pub(super) mod batches;
mod expressions;
pub(super) mod extras;
mod faults;
pub(super) mod items;
mod reader;
pub(super) mod search;
pub(super) mod tables;
mod value;

pub(super) use faults::kinds;
