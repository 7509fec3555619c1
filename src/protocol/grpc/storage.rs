//! The storage of a server as its status spells it.

use super::convert;
use crate::{
    proto::admin::v1::get_status_response::{DiskState, Partition, Scrub, Storage},
    service::status::{PartitionFigures, ScrubFigures, StorageFigures},
};

pub(super) fn storage(figures: StorageFigures) -> Storage {
    let state = if figures.growth_refused { DiskState::Low } else { DiskState::Normal };
    Storage {
        disk_state: state.into(),
        disk_total_bytes: figures.disk_total_bytes,
        log_segments: figures.log_segments,
        log_bytes: figures.log_bytes,
        archive_segments: figures.archive_segments,
        archive_bytes: figures.archive_bytes,
        reserve_bytes: figures.reserve_bytes,
        live_messages: figures.live_messages,
        live_bytes: figures.live_bytes,
        dead_bytes: figures.dead_bytes,
        index_pages: figures.index_pages,
        index_bytes: figures.index_bytes,
        oldest_segment: figures.oldest_segment,
        partitions: figures.partitions.into_iter().map(partition).collect(),
        scrub: Some(scrub(figures.scrub)),
        parked_queues: figures.parked_queues,
        streams: figures.streams,
        stream_records: figures.stream_records,
        stream_bytes: figures.stream_bytes,
    }
}

fn partition(figures: PartitionFigures) -> Partition {
    Partition {
        number: figures.partition.0,
        oldest_lsn: figures.oldest_lsn.unwrap_or_default().0,
        queue: figures.queue.unwrap_or_default(),
        send_time: figures.send_time.map(convert::to_timestamp),
        holds_oldest_segment: figures.holds_oldest_segment,
        by_message: figures.by_message,
    }
}

fn scrub(figures: ScrubFigures) -> Scrub {
    Scrub {
        bytes_per_second: figures.bytes_per_second,
        running: figures.running,
        scrubbed_bytes: figures.scrubbed_bytes,
        passes: figures.passes,
        damaged_blocks: figures.damaged_blocks,
        last_pass_end_time: figures.last_pass_end.map(convert::to_timestamp),
    }
}
