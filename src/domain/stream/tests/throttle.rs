//! The limits of a shard in virtual time.

use crate::{
    base::time::Timestamp,
    domain::stream::{
        ShardId,
        throttle::{Limit, ShardLimits, Throttle, Throttled},
    },
};
use proptest::prelude::*;
use std::time::Duration;

const A: ShardId = ShardId(0);
const B: ShardId = ShardId(1);
const MIB: u64 = 1 << 20;

fn throttle() -> Throttle {
    Throttle::new(ShardLimits::PROVISIONED)
}

fn wait(result: Result<(), Throttled>) -> Option<(Limit, u64)> {
    result.err().map(|found| (found.limit, found.wait.as_millis().try_into().expect("a short time")))
}

#[test]
fn a_shard_takes_1000_records_in_a_second() {
    let mut throttle = throttle();
    for _ in 0..1000 {
        assert_eq!(throttle.write(Timestamp(0), A, 10), Ok(()));
    }
    let refused = throttle.write(Timestamp(0), A, 10);
    assert_eq!(
        refused.expect_err("too many").to_string(),
        "shardId-000000000000 may have 1000 of WriteRecords in a second; there is room in 1 ms"
    );
    assert_eq!(throttle.write(Timestamp(0), B, 10), Ok(()), "another shard");
    assert_eq!(throttle.write(Timestamp(1), A, 10), Ok(()));
    assert_eq!(wait(throttle.write(Timestamp(1), A, 10)), Some((Limit::WriteRecords, 1)));
    assert_eq!(
        (0..2000).filter(|_| throttle.write(Timestamp(5000), A, 10).is_ok()).count(),
        1000,
        "no second saved up"
    );
}

#[test]
fn a_shard_takes_a_mebibyte_in_a_second() {
    let mut throttle = throttle();
    assert_eq!(throttle.write(Timestamp(0), A, MIB / 2), Ok(()));
    assert_eq!(wait(throttle.write(Timestamp(0), A, MIB)), Some((Limit::WriteBytes, 500)));
    assert_eq!(throttle.write(Timestamp(0), A, MIB / 2), Ok(()), "what was refused took nothing");
    assert_eq!(wait(throttle.write(Timestamp(250), A, MIB / 2)), Some((Limit::WriteBytes, 250)));
    assert_eq!(throttle.write(Timestamp(500), A, MIB / 2), Ok(()));
}

#[test]
fn a_record_larger_than_a_second_is_taken_and_waited_for() {
    let mut throttle = throttle();
    assert_eq!(throttle.write(Timestamp(0), A, 10 * MIB), Ok(()));
    assert_eq!(wait(throttle.write(Timestamp(0), A, MIB)), Some((Limit::WriteBytes, 10_000)));
    assert_eq!(throttle.write(Timestamp(10_000), A, MIB), Ok(()));
}

#[test]
fn a_shard_is_read_five_times_in_a_second() {
    let mut throttle = throttle();
    assert!((0..5).all(|_| throttle.read(Timestamp(0), A).is_ok()));
    assert_eq!(wait(throttle.read(Timestamp(0), A)), Some((Limit::Reads, 200)));
    assert_eq!(throttle.read(Timestamp(200), A), Ok(()));
}

#[test]
fn ten_mebibytes_read_at_once_are_waited_for_five_seconds() {
    let mut throttle = throttle();
    assert_eq!(throttle.read(Timestamp(0), A), Ok(()));
    throttle.has_read(Timestamp(0), A, 10 * MIB);
    assert_eq!(wait(throttle.read(Timestamp(0), A)), Some((Limit::ReadBytes, 5000)));
    assert_eq!(wait(throttle.read(Timestamp(4999), A)), Some((Limit::ReadBytes, 1)));
    assert_eq!(throttle.read(Timestamp(5000), A), Ok(()));
}

#[test]
fn small_reads_wait_for_no_bytes() {
    let mut throttle = throttle();
    for _ in 0..4 {
        assert_eq!(throttle.read(Timestamp(0), A), Ok(()));
        throttle.has_read(Timestamp(0), A, MIB / 2);
    }
    assert_eq!(throttle.read(Timestamp(0), A), Ok(()));
}

#[test]
fn a_lifted_limit_never_throttles() {
    let mut throttle = Throttle::new(ShardLimits { write_bytes: None, ..ShardLimits::PROVISIONED });
    assert!((0..1000).all(|_| throttle.write(Timestamp(0), A, MIB).is_ok()));
    assert_eq!(wait(throttle.write(Timestamp(0), A, 1)), Some((Limit::WriteRecords, 1)));
    let mut throttle = Throttle::new(ShardLimits::NONE);
    throttle.has_read(Timestamp(0), A, u64::MAX);
    assert!((0..5000).all(|_| throttle.read(Timestamp(0), A).is_ok() && throttle.write(Timestamp(0), A, MIB).is_ok()));
}

#[test]
fn a_shard_that_rested_is_forgotten_and_time_that_goes_back_gives_nothing() {
    let mut throttle = throttle();
    throttle.write(Timestamp(5000), A, MIB).expect("room");
    throttle.read(Timestamp(5000), B).expect("room");
    assert_eq!(wait(throttle.write(Timestamp(1000), A, MIB)), Some((Limit::WriteBytes, 1000)));
    throttle.advance(Timestamp(5500));
    assert_eq!(throttle.remembered(), 1);
    throttle.advance(Timestamp(6000));
    assert_eq!(throttle.remembered(), 0);
}

proptest! {
    /// However the writes fall, no stretch of time takes more than its seconds, one second's credit and one record.
    #[test]
    fn the_rate_is_never_exceeded_for_long(writes in proptest::collection::vec((0..400_u64, 1..3 * MIB), 1..200)) {
        let mut throttle = throttle();
        let (mut now, mut taken) = (0, 0);
        for (pause, bytes) in writes {
            now += pause;
            match throttle.write(Timestamp(now), A, bytes) {
                Ok(()) => taken += bytes,
                Err(found) => {
                    prop_assert!(found.wait > Duration::ZERO);
                    let later = Timestamp(now) + found.wait;
                    prop_assert_eq!(throttle.clone().write(later, A, bytes), Ok(()), "the wait is long enough");
                }
            }
            prop_assert!(taken <= MIB + MIB * now / 1000 + 3 * MIB, "{} bytes in {} ms", taken, now);
        }
    }
}
