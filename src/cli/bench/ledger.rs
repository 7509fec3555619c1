//! Who sent what, and whether it came back: once, unchanged, in order.

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// What stands before the filling of a body: run, client, place.
pub(super) const HEADER_BYTES: usize = 16;

/// Makes and reads the bodies of one run.
#[derive(Clone, Debug)]
pub(super) struct Bodies {
    run: u32,
    /// A whole body; its first bytes are never used.
    filling: Bytes,
}

impl Bodies {
    pub(super) fn new(run: u32, size: usize) -> Self {
        // A sequence that does not compress, the same in every run.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut filling = BytesMut::with_capacity(size + 8);
        while filling.len() < size {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            filling.put_u64_le(state);
        }
        filling.truncate(size.max(HEADER_BYTES));
        Self { run, filling: filling.freeze() }
    }

    /// Those of messages that the same run only has in the way.
    pub(super) fn of_backlog(&self) -> Self {
        Self { run: !self.run, filling: self.filling.clone() }
    }

    pub(super) fn run(&self) -> u32 {
        self.run
    }

    pub(super) fn make(&self, client: u32, place: u64) -> Bytes {
        let mut body = BytesMut::with_capacity(self.filling.len());
        body.put_u32_le(self.run);
        body.put_u32_le(client);
        body.put_u64_le(place);
        body.put_slice(self.filling.get(HEADER_BYTES..).unwrap_or_default());
        body.freeze()
    }

    /// Who sent this body and in which place; nothing when it is not one of this run, as it was made.
    pub(super) fn read(&self, body: &[u8]) -> Option<(u32, u64)> {
        let (run, rest) = body.split_first_chunk()?;
        let (client, rest) = rest.split_first_chunk()?;
        let (place, filling) = rest.split_first_chunk()?;
        let right = u32::from_le_bytes(*run) == self.run && Some(filling) == self.filling.get(HEADER_BYTES..);
        right.then(|| (u32::from_le_bytes(*client), u64::from_le_bytes(*place)))
    }
}

/// What one client sent: the places `0..next`.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) next: u64,
    /// Places whose call failed: they may be stored or not.
    pub(super) unsure: HashSet<u64>,
}

/// A set of places, a bit each.
#[derive(Debug, Default)]
struct Places {
    bits: Vec<u64>,
    len: u64,
}

impl Places {
    fn slot(place: u64) -> (usize, u64) {
        (usize::try_from(place / 64).unwrap_or(usize::MAX), 1 << (place % 64))
    }

    fn contains(&self, place: u64) -> bool {
        let (at, bit) = Self::slot(place);
        self.bits.get(at).is_some_and(|bits| bits & bit != 0)
    }

    /// Tells whether the place was not there yet. The caller knows that the place was sent, so the set stays as small as that.
    fn insert(&mut self, place: u64) -> bool {
        let (at, bit) = Self::slot(place);
        if at >= self.bits.len() {
            self.bits.resize(at + 1, 0);
        }
        let Some(bits) = self.bits.get_mut(at) else { return false };
        let is_new = *bits & bit == 0;
        *bits |= bit;
        self.len += u64::from(is_new);
        is_new
    }
}

/// What came back of all that was sent.
#[derive(Debug)]
pub(super) struct Ledger {
    fifo: bool,
    sent: Vec<Sent>,
    seen: Vec<Places>,
    /// By client and queue: the last place that came.
    last: HashMap<(u32, u32), u64>,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) twice: u64,
    pub(super) out_of_order: u64,
    /// Not a body of this run, or not as it was sent.
    pub(super) changed: u64,
}

impl Verdict {
    /// Whether the server kept its promise. A standard queue may deliver twice and in any order.
    pub(super) fn holds(&self, fifo: bool) -> bool {
        let order = !fifo || (self.twice == 0 && self.out_of_order == 0);
        self.lost == 0 && self.changed == 0 && order
    }
}

impl Ledger {
    pub(super) fn new(fifo: bool, sent: Vec<Sent>) -> Self {
        let seen = sent.iter().map(|_| Places::default()).collect();
        Self { fifo, sent, seen, last: HashMap::new(), verdict: Verdict::default() }
    }

    /// Takes note of what [`Bodies::read`] made of a body that came out of a queue.
    pub(super) fn saw(&mut self, queue: u32, read: Option<(u32, u64)>) {
        self.verdict.received += 1;
        let Some((client, place)) = read else {
            self.verdict.changed += 1;
            return;
        };
        let at = client as usize;
        let (Some(sent), Some(seen)) = (self.sent.get(at), self.seen.get_mut(at)) else {
            self.verdict.changed += 1;
            return;
        };
        if place >= sent.next {
            self.verdict.changed += 1;
        } else if !seen.insert(place) {
            self.verdict.twice += 1;
        } else if self.fifo && self.last.insert((client, queue), place).is_some_and(|last| last > place) {
            self.verdict.out_of_order += 1;
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let mut verdict = self.verdict;
        for (sent, seen) in self.sent.iter().zip(&self.seen) {
            let unsure = sent.unsure.iter().filter(|place| !seen.contains(**place)).count() as u64;
            verdict.sent += sent.next - unsure;
            verdict.lost += sent.next - unsure - seen.len;
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(fifo: bool, next: u64, unsure: &[u64]) -> (Bodies, Ledger) {
        let bodies = Bodies::new(7, 64);
        let sent = vec![Sent { next, unsure: unsure.iter().copied().collect() }];
        (bodies.clone(), Ledger::new(fifo, sent))
    }

    #[test]
    fn everything_once_and_in_order_holds() {
        let (bodies, mut ledger) = ledger(true, 3, &[]);
        (0..3).for_each(|place| ledger.saw(0, bodies.read(&bodies.make(0, place))));
        let verdict = ledger.verdict();
        assert_eq!((verdict.sent, verdict.received, verdict.lost), (3, 3, 0));
        assert!(verdict.holds(true));
    }

    #[test]
    fn a_lost_a_doubled_and_an_overtaken_message_are_told_apart() {
        let (bodies, mut ledger) = ledger(true, 5, &[]);
        for place in [0, 2, 1, 2] {
            ledger.saw(0, bodies.read(&bodies.make(0, place)));
        }
        let verdict = ledger.verdict();
        assert_eq!((verdict.lost, verdict.twice, verdict.out_of_order), (2, 1, 1));
        assert!(!verdict.holds(true) && !verdict.holds(false));
    }

    #[test]
    fn a_standard_queue_may_deliver_twice_but_not_lose() {
        let (bodies, mut ledger) = ledger(false, 2, &[]);
        for place in [1, 0, 0] {
            ledger.saw(0, bodies.read(&bodies.make(0, place)));
        }
        assert!(ledger.verdict().holds(false) && !ledger.verdict().holds(true));
    }

    #[test]
    fn a_message_whose_call_failed_may_be_there_or_not() {
        for came in [vec![0], vec![0, 1]] {
            let (bodies, mut ledger) = ledger(true, 2, &[1]);
            came.iter().for_each(|place| ledger.saw(0, bodies.read(&bodies.make(0, *place))));
            assert!(ledger.verdict().holds(true), "{came:?}");
        }
    }

    #[test]
    fn a_changed_body_is_noticed() {
        let (bodies, mut ledger) = ledger(false, 1, &[]);
        let mut body = bodies.make(0, 0).to_vec();
        if let Some(last) = body.last_mut() {
            *last ^= 1;
        }
        ledger.saw(0, bodies.read(&body));
        ledger.saw(0, bodies.read(&Bodies::new(8, 64).make(0, 0)));
        ledger.saw(0, bodies.read(b"short"));
        assert_eq!(ledger.verdict().changed, 3);
    }
}
