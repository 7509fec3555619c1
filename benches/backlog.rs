//! What a backlog costs: bytes of memory a message, and how long it takes to send it, pack it, read it back and drain it.
//!
//! `cargo bench --bench backlog`. A million messages each, in groups or delayed; a page is packed as by a checkpoint.
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

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
use std::time::{Duration, Instant};

const MESSAGES: u64 = 1_000_000;
const NOW: Timestamp = Timestamp(1_700_000_000_000);
/// Messages of one frame, and of one receive.
const BATCH: u64 = 10;

struct Shape {
    name: &'static str,
    kind: Kind,
    groups: u64,
    delay: Duration,
}

/// Sends arrive as from many clients: ten in a frame, 5,000 frames a second.
fn send(queue: &mut Queue, shape: &Shape, number: u64) {
    let fifo = shape.kind != Kind::Standard;
    let request = Send {
        message_id: MessageId::new(PartitionId(0), [7; 16]),
        size: 1024,
        group: (shape.groups > 0).then(|| format!("group-{}", number % shape.groups).into()),
        deduplication_id: fifo.then(|| number.to_string().into()),
        delay: Some(shape.delay),
        ..Send::default()
    };
    let now = NOW + Duration::from_micros(number / BATCH * 200);
    let at = Location { lsn: Lsn(number / BATCH), offset: 72 + (number % BATCH) as u32 * 1104, len: 1100 };
    queue.advance(now);
    match queue.send(now, &request).expect("a sound message") {
        SendDecision::Store(sent) => queue.apply(&Event::Sent(sent), at),
        SendDecision::Duplicate { .. } | SendDecision::Repeated => unreachable!("every id is new"),
    }
}

/// Receives and deletes everything; gives how many messages that were.
fn drain(queue: &mut Queue, now: Timestamp) -> u64 {
    let mut next_lease = 1;
    loop {
        let request = Receive {
            max: BATCH as usize,
            max_bytes: None,
            visibility_timeout: None,
            attempt: None,
            first_lease: LeaseId(next_lease),
            dead_letter_to: None,
            next_transfer: 1,
        };
        queue.advance(now);
        let events = queue.receive(now, &request).expect("there is room");
        if events.is_empty() {
            return next_lease - 1;
        }
        for event in events {
            queue.apply(&event, Location::default());
            if let Event::Received(received) = event {
                next_lease += 1;
                let deleted = queue.delete(now, received.seq, received.lease).expect("held").expect("there");
                queue.apply(&deleted, Location::default());
            }
        }
    }
}

fn per_message(queue: &Queue) -> f64 {
    queue.backlog_bytes() as f64 / MESSAGES as f64
}

/// Seconds since `before`, which becomes now.
fn lap(before: &mut Instant) -> f64 {
    let took = before.elapsed().as_secs_f64();
    *before = Instant::now();
    took
}

fn measure(shape: &Shape) {
    let settings = Settings { kind: shape.kind, retention: Duration::from_secs(14 * 86_400), ..Settings::default() };
    let mut queue = Queue::new(QueueId(1), settings);
    let mut clock = Instant::now();
    (1..=MESSAGES).for_each(|number| send(&mut queue, shape, number));
    let (sent, spread) = (lap(&mut clock), per_message(&queue));
    let pages = queue.take_changes();
    let (packing, packed) = (lap(&mut clock), per_message(&queue));
    let index: usize = pages.iter().filter_map(|(_, page)| page.as_ref()).map(|page| page.to_bytes().len()).sum();
    queue = Queue::from_head(QueueId(1), queue.head());
    lap(&mut clock);
    for (number, page) in pages {
        queue.restore_page(number, &page.expect("nothing is gone")).expect("a page");
    }
    let (restored, again) = (lap(&mut clock), per_message(&queue));
    let later = NOW + Duration::from_secs(86_400 + 3_600);
    let mut steps = 0;
    while queue.next_deadline().is_some_and(|deadline| deadline <= later) && steps < 1_000 {
        queue.advance(later);
        steps += 1;
    }
    let ready = lap(&mut clock);
    let drained = drain(&mut queue, later);
    println!(
        "{:<32} {spread:>7.1} {packed:>7.1} {again:>9.1} {:>7.1}   {sent:>6.2} {packing:>6.2} {restored:>8.2} {ready:>6.2} {:>6.2}",
        shape.name,
        index as f64 / MESSAGES as f64,
        lap(&mut clock),
    );
    assert_eq!(drained, MESSAGES, "{}", shape.name);
}

fn main() {
    let fifo = Kind::Fifo(Fifo::default());
    let (none, day) = (Duration::ZERO, Duration::from_secs(86_400));
    let shapes = [
        Shape { name: "plain", kind: Kind::Standard, groups: 0, delay: none },
        Shape { name: "delayed by a day", kind: Kind::Standard, groups: 0, delay: day },
        Shape { name: "fair, 1,000 tenants", kind: Kind::Standard, groups: 1_000, delay: none },
        Shape { name: "fifo, 1 group", kind: fifo, groups: 1, delay: none },
        Shape { name: "fifo, 1,000 groups", kind: fifo, groups: 1_000, delay: none },
        Shape { name: "fifo, 10,000 groups", kind: fifo, groups: 10_000, delay: none },
        Shape { name: "fifo, a group a message", kind: fifo, groups: MESSAGES, delay: none },
    ];
    println!("{:<32} bytes a message of memory and index       seconds", "");
    println!(
        "{:<32} {:>7} {:>7} {:>9} {:>7}   {:>6} {:>6} {:>8} {:>6} {:>6}",
        "", "spread", "packed", "restored", "index", "send", "pack", "restore", "ready", "drain"
    );
    shapes.iter().for_each(measure);
}
