//! Files as the storage layer sees them: a handful of calls whose durability is spelled out.
//!
//! Only [`sys`] and [`map`] touch the operating system; [`sim`] is a disk in memory that loses power on demand.
//! Nothing here knows what a file means.

mod aligned;
mod file;
mod map;
pub mod sim;
mod sys;

pub use aligned::{AlignedBuffer, DIRECT_ALIGNMENT};
pub use file::{
    DirEntry, Io, IoFile, Space, fill_zeroes, is_no_space, read_exact_at, resolve, write_direct_at, write_file_durably,
};
pub use map::{Map, MapWatch};
pub use sys::SysIo;

#[cfg(test)]
mod sim_tests;
#[cfg(test)]
mod sys_tests;
