//! The storage of a server, as `forebay server status` shows it.

use super::value;
use crate::{
    config::unit::show_size,
    proto::admin::v1::get_status_response::{DiskState, Partition, Scrub, Storage},
};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct StorageStatus {
    disk_state: &'static str,
    disk_total_bytes: u64,
    log_segments: u64,
    log_bytes: u64,
    archive_segments: u64,
    archive_bytes: u64,
    reserve_bytes: u64,
    live_messages: u64,
    live_bytes: u64,
    dead_bytes: u64,
    index_pages: u64,
    index_bytes: u64,
    oldest_segment: u64,
    partitions: Vec<PartitionStatus>,
    scrub: ScrubStatus,
    parked_queues: u64,
    streams: u64,
    stream_records: u64,
    stream_bytes: u64,
}

#[derive(Serialize)]
struct PartitionStatus {
    number: u32,
    oldest_lsn: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    queue: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    send_time: String,
    holds_oldest_segment: bool,
    by_message: bool,
}

#[derive(Serialize)]
struct ScrubStatus {
    bytes_per_second: u64,
    running: bool,
    scrubbed_bytes: u64,
    passes: u64,
    damaged_blocks: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    last_pass_end_time: String,
}

impl From<Storage> for StorageStatus {
    fn from(storage: Storage) -> Self {
        Self {
            disk_state: match storage.disk_state() {
                DiskState::Unspecified => "unknown",
                DiskState::Normal => "normal",
                DiskState::Low => "low",
            },
            disk_total_bytes: storage.disk_total_bytes,
            log_segments: storage.log_segments,
            log_bytes: storage.log_bytes,
            archive_segments: storage.archive_segments,
            archive_bytes: storage.archive_bytes,
            reserve_bytes: storage.reserve_bytes,
            live_messages: storage.live_messages,
            live_bytes: storage.live_bytes,
            dead_bytes: storage.dead_bytes,
            index_pages: storage.index_pages,
            index_bytes: storage.index_bytes,
            oldest_segment: storage.oldest_segment,
            partitions: storage.partitions.into_iter().map(PartitionStatus::from).collect(),
            scrub: storage.scrub.unwrap_or_default().into(),
            parked_queues: storage.parked_queues,
            streams: storage.streams,
            stream_records: storage.stream_records,
            stream_bytes: storage.stream_bytes,
        }
    }
}

impl From<Partition> for PartitionStatus {
    fn from(partition: Partition) -> Self {
        Self {
            number: partition.number,
            oldest_lsn: partition.oldest_lsn,
            queue: partition.queue,
            send_time: value::show_time(partition.send_time),
            holds_oldest_segment: partition.holds_oldest_segment,
            by_message: partition.by_message,
        }
    }
}

impl From<Scrub> for ScrubStatus {
    fn from(scrub: Scrub) -> Self {
        Self {
            bytes_per_second: scrub.bytes_per_second,
            running: scrub.running,
            scrubbed_bytes: scrub.scrubbed_bytes,
            passes: scrub.passes,
            damaged_blocks: scrub.damaged_blocks,
            last_pass_end_time: value::show_time(scrub.last_pass_end_time),
        }
    }
}

impl StorageStatus {
    pub(super) const COLUMNS: [&'static str; 5] = ["storage", "log", "streams", "oldest segment", "scrub"];

    /// One cell a column.
    pub(super) fn cells(&self) -> [String; 5] {
        let state = match self.disk_state {
            "low" => "little space is left: nothing that grows is accepted",
            state => state,
        };
        let archive = match self.archive_segments {
            0 => String::new(),
            count => format!(", archive {} in {count}", show_size(self.archive_bytes)),
        };
        let log = format!(
            "{} in {} segments{archive}: {} live in {} messages, {} dead; {} in reserve; index {} in {} pages; \
             {} idle queues parked",
            show_size(self.log_bytes),
            self.log_segments,
            show_size(self.live_bytes),
            self.live_messages,
            show_size(self.dead_bytes),
            show_size(self.reserve_bytes),
            show_size(self.index_bytes),
            self.index_pages,
            self.parked_queues,
        );
        let (bytes, records) = (show_size(self.stream_bytes), self.stream_records);
        let streams = format!("{}: {bytes} in {records} records", self.streams);
        [state.to_owned(), log, streams, self.oldest(), self.scrub.show()]
    }

    fn oldest(&self) -> String {
        let holders = self.partitions.iter().filter(|partition| partition.holds_oldest_segment);
        let shown: Vec<_> = holders
            .map(|partition| match partition.by_message {
                true => format!(
                    "partition {} for a message of queue {} sent at {}",
                    partition.number, partition.queue, partition.send_time
                ),
                false => format!("partition {} until its next checkpoint", partition.number),
            })
            .collect();
        match shown.is_empty() {
            true => format!("{}: nothing holds it", self.oldest_segment),
            false => format!("{}: {}", self.oldest_segment, shown.join("; ")),
        }
    }
}

impl ScrubStatus {
    fn show(&self) -> String {
        let rate = match self.bytes_per_second {
            0 => "off".to_owned(),
            rate => format!("{} a second", show_size(rate)),
        };
        let (read, last) = (show_size(self.scrubbed_bytes), &self.last_pass_end_time);
        let running = if self.running { ", running" } else { "" };
        let last = if last.is_empty() { String::new() } else { format!(", the last ended at {last}") };
        format!(
            "{rate}{running}: {read} read in {} whole passes{last}; {} damaged blocks",
            self.passes, self.damaged_blocks
        )
    }
}
