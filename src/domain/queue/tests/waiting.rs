//! What waits in groups or for the end of a delay is packed, and stays so when nobody has to do with it.

use crate::{
    base::{
        id::{LeaseId, Location, MessageId, MessageSeq, QueueId},
        limits::{PAGE_MESSAGES, TIMER_STEP},
        time::Timestamp,
    },
    domain::queue::{
        Browse, Queue, Receive, Send, SendDecision, State,
        event::Event,
        pages::SEEN_MAX,
        settings::{Fifo, Kind, Settings},
    },
};
use std::time::Duration;

const START: Timestamp = Timestamp(1_700_000_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn queue(kind: Kind, delay: Duration) -> Queue {
    let retention = Duration::from_secs(14 * 86_400);
    Queue::new(QueueId(1), Settings { kind, delay, retention, visibility_timeout: DAY / 4, ..Settings::default() })
}

fn fifo() -> Queue {
    queue(Kind::Fifo(Fifo::default()), Duration::ZERO)
}

/// Sends so many messages, one after the other of each of the groups.
fn send(queue: &mut Queue, count: u64, groups: u64) {
    for number in 0..count {
        let request = Send {
            message_id: MessageId([1; 16]),
            size: 10,
            group: (groups > 0).then(|| format!("g{}", number % groups).into()),
            deduplication_id: queue.settings().is_fifo().then(|| number.to_string().into()),
            ..Send::default()
        };
        match queue.send(START, &request).expect("sound") {
            SendDecision::Store(sent) => queue.apply(&Event::Sent(sent), Location::default()),
            other @ (SendDecision::Duplicate { .. } | SendDecision::Repeated) => panic!("{other:?}"),
        }
    }
}

/// Receives and applies it.
fn receive(queue: &mut Queue, now: Timestamp, max: usize, first_lease: u64) -> Vec<MessageSeq> {
    queue.advance(now);
    let request = Receive {
        max,
        max_bytes: None,
        visibility_timeout: None,
        attempt: None,
        first_lease: LeaseId(first_lease),
        dead_letter_to: None,
        next_transfer: 1,
    };
    let events = queue.receive(now, &request).expect("within the limits");
    let received = events.iter().map(|event| {
        queue.apply(event, Location::default());
        let Event::Received(received) = event else { panic!("{event:?}") };
        received.seq
    });
    received.collect()
}

/// Pages that are packed, and all pages.
fn packed(queue: &Queue) -> (usize, usize) {
    let numbers = queue.page_numbers();
    (numbers.iter().filter(|number| queue.pages.packed(**number).is_some()).count(), numbers.len())
}

fn seqs(range: std::ops::Range<u64>) -> Vec<MessageSeq> {
    range.map(MessageSeq).collect()
}

#[test]
fn messages_of_groups_are_packed_but_for_the_newest_page() {
    for mut queue in [fifo(), queue(Kind::Standard, Duration::ZERO)] {
        send(&mut queue, 10 * PAGE_MESSAGES, 7);
        queue.take_changes();
        assert_eq!(packed(&queue), (10, 11));
        let mut expected: Vec<_> = (1..=20).collect();
        if queue.settings().is_fifo() {
            expected = (0..10 * PAGE_MESSAGES).filter(|number| number % 7 < 2).map(|number| number + 1).collect();
            expected.sort_by_key(|seq| ((seq - 1) % 7, *seq));
            expected.truncate(20);
        }
        let expected: Vec<_> = expected.into_iter().map(MessageSeq).collect();
        assert_eq!(receive(&mut queue, START, 20, 1), expected);
    }
}

#[test]
fn delayed_messages_are_packed_and_become_ready_where_they_are() {
    let mut queue = queue(Kind::Standard, DAY);
    let count = 10 * PAGE_MESSAGES;
    send(&mut queue, count, 0);
    queue.take_changes();
    assert_eq!(packed(&queue), (10, 11));
    assert!(queue.next_deadline().is_some_and(|at| at < START + DAY && at > START + (DAY - DAY / 100)));
    queue.advance(START + (DAY - Duration::from_millis(1)));
    assert_eq!((queue.stats(START).delayed, queue.next_deadline()), (count as usize, Some(START + DAY)));
    queue.advance(START + DAY);
    assert_eq!((queue.stats(START).visible, queue.has_ready()), (count as usize, true));
    assert_eq!(packed(&queue), (10, 11));
    assert!(queue.take_changes().is_empty(), "nothing changed that is stored");
    assert_eq!(receive(&mut queue, START + DAY, 3, 1), seqs(1..4));
}

#[test]
fn very_many_delays_that_end_at_once_end_in_steps() {
    let mut queue = queue(Kind::Standard, DAY);
    let count = TIMER_STEP + 10;
    send(&mut queue, count as u64, 0);
    queue.take_changes();
    let now = START + DAY + DAY;
    queue.advance(now);
    assert_eq!(queue.stats(now).visible, TIMER_STEP);
    assert!(queue.next_deadline().is_some_and(|deadline| deadline <= now), "there is more to do now");
    assert!(queue.pages.seen() <= SEEN_MAX, "{} pages", queue.pages.seen());
    queue.advance(now);
    assert_eq!(queue.stats(now).visible, count);
    assert!(queue.next_deadline().is_some_and(|deadline| deadline > now));
}

#[test]
fn the_next_of_a_group_leads_it_without_a_look_at_its_page() {
    let mut queue = fifo();
    let groups = 2 * PAGE_MESSAGES;
    send(&mut queue, 500 * PAGE_MESSAGES, groups);
    queue.take_changes();
    assert_eq!(receive(&mut queue, START, 1, 1), seqs(1..2));
    let before = packed(&queue);
    let deleted = queue.delete(START, MessageSeq(1), LeaseId(1)).expect("held").expect("there");
    queue.apply(&deleted, Location::default());
    assert_eq!((packed(&queue), queue.pages.seen()), (before, 0));
    assert_eq!(receive(&mut queue, START, 1, 2), seqs(2..3));
}

#[test]
fn a_nack_looks_no_further_than_leases_were_given() {
    let mut queue = fifo();
    send(&mut queue, 500 * PAGE_MESSAGES, 1);
    queue.take_changes();
    assert_eq!(receive(&mut queue, START, 5, 1), seqs(1..6));
    let before = packed(&queue);
    let events = queue.nack(START, MessageSeq(3), LeaseId(3), Duration::ZERO, false).expect("held");
    assert_eq!(events.len(), 3);
    assert_eq!((packed(&queue), queue.pages.seen()), (before, 0));
}

#[test]
fn one_browse_of_everything_leaves_few_pages_spread_out() {
    let mut queue = fifo();
    let count = 4 * SEEN_MAX as u64 * PAGE_MESSAGES;
    send(&mut queue, count, 10);
    queue.take_changes();
    let browsed = queue.browse(START, &Browse { limit: usize::MAX, ..Browse::default() });
    assert_eq!(browsed.messages.len() as u64, count);
    assert!(browsed.messages.iter().all(|view| view.group.as_deref() == Some(&*format!("g{}", (view.seq.0 - 1) % 10))));
    assert_eq!(queue.pages.seen(), SEEN_MAX);
}

#[test]
fn what_waits_again_after_a_lease_is_packed_again() {
    let mut queue = queue(Kind::Standard, Duration::ZERO);
    send(&mut queue, 10 * PAGE_MESSAGES, 2);
    assert_eq!(receive(&mut queue, START, 1, 1), seqs(1..2));
    queue.take_changes();
    assert_eq!(packed(&queue), (9, 11), "the leased message keeps its page spread out");
    queue.advance(START + DAY);
    assert!(queue.take_changes().is_empty(), "nothing changed that is stored");
    assert_eq!(packed(&queue), (10, 11));
    assert_eq!(receive(&mut queue, START + DAY, 2, 2), seqs(1..3));
}

#[test]
fn what_is_leased_for_long_is_packed_and_still_leased() {
    for mut queue in [fifo(), queue(Kind::Standard, Duration::ZERO)] {
        let count = 10 * PAGE_MESSAGES;
        send(&mut queue, count, count);
        let received = receive(&mut queue, START, count as usize, 1);
        assert_eq!(received.len() as u64, count);
        assert_eq!(queue.take_changes().len(), 11);
        assert_eq!(packed(&queue), (0, 11), "they may be settled soon");
        assert!(queue.take_changes().is_empty());
        assert_eq!(packed(&queue), (10, 11));
        let later = START + Duration::from_secs(60);
        queue.advance(later);
        let stats = queue.stats(later);
        assert_eq!((stats.in_flight as u64, stats.visible, stats.delayed), (count, 0, 0));
        let browsed = queue.browse(later, &Browse { limit: usize::MAX, ..Browse::default() });
        assert!(browsed.messages.iter().all(|view| view.state == State::InFlight));
        assert!(queue.delete(later, received[0], LeaseId(99)).is_err() || !queue.settings().is_fifo());
        let deleted = queue.delete(later, received[0], LeaseId(1)).expect("held").expect("there");
        queue.apply(&deleted, Location::default());
        let extended = queue.change_visibility(later, received[1], LeaseId(2), DAY / 4).expect("held");
        queue.apply(&extended, Location::default());
        assert_eq!(packed(&queue).0, 9, "one page is in motion again");
        let mut twin = Queue::from_head(QueueId(1), queue.head());
        for number in queue.page_numbers() {
            twin.restore_page(number, &queue.page(number).expect("it holds messages")).expect("a page");
        }
        assert_eq!((packed(&twin), twin.stats(later)), ((11, 11), queue.stats(later)));
        // Six hours after the receive: all but what was deleted and what was extended.
        let over = START + DAY / 4;
        for mut queue in [queue, twin] {
            assert_eq!(receive(&mut queue, over, count as usize, 1000).len() as u64, count - 2);
            assert_eq!(queue.stats(over).in_flight as u64, count - 1);
        }
    }
}

#[test]
fn a_restored_queue_is_packed_from_the_start() {
    for mut queue in [fifo(), queue(Kind::Standard, DAY)] {
        send(&mut queue, 10 * PAGE_MESSAGES, 3);
        let mut twin = Queue::from_head(QueueId(1), queue.head());
        for (number, page) in queue.take_changes() {
            twin.restore_page(number, &page.expect("it holds messages")).expect("a page");
        }
        assert_eq!(packed(&twin), (11, 11));
        assert_eq!(twin.stats(START), queue.stats(START));
        assert_eq!(twin.page(4), queue.page(4));
        let later = START + DAY;
        assert_eq!(receive(&mut twin, later, 50, 1), receive(&mut queue, later, 50, 1));
    }
}
