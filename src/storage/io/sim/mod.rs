//! A disk in memory that behaves like the worst one allowed: what was not synced may be kept, lost or torn at 512
//! bytes after a power cut, names are pending until their directory is synced, a failed sync loses pages silently.
//!
//! Everything is a function of the seed and of the order of calls. Public because integration tests of other layers
//! stand on it; nothing in the product uses it.

mod disk;
mod inode;
mod names;

pub use disk::{Fault, SimDisk};
