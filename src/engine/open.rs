//! Opening the engine: directory, snapshot, index, log, threads; in that order, and nothing is served before.
//!
//! The state is the snapshot's heads, the index's pages, and the log replayed over both. When the index cannot be
//! trusted the pages are left out, the archive is read, and the log is replayed from its oldest segment instead: the result
//! is the same.

use super::{
    archive::{self, Archive, Opener},
    checkpoint::{Checkpointer, PageLsns, SECTION_KIND},
    client::Engine,
    command::Command,
    evacuate::{Evacuation, Jobs},
    host::{Alarms, Host, Recovery, Threads},
    image::{Section, decode_page, decode_section},
    inbox::Inbox,
    journal::OutboxItem,
    opening::Opening,
    options::{EngineHost, EngineOptions},
    outbox,
    partition::{
        state::State,
        worker::{Shared, Worker},
    },
    payloads::Payloads,
    receipt::Receipts,
    replay::replay,
    scrub::{Desk, Scrub},
    streams::{
        opening as streams,
        queue_names::QueueNames,
        reading::Reading,
        state::StreamParts,
        writer::{self, Orders, Waiting},
    },
    upkeep,
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
        index::{IndexState, IndexStore},
        log::{self, LocalLog, LogReader, LogStore, ReplayFrom},
        snapshot::Snapshot,
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

/// What replay builds: the partitions' states and where each stands.
pub(super) struct Rebuilt {
    pub(super) states: BTreeMap<PartitionId, State>,
    pub(super) from: ReplayFrom,
    /// Where what of the archive is not in the states begins.
    pub(super) archive_from: ReplayFrom,
    /// The messages of the states are to come from the archive and the log.
    pub(super) lacks_messages: bool,
    page_lsns: PageLsns,
}

/// Opens the engine over a data directory, making one where there is none. Blocks until everything is replayed.
///
/// # Errors
///
/// The directory cannot be used, or holds what this version cannot read. Damage that can be worked around is logged.
pub fn open(options: &EngineOptions, host: EngineHost) -> Result<Engine, OpenError> {
    open_watched(options, host, &Opening::default())
}

/// As [`open`]; `opening` tells how far it is.
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
    let mut rebuilt = rebuild(&mut opened, partitions, &parts)?;
    let opener = Opener::new(&host, options, opened.identity.uuid.into_bytes());
    let (mut late, mut damage) = (Vec::new(), Vec::new());
    // One that is gone is damage too.
    if opener.exists()? || rebuilt.archive_from.durable_seq > 0 {
        let (report, found) = match rebuilt.lacks_messages {
            false => {
                rebuilt.states.values_mut().for_each(|state| state.archive.pages_are_newer = true);
                archive::find_late(&opener, &rebuilt)?
            }
            true => archive::restore(&opener, &mut rebuilt)?,
        };
        (late, damage) = (found, report.corrupt);
    }
    let (log, report) = replay(&opened, options, &mut host, &mut rebuilt, opening)?;
    archive::hand_over(&late, &mut rebuilt.states);
    let log = Arc::new(log);
    let recovery = Recovery {
        duration: host.clock.now().since(began),
        frames: report.replayed_frames,
        truncated_bytes: report.torn_bytes_dropped,
        clean: report.clean_shutdown,
    };
    let alarms = Arc::new(Alarms::default());
    let of_log = report.corrupt.iter().map(|lost| ("the log", lost));
    for (place, lost) in of_log.chain(damage.iter().map(|lost| ("the archive", lost))) {
        alarms.set("CORRUPT_SEGMENT", true);
        tracing::error!("acknowledged data in {place} is damaged: {lost}");
    }
    let found = Found { recovery, alarms, began, entropy, orders: parts.orders, waiting, opener };
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
}

/// Heads from the snapshot, messages from the index, or nothing of either.
fn rebuild(opened: &mut Opened, partitions: u32, parts: &StreamParts) -> Result<Rebuilt, OpenError> {
    let sections = sections(opened.snapshot.as_ref())?;
    if let (Some(checkpoint), IndexState::Usable) = (&opened.checkpoint, &opened.index_state) {
        let mut rebuilt = states(sections, partitions, parts)?;
        match load_pages(opened.index.as_ref(), &mut rebuilt) {
            Ok(()) => {
                let at_checkpoint =
                    checkpoint.partitions.iter().all(|at| rebuilt.from.lsns.get(&at.partition) == Some(&at.lsn));
                rebuilt.from.segment = at_checkpoint.then_some(checkpoint.wal_segment);
                rebuilt.from.durable_seq = checkpoint.durable_seq;
                return Ok(rebuilt);
            }
            Err(why) => {
                tracing::warn!("the index cannot be used and is rebuilt from the log: {why}");
                opened.index.start_over().map_err(|error| OpenError::Index(error.to_string()))?;
            }
        }
        let sections = self::sections(opened.snapshot.as_ref())?;
        return without_pages(sections, partitions, parts, checkpoint.durable_seq);
    }
    if let IndexState::Fresh { why } = &opened.index_state
        && !opened.created
    {
        tracing::warn!("the index starts empty and is rebuilt from the log: {why}");
    }
    without_pages(sections, partitions, parts, opened.checkpoint.as_ref().map_or(0, |at| at.durable_seq))
}

fn without_pages(
    sections: Vec<Section>,
    partitions: u32,
    parts: &StreamParts,
    durable_seq: u64,
) -> Result<Rebuilt, OpenError> {
    let mut rebuilt = states(sections, partitions, parts)?;
    rebuilt.page_lsns.clear();
    rebuilt.lacks_messages = true;
    rebuilt.from = ReplayFrom { durable_seq, ..ReplayFrom::default() };
    Ok(rebuilt)
}

fn sections(snapshot: Option<&Snapshot>) -> Result<Vec<Section>, OpenError> {
    let sections = snapshot.into_iter().flat_map(|snapshot| &snapshot.sections);
    sections
        .filter(|section| section.kind == SECTION_KIND)
        .map(|section| decode_section(&section.bytes).map_err(|error| OpenError::Snapshot(error.to_string())))
        .collect()
}

/// States without messages; `page_lsns` says which pages belong to them.
fn states(sections: Vec<Section>, partitions: u32, parts: &StreamParts) -> Result<Rebuilt, OpenError> {
    let mut from = ReplayFrom::default();
    let mut page_lsns = PageLsns::new();
    let mut archive_from = ReplayFrom::default();
    let mut states: BTreeMap<PartitionId, State> =
        (0..partitions).map(PartitionId).map(|id| (id, State::new(id, parts.clone()))).collect();
    for section in sections {
        from.lsns.insert(section.partition, section.lsn);
        let (position, head) = section.archive_from;
        archive_from.segment = (position.segment > 0).then_some(position.segment);
        archive_from.durable_seq = position.durable_seq;
        archive_from.lsns.insert(section.partition, head);
        for queue in &section.queues {
            page_lsns.extend(queue.pages.iter().map(|(number, lsn)| ((queue.id, *number), *lsn)));
        }
        states.insert(
            section.partition,
            State::from_section(section, parts.clone()).map_err(|error| OpenError::Snapshot(error.to_string()))?,
        );
    }
    Ok(Rebuilt { states, from, archive_from, lacks_messages: false, page_lsns })
}

/// Puts the index's pages into their queues. Pages may be newer than the heads, never older.
fn load_pages(index: &dyn IndexStore, rebuilt: &mut Rebuilt) -> Result<(), String> {
    let mut missing = std::mem::take(&mut rebuilt.page_lsns);
    let mut found = PageLsns::new();
    let mut problem = None;
    let owners: BTreeMap<_, _> =
        rebuilt.states.iter().flat_map(|(id, state)| state.queues.ids().map(|queue| (queue, *id))).collect();
    let mut before = None;
    let mut visit = |queue, number, bytes: &[u8]| {
        let (lsn, page) = match decode_page(bytes) {
            Ok(page) => page,
            Err(error) => {
                problem.get_or_insert(format!("page {number} of queue {queue}: {error}"));
                return;
            }
        };
        // Whatever is found is known of, so that no page is left that nobody overwrites or removes.
        found.insert((queue, number), lsn);
        // A queue that is not in the snapshot was made later; the log has all of it.
        let Some(owner) = owners.get(&queue) else { return };
        // Pages come queue by queue: one whose last page came may rest.
        if let Some((owner, queue)) = before.replace((*owner, queue)).filter(|(_, before)| *before != queue)
            && let Some(state) = rebuilt.states.get_mut(&owner)
        {
            state.queues.park(queue);
        }
        let Some(state) = rebuilt.states.get_mut(owner) else { return };
        let listed = missing.remove(&(queue, number));
        if listed.is_some_and(|listed| listed > lsn) {
            problem.get_or_insert(format!("page {number} of queue {queue} is older than the checkpoint"));
        }
        if let Err(error) = state.queues.restore_page(queue, number, &page) {
            problem.get_or_insert(format!("page {number} of queue {queue}: {error}"));
        }
    };
    index.scan(&mut visit).map_err(|error| error.to_string())?;
    if let Some(problem) = problem {
        return Err(problem);
    }
    if let Some(((queue, number), _)) = missing.first_key_value() {
        return Err(format!("page {number} of queue {queue} is missing"));
    }
    rebuilt.page_lsns = found;
    Ok(())
}

fn start(
    options: &EngineOptions,
    host: EngineHost,
    opened: Opened,
    rebuilt: Rebuilt,
    log: Arc<LocalLog>,
    found: Found,
) -> Result<Engine, OpenError> {
    let Rebuilt { mut states, page_lsns, .. } = rebuilt;
    let inboxes: Arc<[Arc<Inbox<Command>>]> =
        states.keys().map(|_| Arc::new(Inbox::new(options.inbox_bytes))).collect();
    let (transfers, items) = mpsc::channel();
    let shared = shared(options, &host, inboxes.clone(), states.len() as u32);
    let archive = found.opener.archive().clone();
    let reader: Arc<dyn LogReader> = Arc::new(archive::Reader { log: log.reader(), archive: archive.clone() });
    let uuid = opened.identity.uuid.into_bytes();
    let tools = streams::tools(options, &host, uuid, reader.clone(), &found.alarms, inboxes.clone());
    let segments = streams::restore(tools, &mut states)?;
    reconcile(&shared, &states);
    streams::reconcile(&shared, &states);
    resume_moves(&transfers, &states);
    let partitions = start_partitions(&shared, &transfers, &host, &log, states)?;
    drop(transfers);
    let waiting = found.waiting;
    let segments = spawn("segments", &host.fatal, move || segments.run(&waiting))?;
    let pump = start_pump(&host, &shared, &reader, items)?;
    // What a frame takes at once must fit into a block of a segment with what is in it already.
    let step = limits::RELOCATE_BYTES.min(log.frame_bytes_max() / 8);
    let (evacuations, evacuation) = start_evacuation(&host, &inboxes, &log, &reader, found.opener, step)?;
    let checkpointer = Checkpointer {
        store: opened.store,
        index: opened.index,
        log: log.clone(),
        archive: archive.clone(),
        clock: host.clock.clone(),
        inboxes,
        page_lsns,
        pending: BTreeMap::new(),
        index_failed: false,
        last: None,
        log_retain_bytes: options.log_retain_bytes,
        evacuations,
        orders: found.orders.clone(),
    };
    let (stop_checkpointer, stop) = mpsc::channel();
    let upkeep = upkeep::Upkeep::new(checkpointer, found.alarms.clone(), host.fatal.clone(), options);
    let checkpointer = spawn("checkpointer", &host.fatal, move || upkeep.run(&stop))?;
    let (desk, scrub) = start_scrub(options, &host, (&log, &archive), &shared, &found.alarms)?;
    let threads = Threads { stop_checkpointer, checkpointer, scrub, partitions, pump, evacuation, segments };
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
    step_bytes: usize,
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
        step_bytes,
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
    transfers: &mpsc::Sender<(PartitionId, OutboxItem)>,
    host: &EngineHost,
    log: &Arc<LocalLog>,
    states: BTreeMap<PartitionId, State>,
) -> Result<Vec<JoinHandle<()>>, OpenError> {
    let mut threads = Vec::with_capacity(states.len());
    for (partition, state) in states {
        let writer = log.acquire(partition).map_err(|source| OpenError::Acquire { partition, source })?;
        let Some(inbox) = shared.inbox(partition).cloned() else { continue };
        let now = host.clock.now();
        let transfers = transfers.clone();
        let worker = Worker::new(state, shared.clone(), transfers, inbox, writer, (host.entropy)(), now);
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
