//! The whole engine on a simulated machine that loses power, again and again, with everything at work that a broker does.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `machine` | disk, index and clock, which outlive the engines that are started on them |
//! | `oracle` | what clients were told of the messages of a queue, and what must therefore be there |
//! | `load` | clients: they send, receive, settle, purge and redrive, and tell the oracle |
//! | `stream` | the same for a stream |
//! | `record_queue` | the same for a queue over a stream |
//! | `keeping` | operators: backups, and checks of the storage |
//! | `leases` | tables of leases, on a machine of their own |
//! | `random` | power cuts at random calls, several in a row, from a seed |
//! | `chains` | lives in a row whose traps only a later one falls into: an index ahead of its snapshot, and lost; restores |
//! | `every_call` | one script for messages and one for records, and a power cut at each of their calls |
//!
//! A seed decides what is done and at which call the power goes. It does not decide which of the engine's threads comes
//! first, so a seed that failed may have to run more than once to fail again. Where everything runs on one thread, in the
//! storage layer, a seed makes the same calls of the disk, byte for byte: `storage::log` and `storage::backup` test that.
//!
//! `FOREBAY_CRASH_SEEDS=10000` runs that many seeds instead of the usual ones, `FOREBAY_CRASH_SEEDS=17..18` seed 17. With
//! `RUST_LOG=warn` the engines say what they find.

mod chains;
mod every_call;
mod keeping;
mod leases;
mod load;
pub(super) mod machine;
mod oracle;
mod random;
mod record_queue;
mod stream;
