//! Every segment there is, for readers: finds a frame by LSN, lets old segments go.
//!
//! Readers see a frame after its block was synced, never before. Nothing here writes to a segment.

use super::{
    LogReader, ReadError,
    cold::{Cold, Open, Snapshot},
    entry::EntryView,
    hot::{HotTail, runs},
    pin::Pinned,
    pool::Pool,
    sealed::Sealed,
    segment::table_path,
    spare::Spare,
    table::{Place, Table},
};
use crate::{
    base::id::{Location, Lsn, PartitionId},
    storage::io::IoFile,
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

pub(super) struct Segments {
    pub(super) pool: Arc<Pool>,
    view: RwLock<View>,
    hot: Mutex<HotTail>,
    pub(super) spare: Spare,
    /// Sealed segments with a map or a table in memory, oldest use first.
    open: Mutex<VecDeque<Arc<Sealed>>>,
    open_max: usize,
    trims: Mutex<BTreeMap<PartitionId, Lsn>>,
    /// One trim at a time.
    trimming: Mutex<()>,
    pub(super) pinned: Pinned,
}

struct View {
    /// By sequence, oldest first. Copied on change, so that readers hold no lock while they wait for the disk.
    sealed: Arc<Vec<Arc<Sealed>>>,
    active_seq: u64,
    active: Arc<dyn IoFile>,
    table: Table,
}

/// A frame that just became durable.
pub(super) struct Committed {
    pub(super) partition: PartitionId,
    pub(super) lsn: Lsn,
    pub(super) offset: u64,
    pub(super) bytes: Bytes,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Segments {
    pub(super) fn new(
        pool: Arc<Pool>,
        sealed: Vec<Arc<Sealed>>,
        active: (u64, Arc<dyn IoFile>, Table),
        hot_tail_bytes: usize,
        open_max: usize,
    ) -> Self {
        let (active_seq, file, table) = active;
        Self {
            pool,
            view: RwLock::new(View { sealed: Arc::new(sealed), active_seq, active: file, table }),
            hot: Mutex::new(HotTail::new(hot_tail_bytes)),
            spare: Spare::default(),
            open: Mutex::default(),
            open_max: open_max.max(1),
            trims: Mutex::default(),
            trimming: Mutex::default(),
            pinned: Pinned::default(),
        }
    }

    fn view(&self) -> std::sync::RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn view_mut(&self) -> std::sync::RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the frames of a durable block visible.
    pub(super) fn publish(&self, committed: Vec<Committed>) {
        let mut view = self.view_mut();
        let mut hot = lock(&self.hot);
        let mut gone = Vec::new();
        for frame in committed {
            view.table.push(frame.partition, frame.lsn, frame.offset);
            hot.push(frame.partition, frame.lsn, frame.bytes, &mut gone);
        }
        drop((view, hot));
        gone.into_iter().for_each(|frame| self.spare.keep(frame));
    }

    /// The active segment is full; `file` goes on with this empty table. Returns the sealed one's table.
    pub(super) fn rotate(&self, last_block_seq: u64, seq: u64, file: Arc<dyn IoFile>, table: Table) -> Arc<Table> {
        let mut view = self.view_mut();
        let old = Arc::new(std::mem::replace(&mut view.table, table));
        let sealed = Arc::new(Sealed::with_table(view.active_seq, &old, last_block_seq));
        let mut all = Vec::clone(&view.sealed);
        all.push(Arc::clone(&sealed));
        view.sealed = Arc::new(all);
        view.active_seq = seq;
        view.active = file;
        drop(view);
        self.touch(&sealed);
        old
    }

    /// Counts a use of a sealed segment, and closes the one that was not used for longest.
    fn touch(&self, sealed: &Arc<Sealed>) {
        let mut open = lock(&self.open);
        open.retain(|other| other.seq != sealed.seq);
        open.push_back(Arc::clone(sealed));
        if open.len() > self.open_max
            && let Some(oldest) = open.pop_front()
        {
            oldest.close();
        }
    }

    /// Keeps every segment from now on; false when another one does already.
    pub(super) fn pin(&self) -> bool {
        let _no_trim_is_under_way = lock(&self.trimming);
        self.pinned.take()
    }

    pub(super) fn sealed_seqs(&self) -> Vec<u64> {
        self.sealed().iter().map(|segment| segment.seq).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.view().sealed.len() + 1
    }

    /// The sealed segments, oldest first.
    pub(super) fn sealed(&self) -> Arc<Vec<Arc<Sealed>>> {
        Arc::clone(&self.view().sealed)
    }

    /// The view, for places that [`runs`] divides.
    pub(super) fn snapshot(&self, partition: PartitionId, at: &[Location]) -> Snapshot {
        let view = self.view();
        let places = runs(at).map(|(lsn, _)| view.table.find(partition, lsn)).collect();
        Snapshot { sealed: Arc::clone(&view.sealed), active: Arc::clone(&view.active), places }
    }

    /// The first sealed segment that reaches `lsn`. A segment that says nothing of the partition (damaged at its start,
    /// or older than the partition) is passed over.
    fn holder<'a>(
        &self,
        sealed: &'a [Arc<Sealed>],
        partition: PartitionId,
        lsn: Lsn,
    ) -> io::Result<Option<&'a Arc<Sealed>>> {
        let last_in = |index: usize| -> io::Result<Option<Lsn>> {
            let Some(segment) = sealed.get(index) else { return Ok(None) };
            let ranges = segment.ranges(&*self.pool.io, &self.pool.dir)?;
            Ok(ranges.iter().find(|(other, ..)| *other == partition).map(|(_, _, last)| *last))
        };
        let next_known = |from: usize, to: usize| -> io::Result<Option<(usize, Lsn)>> {
            for index in from..to {
                if let Some(last) = last_in(index)? {
                    return Ok(Some((index, last)));
                }
            }
            Ok(None)
        };
        let (mut low, mut high) = (0, sealed.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match next_known(middle, high)? {
                Some((known, last)) if last < lsn => low = known + 1,
                Some(_) | None => high = middle,
            }
        }
        let found = next_known(low, sealed.len())?;
        Ok(found.and_then(|(index, _)| sealed.get(index)))
    }

    /// The one of these segments that reaches `lsn`, which counts as a use of it. None when there is none any more.
    pub(super) fn open_sealed(
        &self,
        sealed: &[Arc<Sealed>],
        partition: PartitionId,
        lsn: Lsn,
    ) -> io::Result<Option<Open>> {
        let Some(segment) = self.holder(sealed, partition, lsn)? else { return Ok(None) };
        self.touch(segment);
        segment.open(&*self.pool.io, &self.pool.dir)
    }

    /// The segment that has all these places, if it is open and they are in memory.
    fn near(&self, partition: PartitionId, at: &[Location]) -> Option<Open> {
        let first = at.first()?;
        let has_first = |open: &Open| matches!(open.table.find(partition, first.lsn), Place::At(_));
        let found = {
            let open = lock(&self.open);
            let mut at_hand = open.iter().rev().filter_map(|segment| segment.at_hand());
            at_hand.find(has_first)
        };
        found.filter(|open| open.has_in_memory(partition, at))
    }

    pub(super) fn is_trimmed(&self, partition: PartitionId, lsn: Lsn) -> bool {
        lock(&self.trims).get(&partition).is_some_and(|below| lsn < *below)
    }

    /// What the partition said last of that; zero: nothing.
    pub(super) fn needed_from(&self, partition: PartitionId) -> Lsn {
        lock(&self.trims).get(&partition).copied().unwrap_or_default()
    }

    /// Remembers that the partition needs nothing below `below`.
    pub(super) fn note_trim(&self, partition: PartitionId, below: Lsn) {
        let mut trims = lock(&self.trims);
        let entry = trims.entry(partition).or_default();
        *entry = below.max(*entry);
    }

    /// For each partition in the `count` oldest sealed segments, the frame behind its last one there.
    pub(super) fn ends_of_oldest(&self, count: usize) -> io::Result<BTreeMap<PartitionId, Lsn>> {
        let mut ends = BTreeMap::new();
        for segment in self.sealed().iter().take(count) {
            for (partition, before, last) in segment.ranges(&*self.pool.io, &self.pool.dir)?.iter() {
                if last > before {
                    ends.insert(*partition, last.next());
                }
            }
        }
        Ok(ends)
    }

    /// How many of the `count` oldest sealed segments, from the oldest on, have nothing of any partition from `oldest` on.
    pub(super) fn free_of(&self, oldest: &BTreeMap<PartitionId, Lsn>, count: usize) -> io::Result<usize> {
        for (index, segment) in self.sealed().iter().take(count).enumerate() {
            let ranges = segment.ranges(&*self.pool.io, &self.pool.dir)?;
            let is_needed = |(partition, before, last): &(PartitionId, Lsn, Lsn)| {
                last > before && oldest.get(partition).is_none_or(|oldest| last >= oldest)
            };
            if ranges.iter().any(is_needed) {
                return Ok(index);
            }
        }
        Ok(count.min(self.sealed().len()))
    }

    /// Lets go of the oldest segments in which no partition needs anything any more.
    pub(super) fn trim(&self) -> io::Result<()> {
        let _one = lock(&self.trimming);
        loop {
            let Some(oldest) = self.view().sealed.first().cloned() else { return Ok(()) };
            if self.pinned.holds(oldest.seq) {
                return Ok(());
            }
            let ranges = oldest.ranges(&*self.pool.io, &self.pool.dir)?;
            let needed = {
                let trims = lock(&self.trims);
                let below = |partition| trims.get(&partition).copied().unwrap_or_default();
                ranges.iter().any(|(partition, before, last)| last > before && *last >= below(*partition))
            };
            if needed {
                return Ok(());
            }
            let mut view = self.view_mut();
            view.sealed = Arc::new(view.sealed.iter().skip(1).cloned().collect());
            drop(view);
            lock(&self.open).retain(|other| other.seq != oldest.seq);
            let reusable = oldest.retire();
            let side = table_path(&self.pool.dir, oldest.seq);
            if self.pool.io.exists(&side)? {
                self.pool.io.unlink(&side)?;
            }
            self.pool.recycle(oldest.seq, reusable)?;
        }
    }

    /// Writes a sealed segment's side file. It is a cache: not synced, and a failure costs a scan.
    pub(super) fn write_table(&self, seq: u64, file_id: u64, table: &Table) {
        let still_there = self.view().sealed.iter().any(|sealed| sealed.seq == seq);
        let path = table_path(&self.pool.dir, seq);
        if !still_there {
            return;
        }
        let Ok(file) = self.pool.io.create(&path) else { return };
        if file.write_at(&table.encode(seq, file_id), 0).is_err() {
            // A short file is not a table; it is passed over and made again.
            let _ = self.pool.io.unlink(&path);
        }
    }
}

/// The entry in a frame that is in memory.
fn hot_entry<'a>(frame: &'a Bytes, at: &Location) -> Option<EntryView<'a>> {
    let from = at.offset as usize;
    EntryView::parse(frame, from, from.checked_add(at.len as usize)?).ok()
}

impl LogReader for Segments {
    fn read_hot_all(&self, partition: PartitionId, at: &[Location], visit: &mut dyn FnMut(usize, EntryView<'_>)) {
        let frames = lock(&self.hot).frames(partition, at);
        let mut index = 0;
        for ((_, run), frame) in runs(at).zip(frames) {
            for (index, at) in (index..).zip(run) {
                if let Some(entry) = frame.as_ref().and_then(|frame| hot_entry(frame, at)) {
                    visit(index, entry);
                }
            }
            index += run.len();
        }
    }

    fn read_all(
        &self,
        partition: PartitionId,
        at: &[Location],
        visit: &mut dyn FnMut(Result<EntryView<'_>, ReadError>),
    ) {
        let frames = lock(&self.hot).frames(partition, at);
        let mut cold = Cold::new(self, partition, at);
        for (index, ((lsn, run), frame)) in runs(at).zip(frames).enumerate() {
            let Some(frame) = frame else {
                cold.read(index, lsn, run, visit);
                continue;
            };
            for at in run {
                match hot_entry(&frame, at) {
                    Some(entry) => visit(Ok(entry)),
                    None => cold.read(index, lsn, std::slice::from_ref(at), visit),
                }
            }
        }
    }

    fn read_near_all(
        &self,
        partition: PartitionId,
        at: &[Location],
        visit: &mut dyn FnMut(Result<EntryView<'_>, ReadError>),
    ) -> bool {
        let Some(open) = self.near(partition, at) else { return false };
        let mut cold = Cold::new(self, partition, at).with(open);
        for (index, (lsn, run)) in runs(at).enumerate() {
            cold.read(index, lsn, run, visit);
        }
        true
    }
}
