//! The records of a shard that only the log holds so far: a place each.

use crate::base::{id::Location, time::Timestamp};
use std::collections::VecDeque;

/// Where a record stands in the log, and when it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) at: Location,
    pub(crate) arrival: Timestamp,
}

/// Places without gaps up to the newest durable record. Those before are in synced segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The index of the first place; of the next record when there is none.
    first: u64,
    places: VecDeque<Place>,
}

impl Tail {
    pub(crate) fn starting_at(first: u64) -> Self {
        Self { first, places: VecDeque::new() }
    }

    /// `places`: of the records from `first` on.
    pub(crate) fn of(first: u64, places: impl Iterator<Item = Place>) -> Self {
        Self { first, places: places.collect() }
    }

    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// The index that the next record gets.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.places.len() as u64
    }

    /// Adds the record at `index`. In a replay one that is known changes nothing; one further on begins the tail anew,
    /// since what lies between is in segments.
    pub(crate) fn push(&mut self, index: u64, place: Place) {
        if index > self.next() {
            *self = Self::starting_at(index);
        }
        if index == self.next() {
            self.places.push_back(place);
        }
    }

    /// Up to `max` places from `from` on; none when that is not here.
    pub(crate) fn from(&self, from: u64, max: usize) -> impl Iterator<Item = (u64, Place)> {
        let skip = from.checked_sub(self.first).and_then(|skip| usize::try_from(skip).ok()).unwrap_or(usize::MAX);
        let start = skip.min(self.places.len());
        (from..).zip(self.places.range(start..).copied()).take(max)
    }

    /// Forgets what is below `next`: a segment holds it, synced.
    pub(crate) fn forget(&mut self, next: u64) {
        let gone = next.saturating_sub(self.first).min(self.places.len() as u64);
        self.places.drain(..usize::try_from(gone).unwrap_or(usize::MAX));
        self.first = self.first.max(next);
        if self.places.capacity() > 64 && self.places.len() * 4 < self.places.capacity() {
            self.places.shrink_to(self.places.len() * 2);
        }
    }

    pub(crate) fn oldest(&self) -> Option<Place> {
        self.places.front().copied()
    }

    /// The index of the first record that did not arrive before `moment`; the end when there is none. Only right when
    /// the records before the tail arrived earlier.
    pub(crate) fn seek(&self, moment: Timestamp) -> u64 {
        self.first + self.places.partition_point(|place| place.arrival < moment) as u64
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::Lsn;

    fn place(lsn: u64) -> Place {
        Place { at: Location { lsn: Lsn(lsn), offset: 72, len: 40 }, arrival: Timestamp(lsn * 10) }
    }

    fn indexes(tail: &Tail, from: u64, max: usize) -> Vec<u64> {
        tail.from(from, max).map(|(index, _)| index).collect()
    }

    #[test]
    fn a_tail_knows_its_records_by_index_and_by_time() {
        let mut tail = Tail::starting_at(5);
        (5..9).for_each(|index| tail.push(index, place(index)));
        assert_eq!((tail.first(), tail.next()), (5, 9));
        assert_eq!(indexes(&tail, 6, 2), [6, 7]);
        assert_eq!(indexes(&tail, 4, 9), [0_u64; 0], "before the tail there is nothing");
        assert_eq!(indexes(&tail, 9, 9), [0_u64; 0]);
        assert_eq!((tail.seek(Timestamp(0)), tail.seek(Timestamp(61)), tail.seek(Timestamp(99))), (5, 7, 9));
    }

    #[test]
    fn what_is_forgotten_or_comes_twice_changes_nothing_else() {
        let mut tail = Tail::starting_at(1);
        (1..5).for_each(|index| tail.push(index, place(index)));
        tail.push(2, place(99));
        tail.forget(3);
        tail.forget(2);
        assert_eq!((tail.first(), tail.oldest(), tail.next()), (3, Some(place(3)), 5));
        tail.push(9, place(9));
        assert_eq!((tail.first(), tail.next()), (9, 10));
        tail.forget(20);
        assert_eq!((tail.first(), tail.next()), (20, 20));
    }
}
