//! Sequence numbers and shard ids.
//!
//! A sequence number is what clients order records by: a decimal number of 56 digits. It has the shape of AWS's second
//! version, 188 bits of fixed fields, so that clients which look inside find what they expect:
//!
//! ```text
//! bits 187-184  148-183   144-147       80-143  72-79      36-71  4-35   0-3
//!      2        created   shard, low 4  index   partition  time   shard  2
//! ```
//!
//! `created` is the second from which on its shard counts, and above that of its parents: so numbers rise within a key
//! across reshards. `index` is dense in its shard: so numbers are unique and rise within it. `time` is when the record
//! arrived, in seconds. AWS leaves the partition's byte zero.

use crate::base::{id::PartitionId, time::Timestamp};
use std::fmt;

/// The number of a shard in its stream, in the order of creation; never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u32);

impl ShardId {
    pub const MAX: Self = Self(i32::MAX.cast_unsigned());

    /// Reads an id as leniently as AWS: what stands before the first hyphen does not matter, the rest is a number.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.split_once('-').map_or(text, |(_, digits)| digits);
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| plain).map(Self);
        number.filter(|id| *id <= Self::MAX)
    }

    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for ShardId {
    /// The upper half of the numbers, which no shard has, shows as AWS shows it: negative.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shardId-{:012}", self.0.cast_signed())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    #[error("{0:?} is not a sequence number")]
    Malformed(String),
    /// The first version, which says nothing but the shard.
    #[error("a sequence number of the first version, for {shard}")]
    FirstVersion { shard: ShardId },
}

/// What clients see as the place of a record. Ordered as the numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber {
    /// Seconds since the epoch; see the file's head.
    pub created: u64,
    shard_low: u8,
    /// The place of the record in its shard, from 1. Zero: before the first.
    pub index: u64,
    pub partition: u8,
    /// Seconds since the epoch.
    pub time: u64,
    pub shard: ShardId,
}

/// The greatest value of the fields that hold seconds.
const SECONDS_MAX: u64 = (1 << 36) - 1;
const VERSION: u128 = 2;
/// Numbers from here on are of the second version, up to half as many again.
const FIRST_VERSION_BITS: u32 = 125;

impl SequenceNumber {
    /// The index of a shard's end: above every record's.
    pub const INDEX_END: u64 = i64::MAX.cast_unsigned();

    /// The number of a record. Of the partition its low byte counts.
    pub fn new(shard: ShardId, created: u64, index: u64, partition: PartitionId, time: Timestamp) -> Self {
        let [partition, ..] = partition.0.to_le_bytes();
        let [low, ..] = shard.0.to_le_bytes();
        Self {
            created: created.min(SECONDS_MAX),
            shard_low: low & 0xf,
            index: index.min(Self::INDEX_END),
            partition,
            time: seconds(time).min(SECONDS_MAX),
            shard,
        }
    }

    /// Reads a decimal number.
    pub fn parse(text: &str) -> Result<Self, SequenceError> {
        let malformed = || SequenceError::Malformed(text.into());
        let (high, low) = from_decimal(text).ok_or_else(malformed)?;
        if high == 0 && low >> FIRST_VERSION_BITS == 0 {
            let [first, second, ..] = low.to_le_bytes();
            return Err(SequenceError::FirstVersion { shard: ShardId(u16::from_le_bytes([first, second]).into()) });
        }
        let number = Self::from_bits(high, low);
        (number.bits() == (high, low) && number.index <= Self::INDEX_END).then_some(number).ok_or_else(malformed)
    }

    /// The upper 64 and the lower 128 bits of the number.
    fn bits(&self) -> (u64, u128) {
        let index = u128::from(self.index);
        let low = VERSION
            | u128::from(self.shard.0) << 4
            | u128::from(self.time) << 36
            | u128::from(self.partition) << 72
            | index << 80;
        let high = (self.index >> 48) | u64::from(self.shard_low) << 16 | self.created << 20 | 2 << 56;
        (high, low)
    }

    fn from_bits(high: u64, low: u128) -> Self {
        let field = |shift: u32, width: u32| u64::try_from(low >> shift & ((1 << width) - 1)).unwrap_or(u64::MAX);
        let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let [shard_low, ..] = (high >> 16 & 0xf).to_le_bytes();
        let [partition, ..] = field(72, 8).to_le_bytes();
        Self {
            created: high >> 20 & SECONDS_MAX,
            shard_low,
            index: (high & 0xffff) << 48 | field(80, 48),
            partition,
            time: field(36, 36),
            shard: ShardId(narrow(field(4, 32))),
        }
    }
}

/// As sequence numbers count: whole seconds.
pub(super) fn seconds(time: Timestamp) -> u64 {
    time.as_millis() / 1000
}

const CHUNK: u64 = 10_000_000_000_000_000_000;
const CHUNK_DIGITS: usize = 19;

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut high, mut low) = self.bits();
        let mut chunks = [0; 3];
        for chunk in &mut chunks {
            (high, low, *chunk) = divide(high, low);
        }
        let [last, middle, first] = chunks;
        write!(f, "{first}{middle:0CHUNK_DIGITS$}{last:0CHUNK_DIGITS$}")
    }
}

/// A 192-bit number divided by [`CHUNK`], and what is left over.
fn divide(high: u64, low: u128) -> (u64, u128, u64) {
    let chunk = u128::from(CHUNK);
    let mut quotient = [0; 3];
    let mut rest = 0;
    for (limb, digit) in [u128::from(high), low >> 64, low & u128::from(u64::MAX)].into_iter().zip(&mut quotient) {
        let value = rest << 64 | limb;
        *digit = value / chunk;
        rest = value % chunk;
    }
    let [first, middle, last] = quotient;
    let narrow = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
    (narrow(first), middle << 64 | last, narrow(rest))
}

/// The number as its upper 64 and lower 128 bits; none when it is no number, has leading zeros or is too large.
fn from_decimal(text: &str) -> Option<(u64, u128)> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (text.len() > 1 && text.starts_with('0')) {
        return None;
    }
    let half = u128::from(u64::MAX);
    let mut limbs = [0_u128; 3];
    for digit in text.bytes() {
        let mut carry = u128::from(digit - b'0');
        for limb in &mut limbs {
            let value = *limb * 10 + carry;
            *limb = value & half;
            carry = value >> 64;
        }
        if carry > 0 {
            return None;
        }
    }
    let [low, middle, high] = limbs;
    Some((u64::try_from(high).ok()?, middle << 64 | low))
}
