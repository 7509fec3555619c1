//! A small store with every byte of it damaged in turn: `storage verify` finds what was lost and where, the engine opens
//! with everything else or refuses with a reason, nothing deleted comes back, `storage repair` keeps every sound block.
//!
//! By default every byte that means something is tried against `verify`, and one in several against the engine;
//! with `FOREBAY_EXHAUSTIVE=1` all of them against both.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`sample`] | makes the store, and opens a copy of it |
//! | [`raw`] | blocks and frames of a segment file, from the tables of the format document alone |
//! | [`account`] | what the sound store shows, and what may be missing of it for a verdict |
//! | [`log`] | flips and truncations of segments |
//! | [`files`] | the same for every other file but the index |
//! | [`index`] | the index, on real files |
//! | [`shards`] | segments of a stream |

mod account;
mod files;
mod index;
mod log;
mod raw;
mod sample;
mod shards;

/// One in how many cases is tried, where not all are.
fn stride(default: usize) -> usize {
    if std::env::var_os("FOREBAY_EXHAUSTIVE").is_some() { 1 } else { default }
}
