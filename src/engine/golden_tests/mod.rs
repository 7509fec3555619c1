//! A whole data directory of storage format 1, as a broker of that format left it when it was killed, beside a backup of
//! it: every later version opens it with every message in its state.
//!
//! `tests/fixtures/store-v1/store.packed` is made anew, for a new format only, by
//! `FOREBAY_MAKE_GOLDEN=1 cargo test --lib golden`.
//!
//! | file | what it does |
//! | --- | --- |
//! | [`packed`] | a directory as one file without its zeroes |
//! | [`make`] | makes the fixture |
//! | [`streams`] | its stream and its table |
//! | [`check`] | opens a copy of it and looks at everything |

mod check;
mod make;
mod packed;
mod streams;

use super::{
    client::Engine,
    open::open,
    options::{EngineHost, EngineOptions, StreamOptions},
    tests::options,
};
use crate::{
    base::time::{Clock, Timestamp},
    runtime::SystemEntropy,
    storage::{io::SysIo, log::LogOptions, shard::SegmentRule},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// When the fixture was made. Time stands still in it, or its messages would be too old by now.
const MADE: Timestamp = Timestamp(1_780_000_000_000);
/// When it is looked at: leases and delays of the fixture are longer.
const LOOKED_AT: Timestamp = Timestamp(MADE.0 + 60_000);
const DATA: &str = "data";
const BACKUP: &str = "backup";
/// The receipt handle of a lease that was held when the broker was killed.
const RECEIPT: &str = "receipt";
const KEY_ID: &str = "AKIAGOLDENGOLDENGOLD";
const KEY_SECRET: &str = "golden/secret+for+tests+only0123456789AB";

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-v1/store.packed")
}

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn start(dir: &Path, now: Timestamp) -> Engine {
    let host = EngineHost {
        io: Arc::new(SysIo),
        clock: Arc::new(At(now)),
        entropy: Arc::new(|| Box::new(SystemEntropy::default())),
        fatal: Arc::new(|why| panic!("{why}")),
    };
    let log = LogOptions { segment_bytes: 64 << 10, ..options(dir).log };
    let segments = SegmentRule { bytes: 2048, age: Duration::from_secs(3600) };
    let streams = StreamOptions { segments, chunk_bytes: 200, rounds: 2, ..StreamOptions::default() };
    // A checkpoint with every segment, since the clock stands still; everything that is old is archived.
    let options =
        EngineOptions { partitions: 2, checkpoint_bytes: 1, log_retain_bytes: 0, log, streams, ..options(dir) };
    open(&options, host).unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
}
