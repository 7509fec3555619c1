//! What one client counted; added up at the end.

use super::ledger::Sent;
use crate::cli::Failure;
use hdrhistogram::Histogram;
use std::{collections::BTreeMap, time::Duration};
use tokio::task::JoinSet;

/// Three digits of precision, from a microsecond to as long as it takes.
fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are within what the histogram can do")
}

#[derive(Debug)]
pub(super) struct Tally {
    pub(super) messages: u64,
    pub(super) calls: u64,
    /// By reason.
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) latency_us: Histogram<u64>,
    pub(super) sent: Sent,
}

impl Default for Tally {
    fn default() -> Self {
        Self { messages: 0, calls: 0, errors: BTreeMap::new(), latency_us: histogram(), sent: Sent::default() }
    }
}

impl Tally {
    pub(super) fn call(&mut self, messages: usize, took: Duration) {
        self.calls += 1;
        self.messages += messages as u64;
        self.took(took);
    }

    /// Takes note of one message of a call that brought several, each with a time of its own.
    pub(super) fn entry(&mut self, took: Duration) {
        self.messages += 1;
        self.took(took);
    }

    fn took(&mut self, took: Duration) {
        // It grows as far as it must; only a value beyond all reason is refused.
        let _ = self.latency_us.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn error(&mut self, reason: &str) {
        *self.errors.entry(reason.to_owned()).or_default() += 1;
    }

    /// Takes note of the results of entries, from a place on, each stored, refused with a reason, or not there; returns how many
    /// are stored.
    pub(super) fn results<'a>(
        &mut self,
        first: u64,
        results: impl Iterator<Item = Option<Result<(), &'a str>>>,
    ) -> usize {
        let mut stored = 0;
        for (place, result) in (first..).zip(results) {
            match result {
                Some(Ok(())) => stored += 1,
                Some(Err(reason)) => {
                    self.error(reason);
                    self.sent.unsure.insert(place);
                }
                None => self.error("no result"),
            }
        }
        stored
    }

    /// The reason of a refusal, or its code where the server gives none.
    pub(super) fn refused(&mut self, status: &tonic::Status) {
        use tonic_types::StatusExt as _;
        let details = status.get_error_details();
        match details.error_info() {
            Some(info) => self.error(&info.reason),
            None => self.error(&format!("{:?}: {}", status.code(), status.message())),
        }
    }

    /// Adds what another client counted; hands back what it sent.
    pub(super) fn add(&mut self, other: Self) -> Sent {
        self.messages += other.messages;
        self.calls += other.calls;
        for (reason, count) in other.errors {
            *self.errors.entry(reason).or_default() += count;
        }
        self.latency_us += other.latency_us;
        other.sent
    }
}

/// Adds the clients up; returns also what each sent, by client.
pub(super) async fn join(mut clients: JoinSet<(u32, Tally)>, count: u32) -> Result<(Tally, Vec<Sent>), Failure> {
    let mut total = Tally::default();
    let mut sent: Vec<_> = (0..count).map(|_| Sent::default()).collect();
    while let Some(done) = clients.join_next().await {
        let (index, tally) = done.map_err(|error| Failure::failed(format!("a client was lost: {error}")))?;
        let what = total.add(tally);
        if let Some(place) = sent.get_mut(index as usize) {
            *place = what;
        }
    }
    Ok((total, sent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_added_up_with_their_slowest_call() {
        let (mut total, mut slow) = (Tally::default(), Tally::default());
        (0..99).for_each(|_| total.call(2, Duration::from_micros(150)));
        slow.call(2, Duration::from_secs(20));
        slow.error("DRAINING");
        total.add(slow);
        assert_eq!((total.calls, total.messages, total.errors.get("DRAINING")), (100, 200, Some(&1)));
        assert_eq!(total.latency_us.value_at_quantile(0.5), 150);
        let max = total.latency_us.max();
        assert!((19_980_000..=20_020_000).contains(&max), "{max}");
    }
}
