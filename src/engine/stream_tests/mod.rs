//! Streams in the engine: what was acknowledged is read once, in order within its key, until its retention passes.

mod backed_up;
mod damaged;
mod kept;
mod lives;
mod queues;
pub(super) mod support;
