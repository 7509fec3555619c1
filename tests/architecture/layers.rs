//! The table of layers: for each its neighbours and what it must not contain.
//!
//! The longest matching row counts, so `storage::io` has a row of its own below `storage`.

/// What a layer may use besides itself.
#[derive(Clone, Copy, Debug)]
pub enum Uses {
    Only(&'static [&'static str]),
    Everything,
}

/// One layer.
#[derive(Debug)]
pub struct Row {
    /// The module's path from the crate's root.
    pub layer: &'static str,
    pub uses: Uses,
    /// Paths and crates whose use is refused.
    pub banned: &'static [&'static [&'static str]],
    /// No `async`, no `await`.
    pub sync: bool,
}

/// IO, clocks, threads, randomness, logging, wire formats: what a pure function cannot need.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "getrandom",
    "jiff",
    "log",
    "memmap2",
    "rand",
    "rustix",
    "sled",
    "socket2",
    "tempfile",
    "tracing",
];
const ASYNC: &[&str] = &["futures", "futures_util", "tokio", "tokio_stream", "tokio_util"];
const FILES: &[&str] = &["std::fs", "tokio::fs"];
const HTTP: &[&str] = &["http", "http_body_util", "hyper", "hyper_util", "tower", "tower_http"];
const GRPC: &[&str] = &["tonic", "tonic_health", "tonic_prost", "tonic_reflection", "tonic_types", "tonic_web"];
const WIRE: &[&str] = &["prost", "prost_types", "serde", "serde_json", "toml"];

/// The table. `docs` of a row's choice stand in `src/lib.rs`.
pub const ROWS: &[Row] = &[
    Row { layer: "base", uses: Uses::Only(&[]), banned: &[IMPURE, ASYNC, HTTP, GRPC, WIRE], sync: true },
    Row { layer: "domain", uses: Uses::Only(&["base"]), banned: &[IMPURE, ASYNC, HTTP, GRPC, WIRE], sync: true },
    Row { layer: "storage", uses: Uses::Only(&["base"]), banned: &[FILES, ASYNC, HTTP, GRPC], sync: true },
    Row { layer: "storage::io", uses: Uses::Only(&["base"]), banned: &[ASYNC, HTTP, GRPC, WIRE], sync: true },
    // The journal turns events into stored entries, whose headers are protobuf.
    Row {
        layer: "engine",
        uses: Uses::Only(&["base", "domain", "storage", "proto::storage"]),
        banned: &[FILES, HTTP, GRPC, &["serde", "serde_json"]],
        sync: false,
    },
    Row {
        layer: "service",
        uses: Uses::Only(&["base", "domain", "engine"]),
        banned: &[FILES, HTTP, GRPC, WIRE],
        sync: false,
    },
    Row { layer: "sink", uses: Uses::Only(&["base", "domain", "service"]), banned: &[FILES, GRPC], sync: false },
    Row { layer: "protocol", uses: Uses::Only(&[]), banned: &[FILES], sync: false },
    Row { layer: "protocol::port", uses: Uses::Only(&["base"]), banned: &[FILES, GRPC], sync: false },
    // Where the languages meet: the one place that may name them all.
    Row {
        layer: "protocol::front",
        uses: Uses::Only(&["base", "service", "protocol::aws", "protocol::grpc", "protocol::port"]),
        banned: &[FILES],
        sync: false,
    },
    Row {
        layer: "protocol::grpc",
        uses: Uses::Only(&["base", "domain", "service", "proto", "protocol::port"]),
        banned: &[FILES],
        sync: false,
    },
    Row {
        layer: "protocol::aws",
        uses: Uses::Only(&["base", "domain", "service", "protocol::port"]),
        banned: &[FILES, GRPC],
        sync: false,
    },
    Row { layer: "console", uses: Uses::Only(&["base", "service", "telemetry"]), banned: &[FILES], sync: false },
    Row { layer: "telemetry", uses: Uses::Only(&["base"]), banned: &[FILES], sync: false },
    Row { layer: "config", uses: Uses::Only(&["base"]), banned: &[ASYNC, HTTP, GRPC], sync: true },
    Row {
        layer: "cli",
        uses: Uses::Only(&["base", "config", "runtime", "proto", "telemetry"]),
        banned: &[],
        sync: false,
    },
    // A backup is made by a server, and read and restored without one.
    Row {
        layer: "cli::backup",
        uses: Uses::Only(&["base", "config", "runtime", "storage", "proto"]),
        banned: &[HTTP],
        sync: false,
    },
    // Offline inspection reads files of the log itself.
    Row {
        layer: "cli::storage",
        uses: Uses::Only(&["base", "config", "runtime", "storage", "domain", "proto::storage"]),
        banned: &[ASYNC],
        sync: true,
    },
    Row { layer: "runtime", uses: Uses::Everything, banned: &[], sync: false },
    Row { layer: "proto", uses: Uses::Only(&[]), banned: &[], sync: false },
    Row { layer: "main", uses: Uses::Only(&["cli"]), banned: &[FILES], sync: false },
];

/// The one file in which `unsafe` may stand.
pub const UNSAFE_MODULE: &str = "storage::io::map";

/// The row of the module `path`; `None` when its layer has none.
pub fn row_of(path: &[String]) -> Option<&'static Row> {
    let matches = ROWS.iter().filter(|row| starts_with(path, row.layer));
    matches.max_by_key(|row| row.layer.len())
}

/// Whether `path` is `prefix` or stands below it.
pub fn starts_with(path: &[String], prefix: &str) -> bool {
    let mut names = path.iter();
    prefix.split("::").all(|name| names.next().is_some_and(|found| found == name))
}

impl Row {
    /// Whether code of this layer may name `target`, whose own row is `other`.
    pub fn may_use(&self, target: &[String], other: &Row) -> bool {
        let related = |a: &str, b: &str| a == b || a.starts_with(&format!("{b}::"));
        if related(self.layer, other.layer) || related(other.layer, self.layer) {
            return true;
        }
        match self.uses {
            Uses::Everything => true,
            Uses::Only(list) => list.iter().any(|allowed| starts_with(target, allowed)),
        }
    }
}
