//! `forebay serve`: from a configuration to a running broker, and back to nothing.
//!
//! The order of the end: calls drain, a last checkpoint, the partitions, the log with its mark of a clean shutdown.

use super::{
    adapters::{SystemClock, SystemEntropy},
    keys::{self, FirstKey},
    signals,
    tls::{self, TlsError, TlsFiles},
    waiting,
};
use crate::{
    base::time::Clock,
    config::{Config, Loaded, unit::OnCorruption},
    domain::stream::throttle::ShardLimits,
    engine::{
        access::KeyFileError,
        client::Engine,
        open::{self, OpenError},
        opening::Opening,
        options::{EngineHost, EngineOptions, ScrubOptions, StreamOptions},
    },
    protocol::{
        front,
        port::{serve::ServerOptions, tls::Tls},
    },
    service::{
        access::keys::Trust,
        broker::{Broker, ConfigValue, Rules, ServerFacts},
    },
    storage::{
        io::SysIo,
        log::{CorruptionPolicy, LogOptions},
        store::{self, IndexKind, lock::LockError},
    },
    telemetry::LogFilter,
};
use std::{
    io, iter,
    net::{SocketAddr, TcpListener},
    num::NonZero,
    sync::Arc,
    thread::available_parallelism,
};
use tokio_util::sync::CancellationToken;

/// The exit code when the log can no longer be written.
const EXIT_FATAL: i32 = 70;
/// The format version that this release writes.
const STORAGE_FORMAT: u32 = 1;
/// What "off" means to a server that always asks.
const NO_KEEPALIVE: std::time::Duration = std::time::Duration::from_secs(365 * 86_400);

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    #[error("the first access key cannot be made: {0}")]
    FirstKey(String),
    #[error("serving failed: {0}")]
    Serve(io::Error),
}

/// What keeps a data directory from being opened, as far as a person has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directory {
    /// Another process has it.
    InUse,
    /// It cannot be made or written, or is not a data directory.
    Unusable,
    /// What it holds cannot be read.
    Unreadable,
}

impl ServeError {
    pub fn directory(&self) -> Directory {
        use store::OpenError::{File, Foreign, Lock};
        let Self::Open(OpenError::Store(error)) = self else { return Directory::Unreadable };
        if matches!(error, Lock(LockError::Held { .. })) {
            return Directory::InUse;
        }
        let unusable = matches!(error, Lock(LockError::File(_)) | File(_) | Foreign { .. });
        if unusable { Directory::Unusable } else { Directory::Unreadable }
    }
}

/// Whom the server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Every call proves that it has an access key.
    Production,
    /// Everybody on this machine is believed.
    Development,
}

/// Runs the broker until a signal or a drain ends it. `show_first_key` gets the key that a first start makes.
///
/// # Errors
///
/// The address is taken, or the data directory cannot be used.
pub fn serve(
    loaded: &Loaded,
    filter: LogFilter,
    profile: Profile,
    show_first_key: impl Fn(&FirstKey),
) -> Result<(), ServeError> {
    let config = &loaded.config;
    let addresses = iter::once(&config.api.address).chain(&config.extra.addresses);
    let listeners = addresses.map(|address| listen(*address)).collect::<Result<Vec<_>, _>>()?;
    let addresses: Vec<_> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    let files = TlsFiles::of(&config.tls);
    let tls = files.as_ref().map(TlsFiles::load).transpose()?.map(Tls::new);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if config.server.worker_threads > 0 {
        builder.worker_threads(config.server.worker_threads);
    }
    let runtime = builder.thread_name("serve").enable_all().build().map_err(ServeError::Serve)?;
    let draining = CancellationToken::new();
    runtime.block_on(async { signals::watch(draining.clone()) }).map_err(ServeError::Serve)?;
    if let (Some(files), Some(tls)) = (files, &tls) {
        runtime.block_on(async { tls::watch(files, tls.clone()) }).map_err(ServeError::Serve)?;
    }
    let opening = Arc::new(Opening::default());
    let waiting = waiting::begin(&runtime, &listeners, &server_options(config, tls.clone()), &opening)?;
    let engine = open_engine(config, &opening)?;
    // From here on connections wait until the broker itself takes them.
    runtime.block_on(waiting.end());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let entropy = Box::new(SystemEntropy::default());
    let access = match keys::open(config, trust(profile)) {
        Ok((access, first)) => {
            first.iter().for_each(show_first_key);
            access
        }
        Err(error) => {
            engine.close();
            return Err(error);
        }
    };
    runtime.spawn(keys::keep_uses(access.clone()));
    let broker = Broker::new(engine.clone(), clock, entropy, draining, access.clone(), facts(loaded, filter));
    let (main, others) = addresses.split_first().unwrap_or((&config.api.address, &[]));
    for address in others {
        tracing::info!(%address, "listening here too");
    }
    tracing::info!(address = %main, tls = tls.is_some(), data_dir = %config.server.data_dir.display(), "ready");
    let served = runtime.block_on(front::serve(listeners, Arc::new(broker), server_options(config, tls)));
    access.keep_uses(SystemClock.now());
    engine.close();
    match &served {
        Ok(drained) => tracing::info!(cut_calls = drained.cut_calls, "stopped; everything acknowledged is on disk"),
        Err(error) => tracing::error!(%error, "serving ended"),
    }
    // Calls that were cut may still hold a thread; nothing they could do is acknowledged any more.
    runtime.shutdown_background();
    served.map(drop).map_err(ServeError::Serve)
}

fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let listen = || {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(4096)?;
        Ok(socket.into())
    };
    listen().map_err(|source| ServeError::Listen { address, source })
}

fn open_engine(config: &Config, opening: &Opening) -> Result<Engine, ServeError> {
    let host = EngineHost {
        io: Arc::new(SysIo),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(|| Box::new(SystemEntropy::default())),
        fatal: Arc::new(|why| {
            tracing::error!("{why}; nothing more is acknowledged, the process ends");
            std::process::exit(EXIT_FATAL);
        }),
    };
    let engine = open::open_watched(&engine_options(config), host, opening)?;
    let status = engine.status();
    tracing::info!(
        took_ms = u64::try_from(status.recovery.duration.as_millis()).unwrap_or(u64::MAX),
        frames = status.recovery.frames,
        clean = status.recovery.clean,
        queues = engine.queue_count(),
        "recovered"
    );
    Ok(engine)
}

fn trust(profile: Profile) -> Trust {
    match profile {
        Profile::Production => Trust::Keys,
        Profile::Development => Trust::Anybody,
    }
}

fn engine_options(config: &Config) -> EngineOptions {
    let cores = u32::try_from(available_parallelism().map_or(1, NonZero::get)).unwrap_or(1);
    EngineOptions {
        data_dir: config.server.data_dir.clone(),
        region: config.server.region.clone(),
        partitions: if config.server.partitions == 0 { cores } else { config.server.partitions },
        in_flight_max: config.limits.in_flight_per_queue,
        queues_max: config.limits.queues,
        recreate_wait: config.queues.recreate_wait,
        inbox_bytes: usize::try_from(config.limits.inbox_bytes).unwrap_or(usize::MAX),
        index: IndexKind::Sled { cache_bytes: config.index.cache },
        checkpoint_interval: config.index.checkpoint_interval,
        checkpoint_bytes: config.index.checkpoint_bytes,
        log_retain_bytes: config.storage.log_retain,
        log: LogOptions {
            segment_bytes: config.storage.segment_size,
            hot_tail_bytes: usize::try_from(config.storage.hot_tail).unwrap_or(usize::MAX),
            direct_writes: config.storage.direct_writes,
            group_commit_delay: config.storage.group_commit_delay,
            min_free_percent: config.storage.min_free,
            min_free_bytes: config.storage.min_free_bytes,
            corruption: match config.storage.on_corruption {
                OnCorruption::Quarantine => CorruptionPolicy::Quarantine,
                OnCorruption::Strict => CorruptionPolicy::Strict,
            },
            ..LogOptions::default()
        },
        scrub: ScrubOptions { bytes_per_second: config.storage.scrub_rate, interval: config.storage.scrub_interval },
        streams: StreamOptions {
            limits: if config.streams.shard_limits { ShardLimits::PROVISIONED } else { ShardLimits::NONE },
            ..StreamOptions::default()
        },
    }
}

fn server_options(config: &Config, tls: Option<Tls>) -> ServerOptions {
    ServerOptions {
        max_connections: config.api.max_connections,
        max_request_bytes: usize::try_from(config.api.max_request_bytes).unwrap_or(usize::MAX),
        keepalive: config.api.keepalive.unwrap_or(NO_KEEPALIVE),
        max_concurrent_streams: config.api.max_concurrent_streams,
        max_connection_age: config.api.max_connection_age,
        drain_timeout: config.server.drain_timeout,
        web_origins: Vec::new(),
        tls,
    }
}

fn facts(loaded: &Loaded, filter: LogFilter) -> ServerFacts {
    let values = loaded.values().map(|value| ConfigValue {
        key: value.key.name.to_owned(),
        value: value.text.clone(),
        source: value.origin.to_string(),
        reloadable: value.key.reloadable,
    });
    ServerFacts {
        account: loaded.config.server.account_id.clone(),
        public_url: loaded.config.server.public_url.trim_end_matches('/').to_owned(),
        git_revision: option_env!("FOREBAY_REVISION").unwrap_or("unknown"),
        storage_format: STORAGE_FORMAT,
        config: values.collect(),
        set_log_filter: Arc::new(move |text| filter.set(text).map_err(|error| error.to_string())),
        rules: rules(&loaded.config),
        keys_in_clear: loaded.config.api.insecure,
        memory_bytes: SysIo::resident_bytes,
        cpu_time: SysIo::cpu_time,
    }
}

fn rules(config: &Config) -> Rules {
    Rules {
        visibility_timeout: config.queue_defaults.visibility_timeout,
        retention: config.queue_defaults.retention,
        receive_wait: config.queue_defaults.receive_wait,
        consume_messages: config.consume.max_outstanding_messages,
        consume_bytes: config.consume.max_outstanding_bytes,
        max_lease: config.consume.max_lease,
        consume_messages_max: config.limits.consume_outstanding_messages,
        produce_outstanding_bytes: config.limits.produce_outstanding_bytes,
        in_flight_messages: config.limits.in_flight_per_queue,
        stream_shards: config.limits.stream_shards,
        on_demand_streams: config.limits.on_demand_streams,
        stream_consumers: config.limits.stream_consumers,
    }
}
