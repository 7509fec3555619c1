//! A queue as a pure state machine.

pub mod event;
pub mod settings;
