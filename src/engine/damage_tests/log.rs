//! Segments of the log and of the archive: every byte flipped, every length.

use super::{
    account::Frames,
    raw::{self, Block, PAGE},
    sample::{self, Sample},
    stride,
};
use crate::storage::{
    io::sim::SimDisk,
    offline::{Problem, Remedy, Verification, Which},
};
use std::{
    collections::BTreeSet,
    ops::Range,
    path::{Path, PathBuf},
};

/// Bytes of a segment's header that have a meaning; the rest of its page is zero, and covered by its CRC.
const HEADER_FIELDS: usize = 112;
/// Header of a block, of its first frame and of the first entry in that.
const FIRST_BYTES: usize = 64 + 72 + 32;

fn name_of(path: &Path) -> String {
    path.strip_prefix(sample::DIR).expect("inside").display().to_string()
}

/// What stands at a byte of a sound segment.
enum Meaning<'a> {
    Header,
    Block(&'a Block),
    /// The very last block, a heartbeat or the mark of a clean end: nothing proves that it was there, and it holds nothing.
    LastMark,
    Nothing,
}

struct Segment<'a> {
    which: Which,
    path: &'a Path,
    len: usize,
    blocks: Vec<Block>,
    is_last: bool,
}

impl<'a> Segment<'a> {
    fn all(which: Which, segments: &'a [(PathBuf, Vec<u8>)]) -> Vec<Self> {
        let last = segments.len() - 1;
        let one = |(index, (path, bytes)): (usize, &'a (PathBuf, Vec<u8>))| Self {
            which,
            path,
            len: bytes.len(),
            blocks: raw::blocks(bytes),
            is_last: index == last,
        };
        segments.iter().enumerate().map(one).collect()
    }

    fn is_last_mark(&self, block: &Block) -> bool {
        let newest = self.blocks.last().is_some_and(|last| last.at == block.at);
        self.is_last && newest && block.frames.is_empty()
    }

    fn meaning(&self, offset: usize) -> Meaning<'_> {
        if offset < PAGE {
            return Meaning::Header;
        }
        match self.blocks.iter().find(|block| block.covered.contains(&offset)) {
            Some(block) if self.is_last_mark(block) => Meaning::LastMark,
            Some(block) => Meaning::Block(block),
            None => Meaning::Nothing,
        }
    }

    /// Every byte of headers; of bodies and of zeroes one in several.
    fn offsets(&self) -> BTreeSet<usize> {
        let mut offsets: BTreeSet<usize> = (0..self.len).step_by(stride(4093)).collect();
        offsets.extend(0..HEADER_FIELDS);
        offsets.extend((HEADER_FIELDS..PAGE).step_by(stride(211)));
        for Range { start, end } in self.blocks.iter().map(|block| block.covered.clone()) {
            offsets.extend(start..end.min(start + FIRST_BYTES));
            offsets.extend((start..end).step_by(stride(61)));
            // Before, on and behind the last byte that a CRC covers.
            offsets.extend(end - 1..(end + 2).min(self.len));
        }
        offsets
    }

    /// Around every place where something begins or ends, and one length in several.
    fn lengths(&self) -> BTreeSet<usize> {
        let mut lengths: BTreeSet<usize> = (0..self.len).step_by(stride(4093)).collect();
        for Range { start, end } in self.blocks.iter().map(|block| block.covered.clone()) {
            let ends = [start, start + 1, start + 63, start + 64, start + 65, start + 136, end - 1, end, end + 1];
            lengths.extend(ends.into_iter().filter(|length| *length < self.len));
        }
        lengths
    }
}

/// What `verify` says of a flipped byte, compared with what stood there.
fn check_flip(sample: &Sample, segment: &Segment, offset: usize, found: &Verification, what: &str) -> Frames {
    let lost = sample.account(segment.which).lost(&found.problems);
    let file = name_of(segment.path);
    let names_it =
        |problem: &Problem| problem.file == file && problem.acknowledged && problem.offsets.contains(&(offset as u64));
    match segment.meaning(offset) {
        Meaning::Header => {
            assert!(found.problems.len() == 1 && found.problems.iter().all(names_it), "{what}: {found:?}");
            assert!(lost.is_empty(), "{what}: a header holds no frame: {found:?}");
        }
        Meaning::Block(block) => {
            assert!(found.problems.iter().any(names_it), "{what}: not named: {found:?}");
            assert!(found.problems.iter().all(|problem| problem.file == file), "{what}: {found:?}");
            let inside = lost.iter().all(|place| block.frames.contains(place));
            assert!(inside, "{what}: the block had {:?}: {found:?}", block.frames);
        }
        Meaning::LastMark => assert!(found.is_sound() && lost.is_empty(), "{what}: {found:?}"),
        Meaning::Nothing => assert_eq!(*found, sample.sound.verification, "{what}"),
    }
    lost
}

async fn check_engine(sample: &Sample, which: Which, disk: &SimDisk, lost: &Frames, what: &str) {
    let shown = sample.shown(disk).await.unwrap_or_else(|error| panic!("{what}: {error}"));
    sample.account(which).check_shown(&shown, lost, what);
    let complete = shown.messages.len() == sample.sound.shown.messages.len();
    assert!(complete || !shown.alarms.is_empty() || lost.is_empty(), "{what}: messages are gone without an alarm");
}

/// One bit, and now and then all of them.
fn masks(offset: usize) -> Vec<u8> {
    let one = 1 << (offset % 8);
    if offset.is_multiple_of(stride(5)) { vec![one, 0xff] } else { vec![one] }
}

/// Of the places one in `every`; with an engine one in `engine_stride` of these.
async fn flip_every_byte(sample: &Sample, which: Which, every: usize, engine_stride: usize) {
    let segments = sample.segments(which);
    assert!(segments.len() >= if which == Which::Log { 3 } else { 2 });
    let mut cases = 0_usize;
    for segment in Segment::all(which, &segments) {
        for offset in segment.offsets().into_iter().step_by(every) {
            for mask in masks(offset) {
                let what = format!("{} at {offset} ^ {mask:#x}", name_of(segment.path));
                let disk = sample.flipped(segment.path, offset, mask);
                let found = sample::verify(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
                let lost = check_flip(sample, &segment, offset, &found, &what);
                if cases.is_multiple_of(stride(3)) {
                    sample.account(segment.which).check_dump(
                        &sample::stopped(&disk.fork()).expect("stopped"),
                        &lost,
                        &what,
                    );
                }
                cases += 1;
                if cases.is_multiple_of(engine_stride) {
                    check_engine(sample, segment.which, &disk, &lost, &what).await;
                }
            }
        }
    }
    assert!(cases > 1000, "{cases} cases");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_the_log_of_a_killed_store_costs_no_more_than_the_report_names() {
    flip_every_byte(sample::killed().await, Which::Log, 1, stride(101)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_the_archive_costs_no_more_than_the_report_names() {
    flip_every_byte(sample::killed().await, Which::Archive, 1, stride(31)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_the_log_of_a_closed_store_costs_no_more_than_the_report_names() {
    flip_every_byte(sample::closed().await, Which::Log, stride(5), stride(23)).await;
}

/// The blocks that a length cuts off or into.
fn cut(segment: &Segment, len: usize) -> Vec<Block> {
    let is_cut = |block: &&Block| block.covered.end > len && !segment.is_last_mark(block);
    segment.blocks.iter().filter(is_cut).cloned().collect()
}

fn check_cut(sample: &Sample, segment: &Segment, len: usize, found: &Verification, what: &str) -> Frames {
    let lost = sample.account(segment.which).lost(&found.problems);
    let file = name_of(segment.path);
    let blocks = cut(segment, len);
    let names = |offset: usize| {
        let mut here = found.problems.iter().filter(|problem| problem.acknowledged && problem.file == file);
        here.any(|problem| problem.offsets.contains(&(offset as u64)))
    };
    for Range { start, end } in blocks.iter().map(|block| block.covered.clone()) {
        assert!(names(start) && names(end - 1), "{what}: bytes {start}..{end} are not named: {found:?}");
    }
    let inside = lost.iter().all(|place| blocks.iter().any(|block| block.frames.contains(place)));
    assert!(inside, "{what}: more is named than was cut off: {found:?}");
    lost
}

async fn cut_at_every_length(sample: &Sample, engine_stride: usize) {
    let segments = sample.segments(Which::Log);
    let mut cases = 0_usize;
    for segment in Segment::all(Which::Log, &segments) {
        for len in segment.lengths() {
            let what = format!("{} cut to {len}", name_of(segment.path));
            let disk = sample.damaged(segment.path, |bytes| bytes.truncate(len));
            let found = sample::verify(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            if segment.is_last && len < PAGE {
                // Like a segment that was being made: nothing of it counts, and only a checkpoint could tell.
                let shown = sample.shown(&disk).await.unwrap_or_else(|error| panic!("{what}: {error}"));
                let all: Frames = segment.blocks.iter().flat_map(|block| block.frames.clone()).collect();
                sample.sound.check_shown(&shown, &all, &what);
                continue;
            }
            let lost = check_cut(sample, &segment, len, &found, &what);
            sample.account(segment.which).check_dump(&sample::stopped(&disk.fork()).expect("stopped"), &lost, &what);
            cases += 1;
            if cases.is_multiple_of(engine_stride) {
                check_engine(sample, segment.which, &disk, &lost, &what).await;
            }
        }
    }
    assert!(cases > 300, "{cases} cases");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_of_any_length_in_a_killed_store_costs_no_more_than_the_report_names() {
    cut_at_every_length(sample::killed().await, stride(7)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_of_any_length_in_a_closed_store_costs_no_more_than_the_report_names() {
    cut_at_every_length(sample::closed().await, stride(7)).await;
}

/// What is cut off of the newest segment behind its last proof of a sync only the start can tell.
#[tokio::test(flavor = "multi_thread")]
async fn a_segment_of_the_archive_of_any_length_costs_no_more_than_was_cut_off() {
    let sample = sample::killed().await;
    let segments = sample.segments(Which::Archive);
    let mut cases = 0_usize;
    for segment in Segment::all(Which::Archive, &segments) {
        for len in segment.lengths() {
            let what = format!("{} cut to {len}", name_of(segment.path));
            let disk = sample.damaged(segment.path, |bytes| bytes.truncate(len));
            let found = sample::verify(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            if !segment.is_last {
                check_cut(sample, &segment, len, &found, &what);
            }
            cases += 1;
            if cases.is_multiple_of(stride(7)) {
                let gone: Frames = cut(&segment, len).iter().flat_map(|block| block.frames.clone()).collect();
                check_engine(sample, Which::Archive, &disk, &gone, &what).await;
            }
        }
    }
    assert!(cases > 50, "{cases} cases");
}

/// The files of a disk but for those that a tool or a start may write.
fn kept(disk: &SimDisk) -> Vec<(PathBuf, Vec<u8>)> {
    let files = disk.files().into_iter().filter(|path| !path.starts_with("/data/damaged") && !path.ends_with("LOCK"));
    files.map(|path| (path.clone(), disk.contents(&path).expect("there"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_of_any_damaged_block_keeps_what_is_sound_and_what_is_damaged() {
    let sample = sample::killed().await;
    let segments = sample.segments(Which::Log);
    let mut repaired = 0;
    for segment in Segment::all(Which::Log, &segments) {
        for offset in segment.offsets().into_iter().step_by(stride(23)) {
            let what = format!("{} at {offset}", name_of(segment.path));
            let disk = sample.flipped(segment.path, offset, 0x10);
            repaired += usize::from(check_repair(sample, &disk, &what).await);
        }
        // The newest one without its header is like one that was being made.
        let shortest = if segment.is_last { PAGE } else { 0 };
        for len in segment.lengths().into_iter().filter(|len| *len >= shortest).step_by(stride(17)) {
            let what = format!("{} cut to {len}", name_of(segment.path));
            let disk = sample.damaged(segment.path, |bytes| bytes.truncate(len));
            repaired += usize::from(check_repair(sample, &disk, &what).await);
        }
    }
    assert!(repaired > 200, "{repaired} repaired");
}

/// Repairs a disk; tells whether there was anything to keep.
async fn check_repair(sample: &Sample, disk: &SimDisk, what: &str) -> bool {
    let before = kept(disk);
    let found = sample::verify(disk).expect("verifies");
    let stopped = sample::stopped(disk).expect("stopped");
    let repair = stopped.repair(&found, crate::base::time::Timestamp(1), &mut |_| {}).expect("repairs");
    assert_eq!(kept(disk), before, "{what}: repair changed the store");
    assert_eq!(repair.report.is_some(), !found.is_sound(), "{what}");
    if let Some(report) = &repair.report {
        let report = disk.contents(&Path::new(sample::DIR).join(report)).expect("a report");
        let report = String::from_utf8(report).expect("text");
        for problem in found.problems.iter().filter(|problem| problem.acknowledged) {
            assert!(report.contains(&problem.to_string()), "{what}: {problem} is not in the report");
            assert_eq!(problem.remedy, Remedy::KeepCopy, "{what}");
            check_copy(disk, problem, what);
        }
    }
    drop(stopped);
    assert_eq!(sample::verify(disk).expect("verifies"), found, "{what}: repair changed the verdict");
    check_engine(sample, Which::Log, disk, &sample.sound.lost(&found.problems), what).await;
    repair.report.is_some()
}

/// Whatever stands in the range that is lost was copied byte for byte.
fn check_copy(disk: &SimDisk, problem: &Problem, what: &str) {
    let bytes = disk.contents(&Path::new(sample::DIR).join(&problem.file)).unwrap_or_default();
    let start = (problem.offsets.start as usize).min(bytes.len());
    let end = (problem.offsets.end as usize).min(bytes.len());
    if start < end {
        let name = format!("{}/damaged/{}-{start}.bin", sample::DIR, problem.file.replace('/', "_"));
        assert_eq!(disk.contents(Path::new(&name)).as_deref(), bytes.get(start..end), "{what}: {name}");
    }
}
