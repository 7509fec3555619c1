//! The sequences of a producer inside one session.
//!
//! The engine stores what is above the highest sequence it has, and takes the rest for stored. So nothing may be stored
//! above a sequence that was refused but may be sent again. A sequence that skips ahead inside a session is an error of
//! the session: something of the client's is missing. And when the engine refuses an entry for now, what follows it is
//! refused as a gap until it comes again. An entry that can never be stored leaves its sequence behind.

use super::{check, ordered::Ordered, words::EntryResult};
use crate::base::reason::{Reason, Refusal, Remedy};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// What the batches of a session share. Without a producer nothing is deduplicated, and there are no gaps.
#[derive(Clone, Debug)]
pub(super) struct Sequences {
    producer: Option<Arc<str>>,
    /// The lowest sequence that was refused for now; 0: none.
    missing: Arc<AtomicU64>,
}

impl Sequences {
    pub(super) fn new(producer: Option<Arc<str>>) -> Self {
        Self { producer, missing: Arc::default() }
    }

    /// The producer, with the sequence that its first entry has.
    pub(super) fn from(&self, sequence: u64) -> Option<(Arc<str>, u64)> {
        self.producer.clone().map(|producer| (producer, sequence))
    }

    /// Takes a batch of so many; `next` is the highest sequence that may come. Repeating what was sent is fine, skipping
    /// is not.
    pub(super) fn follow(&self, next: &mut u64, first: u64, count: usize) -> Result<(), Refusal> {
        if self.producer.is_none() {
            return Ok(());
        }
        if first == 0 {
            return Err(check::outside("batch.first_sequence", first, "1 or more with a producer_id"));
        }
        if first > *next {
            let message = format!("the batch begins with sequence {first}, expected is {next} at most");
            let refusal = Refusal::new(Reason::SequenceGap, message).at("batch.first_sequence");
            return Err(refusal.with("value", first).with("limit", *next));
        }
        *next = (*next).max(first.saturating_add(count as u64));
        Ok(())
    }

    /// Sends entries that follow each other, the first with `sequence`. One result an entry.
    ///
    /// What decides about order happens in the first poll: the look at `missing`, the engine's taking the command, and
    /// its refusal when it cannot.
    pub(super) async fn send<T>(
        &self,
        sequence: u64,
        count: usize,
        send: impl Future<Output = Result<Vec<EntryResult<T>>, Refusal>>,
    ) -> Vec<EntryResult<T>> {
        if let Err(refusal) = self.check_gap(sequence) {
            return refusals(&refusal, count);
        }
        match send.await {
            Ok(results) => {
                let for_now = |result: &EntryResult<T>| result.as_ref().is_err_and(may_be_sent_again);
                if let Some(index) = results.iter().position(for_now) {
                    self.note_missing(sequence.saturating_add(index as u64));
                }
                results
            }
            Err(refusal) => {
                self.note_missing(sequence);
                refusals(&refusal, count)
            }
        }
    }

    fn note_missing(&self, sequence: u64) {
        if self.producer.is_some() {
            // Batches are refused in order, so that the first is the lowest.
            let _ = self.missing.compare_exchange(0, sequence, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn check_gap(&self, sequence: u64) -> Result<(), Refusal> {
        let missing = self.missing.load(Ordering::Relaxed);
        if missing == 0 {
            return Ok(());
        }
        if sequence <= missing {
            self.missing.store(0, Ordering::Relaxed);
            return Ok(());
        }
        let message =
            format!("sequence {sequence} cannot be stored before {missing}, which was refused: send that again");
        Err(Refusal::new(Reason::SequenceGap, message).at("batch.first_sequence").with("limit", missing))
    }
}

fn refusals<T>(refusal: &Refusal, count: usize) -> Vec<EntryResult<T>> {
    (0..count).map(|_| Err(refusal.clone())).collect()
}

/// Whether the same entry can be stored later.
fn may_be_sent_again(refusal: &Refusal) -> bool {
    match refusal.reason.remedy() {
        Remedy::RetryAfter(_) | Remedy::Report | Remedy::ChangeState => true,
        Remedy::FixRequest | Remedy::Gone | Remedy::Denied => false,
    }
}

/// Sends the good entries around the refused ones, stretch by stretch, because sequences in a call have no gaps. `send`
/// gets the place of a stretch in the batch.
pub(super) async fn send_around<E, T: Unpin, F>(
    good: Vec<E>,
    refused: Vec<(usize, Refusal)>,
    count: usize,
    send: impl Fn(usize, Vec<E>) -> F,
) -> Vec<EntryResult<T>>
where
    F: Future<Output = Vec<EntryResult<T>>> + Send + 'static,
{
    // All stretches start together, so that no later batch comes between them.
    let mut stretches = Ordered::default();
    let mut good = good.into_iter();
    let mut offset = 0;
    for end in refused.iter().map(|(index, _)| *index).chain([count]) {
        let stretch: Vec<_> = good.by_ref().take(end - offset).collect();
        if !stretch.is_empty() {
            stretches.push(send(offset, stretch));
        }
        offset = end + 1;
    }
    let mut results = Vec::with_capacity(count);
    let mut refused = refused.into_iter().peekable();
    while results.len() < count {
        match refused.next_if(|(index, _)| *index == results.len()) {
            Some((_, refusal)) => results.push(Err(refusal)),
            None => results.extend(stretches.next().await),
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sent(sequences: &Sequences, first: u64, results: Vec<EntryResult<()>>) -> Vec<Option<Reason>> {
        let count = results.len();
        let answer = sequences.send(first, count, async { Ok(results) }).await;
        answer.into_iter().map(|result| result.err().map(|refusal| refusal.reason)).collect()
    }

    fn refused(reason: Reason) -> EntryResult<()> {
        Err(Refusal::new(reason, "no"))
    }

    #[tokio::test]
    async fn what_follows_an_entry_refused_for_now_is_a_gap_until_it_comes_again() {
        let sequences = Sequences::new(Some("p".into()));
        assert_eq!(sent(&sequences, 1, vec![Ok(()), refused(Reason::StorageFull)]).await[1], Some(Reason::StorageFull));
        assert_eq!(sent(&sequences, 3, vec![Ok(())]).await, [Some(Reason::SequenceGap)]);
        assert_eq!(sent(&sequences, 2, vec![Ok(()), Ok(())]).await, [None, None]);
        assert_eq!(sent(&sequences, 4, vec![refused(Reason::InvalidArgument)]).await, [Some(Reason::InvalidArgument)]);
        assert_eq!(sent(&sequences, 5, vec![Ok(())]).await, [None]);
    }

    #[tokio::test]
    async fn without_a_producer_nothing_is_a_gap() {
        let sequences = Sequences::new(None);
        assert_eq!(sent(&sequences, 9, vec![refused(Reason::StorageFull)]).await, [Some(Reason::StorageFull)]);
        assert_eq!(sent(&sequences, 11, vec![Ok(())]).await, [None]);
        assert_eq!(sequences.follow(&mut 1, 70, 1), Ok(()));
    }

    #[test]
    fn a_batch_may_repeat_and_not_skip() {
        let (sequences, mut next) = (Sequences::new(Some("p".into())), 5);
        for (first, count, expected) in [(5, 3, 8), (2, 2, 8), (8, 1, 9)] {
            assert_eq!(sequences.follow(&mut next, first, count), Ok(()));
            assert_eq!(next, expected);
        }
        for first in [0, 10] {
            assert!(sequences.follow(&mut next, first, 1).is_err());
        }
    }

    #[tokio::test]
    async fn refused_entries_keep_their_places() {
        let refused = vec![(0, Refusal::new(Reason::InvalidArgument, "0")), (3, Refusal::new(Reason::Internal, "3"))];
        let send = |offset: usize, stretch: Vec<char>| async move {
            stretch.into_iter().enumerate().map(|(index, letter)| Ok((offset + index, letter))).collect::<Vec<_>>()
        };
        let results = send_around(vec!['b', 'c', 'e'], refused, 5, send).await;
        let good: Vec<_> = results.iter().filter_map(|result| result.clone().ok()).collect();
        assert_eq!(good, [(1, 'b'), (2, 'c'), (4, 'e')]);
        assert!(results[0].is_err() && results[3].is_err());
    }
}
