//! What a message costs its queue's state machine, with an empty queue and with a backlog behind it.
//!
//! `cargo bench --bench queue`. Read the ratios: the backlog must not matter.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use forebay::{
    base::{
        id::{LeaseId, Location, Lsn, MessageId, PartitionId, QueueId},
        time::Timestamp,
    },
    domain::queue::{
        Queue, Receive, Send, SendDecision,
        event::Event,
        settings::{Fifo, Kind, Settings},
    },
};
use std::hint::black_box;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn send(queue: &mut Queue, number: u64) {
    let fifo = queue.settings().is_fifo();
    let request = Send {
        message_id: MessageId::new(PartitionId(0), [7; 16]),
        size: 1024,
        group: fifo.then(|| format!("g{}", number % 64).into()),
        deduplication_id: fifo.then(|| number.to_string().into()),
        ..Send::default()
    };
    let at = Location { lsn: Lsn(number), offset: 72, len: 1200 };
    match queue.send(NOW, &request).expect("a sound message") {
        SendDecision::Store(sent) => queue.apply(&Event::Sent(sent), at),
        SendDecision::Duplicate { .. } | SendDecision::Repeated => unreachable!("every id is new"),
    }
}

/// One message in, one out and away.
fn cycle(queue: &mut Queue, number: u64) {
    send(queue, number);
    let request = Receive {
        max: 1,
        max_bytes: None,
        visibility_timeout: None,
        attempt: None,
        first_lease: LeaseId(number),
        dead_letter_to: None,
        next_transfer: 1,
    };
    for event in queue.receive(NOW, &request).expect("there is a message") {
        queue.apply(&event, Location::default());
        if let Event::Received(received) = event {
            let deleted = queue.delete(NOW, received.seq, received.lease).expect("held").expect("there");
            queue.apply(&deleted, Location::default());
        }
    }
}

fn with_backlog(settings: Settings, backlog: u64) -> (Queue, u64) {
    let mut queue = Queue::new(QueueId(1), settings);
    (1..=backlog).for_each(|number| send(&mut queue, number));
    (queue, backlog + 1)
}

fn benches(criterion: &mut Criterion) {
    let fifo = Settings { kind: Kind::Fifo(Fifo::default()), ..Settings::default() };
    for (name, settings) in [("standard", Settings::default()), ("fifo", fifo)] {
        for backlog in [0, 100_000] {
            criterion.bench_function(&format!("{name}: send, receive, delete behind {backlog}"), |bencher| {
                bencher.iter_batched_ref(
                    || with_backlog(settings.clone(), backlog),
                    |(queue, next)| {
                        for _ in 0..100 {
                            cycle(black_box(queue), *next);
                            *next += 1;
                        }
                    },
                    BatchSize::LargeInput,
                );
            });
        }
    }
}

criterion_group!(group, benches);
criterion_main!(group);
