//! Opening and committing as a whole, over the simulated disk: crashes at every call, damage, foreign directories.

use super::{open::Store, *};
use crate::{
    base::{
        entropy::Entropy,
        id::{Lsn, PartitionId, QueueId},
        time::Timestamp,
    },
    storage::{
        checkpoint::{FILES, PartitionPosition},
        identity,
        index::{IndexState, memory::MemoryDisk},
        io::{
            Io, SysIo,
            sim::{Fault, SimDisk},
        },
        snapshot::{self, Section},
    },
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

const DIR: &str = "/srv/forebay";
const QUEUE: QueueId = QueueId(5);
const COMMITS: u64 = 5;

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_add(1);
            *byte = self.0;
        }
    }
}

/// A machine: its disk, and the part of it that the index in memory stands for.
#[derive(Clone)]
struct Machine {
    disk: SimDisk,
    index: MemoryDisk,
}

impl Machine {
    fn new(seed: u64) -> Self {
        Self { disk: SimDisk::new(seed), index: MemoryDisk::default() }
    }

    fn open(&self) -> Result<Opened, OpenError> {
        open(Arc::new(self.disk.clone()), Path::new(DIR), IndexKind::Memory(self.index.clone()))
    }

    fn opened(&self) -> Opened {
        self.open().expect("opens")
    }

    fn reboot(&self) -> Self {
        Self { disk: self.disk.reboot(), index: self.index.clone() }
    }

    fn crash_after(&self, calls: u64) {
        self.disk.fault_at(self.disk.calls() + calls, Fault::Crash);
    }

    fn damage(&self, name: &str) {
        self.disk.damage(&file(name), |bytes| bytes[40] ^= 1);
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

fn open(io: Arc<dyn Io>, dir: &Path, index: IndexKind) -> Result<Opened, OpenError> {
    let entropy = &mut Counting(0);
    let options = Options { index, pid: 4711, now: Timestamp(1), node_id: 1, partition_count: 2, entropy };
    Store::open(io, dir, options)
}

/// The state after `number` commits: partition 0 is at LSN 10 × number, partition 1 at 1000 + number.
fn commit(number: u64) -> Commit {
    let lsns = [Lsn(10 * number), Lsn(1000 + number)];
    let partitions = (0..).map(PartitionId).zip(lsns);
    let position = |(partition, lsn)| PartitionPosition { partition, lsn, state_hash: number };
    let section = |(partition, lsn)| Section { partition, kind: 1, lsn, bytes: number.to_le_bytes().to_vec().into() };
    Commit {
        now: Timestamp(number),
        partitions: partitions.clone().map(position).collect(),
        // The third commit finds the state of the second unchanged.
        sections: (number != 3).then(|| partitions.map(section).collect()),
        wal_segment: number,
        durable_seq: 100 * number,
        clean_shutdown: false,
    }
}

fn commit_one(opened: &mut Opened, number: u64) -> Result<Committed, CommitError> {
    opened.index.put(QUEUE, number, &number.to_le_bytes()).expect("put");
    opened.store.commit_checkpoint(&mut *opened.index, commit(number))
}

fn committed(machine: &Machine, numbers: std::ops::RangeInclusive<u64>) -> Opened {
    let mut opened = machine.opened();
    for number in numbers {
        commit_one(&mut opened, number).expect("committed");
    }
    opened
}

/// What the commit with this number left in the snapshot: the third wrote none.
fn snapshot_number(number: u64) -> u64 {
    if number == 3 { 2 } else { number }
}

/// Checks what a start finds against the number of commits acknowledged before; returns the number found.
fn check(opened: &Opened, acknowledged: u64, context: &str) -> u64 {
    let number = opened.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.generation);
    assert!(number == acknowledged || number == acknowledged + 1, "{context}: {number} after {acknowledged}");
    let Some(checkpoint) = &opened.checkpoint else { return 0 };
    assert_eq!(checkpoint.partitions, commit(number).partitions, "{context}");
    let snapshot = opened.snapshot.as_ref().unwrap_or_else(|| panic!("{context}: no snapshot"));
    assert_eq!(snapshot.generation, checkpoint.snapshot_generation, "{context}");
    assert_eq!(snapshot.sections[0].bytes[..], snapshot_number(number).to_le_bytes(), "{context}");
    assert_eq!(opened.index_state, IndexState::Usable, "{context}");
    for page in 1..=number {
        assert_eq!(opened.index.get(QUEUE, page), Ok(Some(page.to_le_bytes().to_vec())), "{context}");
    }
    // A checkpoint torn by the crash is no news; anything else would be.
    let torn = |warning: &String| warning.starts_with("CHECKPOINT") && warning.ends_with("does not match");
    assert!(opened.warnings.iter().all(torn), "{context}: {:?}", opened.warnings);
    number
}

/// Opens and commits up to [`COMMITS`], going on behind what is found. Returns the store's id once opening came
/// through, and the last commit that came through.
fn run(machine: &Machine, before: u64, context: &str) -> (Option<uuid::Uuid>, u64) {
    let Ok(mut opened) = machine.open() else { return (None, before) };
    let found = check(&opened, before, context);
    for number in found + 1..=COMMITS {
        if commit_one(&mut opened, number).is_err() {
            return (Some(opened.identity.uuid), number - 1);
        }
    }
    (Some(opened.identity.uuid), COMMITS)
}

#[test]
fn a_crash_at_any_call_leaves_a_store_that_opens_at_the_last_checkpoint() {
    for seed in 0..12 {
        for call in 0.. {
            let context = format!("seed {seed} call {call}");
            let machine = Machine::new(seed);
            machine.crash_after(call);
            let (uuid, acknowledged) = run(&machine, 0, &context);
            let opened = machine.reboot().opened();
            check(&opened, acknowledged, &context);
            if let Some(uuid) = uuid {
                assert!(!opened.created, "{context}: an opened store is not made again");
                assert_eq!(opened.identity.uuid, uuid, "{context}");
            }
            if acknowledged == COMMITS {
                break;
            }
        }
    }
}

#[test]
fn three_crashes_in_a_row_do_not_lose_an_acknowledged_checkpoint() {
    for seed in 0..300_u64 {
        let context = format!("seed {seed}");
        let mut machine = Machine::new(seed);
        let mut acknowledged = 0;
        for round in 0..3 {
            machine.crash_after((seed * 37 + round * 11) % 61);
            acknowledged = run(&machine, acknowledged, &context).1;
            machine = machine.reboot();
            if let Some(found) = machine.opened().checkpoint {
                assert!(found.generation >= acknowledged, "{context} round {round}");
                acknowledged = found.generation;
            }
        }
        assert_eq!(run(&machine, acknowledged, &context).1, COMMITS);
    }
}

#[test]
fn a_failing_call_fails_the_commit_and_leaves_the_last_checkpoint() {
    for fault in [Fault::Eio, Fault::NoSpace] {
        for call in 0.. {
            let machine = Machine::new(call);
            let mut opened = committed(&machine, 1..=2);
            machine.disk.fault_at(machine.disk.calls() + call, fault);
            let outcome = commit_one(&mut opened, 4);
            drop(opened);
            let machine = Machine { disk: machine.disk.restart_process(), ..machine };
            let found = machine.opened().checkpoint.expect("there");
            if outcome.is_ok() {
                assert_eq!(found.partitions, commit(4).partitions);
                break;
            }
            // After its sync the checkpoint counts, also when tidying up fails then.
            let valid = [commit(2).partitions, commit(4).partitions];
            assert!(valid.contains(&found.partitions), "{fault:?} at call {call}");
        }
    }
}

#[test]
fn an_empty_directory_becomes_a_store_and_stays_that_store() {
    let machine = Machine::new(1);
    let first = machine.opened();
    assert!(first.created);
    assert_eq!((first.checkpoint, first.snapshot), (None, None));
    assert_eq!(first.index_state, IndexState::Fresh { why: "there is no checkpoint".into() });
    drop(first.store);
    let second = machine.opened();
    assert!(!second.created);
    assert_eq!(second.identity, first.identity);
    assert_eq!(second.warnings, Vec::<String>::new());
    assert_eq!(second.identity.partition_count, 2);
}

#[test]
fn a_second_open_is_refused_with_the_holders_process() {
    let machine = Machine::new(1);
    let first = machine.opened();
    let refused = machine.open().err().expect("locked").to_string();
    assert_eq!(refused, "/srv/forebay is in use by process 4711");
    drop(first);
    machine.opened();
}

#[test]
fn a_directory_of_somebody_else_is_refused_untouched() {
    let machine = Machine::new(1);
    machine.disk.create_dir(&file("photos")).expect("made");
    let refused = machine.open().err().expect("foreign").to_string();
    assert_eq!(refused, "/srv/forebay is not a data directory: it holds \"photos\" and no STORE file");
    assert_eq!(machine.disk.files(), Vec::<PathBuf>::new());
}

#[test]
fn the_root_of_a_file_system_may_become_a_store() {
    let machine = Machine::new(1);
    machine.disk.create_dir(&file("lost+found")).expect("made");
    assert!(machine.opened().created);
}

#[test]
fn a_store_that_lost_its_identity_is_not_made_anew() {
    let machine = Machine::new(1);
    drop(committed(&machine, 1..=2));
    machine.disk.unlink(&file(identity::FILE)).expect("removed");
    assert!(matches!(machine.open(), Err(OpenError::Foreign { name, .. }) if name == "meta"));
}

#[test]
fn a_damaged_identity_is_refused_with_the_directory() {
    let machine = Machine::new(1);
    drop(machine.opened());
    machine.damage(identity::FILE);
    let refused = machine.open().err().expect("damaged").to_string();
    assert_eq!(refused, "/srv/forebay: STORE is damaged: its CRC does not match");
}

#[test]
fn the_checkpoint_before_counts_when_the_latest_is_damaged_and_all_it_needs_is_there() {
    let machine = Machine::new(1);
    let mut opened = committed(&machine, 1..=4);
    let last = commit_one(&mut opened, 5).expect("committed");
    drop(opened);
    machine.damage(FILES[0]);
    let opened = machine.opened();
    assert_eq!(check(&opened, 4, "the fifth is lost"), 4);
    assert_eq!(opened.warnings, ["CHECKPOINT.a is damaged: its CRC does not match"]);
    for position in opened.checkpoint.expect("there").partitions {
        assert!(last.needed_above[&position.partition] <= position.lsn, "its frames were not given up");
    }
}

#[test]
fn two_damaged_checkpoints_mean_a_replay_over_the_newest_snapshot() {
    let machine = Machine::new(1);
    drop(committed(&machine, 1..=4));
    FILES.iter().for_each(|name| machine.damage(name));
    let mut opened = machine.opened();
    assert!(!opened.created);
    assert_eq!(opened.checkpoint, None);
    assert_eq!(opened.snapshot.as_ref().map(|snapshot| snapshot.written), Some(Timestamp(4)));
    assert_eq!(opened.index_state, IndexState::Fresh { why: "there is no checkpoint".into() });
    assert_eq!(opened.warnings.len(), 2);
    let newest = snapshot::generations(&machine.disk, Path::new(DIR)).expect("lists").last().copied();
    let committed = commit_one(&mut opened, 5).expect("committed");
    assert!(Some(committed.checkpoint.snapshot_generation) > newest, "numbers are not reused");
}

#[test]
fn a_damaged_snapshot_is_replaced_by_the_one_before_whose_frames_are_still_kept() {
    let machine = Machine::new(1);
    let last = commit_one(&mut committed(&machine, 1..=4), 5).expect("committed");
    machine.damage(&format!("meta/{}.snap", last.checkpoint.snapshot_generation));
    let opened = machine.opened();
    assert_eq!(opened.checkpoint.as_ref().map(|checkpoint| checkpoint.generation), Some(5));
    let snapshot = opened.snapshot.expect("the one before");
    assert_eq!(snapshot.sections[0].lsn, Lsn(40));
    assert_eq!(last.needed_above[&PartitionId(0)], Lsn(40));
    assert!(opened.warnings[0].ends_with("its header does not match"), "{:?}", opened.warnings);
}

#[test]
fn frames_are_needed_above_the_older_of_the_last_two_checkpoints_and_their_snapshots() {
    let machine = Machine::new(1);
    let mut opened = machine.opened();
    assert_eq!(opened.store.needed_above(), BTreeMap::new());
    let needed = |committed: Committed| committed.needed_above[&PartitionId(0)].0;
    let mut commit = |number| needed(commit_one(&mut opened, number).expect("committed"));
    assert_eq!([commit(1), commit(2), commit(3), commit(4), commit(5)], [10, 10, 20, 20, 40]);
    drop(opened);
    assert_eq!(machine.opened().store.needed_above()[&PartitionId(0)], Lsn(50));
}

#[test]
fn a_store_has_at_most_as_many_partitions_as_a_checkpoint_holds() {
    let disk = SimDisk::new(1);
    let index = IndexKind::Memory(MemoryDisk::default());
    let entropy = &mut Counting(0);
    let options = Options { index, pid: 1, now: Timestamp(1), node_id: 1, partition_count: 129, entropy };
    let refused = Store::open(Arc::new(disk), Path::new(DIR), options).err().expect("too many");
    assert_eq!(refused.to_string(), "a store of 129 partitions cannot be made: the limit is 128");
}

fn open_real(dir: &Path) -> Opened {
    open(Arc::new(SysIo), dir, IndexKind::Sled { cache_bytes: 1 << 20 }).expect("opens")
}

#[test]
fn a_store_over_sled_and_real_files_comes_back_as_committed() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let dir = temporary.path().join("a/b");
    let mut opened = open_real(&dir);
    for number in 1..=3 {
        commit_one(&mut opened, number).expect("committed");
    }
    // A crash between the index and the checkpoint: the index is ahead.
    opened.index.put(QUEUE, 4, &4_u64.to_le_bytes()).expect("put");
    opened.index.sync().expect("synced");
    drop(opened);
    let opened = open_real(&dir);
    assert_eq!(check(&opened, 3, "over sled"), 3);
    assert_eq!(opened.index.page_count(), 4);
}

#[test]
fn a_store_over_sled_says_that_its_index_is_gone() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let mut opened = open_real(temporary.path());
    commit_one(&mut opened, 1).expect("committed");
    drop(opened);
    SysIo.remove_tree(&temporary.path().join("index")).expect("removed");
    let opened = open_real(temporary.path());
    assert_eq!(opened.checkpoint.map(|checkpoint| checkpoint.generation), Some(1));
    assert_eq!(opened.index_state, IndexState::Fresh { why: "index generation 1 is missing".into() });
}
