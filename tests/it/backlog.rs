//! A backlog takes few bytes of memory a message, also in groups and when it is delayed.

use forebay::{
    base::{
        id::{Location, Lsn, MessageId, QueueId},
        time::Timestamp,
    },
    domain::queue::{
        Queue, Send, SendDecision,
        event::Event,
        settings::{Fifo, Kind, Settings},
    },
};
use std::time::Duration;

const MESSAGES: u64 = 50_000;
const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// Bytes a message of a queue after a checkpoint, and of the same queue after a restart.
fn measured(kind: Kind, groups: u64, delay: Duration) -> [f64; 2] {
    let mut queue = Queue::new(QueueId(1), Settings { kind, ..Settings::default() });
    for number in 0..MESSAGES {
        let request = Send {
            message_id: MessageId([1; 16]),
            size: 1024,
            group: (groups > 0).then(|| format!("group-{}", number % groups).into()),
            deduplication_id: (kind != Kind::Standard).then(|| number.to_string().into()),
            delay: Some(delay),
            ..Send::default()
        };
        // Frames of ten messages, two in a millisecond.
        let (frame, now) = (number / 10, NOW + Duration::from_micros(number * 50));
        let at = Location { lsn: Lsn(frame), offset: 72 + (number % 10) as u32 * 1104, len: 1100 };
        match queue.send(now, &request).unwrap() {
            SendDecision::Store(sent) => queue.apply(&Event::Sent(sent), at),
            other => panic!("{other:?}"),
        }
    }
    let pages = queue.take_changes();
    let mut twin = Queue::from_head(QueueId(1), queue.head());
    for (number, page) in pages {
        twin.restore_page(number, &page.unwrap()).unwrap();
    }
    [queue, twin].map(|queue| queue.backlog_bytes() as f64 / MESSAGES as f64)
}

#[track_caller]
fn at_most(bytes: f64, kind: Kind, groups: u64, delay: Duration) {
    for measured in measured(kind, groups, delay) {
        assert!(measured <= bytes, "{measured} bytes a message in {groups} groups, {delay:?} delayed, {kind:?}");
    }
}

#[test]
fn a_waiting_message_takes_few_bytes_of_memory() {
    let fifo = Kind::Fifo(Fifo::default());
    let (none, day) = (Duration::ZERO, Duration::from_secs(86_400));
    at_most(6.0, Kind::Standard, 0, none);
    at_most(8.0, Kind::Standard, 0, day);
    at_most(16.0, Kind::Standard, 100, none);
    at_most(16.0, Kind::Standard, 100, day);
    at_most(8.0, fifo, 1, none);
    at_most(16.0, fifo, 500, none);
}

#[test]
fn a_group_of_its_own_takes_little_more_than_its_name() {
    at_most(160.0, Kind::Fifo(Fifo::default()), MESSAGES, Duration::ZERO);
}
