//! What stands in all segments of a stream, and what is missing between them, as a start would see it. Nothing is changed.

use super::{
    Owner,
    examine::{Damage, DamageKind, Expected, LostRecords, Part, Record, SegmentFacts, examine},
    file::{self, number_of, stream_dir},
    recover::{LostChunks, Plan, SoundEnd, plan},
};
use crate::{
    base::id::PartitionId,
    storage::{io::Io, log::Pace},
};
use std::{
    collections::BTreeMap,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

/// The segments of a stream that nobody writes.
#[derive(Clone, Copy)]
pub struct StreamFiles<'a> {
    pub io: &'a dyn Io,
    pub data_dir: &'a Path,
    pub store_uuid: [u8; 16],
    pub stream: u64,
}

impl StreamFiles<'_> {
    pub fn path(&self, number: u64) -> PathBuf {
        file::path(&self.dir(), number)
    }

    pub fn dir(&self) -> PathBuf {
        stream_dir(self.data_dir, self.stream)
    }

    pub(super) fn owner(&self, partition: PartitionId) -> Owner {
        Owner { store_uuid: self.store_uuid, stream: self.stream, partition }
    }

    pub(super) fn numbers(&self) -> io::Result<Vec<u64>> {
        Ok(self.io.list_dir(&self.dir())?.into_iter().filter_map(|entry| number_of(&entry.name)).collect())
    }

    /// Bytes of all the segments.
    ///
    /// # Errors
    ///
    /// They cannot be listed or opened.
    pub fn bytes(&self) -> io::Result<u64> {
        self.numbers()?.into_iter().map(|number| self.io.open_read(&self.path(number))?.len()).sum()
    }

    /// Reads every segment; `visit` gets every sound record, with the number of its segment.
    ///
    /// # Errors
    ///
    /// A file cannot be read; `Interrupted`: the pace said so.
    pub fn read(&self, pace: &Pace, visit: &mut dyn FnMut(u64, Record)) -> io::Result<Vec<SegmentFacts>> {
        let mut all = Vec::new();
        for number in self.numbers()? {
            let expected = Expected { store_uuid: self.store_uuid, stream: self.stream, number };
            let file = self.io.open_read(&self.path(number))?;
            all.push(examine(file, expected, pace.clone(), &mut |record| visit(number, record))?);
        }
        Ok(all)
    }

    /// The same, and what is to be said of the segments together.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn survey(&self, pace: &Pace, visit: &mut dyn FnMut(u64, Record)) -> io::Result<Vec<SegmentFacts>> {
        let mut all = self.read(pace, visit)?;
        self.judge_end(&mut all)?;
        add_missing(&mut all);
        judge_footers(&mut all);
        attribute(&mut all);
        Ok(all)
    }

    /// What a start would cut off the end is no damage, and what it would miss there is.
    fn judge_end(&self, all: &mut [SegmentFacts]) -> io::Result<()> {
        // Without a sound header the partition is not compared with anything.
        let partition = all.iter().find_map(|facts| facts.partition).unwrap_or(PartitionId(0));
        let Plan { found, ends, strangers } = plan(self.io, &self.dir(), &self.owner(partition))?;
        for end in &ends {
            all.iter_mut().filter(|facts| facts.number == end.number).for_each(|facts| cut(facts, end));
        }
        for (path, what) in strangers {
            for facts in all.iter_mut().filter(|facts| self.path(facts.number) == path && !facts.is_foreign()) {
                facts.report(0..facts.bytes, what.clone(), DamageKind::Foreign);
            }
        }
        for LostChunks { path, from, to } in found.recovered.lost {
            for facts in all.iter_mut().filter(|facts| self.path(facts.number) == path && !facts.has_hole()) {
                let what = format!("the chunks {from} to {} were synced and are not there", to - 1);
                facts.report(facts.end..facts.end, what, DamageKind::Hole);
            }
        }
        Ok(())
    }
}

impl SegmentFacts {
    fn is_foreign(&self) -> bool {
        self.damage.iter().any(|damage| damage.kind == DamageKind::Foreign)
    }

    fn has_hole(&self) -> bool {
        self.damage.iter().any(|damage| damage.kind == DamageKind::Hole)
    }

    fn report(&mut self, offsets: Range<u64>, what: String, kind: DamageKind) {
        self.damage.push(Damage { offsets, records: Vec::new(), what, kind });
    }
}

fn cut(facts: &mut SegmentFacts, end: &SoundEnd) {
    let good = if end.index.is_empty() { 0 } else { end.good.min(facts.bytes) };
    facts.damage.retain(|damage| damage.offsets.start < good);
    facts.end = good;
    if good < facts.bytes {
        let what = "a torn end: not synced, and so in the log; or the footer, which a start writes again".to_owned();
        facts.report(good..facts.bytes, what, DamageKind::Torn);
    }
}

/// Numbers of segments follow each other: a file between two others that is not there was lost.
fn add_missing(all: &mut Vec<SegmentFacts>) {
    let numbers: Vec<u64> = all.iter().map(|facts| facts.number).collect();
    for pair in numbers.windows(2) {
        let [before, after] = *pair else { continue };
        for number in before + 1..after {
            let mut facts = SegmentFacts { number, ..SegmentFacts::default() };
            facts.report(0..0, "it is missing".to_owned(), DamageKind::Hole);
            all.push(facts);
        }
    }
    all.sort_by_key(|facts| facts.number);
}

/// A segment that others follow was sealed. Without a sound footer that may be all that is damaged, or chunks before it
/// are gone as well.
fn judge_footers(all: &mut [SegmentFacts]) {
    let starts: Vec<u64> = all.iter().map(|facts| facts.numbers.start).collect();
    for (facts, next) in all.iter_mut().zip(starts.into_iter().skip(1)) {
        let was_judged = facts.damage.iter().any(|damage| damage.kind == DamageKind::Torn);
        if facts.sealed || facts.bytes == 0 || facts.is_foreign() || was_judged {
            continue;
        }
        let (offsets, has_all) = (facts.end..facts.bytes, next > 0 && facts.numbers.end == next);
        match has_all {
            // It ends with a chunk: the footer alone is missing, and a reader does without.
            true if offsets.is_empty() => {}
            true => facts.report(offsets, "its footer".to_owned(), DamageKind::Frame(Part::Footer)),
            false => facts.report(offsets, "its footer, and chunks before it".to_owned(), DamageKind::Hole),
        }
    }
}

/// A place in the segments: which of them, and the bytes from its start.
type At = (usize, u64);

/// Says of each hole which records stood there: those that are missing between what is before it and what is behind.
fn attribute(all: &mut [SegmentFacts]) {
    let mut reached: BTreeMap<u32, (u64, At)> = BTreeMap::new();
    for at in 0..all.len() {
        let stretches = all.get(at).map(|facts| facts.stretches.clone()).unwrap_or_default();
        for (shard, stretch) in
            stretches.into_iter().flat_map(|(shard, of)| of.into_iter().map(move |one| (shard, one)))
        {
            let Range { start, end } = stretch.positions;
            let before = reached.insert(shard, (end, (at, stretch.offsets.end)));
            if let Some((next, from)) = before.filter(|(next, _)| *next < start) {
                let lost = LostRecords { shard, first: next, last: start - 1 };
                blame(all, from..(at, stretch.offsets.start), lost);
            }
        }
    }
}

/// Adds the records to the first hole between the places, or to the segment behind when there is none.
fn blame(all: &mut [SegmentFacts], between: Range<At>, lost: LostRecords) {
    let Range { start, end } = between;
    for (index, facts) in all.iter_mut().enumerate().take(end.0 + 1).skip(start.0) {
        let is_meant = |damage: &&mut Damage| {
            let place = (index, damage.offsets.start);
            matches!(damage.kind, DamageKind::Hole | DamageKind::Foreign) && start <= place && place < end
        };
        if let Some(hole) = facts.damage.iter_mut().find(is_meant) {
            hole.records.push(lost);
            return;
        }
    }
    if let Some(facts) = all.get_mut(end.0) {
        let what = "records before these are in no segment".to_owned();
        facts.damage.push(Damage { offsets: end.1..end.1, records: vec![lost], what, kind: DamageKind::Hole });
    }
}
