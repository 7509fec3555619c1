//! Where a record goes: the MD5 of its partition key, as a number, falls into the range of one open shard.
//!
//! Source: "Amazon Kinesis Data Streams Terminology and concepts", Partition Key.

use crate::base::limits::PARTITION_KEY_CHARS;
use md5::{Digest, Md5};
use std::{fmt, sync::Arc};

/// A key that is none: what stands there, and what may.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("a partition key of {chars} characters; 1 to {PARTITION_KEY_CHARS} are allowed")]
    PartitionKeyLength { chars: usize },
    #[error("the hash key {0:?} is not a decimal number from 0 to {max}", max = HashKey::MAX)]
    HashKey(String),
}

/// What a producer says belongs together: records of one key go to one shard, in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey(Arc<str>);

impl PartitionKey {
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        match text.chars().count() {
            1..=PARTITION_KEY_CHARS => Ok(Self(text.into())),
            chars => Err(KeyError::PartitionKeyLength { chars }),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The MD5 of its UTF-8 bytes as a big-endian number.
    pub fn hash(&self) -> HashKey {
        let digest: [u8; 16] = Md5::digest(self.0.as_bytes()).into();
        HashKey(u128::from_be_bytes(digest))
    }
}

/// A place in the space that the open shards of a stream divide among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(pub u128);

impl HashKey {
    pub const MIN: Self = Self(0);
    pub const MAX: Self = Self(u128::MAX);

    /// Reads an explicit hash key: decimal, no sign, no leading zeros.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        let number = text.parse().ok().filter(|_| plain);
        number.map(Self).ok_or_else(|| KeyError::HashKey(text.into()))
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A shard's part of the space, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashRange {
    pub start: HashKey,
    pub end: HashKey,
}

impl HashRange {
    pub const ALL: Self = Self { start: HashKey::MIN, end: HashKey::MAX };

    pub fn contains(&self, key: HashKey) -> bool {
        (self.start..=self.end).contains(&key)
    }

    /// Whether `other` begins right after this range.
    pub fn meets(&self, other: &Self) -> bool {
        self.end.0.checked_add(1) == Some(other.start.0)
    }

    /// The two ranges that a split at `key` makes; the second starts there. AWS wants more than one key in the first,
    /// and `key` before the end of the second. Source: "SplitShard", NewStartingHashKey.
    pub fn split_at(&self, key: HashKey) -> Option<(Self, Self)> {
        let fits = key > self.start && key.0 - self.start.0 > 1 && key < self.end;
        let before = HashKey(key.0.checked_sub(1)?);
        fits.then_some((Self { start: self.start, end: before }, Self { start: key, end: self.end }))
    }

    /// Where a split makes two halves.
    pub fn middle(&self) -> HashKey {
        HashKey(self.start.0 + (self.end.0 - self.start.0) / 2 + 1)
    }

    /// How many keys less one: the whole space has one more than a number holds.
    pub fn width(&self) -> u128 {
        self.end.0 - self.start.0
    }
}

impl fmt::Display for HashRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}

/// `count` ranges of one size, the last one with what division leaves over, as AWS makes them. None for no shards.
pub fn even_ranges(count: u32) -> Vec<HashRange> {
    let step = match count {
        0 => return Vec::new(),
        1 => return vec![HashRange::ALL],
        count => step_of(count),
    };
    let start = |index: u32| HashKey(u128::from(index) * step);
    let end = |index: u32| if index + 1 == count { HashKey::MAX } else { HashKey(u128::from(index + 1) * step - 1) };
    (0..count).map(|index| HashRange { start: start(index), end: end(index) }).collect()
}

/// 2^128 divided by `count`, without the number 2^128; `count` is above one.
fn step_of(count: u32) -> u128 {
    let count = u128::from(count);
    u128::MAX / count + u128::from(u128::MAX % count == count - 1)
}
