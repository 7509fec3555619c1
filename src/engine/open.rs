//! Opening the engine: directory, snapshot, index, log, threads; in that order, and nothing is served before.
//!
//! The state is the snapshot's heads, the index's pages, and the log replayed over both. When the index cannot be
//! trusted the pages are left out, the archive is read, and the log is replayed from its oldest segment instead: the result
//! is the same. Where the checkpoint's own snapshot is there that happens behind the start ([`super::later`]).

use super::{
    archive::{self, Archive, Opener},
    checkpoint::Checkpointer,
    client::Engine,
    command::Command,
    evacuate::{Evacuation, Jobs},
    host::{Alarms, Host, Recovery, Threads},
    inbox::Inbox,
    journal::OutboxItem,
    later::Later,
    opening::Opening,
    options::{EngineHost, EngineOptions},
    outbox,
    partition::{
        lack::Lack,
        state::State,
        worker::{Shared, Worker},
    },
    payloads::Payloads,
    rebuilt::{Rebuilt, rebuild},
    receipt::Receipts,
    replay::replay,
    scrub::{Desk, Scrub},
    streams::{
        opening as streams,
        queue_names::QueueNames,
        reading::Reading,
        state::StreamParts,
        writer::{self, Orders, SegmentWriter, Waiting},
    },
    upkeep::Upkeep,
};
use crate::{
    base::{
        id::{Lsn, PartitionId},
        limits,
        stream_name::StreamPath,
        time::Timestamp,
    },
    engine::catalog::CatalogRules,
    storage::{
        log::{self, CorruptionPolicy, LocalLog, LogReader, LogStore, LostRange},
        store::{self, Opened, Store},
    },
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::AtomicU64,
        mpsc::{self, SyncSender},
    },
    thread::JoinHandle,
};

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Store(#[from] store::OpenError),
    #[error(transparent)]
    Log(#[from] log::OpenError),
    #[error("partition {partition}: {source}")]
    Acquire { partition: PartitionId, source: log::AppendError },
    #[error("the log holds what this version cannot read, at frame {lsn} of partition {partition}: {what}")]
    Replay { partition: PartitionId, lsn: Lsn, what: String },
    #[error("the snapshot holds what this version cannot read: {0}")]
    Snapshot(String),
    #[error("the index can be neither used nor replaced: {0}")]
    Index(String),
    #[error("the segments of stream {stream} cannot be opened: {source}")]
    Segments { stream: StreamPath, source: std::io::Error },
    #[error("the directory of the segments of streams: {0}")]
    SegmentDirectory(std::io::Error),
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
}

/// Opens the engine over a data directory, making one where there is none. Blocks until everything is replayed.
///
/// # Errors
///
/// The directory cannot be used, or holds what this version cannot read. Damage that can be worked around is logged.
pub fn open(options: &EngineOptions, host: EngineHost) -> Result<Engine, OpenError> {
    let engine = open_watched(options, host, &Opening::default())?;
    engine.0.wait_for_all();
    Ok(engine)
}

/// As [`open`]; `opening` tells how far it is. When the index was lost, queues that had messages may lack them for a while
/// after the return: calls that need them are refused until then.
///
/// # Errors
///
/// As [`open`].
pub fn open_watched(options: &EngineOptions, mut host: EngineHost, opening: &Opening) -> Result<Engine, OpenError> {
    let began = host.clock.now();
    let mut entropy = (host.entropy)();
    let mut opened = Store::open(
        host.io.clone(),
        &options.data_dir,
        store::Options {
            index: options.index.clone(),
            pid: std::process::id(),
            now: began,
            node_id: 0,
            partition_count: options.partitions,
            entropy: entropy.as_mut(),
        },
    )?;
    for warning in &opened.warnings {
        tracing::warn!("{warning}");
    }
    let partitions = opened.identity.partition_count;
    if partitions != options.partitions {
        tracing::warn!(stored = partitions, asked = options.partitions, "the store keeps its number of partitions");
    }
    let (orders, waiting) = writer::orders();
    let parts = StreamParts { limits: options.streams.limits, chunk_bytes: options.streams.chunk_bytes, orders };
    // Who wants to hear of damage before anything is served has to wait.
    let may_be_put_off = options.log.corruption != CorruptionPolicy::Strict;
    let (mut rebuilt, later) = rebuild(&mut opened, partitions, &parts, may_be_put_off)?;
    let opener = Opener::new(&host, options, opened.identity.uuid.into_bytes());
    let (mut late, mut damage) = (Vec::new(), Vec::new());
    // One that is gone is damage too.
    if opener.exists()? || rebuilt.archive_from.durable_seq > 0 {
        let (report, found) = match rebuilt.lacks_messages {
            false => {
                rebuilt.states.values_mut().for_each(|state| state.archive.pages_are_newer = later.is_none());
                archive::find_late(&opener, &rebuilt)?
            }
            true => archive::restore(|from, visit| opener.open_to_read(from, visit), &mut rebuilt)?,
        };
        (late, damage) = (found, report.corrupt);
    }
    let (log, report) = replay(&opened, options, &mut host, &mut rebuilt, opening)?;
    // What lacks messages is told when it has them.
    if later.is_none() {
        archive::hand_over(&late, &mut rebuilt.states);
    }
    let log = Arc::new(log);
    let recovery = Recovery {
        duration: host.clock.now().since(began),
        frames: report.replayed_frames,
        truncated_bytes: report.torn_bytes_dropped,
        clean: report.clean_shutdown,
    };
    let alarms = Arc::new(Alarms::default());
    let of_log = report.corrupt.iter().map(|lost| ("the log", lost));
    let of_archive = damage.iter().map(|lost| ("the archive", lost));
    alarms.tell_damage(of_log.chain(of_archive));
    let found = Found {
        recovery,
        alarms,
        began,
        entropy,
        orders: parts.orders,
        waiting,
        opener,
        later,
        told: [report.corrupt, damage],
    };
    start(options, host, opened, rebuilt, log, found)
}

/// What the opening learnt that the running engine keeps.
struct Found {
    recovery: Recovery,
    alarms: Arc<Alarms>,
    began: Timestamp,
    entropy: Box<dyn crate::base::entropy::Entropy>,
    orders: Orders,
    waiting: Waiting,
    opener: Opener,
    /// The states of queues whose messages are still to be read.
    later: Option<Rebuilt>,
    /// The damage of the log, and of the archive.
    told: [Vec<LostRange>; 2],
}

fn start(
    options: &EngineOptions,
    host: EngineHost,
    opened: Opened,
    Rebuilt { mut states, page_lsns, .. }: Rebuilt,
    log: Arc<LocalLog>,
    found: Found,
) -> Result<Engine, OpenError> {
    let inboxes: Arc<[_]> = states.keys().map(|_| Arc::new(Inbox::new(options.inbox_bytes))).collect();
    let (transfers, items) = mpsc::channel();
    let shared = shared(options, &host, inboxes.clone(), states.len() as u32);
    let archive = found.opener.archive().clone();
    let reader: Arc<dyn LogReader> = Arc::new(archive::Reader { log: log.reader(), archive: archive.clone() });
    let tools = streams::tools(
        options,
        &host,
        opened.identity.uuid.into_bytes(),
        reader.clone(),
        &found.alarms,
        inboxes.clone(),
    );
    let segments = streams::restore(tools, &mut states)?;
    reconcile(&shared, &states);
    let later = found.later.map(|rebuilt| Later::new(rebuilt, found.told, &log, &archive, &inboxes, &found.alarms));
    let (hold, lacks) = later.as_ref().map(Later::begin).unwrap_or_default();
    let partitions = start_partitions(&shared, transfers, &host, &log, states, lacks)?;
    let later = later.map(|later| start_later(later, &host.fatal)).transpose()?;
    let segments = start_segments(segments, found.waiting, &host.fatal)?;
    let pump = start_pump(&host, &shared, &reader, items)?;
    let (evacuations, evacuation) = start_evacuation(&host, &inboxes, &log, &reader, found.opener)?;
    let checkpointer = Checkpointer {
        store: opened.store,
        index: opened.index,
        log: log.clone(),
        archive: archive.clone(),
        clock: host.clock.clone(),
        inboxes,
        page_lsns,
        pending: BTreeMap::new(),
        begins_index: later.is_some(),
        last: None,
        log_retain_bytes: options.log_retain_bytes,
        evacuations,
        orders: found.orders.clone(),
    };
    let upkeep = Upkeep::new(checkpointer, found.alarms.clone(), host.fatal.clone(), options, hold.clone());
    let (stop_checkpointer, checkpointer) = start_upkeep(upkeep)?;
    let (desk, scrub) = start_scrub(options, &host, (&log, &archive), &shared, &found.alarms)?;
    let threads = Threads { later, stop_checkpointer, checkpointer, scrub, partitions, pump, evacuation, segments };
    Ok(Engine(Arc::new(Host {
        region: options.region.clone(),
        shared,
        payloads: Payloads::new(reader.clone()),
        reading: Reading::new(reader),
        orders: found.orders,
        receipts: Receipts::new(&opened.identity.secret),
        log,
        archive,
        io: host.io,
        data_dir: options.data_dir.clone(),
        entropy: Mutex::new(found.entropy),
        started: found.began,
        recovery: found.recovery,
        alarms: found.alarms,
        scrub: desk,
        numbers: AtomicU64::new(1),
        hold,
        threads: Mutex::new(Some(threads)),
    })))
}

fn shared(options: &EngineOptions, host: &EngineHost, inboxes: Arc<[Arc<Inbox<Command>>]>, partitions: u32) -> Shared {
    let rules = CatalogRules {
        partitions,
        queues_max: options.queues_max,
        recreate_wait: options.recreate_wait,
        region: options.region.clone(),
    };
    Shared {
        clock: host.clock.clone(),
        directory: Arc::default(),
        streams: Arc::default(),
        queue_names: QueueNames::default(),
        inboxes,
        rules,
        in_flight_max: options.in_flight_max,
        fatal: host.fatal.clone(),
    }
}

fn start_segments(
    segments: SegmentWriter,
    waiting: Waiting,
    fatal: &Arc<dyn Fn(String) + Send + Sync>,
) -> Result<JoinHandle<()>, OpenError> {
    spawn("segments", fatal, move || segments.run(&waiting))
}

fn start_later(later: Later, fatal: &Arc<dyn Fn(String) + Send + Sync>) -> Result<JoinHandle<()>, OpenError> {
    let and_tell = fatal.clone();
    spawn("later", fatal, move || later.run(&*and_tell))
}

fn start_upkeep(upkeep: Upkeep) -> Result<(mpsc::Sender<()>, JoinHandle<()>), OpenError> {
    let (stop_checkpointer, stop) = mpsc::channel();
    let fatal = upkeep.fatal.clone();
    Ok((stop_checkpointer, spawn("checkpointer", &fatal, move || upkeep.run(&stop))?))
}

fn start_pump(
    host: &EngineHost,
    shared: &Shared,
    reader: &Arc<dyn LogReader>,
    items: mpsc::Receiver<(PartitionId, OutboxItem)>,
) -> Result<JoinHandle<()>, OpenError> {
    let (shared, reader) = (shared.clone(), reader.clone());
    spawn("outbox", &host.fatal, move || outbox::pump(&shared, &reader, &items))
}

fn start_evacuation(
    host: &EngineHost,
    inboxes: &Arc<[Arc<Inbox<Command>>]>,
    log: &Arc<LocalLog>,
    reader: &Arc<dyn LogReader>,
    opener: Opener,
) -> Result<(SyncSender<Jobs>, JoinHandle<()>), OpenError> {
    let (evacuations, jobs) = mpsc::sync_channel(1);
    let evacuation = Evacuation {
        inboxes: inboxes.clone(),
        reader: reader.clone(),
        log: log.clone(),
        clock: host.clock.clone(),
        archive: opener.archive().clone(),
        opener,
        writers: BTreeMap::new(),
        // What a frame takes at once must fit into a block of a segment with what is in it already.
        step_bytes: limits::RELOCATE_BYTES.min(log.frame_bytes_max() / 8),
    };
    Ok((evacuations, spawn("evacuation", &host.fatal, move || evacuation.run(&jobs))?))
}

fn start_scrub(
    options: &EngineOptions,
    host: &EngineHost,
    (log, archive): (&LocalLog, &Arc<Archive>),
    shared: &Shared,
    alarms: &Arc<Alarms>,
) -> Result<(Arc<Desk>, JoinHandle<()>), OpenError> {
    let desk = Arc::new(Desk::new(options.scrub));
    let scrub = Scrub {
        scrubber: log.scrubber(),
        archive: archive.clone(),
        streams: shared.streams.clone(),
        desk: desk.clone(),
        alarms: alarms.clone(),
        clock: host.clock.clone(),
        options: options.scrub,
    };
    Ok((desk, spawn("scrub", &host.fatal, move || scrub.run())?))
}

/// Carries on what was on its way between queues.
fn resume_moves(transfers: &mpsc::Sender<(PartitionId, OutboxItem)>, states: &BTreeMap<PartitionId, State>) {
    for (partition, state) in states {
        for item in state.outbox.values() {
            // The receiver lives until the engine closes.
            drop(transfers.send((*partition, item.clone())));
        }
    }
}

/// Shows every queue of the catalog, and finishes creations, changes and deletions that a crash cut short.
fn reconcile(shared: &Shared, states: &BTreeMap<PartitionId, State>) {
    let Some(catalog) = states.get(&PartitionId(0)).map(|state| &state.catalog) else { return };
    for definition in catalog.definitions() {
        shared.directory.put(definition.clone());
        let settings = definition.options.settings(shared.in_flight_max);
        let known = states.get(&definition.partition).and_then(|state| state.queues.settings(definition.id));
        if known != Some(settings)
            && let Some(inbox) = shared.inbox(definition.partition)
        {
            inbox.push_internal(Command::OpenQueue { definition: definition.clone(), then: Box::new(|_| {}) });
        }
    }
    streams::reconcile(shared, states);
    for (partition, state) in states {
        for queue in state.queues.ids() {
            if shared.directory.by_id(queue).is_none()
                && let Some(inbox) = shared.inbox(*partition)
            {
                inbox.push_internal(Command::CloseQueue { queue, then: Box::new(|_| {}) });
            }
        }
    }
}

fn start_partitions(
    shared: &Shared,
    transfers: mpsc::Sender<(PartitionId, OutboxItem)>,
    host: &EngineHost,
    log: &Arc<LocalLog>,
    states: BTreeMap<PartitionId, State>,
    mut lacks: BTreeMap<PartitionId, Lack>,
) -> Result<Vec<JoinHandle<()>>, OpenError> {
    resume_moves(&transfers, &states);
    let mut threads = Vec::with_capacity(states.len());
    for (partition, state) in states {
        let writer = log.acquire(partition).map_err(|source| OpenError::Acquire { partition, source })?;
        let Some(inbox) = shared.inbox(partition).cloned() else { continue };
        let now = host.clock.now();
        let transfers = transfers.clone();
        let worker = Worker::new(state, shared.clone(), transfers, inbox, writer, (host.entropy)(), now);
        let worker = worker.lacking(lacks.remove(&partition));
        threads.push(spawn(&format!("partition-{partition}"), &host.fatal, move || worker.run())?);
    }
    Ok(threads)
}

/// Starts a named thread whose panic ends the process: a state that may be wrong must not answer.
fn spawn(
    name: &str,
    fatal: &Arc<dyn Fn(String) + Send + Sync>,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let (fatal, what) = (fatal.clone(), name.to_owned());
    let guarded = move || {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err() {
            fatal(format!("thread {what} panicked"));
        }
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(guarded).map_err(OpenError::Thread)
}
