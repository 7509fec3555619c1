//! A session that receives and settles over one call.
//!
//! [`ledger`] decides, without IO: what is outstanding, how much more may be delivered, which leases are to be extended.
//! [`session`] drives it: it waits for the client, the engine and the clock, and never holds a delivery that the
//! client's credit does not cover. [`open`] checks how a session begins.

pub mod ledger;
pub mod open;
pub mod session;

#[cfg(test)]
mod ledger_tests;
