//! The checkpoint files: golden bytes, damage, taking turns, crashes at every call.

use super::*;
use crate::storage::io::sim::{Fault, SimDisk};
use proptest::prelude::*;

const GOLDEN: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/meta-v1/CHECKPOINT"));
const UUID: [u8; 16] = [0x11; 16];
const DIR: &str = "/data";

fn checkpoint(generation: u64) -> Checkpoint {
    let position = |partition, lsn| PartitionPosition {
        partition: PartitionId(partition),
        lsn: Lsn(lsn),
        state_hash: 0x0123_4567_89ab_cdef,
    };
    Checkpoint {
        generation,
        snapshot_generation: 3,
        index: IndexPosition { generation: 2, mark: IndexMark(40) },
        wal_segment: 12,
        durable_seq: 5000,
        clean_shutdown: generation.is_multiple_of(2),
        written: Timestamp(1_700_000_000_000),
        partitions: vec![position(0, 1000 + generation), position(1, 2000)],
    }
}

/// A directory as making a store leaves it.
fn disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed);
    disk.create_dir(Path::new(DIR)).expect("made");
    disk.fsync_dir(Path::new("/")).expect("synced");
    create_files(&disk, Path::new(DIR)).expect("made");
    disk.fsync_dir(Path::new(DIR)).expect("synced");
    disk
}

fn read(disk: &SimDisk) -> Slots {
    Slots::read(disk, Path::new(DIR), UUID)
}

fn writer(disk: &SimDisk) -> Result<CheckpointWriter, FileError> {
    CheckpointWriter::open(disk, Path::new(DIR), UUID, &read(disk))
}

fn damage(disk: &SimDisk, name: &str) {
    disk.damage(&Path::new(DIR).join(name), |bytes| bytes[100] ^= 4);
}

#[test]
fn the_format_of_version_1_is_what_it_was() {
    assert_eq!(checkpoint(6).encode(UUID), GOLDEN);
    assert_eq!(Checkpoint::decode(GOLDEN, UUID), Ok(checkpoint(6)));
}

#[test]
fn every_flipped_bit_is_seen() {
    let mut bytes = GOLDEN.to_vec();
    for bit in 0..BYTES * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Checkpoint::decode(&bytes, UUID).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_checkpoint_of_another_store_is_refused() {
    assert_eq!(Checkpoint::decode(GOLDEN, [9; 16]), Err("it belongs to another store"));
}

#[test]
fn as_many_partitions_as_allowed_fit() {
    let mut full = checkpoint(1);
    full.partitions = vec![full.partitions[0]; PARTITIONS_MAX];
    assert_eq!(Checkpoint::decode(&full.encode(UUID), UUID), Ok(full));
}

#[test]
fn a_count_past_the_limit_is_refused() {
    let forged = Record::default().bytes(&MAGIC).u16(VERSION).u16(0).u32(129).bytes(&UUID);
    let forged = forged.zeroes_to(BYTES).sealed(CRC_AT);
    assert_eq!(Checkpoint::decode(&forged, UUID), Err("it counts more partitions than fit"));
}

#[test]
fn the_files_are_written_in_turn_also_after_a_restart() {
    let disk = disk(1);
    assert_eq!(read(&disk), Slots([Slot::Empty, Slot::Empty]));
    let mut first = writer(&disk).expect("opens");
    first.write(&checkpoint(1)).expect("written");
    assert_eq!(read(&disk), Slots([Slot::Valid(checkpoint(1)), Slot::Empty]));
    first.write(&checkpoint(2)).expect("written");
    drop(first);
    writer(&disk).expect("opens").write(&checkpoint(3)).expect("written");
    assert_eq!(read(&disk), Slots([Slot::Valid(checkpoint(3)), Slot::Valid(checkpoint(2))]));
    writer(&disk).expect("opens").write(&checkpoint(4)).expect("written");
    assert_eq!(read(&disk), Slots([Slot::Valid(checkpoint(3)), Slot::Valid(checkpoint(4))]));
}

#[test]
fn the_other_file_counts_when_one_is_damaged_and_the_damaged_one_is_written_next() {
    for (name, left) in [(FILES[0], 2), (FILES[1], 1)] {
        let disk = disk(1);
        let mut files = writer(&disk).expect("opens");
        files.write(&checkpoint(1)).expect("written");
        files.write(&checkpoint(2)).expect("written");
        damage(&disk, name);
        assert_eq!(read(&disk).latest().map(|latest| latest.generation), Some(left));
        assert_eq!(read(&disk).damage().collect::<Vec<_>>(), [(name, "its CRC does not match")]);
        writer(&disk).expect("opens").write(&checkpoint(left + 1)).expect("written");
        assert_eq!(read(&disk).damage().count(), 0);
        assert_eq!(read(&disk).valid().count(), 2);
    }
}

#[test]
fn a_missing_or_short_file_is_damage_and_made_again() {
    let disk = disk(1);
    disk.unlink(&Path::new(DIR).join(FILES[0])).expect("removed");
    disk.damage(&Path::new(DIR).join(FILES[1]), |bytes| bytes.truncate(100));
    let slots = read(&disk);
    assert_eq!(slots.latest(), None);
    let damage: Vec<_> = slots.damage().collect();
    assert_eq!(damage, [(FILES[0], "it is missing"), (FILES[1], "it does not have 4096 bytes")]);
    writer(&disk).expect("opens");
    assert_eq!(read(&disk), Slots([Slot::Empty, Slot::Empty]));
}

#[test]
fn a_crash_at_any_call_leaves_the_last_acknowledged_checkpoint_or_the_one_being_written() {
    for seed in 0..20 {
        for call in 0.. {
            let disk = disk(seed);
            disk.fault_at(disk.calls() + call, Fault::Crash);
            let acknowledged = write_five(&disk);
            let found = read(&disk.reboot()).latest().map_or(0, |latest| latest.generation);
            assert!(found == acknowledged || found == acknowledged + 1, "seed {seed} call {call}: {found}");
            if acknowledged == 5 {
                break;
            }
        }
    }
}

/// Writes checkpoints 1 to 5, opening the files anew for the fourth; returns how many came through.
fn write_five(disk: &SimDisk) -> u64 {
    let Ok(mut files) = writer(disk) else { return 0 };
    for generation in 1..=5 {
        if generation == 4 {
            match writer(disk) {
                Ok(again) => files = again,
                Err(_) => return 3,
            }
        }
        if files.write(&checkpoint(generation)).is_err() {
            return generation - 1;
        }
    }
    5
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), len in 0..5000_usize) {
        let mut bytes = bytes;
        bytes.resize(len, 0);
        prop_assert!(Checkpoint::decode(&bytes, UUID).is_err());
    }

    #[test]
    fn sealed_nonsense_does_not_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let forged = Record::default().bytes(&MAGIC).u16(VERSION).bytes(&bytes).zeroes_to(BYTES).sealed(CRC_AT);
        if let Ok(decoded) = Checkpoint::decode(&forged, forged[16..32].try_into().expect("16 bytes")) {
            prop_assert!(decoded.partitions.len() <= PARTITIONS_MAX);
        }
    }
}
