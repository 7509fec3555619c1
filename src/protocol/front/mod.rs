//! One port for every language: each request says by itself which one it speaks, and no port is only one's.

mod body;
mod service;
mod starting;

pub use service::serve;
pub use starting::{HowFar, answer_while_starting};
