//! What the broker says about itself: one line an event on standard error, text for people, JSON for programs.
//!
//! Absent on purpose: message bodies and secrets in any line.

mod log;

pub use log::{FilterError, LineFormat, LogFilter, init};
