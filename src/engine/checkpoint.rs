//! The checkpointer: now and then it freezes every partition, puts the changed pages into the index, commits, and lets
//! the log forget what nobody needs any more.
//!
//! A page that emptied is first overwritten by an empty one and removed only after the commit, so that a page which is
//! missing at a start is damage and never a crash in between.

use crate::{
    base::{
        id::{Lsn, PartitionId, QueueId},
        time::Clock,
    },
    domain::queue::Page,
    engine::{
        archive::Archive,
        command::Command,
        evacuate::{Job, Jobs},
        image::{PartitionImage, encode_page, encode_section},
        inbox::Inbox,
        streams::writer::Orders,
    },
    storage::{
        checkpoint::PartitionPosition,
        index::{IndexError, IndexStore},
        log::{LocalLog, LogPosition, LogStore, ReplayFrom},
        snapshot::Section,
        store::{Commit, CommitError, Store},
    },
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{self, SyncSender, TrySendError},
    },
};

/// The only kind of section there is.
pub(crate) const SECTION_KIND: u32 = 1;

/// The one that is written to, and one that fills while the next is emptied.
const ARCHIVE_SEGMENTS_RETAINED: u64 = 2;
/// What is retained is at most one in so many parts of the disk.
const RETAIN_DISK_PARTS: u64 = 4;

/// By queue and number of the page.
pub(crate) type PageLsns = BTreeMap<(QueueId, u64), Lsn>;

pub(crate) struct Checkpointer {
    pub(crate) store: Store,
    pub(crate) index: Box<dyn IndexStore>,
    pub(crate) log: Arc<LocalLog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) inboxes: Arc<[Arc<Inbox<Command>>]>,
    /// The frame each page of the index is current at.
    pub(crate) page_lsns: PageLsns,
    /// Pages of earlier images that no commit covered yet.
    pub(crate) pending: BTreeMap<(QueueId, u64), (Lsn, Option<Page>)>,
    /// The next checkpoint begins a new index and puts every page into it.
    pub(crate) begins_index: bool,
    pub(crate) last: Option<Last>,
    pub(crate) archive: Arc<Archive>,
    /// What the log may take besides what lives in it and a quarter of that.
    pub(crate) log_retain_bytes: u64,
    /// Takes the next jobs when those of before are done.
    pub(crate) evacuations: SyncSender<Jobs>,
    /// Brings records of streams from the log to their segments.
    pub(crate) orders: Orders,
}

/// The log at the last commit, and what that commit left in it.
#[derive(Default)]
pub(crate) struct Last {
    position: LogPosition,
    segments: usize,
    is_low: bool,
    /// The log kept what only the checkpoint before needed, or the evacuation had no ear for what there is to do: the same
    /// commit again gets further.
    gets_further: bool,
    /// What each partition still needs of the log, from this frame on, however often its state is committed.
    needed: BTreeMap<PartitionId, Lsn>,
    /// The oldest frame with something that lives, or that the archive has not heard of.
    oldest: BTreeMap<PartitionId, Lsn>,
    live_bytes: u64,
    /// The oldest frame of the archive with something that lives.
    archive_oldest: BTreeMap<PartitionId, Lsn>,
    /// The same of the commit before, which a start may have to go back to.
    archive_oldest_before: BTreeMap<PartitionId, Lsn>,
    archived_bytes: u64,
    /// Partitions with changes that the archive has not heard of.
    changed: Vec<PartitionId>,
    /// The next commit lets more of the archive go, or of what the archive had to hear.
    archive_lags: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    #[error("the engine is closing")]
    Closing,
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Checkpointer {
    /// Whether anything was written since the last commit.
    pub(crate) fn is_behind(&self) -> bool {
        self.last.as_ref().is_none_or(|last| last.position != self.log.position())
    }

    /// Whether there is anything to do: something was written, or the log can give room back.
    pub(crate) fn is_due(&self) -> bool {
        self.is_behind() || self.last.as_ref().is_some_and(|last| self.gives_room(last))
    }

    /// Whether one more commit of the same state gives room back. A series of them ends: each needs that the one before it
    /// was the first of its state, that the log has changed under it, or that the evacuation is at work.
    fn gives_room(&self, last: &Last) -> bool {
        let has_changed = (last.segments, last.is_low) != (self.log.segment_count(), self.log.must_refuse_growth());
        if !has_changed && !last.gets_further {
            return false;
        }
        if last.archive_lags {
            return true;
        }
        match self.log.can_let_go(&last.needed) {
            Ok(can_let_go) => can_let_go || !self.to_move(last).is_empty(),
            Err(error) => {
                tracing::warn!(%error, "what the log's oldest segment holds cannot be told");
                false
            }
        }
    }

    /// How many segments the log went on since the last commit.
    pub(crate) fn segments_since(&self) -> u64 {
        let now = self.log.position().segment;
        self.last.as_ref().map_or(now, |last| now.saturating_sub(last.position.segment))
    }

    pub(crate) fn run(&mut self) -> Result<(), CheckpointError> {
        let position = self.log.position();
        let (segments, is_low) = (self.log.segment_count(), self.log.must_refuse_growth());
        if self.begins_index {
            self.begin_index()?;
        }
        // What goes over to segments now need not be in the images.
        if !self.orders.settle() {
            return Err(CheckpointError::Closing);
        }
        let archive_from = self.archive.from();
        let images = self.freeze(self.begins_index)?;
        let queues_gone = self.queues_gone(&images);
        for image in &images {
            self.gather(image);
        }
        self.put_pages()?;
        let sections: Vec<Section> = images.iter().map(|image| self.section(image, &archive_from)).collect();
        let positions = images.iter().zip(&sections).map(|(image, section)| position_of(image, section)).collect();
        let commit = Commit {
            now: self.clock.now(),
            partitions: positions,
            sections: Some(sections),
            wal_segment: position.segment,
            durable_seq: position.durable_seq,
            clean_shutdown: false,
        };
        let committed = self.store.commit_checkpoint(self.index.as_mut(), commit)?;
        self.begins_index = false;
        self.tidy(&queues_gone)?;
        for image in &images {
            let kept_above = committed.needed_above.get(&image.partition).map_or(Lsn(0), |lsn| lsn.next());
            let below = kept_above.min(image.oldest).min(self.kept_for_archive(image));
            if let Some(inbox) = self.inboxes.get(image.partition.0 as usize) {
                inbox.push_internal(Command::Trim { below });
            }
        }
        let lags = |image: &PartitionImage| {
            committed.needed_above.get(&image.partition) != Some(&image.lsn)
                || self.kept_for_archive(image) < image.oldest
        };
        let gets_further = images.iter().any(lags);
        let mut last = Last { position, segments, is_low, gets_further, ..self.left(&images, &archive_from) };
        last.gets_further |= !self.evacuate(&last) || last.archive_lags;
        self.last = Some(last);
        Ok(())
    }

    /// What a commit of these images leaves in the log and in the archive.
    fn left(&self, images: &[PartitionImage], archive_from: &ReplayFrom) -> Last {
        // What an image has nothing of was handed over and is gone, up to where the archive ended then.
        let oldest_archived = |image: &PartitionImage| {
            let end = archive_from.lsns.get(&image.partition)?.next();
            Some((image.partition, image.archive_oldest.map_or(end, |oldest| oldest.min(end))))
        };
        let archive_oldest: BTreeMap<_, _> = images.iter().filter_map(oldest_archived).collect();
        let archive_oldest_before = self.last.as_ref().map(|last| last.archive_oldest.clone()).unwrap_or_default();
        let has_changes = |image: &&PartitionImage| !image.archive_changes.is_empty();
        let changed: Vec<_> = images.iter().filter(has_changes).map(|image| image.partition).collect();
        let takes_more = self.archive.log().is_some_and(|archive| !archive.lacks_reserve());
        let has_moved = self.archive.log().is_some() && archive_oldest_before != archive_oldest;
        Last {
            needed: images.iter().map(|image| (image.partition, image.lsn.next().min(image.oldest))).collect(),
            oldest: images.iter().map(|image| (image.partition, image.oldest)).collect(),
            live_bytes: images.iter().map(|image| image.live_bytes).sum(),
            archived_bytes: images.iter().map(|image| image.archived_bytes).sum(),
            archive_lags: has_moved || !changed.is_empty() && takes_more,
            archive_oldest,
            archive_oldest_before,
            changed,
            ..Last::default()
        }
    }

    /// A start that has to go back to the snapshot of before, without the index, cannot take from the archive what that one
    /// has not heard of: the log keeps it for one more commit.
    fn kept_for_archive(&self, image: &PartitionImage) -> Lsn {
        let before = self.last.as_ref().and_then(|last| last.oldest.get(&image.partition));
        match (self.archive.log(), before) {
            (None, _) => image.oldest,
            (Some(_), before) => before.copied().unwrap_or(Lsn(0)).min(image.oldest),
        }
    }

    /// Asks for old ends to be emptied, and for the archive to be told; false when one that is at work, and the next one, must
    /// be waited for.
    fn evacuate(&self, last: &Last) -> bool {
        let trims = match self.archive.log() {
            Some(_) => last.archive_oldest_before.clone().into_iter().collect(),
            None => Vec::new(),
        };
        let jobs = Jobs { moves: self.to_move(last), trims, changed: last.changed.clone() };
        jobs.is_empty() || !matches!(self.evacuations.try_send(jobs), Err(TrySendError::Full(_)))
    }

    /// What stands at the old ends of the log and of the archive while these are larger than what lives in them.
    fn to_move(&self, last: &Last) -> Vec<Job> {
        let mut jobs = in_the_way(&self.log, self.retained(), last.live_bytes, &last.oldest);
        if let Some(archive) = self.archive.log() {
            let retained = ARCHIVE_SEGMENTS_RETAINED * archive.segment_bytes();
            let moves = in_the_way(archive, retained, last.archived_bytes, &last.archive_oldest);
            jobs.extend(moves.into_iter().map(|(partition, below)| (partition, below.in_archive())));
        }
        jobs
    }

    /// What the log may take besides what lives in it and a quarter of that: on a small disk no more than a part of that, and
    /// nothing on one that is nearly full, where a few old messages would else keep growth refused for ever.
    fn retained(&self) -> u64 {
        if self.log.must_refuse_growth() {
            return 0;
        }
        // A disk that does not tell its size has no part to respect.
        self.log
            .space()
            .map_or(self.log_retain_bytes, |space| self.log_retain_bytes.min(space.total / RETAIN_DISK_PARTS))
    }

    /// Starts over after a failure. The index that failed goes at once: on a full disk its room is what the new one gets.
    fn begin_index(&mut self) -> Result<(), IndexError> {
        self.pending.clear();
        self.page_lsns.clear();
        self.index.start_over()?;
        self.index.forget_old_generations()
    }

    /// Every partition's image, durable; with all its pages, or with those that changed.
    fn freeze(&self, all_pages: bool) -> Result<Vec<PartitionImage>, CheckpointError> {
        let answers: Vec<_> = self
            .inboxes
            .iter()
            .map(|inbox| {
                let (answer, image) = mpsc::channel();
                inbox.push_internal(Command::Freeze { all_pages, answer });
                image
            })
            .collect();
        answers
            .into_iter()
            .map(|image| image.recv().map(|image| *image).map_err(|_| CheckpointError::Closing))
            .collect()
    }

    fn queues_gone(&self, images: &[PartitionImage]) -> Vec<QueueId> {
        let alive: std::collections::BTreeSet<QueueId> =
            images.iter().flat_map(|image| image.queues.iter().map(|queue| queue.id)).collect();
        let mut gone: Vec<QueueId> =
            self.page_lsns.keys().map(|(id, _)| *id).filter(|id| !alive.contains(id)).collect();
        gone.dedup();
        gone
    }

    fn gather(&mut self, image: &PartitionImage) {
        for queue in &image.queues {
            for (number, page) in &queue.dirty {
                self.pending.insert((queue.id, *number), (image.lsn, page.clone()));
            }
        }
    }

    fn put_pages(&mut self) -> Result<(), IndexError> {
        for ((queue, number), (lsn, page)) in &self.pending {
            let key = (*queue, *number);
            match page {
                Some(page) => {
                    self.index.put(*queue, *number, &encode_page(*lsn, page))?;
                    self.page_lsns.insert(key, *lsn);
                }
                // A page that never reached the index needs no empty one.
                None if self.page_lsns.contains_key(&key) => {
                    self.index.put(*queue, *number, &encode_page(*lsn, &Page::default()))?;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Removes what the commit made superfluous.
    fn tidy(&mut self, queues_gone: &[QueueId]) -> Result<(), IndexError> {
        for ((queue, number), (_, page)) in std::mem::take(&mut self.pending) {
            if page.is_none() {
                self.index.remove(queue, number)?;
                self.page_lsns.remove(&(queue, number));
            }
        }
        for queue in queues_gone {
            self.index.clear_queue(*queue)?;
            let pages = self.page_lsns.range((*queue, 0)..=(*queue, u64::MAX));
            for key in pages.map(|(key, _)| *key).collect::<Vec<_>>() {
                self.page_lsns.remove(&key);
            }
        }
        Ok(())
    }

    fn section(&self, image: &PartitionImage, archive_from: &ReplayFrom) -> Section {
        Section {
            partition: image.partition,
            kind: SECTION_KIND,
            lsn: image.lsn,
            bytes: encode_section(image, &self.page_lsns, archive_from).into(),
        }
    }
}

/// What stands at the old end of a log while that is larger than what lives in it, a quarter of that, and what is retained.
fn in_the_way(log: &LocalLog, retained: u64, live_bytes: u64, oldest: &BTreeMap<PartitionId, Lsn>) -> Vec<Job> {
    let wanted = retained.saturating_add(live_bytes).saturating_add(live_bytes / 4);
    let ends = match log.in_the_way(wanted, oldest) {
        Ok(ends) => ends,
        Err(error) => {
            tracing::warn!(%error, "an old end cannot be evacuated");
            return Vec::new();
        }
    };
    let is_held = |(partition, end): &Job| oldest.get(partition).is_some_and(|oldest| oldest < end);
    ends.into_iter().filter(is_held).collect()
}

/// The same state has the same section, so the section's CRC serves as the state's hash.
fn position_of(image: &PartitionImage, section: &Section) -> PartitionPosition {
    let state_hash = u64::from(crc32fast::hash(&section.bytes));
    PartitionPosition { partition: image.partition, lsn: image.lsn, state_hash }
}
