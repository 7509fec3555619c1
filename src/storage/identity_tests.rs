//! The identity file: its golden bytes, damage, crashes while it is written.

use super::*;
use crate::storage::io::sim::SimDisk;
use proptest::prelude::*;

const GOLDEN: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/meta-v1/STORE"));

fn identity() -> Identity {
    Identity {
        uuid: Uuid::from_bytes([0x11; 16]),
        created: Timestamp(1_700_000_000_000),
        node_id: 1,
        partition_count: 4,
        secret: [0x22; 32],
    }
}

fn says(bytes: &[u8]) -> String {
    Identity::decode(bytes).expect_err("refused").to_string()
}

#[test]
fn the_format_of_version_1_is_what_it_was() {
    assert_eq!(identity().encode(), GOLDEN);
    assert_eq!(Identity::decode(GOLDEN).expect("sound"), identity());
}

#[test]
fn the_example_in_the_format_document_is_this_file() {
    let document = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/storage-format.md"));
    let (_, example) = document.split_once("```hex STORE\n").expect("the example is there");
    let (example, _) = example.split_once("```").expect("it ends");
    let bytes: Vec<u8> = example.split_whitespace().map(|hex| u8::from_str_radix(hex, 16).expect("hex")).collect();
    assert_eq!(bytes, GOLDEN);
}

#[test]
fn a_newer_format_is_refused_with_both_versions() {
    let newer = Record::default().bytes(&MAGIC).u16(9).zeroes_to(BYTES).sealed(CRC_AT);
    assert_eq!(says(&newer), "the data directory has format version 9, this program knows versions up to 1");
}

#[test]
fn a_damaged_file_is_refused_whatever_bit_is_wrong() {
    for bit in 0..BYTES * 8 {
        let mut damaged = GOLDEN.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(says(&damaged).starts_with("STORE is damaged: "), "bit {bit}");
    }
    assert_eq!(says(&GOLDEN[..127]), "STORE is damaged: it does not have 128 bytes");
}

#[test]
fn the_secret_is_not_shown() {
    assert!(!format!("{:?}", identity()).contains("34"), "0x22 is 34");
}

#[test]
fn a_crash_at_any_call_leaves_the_whole_file_or_none() {
    for seed in 0..8 {
        for call in 0.. {
            let disk = SimDisk::new(seed);
            disk.create_dir(Path::new("/data")).expect("made");
            disk.fsync_dir(Path::new("/")).expect("synced");
            disk.fault_at(disk.calls() + call, crate::storage::io::sim::Fault::Crash);
            let written = identity().write(&disk, Path::new("/data"));
            let found = Identity::read(&disk.reboot(), Path::new("/data")).expect("never damaged");
            match (written, found) {
                (Ok(()), found) => {
                    assert_eq!(found, Some(identity()));
                    break;
                }
                (Err(_), None) => {}
                (Err(_), Some(found)) => assert_eq!(found, identity()),
            }
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        prop_assert!(Identity::decode(&bytes).is_err());
    }

    #[test]
    fn sealed_nonsense_does_not_make_it_panic(bytes in prop::collection::vec(any::<u8>(), BYTES - 8)) {
        let sealed = Record::default().bytes(&MAGIC).bytes(&bytes).sealed(CRC_AT);
        if let Ok(decoded) = Identity::decode(&sealed) {
            prop_assert_eq!(&decoded.partition_count.to_le_bytes()[..], &bytes[4..8]);
        }
    }
}
