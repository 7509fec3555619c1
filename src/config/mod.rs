//! What the broker is told: one table of keys, four layers that may set them, one plain struct as the result.
//!
//! The order is built-in default < file < environment (`FOREBAY__SECTION__KEY`) < flags. Every value remembers where it came from.
//! Nothing is guessed: an unknown key, a wrong unit or a pair that cannot work is a [`Problem`] that names its file and line.
//!
//! Absent on purpose: keys for what this version does not do, and any second place that knows a default.

mod annotated;
mod file;
mod load;
mod pairs;
mod problem;
mod table;
pub mod unit;

pub use annotated::{common, full};
pub use load::{Changes, Loaded, SYSTEM_FILE, Sources, Value};
pub use problem::{ConfigError, Origin, Problem};
pub use table::{
    Api, Auth, Config, ConsumeDefaults, Extra, Index, KEYS, Key, Limits, Log, QueueDefaults, Queues, SECTIONS, Section,
    Server, Storage, Tls,
};

#[cfg(test)]
mod tests;
