//! The ledger against its promises: credit, extension, order of groups.

use super::ledger::{FlowControl, LeaseRule, Ledger};
use crate::{
    base::id::{LeaseId, MessageSeq, PartitionId, QueueId},
    engine::message::{Outcome, Receipt},
};
use proptest::prelude::*;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::Instant;

const RULE: LeaseRule = LeaseRule { visibility_timeout: Duration::from_secs(30), max_lease: Duration::from_secs(3600) };

fn receipt(seq: u64) -> Receipt {
    Receipt { partition: PartitionId(0), queue: QueueId(1), seq: MessageSeq(seq), lease: LeaseId(seq + 100) }
}

fn nack() -> Outcome {
    Outcome::Nack { delay: Duration::ZERO, keep_receive_count: false }
}

#[derive(Clone, Debug)]
enum Step {
    /// Messages of these sizes are ready.
    Receive(Vec<u64>),
    Settle {
        pick: usize,
        outcome: u8,
    },
    Flow(FlowControl),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let flow = (0..20_u32, 1..5_000_u64).prop_map(|(messages, bytes)| Step::Flow(FlowControl { messages, bytes }));
    let step = prop_oneof![
        4 => proptest::collection::vec(0..3_000_u64, 0..12).prop_map(Step::Receive),
        4 => (any::<usize>(), 0..4_u8).prop_map(|(pick, outcome)| Step::Settle { pick, outcome }),
        1 => flow,
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn what_is_outstanding_never_exceeds_the_credit_in_force_at_its_delivery(steps in steps()) {
        let mut flow = FlowControl { messages: 5, bytes: 4_000 };
        let mut ledger = Ledger::new(flow, RULE, false);
        let now = Instant::now();
        let mut model: HashMap<u64, u64> = HashMap::new();
        let mut next = 0;
        for step in steps {
            match step {
                Step::Receive(sizes) => {
                    let Some(room) = ledger.room() else { continue };
                    let sizes: Vec<_> = sizes.into_iter().take(room.messages).zip(next + 1..).collect();
                    let taken = ledger.deliver_fitting(now, sizes.iter().map(|(size, seq)| (receipt(*seq), *size, None)));
                    for (size, seq) in sizes.into_iter().take(taken) {
                        next = seq;
                        model.insert(seq, size);
                        let bytes: u64 = model.values().sum();
                        prop_assert!(model.len() <= flow.messages as usize);
                        prop_assert!(bytes <= flow.bytes || model.len() == 1);
                    }
                }
                Step::Settle { pick, outcome } => {
                    let Some(seq) = model.keys().copied().nth(pick % model.len().max(1)) else { continue };
                    let timeout = Duration::from_secs(u64::from(outcome) * 10);
                    let (outcome, frees) = match outcome {
                        0 => (Outcome::Ack, true),
                        1 => (nack(), true),
                        2 => (Outcome::DeadLetter { reason: "".into() }, true),
                        _ => (Outcome::Extend { visibility_timeout: timeout }, false),
                    };
                    prop_assert_eq!(ledger.settle(now, &receipt(seq), &outcome), Vec::<Receipt>::new());
                    if frees {
                        model.remove(&seq);
                    }
                }
                Step::Flow(new) => {
                    flow = new;
                    ledger.set_flow(new);
                }
            }
            prop_assert_eq!(ledger.len(), model.len());
            prop_assert_eq!(ledger.receipts().len(), model.len());
            if model.is_empty() && flow.messages > 0 {
                prop_assert!(ledger.room().is_some(), "an idle session with credit always asks");
            }
        }
    }
}

#[test]
fn a_message_larger_than_the_credit_comes_alone() {
    let mut ledger = Ledger::new(FlowControl { messages: 10, bytes: 100 }, RULE, false);
    assert!(ledger.fits(5_000));
    ledger.deliver(Instant::now(), receipt(1), 5_000, None);
    assert!(!ledger.fits(1));
    assert_eq!(ledger.room(), None);
}

#[test]
fn nothing_overtakes_a_message_that_waits() {
    let now = Instant::now();
    let mut ledger = Ledger::new(FlowControl { messages: 10, bytes: 100 }, RULE, false);
    let offered = [(1, 40), (2, 70), (3, 10), (4, 65)].map(|(seq, size)| (receipt(seq), size, None));
    assert_eq!(ledger.deliver_fitting(now, offered), 1);
    assert_eq!(ledger.receipts(), [receipt(1)]);
    assert_eq!(ledger.room(), None, "60 bytes are left, and 65 wait");
    ledger.settle(now, &receipt(1), &Outcome::Ack);
    assert_eq!(ledger.deliver_fitting(now, [(receipt(2), 70, None)]), 1);
}

#[test]
fn no_messages_of_credit_is_a_pause() {
    let ledger = Ledger::new(FlowControl { messages: 0, bytes: 100 }, RULE, false);
    assert_eq!(ledger.room(), None);
    assert!(!ledger.fits(1));
}

#[test]
fn leases_are_extended_at_half_their_time_until_the_highest_age() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let rule = LeaseRule { max_lease: Duration::from_secs(40), ..RULE };
    let mut ledger = Ledger::new(FlowControl::default(), rule, false);
    ledger.deliver(start, receipt(1), 10, None);
    assert_eq!(ledger.next_due(), Some(at(15)));
    assert_eq!(ledger.extend(at(1)), []);
    assert_eq!(ledger.extend(at(15)), [(receipt(1), Duration::from_secs(25))]);
    assert_eq!(ledger.next_due(), Some(at(40)));
    assert_eq!(ledger.extend(at(40)), []);
    assert_eq!(ledger.len(), 0, "a lease of the highest age frees its credit");
}

#[test]
fn what_falls_due_together_is_extended_together() {
    let start = Instant::now();
    let mut ledger = Ledger::new(FlowControl::default(), RULE, false);
    for seq in 1..=3 {
        ledger.deliver(start + Duration::from_millis(seq * 100), receipt(seq), 10, None);
    }
    let due = ledger.next_due().expect("three are held");
    assert_eq!(ledger.extend(due).len(), 3);
    assert!(ledger.next_due() > Some(due + Duration::from_secs(14)));
}

#[test]
fn an_extension_the_client_asked_for_is_not_cut_short() {
    let start = Instant::now();
    let mut ledger = Ledger::new(FlowControl::default(), RULE, false);
    ledger.deliver(start, receipt(1), 10, None);
    let hour = Duration::from_secs(3000);
    ledger.settle(start, &receipt(1), &Outcome::Extend { visibility_timeout: hour });
    assert_eq!(ledger.next_due(), Some(start + hour - Duration::from_secs(15)));
}

#[test]
fn a_nack_voids_the_later_leases_of_its_group_only() {
    let now = Instant::now();
    let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
    let mut ledger = Ledger::new(FlowControl::default(), RULE, true);
    for (seq, group) in [(1, &a), (2, &b), (3, &a), (4, &a)] {
        ledger.deliver(now, receipt(seq), 10, Some(group));
    }
    ledger.settle(now, &receipt(4), &Outcome::Ack);
    assert_eq!(ledger.settle(now, &receipt(1), &nack()), [receipt(3)]);
    assert_eq!(ledger.receipts(), [receipt(2)]);
}

#[test]
fn resumed_leases_are_due_at_once() {
    let start = Instant::now();
    let mut ledger = Ledger::new(FlowControl::default(), RULE, false);
    ledger.deliver(start, receipt(1), 10, None);
    let later = start + Duration::from_secs(5);
    ledger.resume(FlowControl::default(), RULE, later);
    assert_eq!(ledger.extend(later), [(receipt(1), Duration::from_secs(30))]);
}
