//! What the sound store shows, and what a verdict allows to be missing of it.

use crate::{
    base::id::{Lsn, MessageSeq, PartitionId, QueueId},
    engine::message::BrowsedMessage,
    storage::offline::{EntryRow, Filter, Problem, Row, Stopped, Verification, Which},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

pub(super) type Frames = BTreeSet<(PartitionId, Lsn)>;

/// Kinds of entries after which a message is no longer in its queue, as the storage format numbers them.
const ENDS: [u8; 7] = [4, 5, 6, 7, 12, GONE, 21];
/// The first kind that is about a whole queue and not about a message of it.
const QUEUE_OPENED: u8 = 11;
const RELOCATED: u8 = 15;
const GONE: u8 = 18;

/// What an engine shows of a store.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    pub(super) queues: BTreeMap<QueueId, String>,
    pub(super) messages: BTreeMap<(QueueId, MessageSeq), BrowsedMessage>,
    pub(super) alarms: Vec<String>,
}

/// A sound store, and what stands in its log, or in its archive.
pub(super) struct Account {
    which: Which,
    pub(super) verification: Verification,
    pub(super) shown: Shown,
    rows: BTreeMap<(PartitionId, Lsn), Vec<EntryRow>>,
}

fn rows(stopped: &Stopped, which: Which) -> BTreeMap<(PartitionId, Lsn), Vec<EntryRow>> {
    let mut rows: BTreeMap<(PartitionId, Lsn), Vec<EntryRow>> = BTreeMap::new();
    let mut collect = |row: Row| {
        match row {
            Row::Frame(frame) => drop(rows.entry((frame.partition, frame.lsn)).or_default()),
            Row::Entry(entry) => rows.entry((entry.partition, entry.lsn)).or_default().push(entry),
        }
        ControlFlow::Continue(())
    };
    let filter = Filter { which, ..Filter::default() };
    stopped.dump(&filter, &mut collect, &mut |_| {}).expect("dumps");
    rows
}

impl Account {
    pub(super) fn of(stopped: &Stopped, which: Which, verification: Verification, shown: Shown) -> Self {
        Self { which, verification, shown, rows: rows(stopped, which) }
    }

    /// Every kind of entry that the log, or the archive, holds.
    pub(super) fn kinds(stopped: &Stopped, which: Which) -> BTreeSet<u8> {
        rows(stopped, which).values().flatten().map(|entry| entry.kind).collect()
    }

    /// Those frames of the sound log that the problems call lost.
    pub(super) fn lost(&self, problems: &[Problem]) -> Frames {
        let ranges: Vec<_> = problems.iter().flat_map(|problem| &problem.frames).collect();
        let is_lost = |&&(partition, lsn): &&(PartitionId, Lsn)| {
            ranges.iter().any(|lost| lost.partition == partition && lost.first <= lsn && lsn <= lost.last)
        };
        self.rows.keys().filter(is_lost).copied().collect()
    }

    /// Every frame is dumped as it was written, or is called lost.
    pub(super) fn check_dump(&self, stopped: &Stopped, lost: &Frames, what: &str) {
        let left = rows(stopped, self.which);
        for (place, sound) in &self.rows {
            match left.get(place) {
                Some(left) => assert_eq!(left, sound, "{what}: frame {place:?} reads otherwise"),
                None => assert!(lost.contains(place), "{what}: frame {place:?} is gone and not named"),
            }
        }
        let new = left.keys().find(|place| !self.rows.contains_key(place));
        assert_eq!(new, None, "{what}: a frame that never was");
    }

    /// What an engine shows is what the sound store shows, but for what the lost frames said.
    pub(super) fn check_shown(&self, shown: &Shown, lost: &Frames, what: &str) {
        let said: Vec<&EntryRow> = lost.iter().filter_map(|place| self.rows.get(place)).flatten().collect();
        let about = |queue: QueueId| said.iter().any(|entry| entry.target == queue.0);
        let of_queue = |queue: QueueId| said.iter().any(|entry| entry.target == queue.0 && is_of_queue(entry.kind));
        for (queue, name) in &self.shown.queues {
            assert!(shown.queues.contains_key(queue) || of_queue(*queue), "{what}: queue {name} is gone");
        }
        for (&(queue, seq), sound) in &self.shown.messages {
            match shown.messages.get(&(queue, seq)) {
                Some(left) if left == sound => {}
                Some(left) => {
                    assert_eq!(left.payload.body, sound.payload.body, "{what}: message {seq} of {queue}");
                    assert!(about(queue), "{what}: {left:?} was {sound:?}");
                }
                None => {
                    let named = said.iter().any(|entry| entry.target == queue.0 && entry.seq == seq.0);
                    assert!(named || of_queue(queue), "{what}: message {seq} of {queue} is gone and not named");
                }
            }
        }
        for (queue, seq) in shown.messages.keys().filter(|key| !self.shown.messages.contains_key(key)) {
            let is_end = |entry: &&&EntryRow| entry.target == queue.0 && ENDS.contains(&entry.kind);
            assert!(said.iter().any(|entry| is_end(&entry)), "{what}: message {seq} of {queue} comes back");
        }
    }
}

fn is_of_queue(kind: u8) -> bool {
    kind >= QUEUE_OPENED && !(RELOCATED..=GONE).contains(&kind)
}
