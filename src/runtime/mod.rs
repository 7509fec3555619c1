//! Where everything is put together: the clock, the randomness and the files of this machine, the engine, the server,
//! and the order in which they end.

mod adapters;
mod keys;
mod offline_keys;
mod serve;
mod signals;
mod tls;
mod waiting;

pub use adapters::{SystemClock, SystemEntropy};
pub use keys::FirstKey;
pub use offline_keys::{OfflineKeys, OfflineKeysError};
pub use serve::{Directory, Profile, ServeError, serve};
pub use tls::{TlsError, TlsFiles};
