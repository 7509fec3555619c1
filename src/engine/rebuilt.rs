//! What a start begins with: heads from the snapshot, and the messages from the index if that can be used.

use super::{
    checkpoint::{PageLsns, SECTION_KIND},
    image::{Section, decode_page, decode_section},
    open::OpenError,
    partition::state::State,
    streams::state::StreamParts,
};
use crate::{
    base::id::PartitionId,
    storage::{
        checkpoint::Checkpoint,
        index::{IndexState, IndexStore},
        log::ReplayFrom,
        snapshot::Snapshot,
        store::Opened,
    },
};
use std::collections::BTreeMap;

/// What replay builds: the partitions' states and where each stands.
pub(super) struct Rebuilt {
    pub(super) states: BTreeMap<PartitionId, State>,
    pub(super) from: ReplayFrom,
    /// Where what of the archive is not in the states begins.
    pub(super) archive_from: ReplayFrom,
    /// The messages of the states are to come from the archive and the log.
    pub(super) lacks_messages: bool,
    pub(super) page_lsns: PageLsns,
}

/// Heads from the snapshot, and messages from the index. Without it they are still to come: into these states, or, where it
/// `may_be_put_off` and can be, into the second ones, which have the queues that lack messages and nothing else.
pub(super) fn rebuild(
    opened: &mut Opened,
    partitions: u32,
    parts: &StreamParts,
    may_be_put_off: bool,
) -> Result<(Rebuilt, Option<Rebuilt>), OpenError> {
    if let (Some(checkpoint), IndexState::Usable) = (&opened.checkpoint, &opened.index_state) {
        let mut rebuilt = states(sections(opened.snapshot.as_ref())?, partitions, parts)?;
        match load_pages(opened.index.as_ref(), &mut rebuilt) {
            Ok(()) => {
                rebuilt.goes_on_from(checkpoint);
                return Ok((rebuilt, None));
            }
            Err(why) => {
                tracing::warn!("the index cannot be used and is rebuilt from the log: {why}");
                opened.index.start_over().map_err(|error| OpenError::Index(error.to_string()))?;
            }
        }
    } else if let IndexState::Fresh { why } = &opened.index_state
        && !opened.created
    {
        tracing::warn!("the index starts empty and is rebuilt from the log: {why}");
    }
    without_pages(opened, partitions, parts, may_be_put_off)
}

fn without_pages(
    opened: &Opened,
    partitions: u32,
    parts: &StreamParts,
    may_be_put_off: bool,
) -> Result<(Rebuilt, Option<Rebuilt>), OpenError> {
    let mut rebuilt = states(sections(opened.snapshot.as_ref())?, partitions, parts)?;
    let pages = std::mem::take(&mut rebuilt.page_lsns);
    // An older snapshot may lack queues of messages that the archive has: not even new ones could be read.
    if let Some(checkpoint) = opened.checkpoint.as_ref().filter(|at| may_be_put_off && rebuilt.is_of(at)) {
        let mut lacking = sections(opened.snapshot.as_ref())?;
        for section in &mut lacking {
            section.queues.retain(|queue| pages.range((queue.id, 0)..=(queue.id, u64::MAX)).next().is_some());
            section.catalog = None;
            section.streams.clear();
            section.stream_catalog = None;
            section.tables = None;
        }
        let mut later = states(lacking, partitions, parts)?;
        later.begins_at_the_oldest(checkpoint.durable_seq);
        rebuilt.goes_on_from(checkpoint);
        return Ok((rebuilt, Some(later)));
    }
    rebuilt.begins_at_the_oldest(opened.checkpoint.as_ref().map_or(0, |at| at.durable_seq));
    Ok((rebuilt, None))
}

impl Rebuilt {
    /// Whether the heads are those of the checkpoint.
    fn is_of(&self, checkpoint: &Checkpoint) -> bool {
        checkpoint.partitions.iter().all(|at| self.from.lsns.get(&at.partition) == Some(&at.lsn))
    }

    fn goes_on_from(&mut self, checkpoint: &Checkpoint) {
        self.from.segment = self.is_of(checkpoint).then_some(checkpoint.wal_segment);
        self.from.durable_seq = checkpoint.durable_seq;
    }

    fn begins_at_the_oldest(&mut self, durable_seq: u64) {
        self.page_lsns.clear();
        self.lacks_messages = true;
        self.from = ReplayFrom { durable_seq, ..ReplayFrom::default() };
    }
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
