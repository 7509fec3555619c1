//! How a stream behaves, and what it is doing.

use crate::base::limits;
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

/// Who decides how many shards there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The owner; each shard has its limits.
    Provisioned,
    /// The stream, by its load.
    OnDemand {
        /// MiB/s that it is ready for whatever the load was. Zero: not asked for.
        warm_throughput: u32,
    },
}

/// What a description says about records at rest. The records themselves are as encrypted as the disk is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    #[default]
    None,
    Key {
        id: Arc<str>,
    },
}

/// One figure of a shard that may be reported for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShardMetric {
    IncomingBytes,
    IncomingRecords,
    OutgoingBytes,
    OutgoingRecords,
    WriteThrottled,
    ReadThrottled,
    IteratorAge,
}

impl ShardMetric {
    pub const ALL: [Self; 7] = [
        Self::IncomingBytes,
        Self::IncomingRecords,
        Self::OutgoingBytes,
        Self::OutgoingRecords,
        Self::WriteThrottled,
        Self::ReadThrottled,
        Self::IteratorAge,
    ];
}

/// A set of figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardMetrics(pub u8);

impl ShardMetrics {
    pub fn of(metrics: &[ShardMetric]) -> Self {
        Self(metrics.iter().fold(0, |set, metric| set | bit(*metric)))
    }

    pub fn has(self, metric: ShardMetric) -> bool {
        self.0 & bit(metric) != 0
    }

    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those of the set, in the order of [`ShardMetric::ALL`].
    pub fn iter(self) -> impl Iterator<Item = ShardMetric> {
        ShardMetric::ALL.into_iter().filter(move |metric| self.has(*metric))
    }
}

fn bit(metric: ShardMetric) -> u8 {
    1 << metric as u8
}

/// Who says where a record goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distribution {
    /// Its partition key.
    #[default]
    UserKey,
    /// The stream, evenly; the key is kept and says nothing, and there may be none. Only while it is on-demand.
    Auto,
}

pub type Tags = BTreeMap<Arc<str>, Arc<str>>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub mode: Mode,
    pub distribution: Distribution,
    pub retention: Duration,
    /// Of the data and the partition key together.
    pub record_bytes_max: u32,
    pub encryption: Encryption,
    pub metrics: ShardMetrics,
    pub tags: Tags,
    /// The text of the resource policy; the policy language is another module's.
    pub policy: Option<Arc<str>>,
}

impl Settings {
    /// Whether records go wherever there is room, and need no partition key.
    pub fn spreads_records(&self) -> bool {
        matches!((self.mode, self.distribution), (Mode::OnDemand { .. }, Distribution::Auto))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Provisioned,
            distribution: Distribution::UserKey,
            retention: limits::STREAM_RETENTION_MIN,
            record_bytes_max: limits::RECORD_BYTES_MIN,
            encryption: Encryption::None,
            metrics: ShardMetrics::default(),
            tags: Tags::new(),
            policy: None,
        }
    }
}

/// What a stream is doing. Records can be read and put unless it is created or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Creating,
    Active,
    Updating,
    Deleting,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creating => "being created",
            Self::Active => "active",
            Self::Updating => "being updated",
            Self::Deleting => "being deleted",
        })
    }
}
