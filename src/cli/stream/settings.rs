//! The settings of a stream as flags; shared by create and set.

use crate::{
    cli::{Failure, value},
    proto::stream::v1::{CapacityMode, Stream},
};
use clap::{Args, ValueEnum};
use std::{fs, time::Duration};

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// As many shards as you say, each with the limits of AWS's
    Provisioned,
    /// As many shards as the load needs, without limits
    OnDemand,
}

/// Every setting that may change after creation.
#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
    /// How long a record is kept: 24h to 365d
    #[arg(long, value_name = "TIME", value_parser = value::duration)]
    retention: Option<Duration>,
    /// The largest record, data and partition key together: 1MiB to 10MiB
    #[arg(long, value_name = "SIZE", value_parser = value::size)]
    max_record_bytes: Option<u64>,
    /// Who decides how many shards there are
    #[arg(long, value_enum, value_name = "MODE")]
    mode: Option<Mode>,
    /// On demand: MiB a second that the stream is to be ready for, whatever its load was
    #[arg(long, value_name = "COUNT")]
    warm_throughput: Option<u32>,
    /// A file with the access policy document (JSON)
    #[arg(long, value_name = "FILE")]
    policy: Option<String>,
    /// A label; may be repeated
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = value::pair)]
    tags: Vec<(String, String)>,
}

impl SettingsArgs {
    /// Writes the flags that were given into `stream`; returns the names of the fields that changed.
    pub(super) fn write(&self, stream: &mut Stream) -> Result<Vec<String>, Failure> {
        let mut fields = Vec::new();
        let mut changed = |field: &str| fields.push(field.to_owned());
        if let Some(retention) = self.retention {
            stream.retention = Some(value::to_proto(retention));
            changed("retention");
        }
        if let Some(bytes) = self.max_record_bytes {
            let too_large = |_| Failure::usage(format!("--max-record-bytes {bytes} is too large"));
            stream.max_record_bytes = u32::try_from(bytes).map_err(too_large)?;
            changed("max_record_bytes");
        }
        if let Some(mode) = self.mode {
            stream.set_capacity_mode(mode.into());
            changed("capacity_mode");
        }
        if let Some(throughput) = self.warm_throughput {
            stream.warm_throughput = throughput;
            changed("warm_throughput");
        }
        if let Some(file) = &self.policy {
            stream.policy = fs::read_to_string(file).map_err(|error| Failure::failed(format!("{file}: {error}")))?;
            changed("policy");
        }
        if !self.tags.is_empty() {
            stream.tags.extend(self.tags.iter().cloned());
            changed("tags");
        }
        Ok(fields)
    }

    /// Whether the change depends on what the stream has now.
    pub(super) fn needs_current(&self) -> bool {
        !self.tags.is_empty()
    }
}

impl From<Mode> for CapacityMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Provisioned => Self::Provisioned,
            Mode::OnDemand => Self::OnDemand,
        }
    }
}
