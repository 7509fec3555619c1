//! Snapshots: golden bytes, damage, falling back, crashes at every call.

use super::*;
use crate::storage::io::sim::{Fault, SimDisk};
use proptest::prelude::*;

const GOLDEN: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/meta-v1/3.snap"));
const UUID: [u8; 16] = [0x11; 16];
const DIR: &str = "/data";

fn section(partition: u32, kind: u32, bytes: &'static [u8]) -> Section {
    Section { partition: PartitionId(partition), kind, lsn: Lsn(100 + u64::from(partition)), bytes: bytes.into() }
}

fn snapshot(generation: u64) -> Snapshot {
    let sections = vec![section(0, 1, b"heads of partition 0"), section(1, 1, b"eight by"), section(1, 2, b"")];
    Snapshot { generation, written: Timestamp(1_700_000_000_000), sections }
}

fn disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    disk.create_dir(&Path::new(DIR).join(DIRECTORY)).expect("made");
    disk.fsync_dir(Path::new("/")).expect("synced");
    disk.fsync_dir(Path::new(DIR)).expect("synced");
    disk
}

fn write(disk: &SimDisk, generation: u64) -> Result<(), SnapshotError> {
    snapshot(generation).write(disk, Path::new(DIR), UUID)
}

fn found(disk: &SimDisk, preferred: Option<u64>) -> (Option<u64>, Vec<String>) {
    let (snapshot, passed_over) = find(disk, Path::new(DIR), preferred, UUID).expect("lists");
    (snapshot.map(|snapshot| snapshot.generation), passed_over)
}

fn damage(disk: &SimDisk, generation: u64) {
    disk.damage(&path_of(Path::new(DIR), generation), |bytes| *bytes.last_mut().expect("not empty") ^= 1);
}

#[test]
fn the_format_of_version_1_is_what_it_was() {
    assert_eq!(snapshot(3).encode(UUID).expect("small"), GOLDEN);
    assert_eq!(Snapshot::decode(&Bytes::from_static(GOLDEN), UUID), Ok(snapshot(3)));
}

#[test]
fn every_flipped_bit_and_every_cut_is_seen() {
    for bit in 0..GOLDEN.len() * 8 {
        let mut bytes = GOLDEN.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Snapshot::decode(&bytes.into(), UUID).is_err(), "bit {bit}");
        assert!(Snapshot::decode(&Bytes::from_static(&GOLDEN[..bit / 8]), UUID).is_err(), "cut at {}", bit / 8);
    }
}

#[test]
fn damage_names_the_section() {
    let mut bytes = GOLDEN.to_vec();
    *bytes.last_mut().expect("not empty") ^= 1;
    assert_eq!(Snapshot::decode(&bytes.into(), UUID), Err("section 1: its CRC does not match".into()));
    assert_eq!(Snapshot::decode(&Bytes::from_static(GOLDEN), [0; 16]), Err("it belongs to another store".into()));
}

#[test]
fn a_snapshot_past_the_limit_is_refused_with_its_size() {
    let mut large = snapshot(1);
    large.sections = vec![section(0, 1, b""); SECTIONS_MAX + 1];
    let refused = large.encode(UUID).expect_err("too many").to_string();
    assert!(refused.contains("65537 sections"), "{refused}");
}

#[test]
fn the_snapshot_of_the_checkpoint_is_preferred_to_a_newer_one() {
    let disk = disk(1);
    assert_eq!(found(&disk, None), (None, vec![]));
    for generation in 1..=3 {
        write(&disk, generation).expect("written");
    }
    assert_eq!(found(&disk, Some(2)), (Some(2), vec![]));
    assert_eq!(found(&disk, None), (Some(3), vec![]));
}

#[test]
fn a_damaged_snapshot_is_passed_over_and_named() {
    let disk = disk(1);
    for generation in 1..=2 {
        write(&disk, generation).expect("written");
    }
    damage(&disk, 2);
    let what = "snapshot 2 is damaged: section 1: its CRC does not match".to_owned();
    assert_eq!(found(&disk, Some(2)), (Some(1), vec![what.clone()]));
    damage(&disk, 1);
    let (none, passed_over) = found(&disk, Some(2));
    assert_eq!((none, passed_over.len()), (None, 2));
    let copied = disk.contents(&path_of(Path::new(DIR), 2)).expect("there");
    let file = disk.create(&path_of(Path::new(DIR), 7)).expect("made");
    file.write_at(&copied, 0).expect("written");
    assert!(found(&disk, None).1[0].starts_with("snapshot 7 is damaged"));
}

#[test]
fn a_copy_under_another_number_is_not_taken_for_it() {
    let disk = disk(1);
    write(&disk, 1).expect("written");
    disk.rename(&path_of(Path::new(DIR), 1), &path_of(Path::new(DIR), 5)).expect("renamed");
    assert_eq!(found(&disk, None), (None, vec!["snapshot 5 is damaged: it calls itself generation 1".into()]));
}

#[test]
fn only_the_kept_snapshots_stay() {
    let disk = disk(1);
    for generation in 1..=4 {
        write(&disk, generation).expect("written");
    }
    disk.create(&path_of(Path::new(DIR), 5).with_extension("snap.tmp")).expect("made");
    remove_others(&disk, Path::new(DIR), &[2, 4]).expect("removed");
    assert_eq!(disk.list_dir(&Path::new(DIR).join(DIRECTORY)).expect("lists").len(), 2);
    assert_eq!(generations(&disk, Path::new(DIR)).expect("lists"), [2, 4]);
}

#[test]
fn a_crash_at_any_call_leaves_the_older_snapshot_and_the_new_one_whole_or_absent() {
    for seed in 0..20 {
        for call in 0.. {
            let disk = disk(seed);
            write(&disk, 1).expect("written");
            disk.fault_at(disk.calls() + call, Fault::Crash);
            let written = write(&disk, 2);
            let (newest, passed_over) = found(&disk.reboot(), Some(1));
            assert_eq!((newest, passed_over), (Some(1), vec![]), "seed {seed} call {call}");
            let (newest, passed_over) = found(&disk.reboot(), None);
            assert!(passed_over.is_empty(), "seed {seed} call {call}: {passed_over:?}");
            if written.is_ok() {
                assert_eq!(newest, Some(2));
                break;
            }
        }
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(bytes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..6)) {
        let sections = bytes.into_iter().enumerate().map(|(number, bytes)| Section {
            partition: PartitionId(number as u32),
            kind: 1,
            lsn: Lsn(number as u64),
            bytes: bytes.into(),
        });
        let snapshot = Snapshot { generation: 9, written: Timestamp(1), sections: sections.collect() };
        let encoded = snapshot.encode(UUID).expect("small");
        prop_assert_eq!(Snapshot::decode(&encoded.into(), UUID), Ok(snapshot));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Snapshot::decode(&bytes.into(), UUID).is_err());
    }

    #[test]
    fn forged_tables_do_not_make_it_panic(
        count in prop_oneof![0..5_u32, any::<u32>()],
        row in prop::collection::vec(prop_oneof![0..200_u64, any::<u64>()], 0..20),
    ) {
        let table = row.into_iter().fold(Record::default(), Record::u64);
        let rows = table.into_bytes();
        let rows_bytes = (count.min(4) as usize * TABLE_ROW_BYTES).max(rows.len());
        let table = Record::default().bytes(&rows).zeroes_to(rows_bytes).u64(0).sealed(rows_bytes);
        let len = (HEADER_BYTES + table.len()) as u64;
        let header = Record::default().bytes(&MAGIC).u16(VERSION).u16(0).u32(count).bytes(&UUID).u64(1).u64(2).u64(len);
        let forged = header.zeroes_to(HEADER_BYTES).sealed(HEADER_CRC_AT);
        let forged: Bytes = [forged, table].concat().into();
        if let Ok(decoded) = Snapshot::decode(&forged, UUID) {
            prop_assert!(decoded.sections.iter().all(|section| section.bytes.len() < forged.len()));
        }
    }
}
