//! A set of messages in the order of sending, in a byte or two a message.
//!
//! Kept as runs: the first number, then steps from number to number (LEB128). Most groups have one message, some a few,
//! some a backlog; each takes a form of its own. Adding at the end and taking away at the front, which is what queues do,
//! cost as little as in a tree; in between a run of at most [`RUN_BYTES`] is walked.

use super::leb;
use crate::base::id::MessageSeq;
use std::collections::{BTreeMap, btree_map};

/// The steps of a run: as many as a walk through them costs little.
const RUN_BYTES: usize = 256;

#[derive(Debug, Default)]
pub(super) enum SeqSet {
    #[default]
    Empty,
    One(MessageSeq),
    Few(Box<Run>),
    Many(Box<Runs>),
}

/// Runs by a number not above their first, and above the last of the run before.
#[derive(Debug)]
pub(super) struct Runs(BTreeMap<MessageSeq, Run>);

/// At least one message.
#[derive(Debug)]
pub(super) struct Run {
    first: MessageSeq,
    last: MessageSeq,
    steps: Vec<u8>,
}

impl SeqSet {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    pub(super) fn first(&self) -> Option<MessageSeq> {
        match self {
            Self::Empty => None,
            Self::One(seq) => Some(*seq),
            Self::Few(run) => Some(run.first),
            Self::Many(runs) => runs.0.first_key_value().map(|(_, run)| run.first),
        }
    }

    pub(super) fn insert(&mut self, seq: MessageSeq) {
        match self {
            Self::Empty => *self = Self::One(seq),
            Self::One(one) if *one == seq => {}
            Self::One(one) => {
                let mut run = Run::new(*one);
                run.insert(seq);
                *self = Self::Few(Box::new(run));
            }
            Self::Few(run) if run.steps.len() < RUN_BYTES => run.insert(seq),
            Self::Few(run) => {
                let run = std::mem::replace(&mut **run, Run::new(seq));
                let mut runs = Runs(BTreeMap::from([(run.first, run)]));
                runs.insert(seq);
                *self = Self::Many(Box::new(runs));
            }
            Self::Many(runs) => runs.insert(seq),
        }
    }

    /// True if it was there.
    pub(super) fn remove(&mut self, seq: MessageSeq) -> bool {
        match self {
            Self::Empty => false,
            Self::One(one) if *one == seq => {
                *self = Self::Empty;
                true
            }
            Self::One(_) => false,
            Self::Few(run) => {
                let removed = run.remove(seq);
                if run.is_single() {
                    *self = Self::One(run.first);
                }
                removed
            }
            Self::Many(runs) => {
                let removed = runs.remove(seq);
                if runs.0.len() == 1
                    && let Some((_, run)) = runs.0.pop_first()
                {
                    *self = if run.is_single() { Self::One(run.first) } else { Self::Few(Box::new(run)) };
                }
                removed
            }
        }
    }

    /// The messages from `from` on.
    pub(super) fn iter_from(&self, from: MessageSeq) -> Iter<'_> {
        let mut iter = match self {
            Self::Empty => Iter::default(),
            Self::One(seq) => Iter { next: Some(*seq), ..Iter::default() },
            Self::Few(run) => Iter::over(run),
            Self::Many(runs) => {
                let here = runs.0.range(..=from).next_back().map_or(MessageSeq(0), |(key, _)| *key);
                let mut runs = runs.0.range(here..);
                let first = runs.next().map_or_else(Iter::default, |(_, run)| Iter::over(run));
                Iter { runs: Some(runs), ..first }
            }
        };
        while iter.next.is_some_and(|seq| seq < from) {
            iter.next();
        }
        iter
    }

    /// What it takes on the heap, about.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Empty | Self::One(_) => 0,
            Self::Few(run) => size_of::<Run>() + run.steps.capacity(),
            // A tree's nodes are half full at worst.
            Self::Many(runs) => runs.0.values().map(|run| 2 * size_of::<(u64, Run)>() + run.steps.capacity()).sum(),
        }
    }
}

impl Runs {
    /// A run past its length goes on in another: behind it, or in the middle if that is where the message belongs.
    fn insert(&mut self, seq: MessageSeq) {
        let Some((_, run)) = self.0.range_mut(..=seq).next_back() else { return self.insert_in_front(seq) };
        if seq > run.last && run.steps.len() >= RUN_BYTES {
            run.steps.shrink_to_fit();
            self.0.insert(seq, Run::new(seq));
            return;
        }
        run.insert(seq);
        if let Some(rest) = run.split_if_long() {
            self.0.insert(rest.first, rest);
        }
    }

    fn insert_in_front(&mut self, seq: MessageSeq) {
        let Some((_, mut run)) = self.0.pop_first() else { return };
        run.insert(seq);
        if let Some(rest) = run.split_if_long() {
            self.0.insert(rest.first, rest);
        }
        self.0.insert(seq, run);
    }

    /// True if it was there.
    fn remove(&mut self, seq: MessageSeq) -> bool {
        let Some((&key, run)) = self.0.range_mut(..=seq).next_back() else { return false };
        if run.is_single() && run.first == seq {
            self.0.remove(&key);
            return true;
        }
        run.remove(seq)
    }
}

impl Run {
    fn new(seq: MessageSeq) -> Self {
        Self { first: seq, last: seq, steps: Vec::new() }
    }

    fn is_single(&self) -> bool {
        self.steps.is_empty()
    }

    /// The step that begins at `at`, and where it ends.
    fn step(&self, at: usize) -> Option<(u64, usize)> {
        let mut rest = self.steps.get(at..)?;
        let step = leb::take(&mut rest).ok()?;
        Some((step, self.steps.len() - rest.len()))
    }

    /// Walks to the last message not above `seq`, which is not below the first.
    fn walk_to(&self, seq: MessageSeq) -> Walked {
        let mut walked = Walked { at: self.first, before: self.first, begin: 0, end: 0 };
        while let Some((step, end)) = self.step(walked.end) {
            let next = MessageSeq(walked.at.0 + step);
            if next > seq {
                break;
            }
            walked = Walked { at: next, before: walked.at, begin: walked.end, end };
        }
        walked
    }

    fn insert(&mut self, seq: MessageSeq) {
        if seq > self.last {
            leb::put(&mut self.steps, seq.0 - self.last.0);
            self.last = seq;
        } else if seq < self.first {
            self.steps.splice(0..0, steps([self.first.0 - seq.0]));
            self.first = seq;
        } else {
            let Walked { at, end, .. } = self.walk_to(seq);
            if at < seq
                && let Some((step, behind)) = self.step(end)
            {
                let part = seq.0 - at.0;
                self.steps.splice(end..behind, steps([part, step - part]));
            }
        }
    }

    /// Not for the only message.
    fn remove(&mut self, seq: MessageSeq) -> bool {
        if seq < self.first || seq > self.last {
            return false;
        }
        let Walked { at, before, begin, end } = self.walk_to(seq);
        if at != seq {
            return false;
        }
        match self.step(end) {
            None => {
                self.steps.truncate(begin);
                self.last = before;
            }
            Some((step, behind)) if seq == self.first => {
                self.steps.drain(..behind);
                self.first = MessageSeq(seq.0 + step);
            }
            Some((step, behind)) => {
                self.steps.splice(begin..behind, steps([seq.0 + step - before.0]));
            }
        }
        if self.steps.capacity() > 4 * self.steps.len() + 32 {
            self.steps.shrink_to(2 * self.steps.len());
        }
        true
    }

    /// The second half of a run that is too long.
    fn split_if_long(&mut self) -> Option<Self> {
        if self.steps.len() <= RUN_BYTES {
            return None;
        }
        let (mut last, mut end) = (self.first, 0);
        while end < RUN_BYTES / 2 {
            let (step, behind) = self.step(end)?;
            (last, end) = (MessageSeq(last.0 + step), behind);
        }
        let (step, behind) = self.step(end)?;
        let first = MessageSeq(last.0 + step);
        let rest = Self { first, last: self.last, steps: self.steps.split_off(behind) };
        self.steps.truncate(end);
        self.last = last;
        Some(rest)
    }
}

/// A message of a run, the one before it, and the bytes of the step from that one to it.
struct Walked {
    at: MessageSeq,
    before: MessageSeq,
    begin: usize,
    end: usize,
}

fn steps<const N: usize>(values: [u64; N]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 * N);
    values.into_iter().for_each(|value| leb::put(&mut bytes, value));
    bytes
}

/// Messages in the order of sending.
#[derive(Debug, Default)]
pub(super) struct Iter<'a> {
    next: Option<MessageSeq>,
    steps: &'a [u8],
    runs: Option<btree_map::Range<'a, MessageSeq, Run>>,
}

impl<'a> Iter<'a> {
    fn over(run: &'a Run) -> Self {
        Self { next: Some(run.first), steps: &run.steps, runs: None }
    }
}

impl Iterator for Iter<'_> {
    type Item = MessageSeq;

    fn next(&mut self) -> Option<MessageSeq> {
        let seq = self.next?;
        self.next = match leb::take(&mut self.steps) {
            Ok(step) => Some(MessageSeq(seq.0 + step)),
            Err(_) => self.runs.as_mut().and_then(Iterator::next).map(|(_, run)| {
                self.steps = &run.steps;
                run.first
            }),
        };
        Some(seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn all(set: &SeqSet, from: u64) -> Vec<u64> {
        set.iter_from(MessageSeq(from)).map(|seq| seq.0).collect()
    }

    #[test]
    fn a_backlog_of_one_group_takes_little_more_than_a_byte_a_message() {
        let mut set = SeqSet::default();
        (1..=100_000).for_each(|seq| set.insert(MessageSeq(seq)));
        assert!(set.heap_bytes() < 150_000, "{} bytes", set.heap_bytes());
    }

    #[test]
    fn a_hundred_messages_far_apart_take_few_bytes_each() {
        let mut set = SeqSet::default();
        (1..=100).for_each(|number| set.insert(MessageSeq(number * 10_000)));
        assert!(set.heap_bytes() <= 310, "{} bytes", set.heap_bytes());
        (1..100).for_each(|number| assert!(set.remove(MessageSeq(number * 10_000))));
        assert!(matches!(set, SeqSet::One(MessageSeq(1_000_000))), "{set:?}");
    }

    #[test]
    fn messages_that_come_backwards_make_no_runs_of_one() {
        let mut set = SeqSet::default();
        (1..=10_000).rev().for_each(|seq| set.insert(MessageSeq(seq)));
        assert_eq!(all(&set, 0), (1..=10_000).collect::<Vec<_>>());
        assert!(set.heap_bytes() < 40_000, "{} bytes", set.heap_bytes());
    }

    fn step() -> impl Strategy<Value = (u8, u64, u64)> {
        let seq = prop_oneof![4 => 0..2_000u64, 1 => any::<u64>().prop_map(|seq| seq / 4)];
        (0..10u8, seq, 1..500u64)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_holds_what_a_tree_would(steps in prop::collection::vec(step(), 1..40)) {
            let (mut set, mut tree) = (SeqSet::default(), BTreeSet::new());
            for (what, seq, count) in steps {
                let range = seq..seq + count;
                match what {
                    0..4 => range.for_each(|seq| { set.insert(MessageSeq(seq)); tree.insert(seq); }),
                    4 => range.map(|seq| seq * 3).for_each(|seq| { set.insert(MessageSeq(seq)); tree.insert(seq); }),
                    5 => range.rev().for_each(|seq| { set.insert(MessageSeq(seq)); tree.insert(seq); }),
                    6 => range.step_by(2).for_each(|seq| assert_eq!(set.remove(MessageSeq(seq)), tree.remove(&seq))),
                    7 => range.rev().for_each(|seq| assert_eq!(set.remove(MessageSeq(seq)), tree.remove(&seq))),
                    _ => {
                        let gone: Vec<_> = tree.iter().copied().take(count as usize).collect();
                        gone.into_iter().for_each(|seq| assert_eq!(set.remove(MessageSeq(seq)), tree.remove(&seq)));
                    }
                }
                prop_assert_eq!(set.first().map(|seq| seq.0), tree.first().copied());
                prop_assert_eq!(set.is_empty(), tree.is_empty());
                prop_assert_eq!(all(&set, seq), tree.range(seq..).copied().collect::<Vec<_>>());
            }
            prop_assert_eq!(all(&set, 0), tree.into_iter().collect::<Vec<_>>());
        }
    }
}
