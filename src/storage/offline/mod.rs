//! What `forebay storage inspect|verify|dump|repair` do on a data directory that nobody uses.
//!
//! Facts go out as plain data and through callbacks; nothing is printed here. Everything but `repair` leaves the
//! directory as it is, but for the lock and what sled does to its own files when it opens.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`stopped`] | takes the lock of a directory and reads its identity |
//! | [`inspect`] | what there is, and how large |
//! | [`verify`] | every checksum of every file: a list of problems |
//! | [`dump`] | frames and entries as rows |
//! | [`streams`] | the same three for the segments of streams |
//! | [`repair`] | sets damage aside so that the next start does not stumble over it again |

pub mod dump;
pub mod inspect;
pub mod repair;
pub mod stopped;
pub mod streams;
pub mod verify;

pub use dump::{EntryRow, Filter, FrameRow, Row};
pub use inspect::{IndexFacts, Inspection, SnapshotFacts};
pub use repair::{Action, Repair};
pub use stopped::{OfflineError, Progress, Stopped, Which};
pub use streams::{RecordFilter, RecordRow, StreamFacts};
pub use verify::{Problem, Remedy, Verification};

#[cfg(test)]
mod offline_tests;
#[cfg(test)]
mod streams_tests;
