//! Sequence numbers and shard ids as text and as order.

use crate::{
    base::{id::PartitionId, time::Timestamp},
    domain::stream::sequence::{SequenceError, SequenceNumber, ShardId},
};
use proptest::prelude::*;

fn number(shard: u32, created: u64, index: u64, time: u64) -> SequenceNumber {
    SequenceNumber::new(ShardId(shard), created, index, PartitionId(0), Timestamp(time * 1000))
}

#[test]
fn a_number_of_the_documentation_is_read_and_written() {
    let text = "49590338271490256608559692538361571095921575989136588898";
    let read = SequenceNumber::parse(text).expect("a number");
    assert_eq!(read, number(6, 1_542_776_258, 0x6764_8a17, 1_545_084_650));
    assert_eq!(read.to_string(), text);
}

#[test]
fn the_first_number_that_can_be_is_read() {
    let zero = "49039857307708443467467104868809893875799651909875269634";
    assert_eq!(SequenceNumber::parse(zero), Ok(number(0, 0, 0, 0)));
}

#[test]
fn what_is_no_number_of_the_second_version_is_refused() {
    let refused = [
        "",
        "abc",
        "-1",
        "049590338271490256608559692538361571095921575989136588898",
        // Another version, another first digit, an index with its highest bit set.
        "49039857307708443467467104868809893875799651909875269632",
        "49039857307708443467467104868809893875799651909875269635",
        "73559785961562665201200657303214840813699477864812904449",
        "49039857307697293094867839557237917090843713134307311602",
        "49039857307719593840066370180380661734935976090628259842",
        &"9".repeat(57),
        &"9".repeat(129),
    ];
    for text in refused {
        assert_eq!(SequenceNumber::parse(text), Err(SequenceError::Malformed(text.into())), "{text}");
    }
}

#[test]
fn a_number_of_the_first_version_says_its_shard() {
    let shard = |text| match SequenceNumber::parse(text) {
        Err(SequenceError::FirstVersion { shard }) => shard.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(shard("5"), "shardId-000000000005");
    assert_eq!(shard("0"), "shardId-000000000000");
}

#[test]
fn a_number_that_names_no_possible_shard_is_read() {
    let read = SequenceNumber::parse("49039857307708443467467104868809893875799651944235008002").expect("a number");
    assert_eq!(read.shard.to_string(), "shardId--02147483648");
}

#[test]
fn a_shard_id_is_read_as_leniently_as_kinesis_reads_it() {
    let read = |text| ShardId::parse(text).map(|id| id.0);
    for (text, id) in
        [("shardId-000000000012", 12), ("shardId-0", 0), ("x-5", 5), ("5", 5), ("-00002147483647", 2147483647)]
    {
        assert_eq!(read(text), Some(id), "{text}");
    }
    for text in ["", "-", "ABKLFD8", "2.14E4", "2147483648", "shardId-002147483648", "x-5-6", "+5", "shardId-+5"] {
        assert_eq!(read(text), None, "{text}");
    }
    assert_eq!(ShardId(12).to_string(), "shardId-000000000012");
    assert_eq!(ShardId::parse(&ShardId::MAX.to_string()), Some(ShardId::MAX));
}

#[test]
fn a_number_carries_the_low_byte_of_its_partition() {
    let of = |partition| SequenceNumber::new(ShardId(1), 7, 1, PartitionId(partition), Timestamp(0));
    assert_eq!(SequenceNumber::parse(&of(0x107).to_string()).map(|read| read.partition), Ok(7));
}

prop_compose! {
    fn numbers()(
        shard in prop_oneof![0..20_u32, any::<u32>()],
        created in prop_oneof![0..5_u64, 1_700_000_000..1_700_000_005_u64, Just((1 << 36) - 1)],
        index in prop_oneof![0..5_u64, 0..=SequenceNumber::INDEX_END],
        partition in 0..3_u32,
        time in 1_700_000_000..1_700_000_100_u64,
    ) -> SequenceNumber {
        SequenceNumber::new(ShardId(shard), created, index, PartitionId(partition), Timestamp(time * 1000))
    }
}

proptest! {
    #[test]
    fn a_number_survives_being_written(number in numbers()) {
        let text = number.to_string();
        prop_assert_eq!(text.len(), 56);
        prop_assert_eq!(SequenceNumber::parse(&text), Ok(number));
    }

    /// All have 56 digits, so the order of the texts is the order of the numbers.
    #[test]
    fn numbers_are_ordered_as_their_decimals(a in numbers(), b in numbers()) {
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
    }
}
