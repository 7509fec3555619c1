//! Where everything is put together: the clock, the randomness and the files of this machine, the engine, the server,
//! and the order in which they end.

mod adapters;
mod serve;
mod signals;
mod tls;

pub use adapters::{SystemClock, SystemEntropy};
pub use serve::{ServeError, serve};
pub use tls::{TlsError, TlsFiles};
