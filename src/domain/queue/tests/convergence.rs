//! A queue put together from a checkpoint and a stretch of the log is the queue that wrote them.
//!
//! Heads and pages may be of different moments: a crash in the middle of a checkpoint leaves pages newer than the head,
//! and with the pages lost the log is replayed from far before the head.

use super::commands::{Around, Entry, Step, queue_settings, run, steps};
use crate::{
    base::id::{Location, Lsn, MessageSeq, QueueId},
    domain::queue::{Browse, Head, MessageView, Page, Queue, Stats, event::Event, settings::Settings},
};
use proptest::prelude::*;
use std::{collections::BTreeMap, time::Duration};

const ID: QueueId = QueueId(1);

/// The log: what each command led to. Commands without events have no frame, as in the engine.
#[derive(Default)]
struct Log(Vec<Vec<Event>>);

impl Log {
    fn replay(&self, queue: &mut Queue, from: usize) {
        for (lsn, frame) in self.0.iter().enumerate().skip(from) {
            for (index, event) in frame.iter().enumerate() {
                queue.apply(event, Location { lsn: Lsn(lsn as u64), offset: index as u32, len: 1 });
            }
        }
    }
}

/// A queue as it stood when the log had `lsn` frames.
struct Snapshot {
    lsn: usize,
    head: Head,
    pages: BTreeMap<u64, Page>,
    oldest: Option<Lsn>,
    /// The queue knew that it stands there of every message below this entry of the archive.
    archived: usize,
    /// What the archive had not heard of.
    changes: Vec<MessageSeq>,
    /// Entries of the archive.
    entries: usize,
}

fn snapshot(queue: &mut Queue, around: &Around, lsn: usize) -> Snapshot {
    // As a checkpoint does; the lowest frame is exact then.
    queue.take_changes();
    let pages = queue.page_numbers().into_iter().map(|n| (n, queue.page(n).expect("a listed page holds messages")));
    let change = around.archive.changes.first().map(|(lsn, _)| *lsn);
    let changes = around.archive.changes.iter().map(|(_, seq)| *seq).collect();
    let oldest = [queue.lowest_frames().log, change].into_iter().flatten().min();
    Snapshot {
        lsn,
        head: queue.head(),
        pages: pages.collect(),
        oldest,
        archived: around.archive.handed_over(),
        changes,
        entries: around.archive.entries.len(),
    }
}

/// Runs commands on a queue that gets the locations of its events from the log; a snapshot after every command.
fn live(settings: &Settings, steps: &[Step]) -> (Queue, Around, Log, Vec<Snapshot>) {
    let (mut queue, mut around, mut log) = (Queue::new(ID, settings.clone()), Around::new(), Log::default());
    let mut snapshots = vec![snapshot(&mut queue, &around, 0)];
    for step in steps {
        go(&mut queue, &mut around, step, Some(&mut log));
        snapshots.push(snapshot(&mut queue, &around, log.0.len()));
    }
    (queue, around, log, snapshots)
}

fn go(queue: &mut Queue, around: &mut Around, (pause, command): &Step, log: Option<&mut Log>) -> String {
    around.now = around.now + Duration::from_millis(*pause);
    let done = run(queue, around, command);
    if let (Some(log), false) = (log, done.events.is_empty()) {
        log.0.push(done.events);
        let last = log.0.len() - 1;
        log.replay(queue, last);
        let changes = queue.take_archive_changes();
        around.archive.changes.extend(changes.into_iter().map(|seq| (Lsn(last as u64), seq)));
        queue.advance(around.now);
    }
    done.answer
}

/// Everything that can be seen of a queue but the moments its pages were written at.
#[derive(Debug, PartialEq)]
struct Seen {
    head: Head,
    messages: Vec<MessageView>,
    stats: Stats,
    ready: bool,
    deadline_is_set: bool,
}

fn see(queue: &mut Queue, around: &Around, places: Places) -> Seen {
    queue.advance(around.now);
    let mut browsed = queue.browse(around.now, &Browse { limit: usize::MAX, ..Browse::default() });
    if places == Places::MayDiffer {
        browsed.messages.iter_mut().for_each(|message| message.location = Location::default());
    }
    let mut head = queue.head();
    head.now = around.now;
    Seen {
        head,
        messages: browsed.messages,
        stats: queue.stats(around.now),
        ready: queue.has_ready(),
        deadline_is_set: queue.next_deadline().is_some(),
    }
}

/// Where the entries stand. The archive may have messages of which the log does not say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Places {
    Same,
    MayDiffer,
}

/// The restored queue looks like the live one, and behaves like it from now on.
fn same(
    mut live: Queue,
    mut twin: Queue,
    around: &Around,
    future: &[Step],
    places: Places,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(see(&mut twin, around, places), see(&mut live, around, places));
    let (mut here, mut there) = (around.clone(), around.clone());
    for step in future {
        let expected = go(&mut live, &mut here, step, None);
        prop_assert_eq!(go(&mut twin, &mut there, step, None), expected, "{:?}", step);
    }
    prop_assert_eq!(see(&mut twin, &there, places), see(&mut live, &here, places));
    Ok(())
}

/// One of `count` things, by a random number.
fn pick(random: u16, count: usize) -> usize {
    usize::from(random) * count / (usize::from(u16::MAX) + 1)
}

/// The head of one moment with pages of later ones.
fn over_newer_pages(snapshots: &[Snapshot], a: usize, pages_at: &[u16]) -> Queue {
    let mut twin = Queue::from_head(ID, snapshots[a].head.clone());
    for number in 0..=snapshots.iter().flat_map(|s| s.pages.keys()).max().copied().unwrap_or(0) {
        let b = a + pick(pages_at[number as usize % pages_at.len()], snapshots.len() - a);
        if let Some(page) = snapshots[b].pages.get(&number) {
            twin.restore_page(number, page).expect("a page");
        }
    }
    twin
}

/// Replays as a start with an index does; gives the messages that the archive has to hear of.
fn replay_noting(log: &Log, twin: &mut Queue, from: usize) -> Vec<MessageSeq> {
    let mut changed = Vec::new();
    for (lsn, frame) in log.0.iter().enumerate().skip(from) {
        for (index, event) in frame.iter().enumerate() {
            changed.extend(twin.ended_before(event));
            twin.apply(event, Location { lsn: Lsn(lsn as u64), offset: index as u32, len: 1 });
            changed.extend(twin.take_archive_changes());
        }
    }
    changed
}

fn restore(twin: &mut Queue, entries: &[Entry]) {
    for entry in entries {
        match entry {
            Entry::Message(stored, at) => twin.restore_archived(stored, *at),
            Entry::State(stored) => twin.restore_archived_state(stored),
            Entry::Gone(seq) => twin.restore_archived_gone(*seq),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_may_be_newer_than_the_head_and_the_log_older(
        settings in queue_settings(),
        past in steps(80),
        future in steps(20),
        head_at in any::<u16>(),
        pages_at in proptest::collection::vec(any::<u16>(), 8),
        replay_from in any::<u16>(),
    ) {
        let (live, around, log, snapshots) = live(&settings, &past);
        let a = pick(head_at, snapshots.len());
        let mut twin = over_newer_pages(&snapshots, a, &pages_at);
        let from = pick(replay_from, snapshots[a].lsn + 1);
        log.replay(&mut twin, from);
        same(live, twin, &around, &future, Places::Same)?;
    }

    #[test]
    fn without_pages_the_archive_and_the_log_from_the_first_message_held_are_enough(
        settings in queue_settings(),
        past in steps(80),
        future in steps(20),
        head_at in any::<u16>(),
    ) {
        let (live, around, log, snapshots) = live(&settings, &past);
        let a = &snapshots[pick(head_at, snapshots.len())];
        let mut twin = Queue::from_head(ID, a.head.clone());
        let mut late = Vec::new();
        for (index, entry) in around.archive.entries.iter().enumerate() {
            match entry {
                // If it lived, the log has it.
                Entry::Message(stored, at) if index >= a.archived => late.push((stored.seq, *at)),
                Entry::Message(stored, at) => twin.restore_archived(stored, *at),
                Entry::State(stored) => twin.restore_archived_state(stored),
                Entry::Gone(seq) => twin.restore_archived_gone(*seq),
            }
        }
        log.replay(&mut twin, a.oldest.map_or(a.lsn, |lsn| lsn.0 as usize));
        for (seq, to) in late {
            let event = twin.archive_late(seq, to);
            twin.apply(&event, Location::default());
        }
        same(live, twin, &around, &future, Places::MayDiffer)?;
    }

    #[test]
    fn what_the_archive_hears_after_a_start_makes_up_for_the_log_that_goes(
        settings in queue_settings(),
        past in steps(80),
        future in steps(20),
        head_at in any::<u16>(),
        pages_at in proptest::collection::vec(any::<u16>(), 8),
    ) {
        let (_, around, log, snapshots) = live(&settings, &past);
        let index = pick(head_at, snapshots.len());
        let a = &snapshots[index];
        let mut twin = over_newer_pages(&snapshots, index, &pages_at);
        let mut changed = a.changes.clone();
        changed.extend(replay_noting(&log, &mut twin, a.lsn));
        for entry in around.archive.entries.iter().skip(a.archived) {
            if let Entry::Message(stored, at) = entry {
                let event = twin.archive_late(stored.seq, *at);
                twin.apply(&event, Location::default());
                changed.extend(twin.take_archive_changes());
            }
        }
        // Of what became of messages the archive heard nothing before the crash.
        let (before, behind) = around.archive.entries.split_at(a.entries);
        let is_message = |entry: &&Entry| matches!(entry, Entry::Message(..));
        let mut entries: Vec<Entry> = before.iter().chain(behind.iter().filter(is_message)).cloned().collect();
        entries.extend(changed.into_iter().map(|seq| twin.stored_message(seq).map_or(Entry::Gone(seq), Entry::State)));
        // A checkpoint, the log up to its first message goes, and then the index is lost.
        let after = snapshot(&mut twin, &Around::new(), log.0.len());
        let mut again = Queue::from_head(ID, after.head);
        restore(&mut again, &entries);
        log.replay(&mut again, after.oldest.map_or(after.lsn, |lsn| lsn.0 as usize));
        same(twin, again, &around, &future, Places::Same)?;
    }

    #[test]
    fn pages_that_changed_are_all_a_checkpoint_writes(
        settings in queue_settings(),
        past in steps(80),
        future in steps(20),
        every in 1..20usize,
        torn in any::<u16>(),
    ) {
        let (mut live, mut around, mut log) = (Queue::new(ID, settings.clone()), Around::new(), Log::default());
        let (mut index, mut head, mut head_lsn) = (BTreeMap::new(), live.head(), 0);
        for (count, step) in past.iter().enumerate() {
            go(&mut live, &mut around, step, Some(&mut log));
            if count % every == 0 {
                write_dirty(&live, &mut index, usize::MAX);
                live.take_changes();
                (head, head_lsn) = (live.head(), log.0.len());
            }
        }
        // The last checkpoint breaks off: some pages are new, the head is old.
        write_dirty(&live, &mut index, pick(torn, 4));
        let mut twin = Queue::from_head(ID, head);
        for (number, page) in index {
            twin.restore_page(number, &page).expect("a page");
        }
        log.replay(&mut twin, head_lsn);
        same(live, twin, &around, &future, Places::Same)?;
    }
}

fn write_dirty(queue: &Queue, index: &mut BTreeMap<u64, Page>, limit: usize) {
    for number in queue.dirty_pages().into_iter().take(limit) {
        match queue.page(number) {
            Some(page) => index.insert(number, page),
            None => index.remove(&number),
        };
    }
}
