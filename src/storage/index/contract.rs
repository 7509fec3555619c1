//! The contract of [`IndexStore`](super::IndexStore), run on each implementation, and what only files can suffer.

use super::{
    IndexError, IndexMark, IndexPosition, IndexState, IndexStore, directory,
    memory::{MemoryDisk, MemoryIndex},
    page,
    sled_index::{SledIndex, SledOptions},
};
use crate::base::id::QueueId;
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

const A: QueueId = QueueId(1);
const B: QueueId = QueueId(256);
const UUID: [u8; 16] = [7; 16];

/// A place that an index is opened on again and again.
trait Place {
    fn open(&self, expected: Option<IndexPosition>) -> (Box<dyn IndexStore>, IndexState);
}

impl Place for MemoryDisk {
    fn open(&self, expected: Option<IndexPosition>) -> (Box<dyn IndexStore>, IndexState) {
        let (index, state) = MemoryIndex::open(self.clone(), expected);
        (Box::new(index), state)
    }
}

struct Directory(tempfile::TempDir);

impl Directory {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn open_sled(&self, expected: Option<IndexPosition>) -> (SledIndex, IndexState) {
        let options = SledOptions { data_dir: self.path().into(), store_uuid: UUID, cache_bytes: 1 << 20 };
        SledIndex::open(options, expected).expect("opens")
    }

    /// An index of 300 pages, synced once and closed.
    fn filled(&self) -> IndexPosition {
        let (mut index, _) = self.open_sled(None);
        fill(&mut index, 0..300);
        position(&mut index)
    }

    fn database(&self, at: IndexPosition) -> PathBuf {
        directory::path_of(self.path(), at.generation).join("db")
    }
}

impl Place for Directory {
    fn open(&self, expected: Option<IndexPosition>) -> (Box<dyn IndexStore>, IndexState) {
        let (index, state) = self.open_sled(expected);
        (Box::new(index), state)
    }
}

fn fill(index: &mut dyn IndexStore, pages: std::ops::Range<u64>) {
    for number in pages {
        index.put(A, number, &payload(number)).expect("put");
    }
}

fn payload(number: u64) -> Vec<u8> {
    number.to_le_bytes().repeat(64)
}

fn position(index: &mut dyn IndexStore) -> IndexPosition {
    let mark = index.sync().expect("syncs");
    IndexPosition { generation: index.generation(), mark }
}

fn contents(index: &dyn IndexStore) -> Vec<(QueueId, u64, Vec<u8>)> {
    let mut pages = Vec::new();
    index.scan(&mut |queue, number, bytes| pages.push((queue, number, bytes.to_vec()))).expect("scans");
    pages
}

fn pages_come_back_as_put_last(place: &dyn Place) {
    let (mut index, state) = place.open(None);
    assert!(matches!(state, IndexState::Fresh { .. }), "{state:?}");
    assert_eq!(index.get(A, 1), Ok(None));
    index.put(A, 1, b"one").expect("put");
    index.put(A, 1, b"newer").expect("put");
    index.put(A, 2, b"").expect("put");
    index.put(B, 0, b"other").expect("put");
    assert_eq!(index.get(A, 1), Ok(Some(b"newer".to_vec())));
    assert_eq!(index.get(A, 2), Ok(Some(Vec::new())));
    assert_eq!(index.page_count(), 3);
    index.remove(A, 2).expect("removes");
    index.remove(A, 99).expect("nothing to remove is no error");
    assert_eq!(index.get(A, 2), Ok(None));
    assert_eq!(index.page_count(), 2);
}

fn a_scan_is_in_key_order_and_clearing_a_queue_spares_the_others(place: &dyn Place) {
    let (mut index, _) = place.open(None);
    for (queue, number) in [(B, 0), (A, 256), (A, 2), (QueueId(u64::MAX), u64::MAX), (QueueId(0), 0)] {
        index.put(queue, number, b"x").expect("put");
    }
    let keys = |index: &dyn IndexStore| contents(index).iter().map(|page| (page.0.0, page.1)).collect::<Vec<_>>();
    assert_eq!(keys(&*index), [(0, 0), (1, 2), (1, 256), (256, 0), (u64::MAX, u64::MAX)]);
    assert_eq!(index.clear_queue(A), Ok(2));
    assert_eq!(index.clear_queue(A), Ok(0));
    assert_eq!(keys(&*index), [(0, 0), (256, 0), (u64::MAX, u64::MAX)]);
}

fn a_page_past_the_limit_is_refused(place: &dyn Place) {
    let (mut index, _) = place.open(None);
    let largest = vec![3; page::PAYLOAD_BYTES_MAX];
    index.put(A, 1, &largest).expect("the limit itself is allowed");
    assert_eq!(index.get(A, 1), Ok(Some(largest.clone())));
    let refused = index.put(A, 2, &vec![0; page::PAYLOAD_BYTES_MAX + 1]);
    assert!(matches!(refused, Err(IndexError::TooLarge { page: 2, .. })), "{refused:?}");
    assert_eq!(index.get(A, 2), Ok(None));
}

fn what_was_synced_is_there_after_a_restart(place: &dyn Place) {
    let (mut index, _) = place.open(None);
    fill(&mut *index, 0..100);
    index.clear_queue(B).expect("clears");
    let first = position(&mut *index);
    let before = contents(&*index);
    drop(index);
    let (mut index, state) = place.open(Some(first));
    assert_eq!(state, IndexState::Usable);
    assert_eq!(contents(&*index), before);
    let second = position(&mut *index);
    assert!(second.mark > first.mark, "every sync raises the mark");
    drop(index);
    let (index, state) = place.open(Some(first));
    assert_eq!((state, index.page_count()), (IndexState::Usable, 100), "an index ahead of the checkpoint is usable");
}

fn an_index_behind_the_checkpoint_is_dropped(place: &dyn Place) {
    let (mut index, _) = place.open(None);
    fill(&mut *index, 0..10);
    let at = position(&mut *index);
    drop(index);
    let ahead = IndexPosition { mark: IndexMark(at.mark.0 + 1), ..at };
    let (index, state) = place.open(Some(ahead));
    assert_eq!(state, IndexState::Fresh { why: "it is at mark 1, the checkpoint needs 2".into() });
    assert_eq!(index.page_count(), 0);
    assert_ne!(index.generation(), at.generation);
}

fn an_index_of_an_unknown_generation_is_dropped(place: &dyn Place) {
    let expected = IndexPosition { generation: 41, mark: IndexMark(1) };
    let (mut index, state) = place.open(Some(expected));
    assert_eq!(state, IndexState::Fresh { why: "index generation 41 is missing".into() });
    fill(&mut *index, 0..3);
    let at = position(&mut *index);
    drop(index);
    assert_eq!(place.open(Some(at)).1, IndexState::Usable);
}

fn a_condemned_index_is_dropped_at_the_next_start(place: &dyn Place) {
    let (mut index, _) = place.open(None);
    let at = position(&mut *index);
    index.condemn("a page was damaged").expect("leaves a note");
    drop(index);
    let (mut index, state) = place.open(Some(at));
    assert_eq!(state, IndexState::Fresh { why: "it was given up: a page was damaged".into() });
    let at = position(&mut *index);
    drop(index);
    assert_eq!(place.open(Some(at)).1, IndexState::Usable, "the note went with the index");
}

fn an_index_that_started_over_is_empty_and_what_it_was_before_is_dropped(place: &dyn Place) {
    let (mut index, _) = place.open(None);
    fill(&mut *index, 0..10);
    let before = position(&mut *index);
    index.start_over().expect("starts over");
    assert_eq!((index.page_count(), contents(&*index)), (0, Vec::new()));
    fill(&mut *index, 0..2);
    let after = position(&mut *index);
    assert_ne!(after.generation, before.generation);
    drop(index);
    let (index, state) = place.open(Some(after));
    assert_eq!((state, index.page_count()), (IndexState::Usable, 2));
}

macro_rules! contract {
    ($($test:ident,)+) => {
        mod over_memory {
            $(#[test] fn $test() { super::$test(&super::MemoryDisk::default()); })+
        }
        mod over_sled {
            $(#[test] fn $test() { super::$test(&super::Directory::new()); })+
        }
    };
}

contract! {
    pages_come_back_as_put_last,
    a_scan_is_in_key_order_and_clearing_a_queue_spares_the_others,
    a_page_past_the_limit_is_refused,
    what_was_synced_is_there_after_a_restart,
    an_index_behind_the_checkpoint_is_dropped,
    an_index_of_an_unknown_generation_is_dropped,
    a_condemned_index_is_dropped_at_the_next_start,
    an_index_that_started_over_is_empty_and_what_it_was_before_is_dropped,
}

#[derive(Clone, Debug)]
enum Step {
    Put(u64, u64, Vec<u8>),
    Remove(u64, u64),
    Clear(u64),
    SyncAndReopen,
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        6 => (0..3_u64, 0..20_u64, bytes).prop_map(|(queue, number, bytes)| Step::Put(queue, number, bytes)),
        3 => (0..3_u64, 0..20_u64).prop_map(|(queue, number)| Step::Remove(queue, number)),
        1 => (0..3_u64).prop_map(Step::Clear),
        1 => Just(Step::SyncAndReopen),
    ]
}

fn behaves_like_a_map(place: &dyn Place, steps: Vec<Step>) {
    let mut model = BTreeMap::new();
    let (mut index, _) = place.open(None);
    for step in steps {
        match step {
            Step::Put(queue, number, bytes) => {
                index.put(QueueId(queue), number, &bytes).expect("put");
                model.insert((QueueId(queue), number), bytes);
            }
            Step::Remove(queue, number) => {
                index.remove(QueueId(queue), number).expect("removes");
                model.remove(&(QueueId(queue), number));
            }
            Step::Clear(queue) => {
                index.clear_queue(QueueId(queue)).expect("clears");
                model.retain(|(owner, _), _| owner.0 != queue);
            }
            Step::SyncAndReopen => {
                let at = position(&mut *index);
                drop(index);
                let (again, state) = place.open(Some(at));
                assert_eq!(state, IndexState::Usable);
                index = again;
            }
        }
    }
    let expected: Vec<_> = model.into_iter().map(|((queue, number), bytes)| (queue, number, bytes)).collect();
    assert_eq!(contents(&*index), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn both_behave_like_a_map(steps in prop::collection::vec(step(), 0..60)) {
        behaves_like_a_map(&MemoryDisk::default(), steps.clone());
        behaves_like_a_map(&Directory::new(), steps);
    }
}

/// What a start says of the index after `harm` was done to the files of a synced one.
fn verdict_after(harm: impl FnOnce(&Directory, IndexPosition)) -> (Directory, SledIndex, IndexState) {
    let place = Directory::new();
    let at = place.filled();
    harm(&place, at);
    let (mut index, state) = place.open_sled(Some(at));
    if matches!(state, IndexState::Fresh { .. }) {
        assert_eq!(index.page_count(), 0);
        assert_ne!(index.generation(), at.generation);
        fill(&mut index, 0..3);
        position(&mut index);
    }
    (place, index, state)
}

#[test]
fn a_deleted_index_is_replaced_by_an_empty_one() {
    let (.., state) = verdict_after(|place, _| fs::remove_dir_all(place.path().join("index")).expect("removes"));
    assert_eq!(state, IndexState::Fresh { why: "index generation 1 is missing".into() });
}

#[test]
fn a_truncated_index_is_set_aside() {
    for keep_percent in [0, 10, 50, 90] {
        let (place, _, state) = verdict_after(|place, at| {
            let file = fs::OpenOptions::new().write(true).open(place.database(at)).expect("opens");
            let len = file.metadata().expect("has a length").len();
            file.set_len(len * keep_percent / 100).expect("truncates");
        });
        assert!(matches!(state, IndexState::Fresh { .. }), "{keep_percent} %: {state:?}");
        assert!(place.path().join("index.bad-1").is_dir());
    }
}

#[test]
fn a_flipped_byte_never_changes_what_a_usable_index_says() {
    let mut dropped = 0;
    for part in 0..40 {
        let (_place, index, state) = verdict_after(|place, at| {
            let path = place.database(at);
            let mut bytes = fs::read(&path).expect("reads");
            let position = bytes.len() * part / 40 + 7;
            bytes[position] ^= 0x10;
            fs::write(&path, bytes).expect("writes");
        });
        match state {
            IndexState::Usable => {
                let expected: Vec<_> = (0..300).map(|number| (A, number, payload(number))).collect();
                assert_eq!(contents(&index), expected, "part {part}");
            }
            IndexState::Fresh { .. } => dropped += 1,
        }
    }
    assert!(dropped > 0, "some of the bytes matter");
}

#[test]
fn an_older_copy_of_the_index_is_set_aside() {
    let place = Directory::new();
    let at = place.filled();
    let older = fs::read(place.database(at)).expect("reads");
    let (mut index, state) = place.open_sled(Some(at));
    assert_eq!(state, IndexState::Usable);
    index.clear_queue(A).expect("clears");
    let newer = position(&mut index);
    drop(index);
    fs::write(place.database(newer), older).expect("writes");
    let (_, state) = place.open_sled(Some(newer));
    assert!(matches!(state, IndexState::Fresh { .. }), "{state:?}");
}

#[test]
fn the_index_of_another_store_is_set_aside() {
    let place = Directory::new();
    let at = place.filled();
    let options = SledOptions { data_dir: place.path().into(), store_uuid: [8; 16], cache_bytes: 1 << 20 };
    let (_, state) = SledIndex::open(options, Some(at)).expect("opens");
    assert_eq!(state, IndexState::Fresh { why: "it belongs to another store".into() });
}

#[test]
fn a_half_written_snapshot_of_sled_is_removed() {
    let (_place, index, state) = verdict_after(|place, at| {
        let directory = directory::path_of(place.path(), at.generation);
        fs::write(directory.join("snap.0000000000000000.generating"), b"half").expect("writes");
    });
    assert_eq!((state, index.page_count()), (IndexState::Usable, 300));
}

#[test]
fn an_oversized_index_is_rewritten_into_a_new_generation() {
    let place = Directory::new();
    let (index, _) = place.open_sled(None);
    let mut index = index.with_oversize_floor(64 << 10);
    assert_eq!(index.compact_if_oversized(), Ok(false));
    for round in 0..20 {
        fill(&mut index, 0..200);
        index.put(B, round, b"kept").expect("put");
        position(&mut index);
    }
    index.clear_queue(A).expect("clears");
    let before = position(&mut index);
    let kept = contents(&index);
    let size_before = index.size_on_disk();
    assert_eq!(index.compact_if_oversized(), Ok(true));
    let after = position(&mut index);
    assert_eq!(after.generation, before.generation + 1);
    assert!(index.size_on_disk() < size_before, "{} < {size_before}", index.size_on_disk());
    assert_eq!(directory::generations(place.path()).expect("lists"), [before.generation, after.generation]);
    index.forget_old_generations().expect("removes");
    assert_eq!(directory::generations(place.path()).expect("lists"), [after.generation]);
    drop(index);
    let (index, state) = place.open_sled(Some(after));
    assert_eq!((state, contents(&index)), (IndexState::Usable, kept));
}

#[test]
fn a_crash_before_the_checkpoint_falls_back_to_the_generation_before_a_rewrite() {
    let place = Directory::new();
    let before = place.filled();
    let (index, _) = place.open_sled(Some(before));
    let mut index = index.with_oversize_floor(0);
    index.clear_queue(A).expect("clears");
    index.put(B, 1, b"new").expect("put");
    assert_eq!(index.compact_if_oversized(), Ok(true));
    let after = position(&mut index);
    drop(index);
    let (_, state) = place.open_sled(Some(before));
    assert_eq!(state, IndexState::Usable);
    assert_eq!(directory::generations(place.path()).expect("lists"), [before.generation]);
    assert_ne!(before.generation, after.generation);
}

#[test]
fn only_the_newest_two_of_those_set_aside_are_kept() {
    let place = Directory::new();
    let mut at = place.filled();
    for _ in 0..4 {
        let ahead = IndexPosition { mark: IndexMark(99), ..at };
        let (mut index, state) = place.open_sled(Some(ahead));
        assert!(matches!(state, IndexState::Fresh { .. }));
        at = position(&mut index);
    }
    let left: Vec<bool> = (1..=4).map(|n| place.path().join(format!("index.bad-{n}")).is_dir()).collect();
    assert_eq!(left, [false, false, true, true]);
}
