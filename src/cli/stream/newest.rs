//! Where the newest records of a stream begin. No call asks for that, so ever longer stretches of time up to now are
//! counted until one holds enough.

use super::{
    get::fetch,
    range::{Beginning, Ending},
    reader::Reader,
};
use crate::{
    base::time::{Clock as _, Timestamp},
    cli::{Exit, Failure, client::Caller},
    proto::{
        common::v1::ResourceView,
        stream::v1::{Position, position::Start, subscribe_shard_response::Event},
    },
    runtime::SystemClock,
};
use std::{cmp::Reverse, collections::BinaryHeap};

const FIRST_STRETCH_MS: u64 = 60_000;
/// Each stretch is so much longer than the one before: little is counted twice, and not much too much.
const GROWTH: u64 = 8;

/// Where to begin, and how many records that arrived at that very moment are not wanted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) position: Position,
    pub(super) unwanted: Unwanted,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Unwanted {
    pub(super) arrival: Moment,
    pub(super) count: u64,
}

/// Seconds and nanoseconds, which compare as moments do.
pub(super) type Moment = (i64, i32);

pub(super) fn moment(time: Option<prost_types::Timestamp>) -> Moment {
    time.map_or_else(Moment::default, |time| (time.seconds, time.nanos))
}

pub(super) async fn find(caller: &Caller, stream: &str, shard: Option<&str>, count: usize) -> Result<Place, Failure> {
    let created = fetch(caller, stream.to_owned(), ResourceView::Basic).await?.create_time.unwrap_or_default();
    let created = u64::try_from(created.seconds).unwrap_or_default() * 1000;
    let mut stretch = FIRST_STRETCH_MS;
    loop {
        let from = SystemClock.now().0.saturating_sub(stretch);
        let is_all = from <= created;
        let start = if is_all { Beginning::Start } else { Beginning::Time(Timestamp(from)) };
        let position = start.position()?;
        let newest = match count_from(caller, stream, shard, &position, count).await {
            // Of a server whose clock is behind ours the time lies in the future: nothing has arrived since then.
            Err(failure) if failure.exit == Exit::Usage && !is_all => Newest::new(count),
            counted => counted?,
        };
        match newest.oldest() {
            Some((seconds, nanos)) => {
                let start = Start::AtTime(prost_types::Timestamp { seconds, nanos });
                let unwanted = Unwanted { arrival: (seconds, nanos), count: newest.unwanted };
                return Ok(Place { position: Position { start: Some(start) }, unwanted });
            }
            None if is_all => return Ok(Place { position, unwanted: Unwanted::default() }),
            None => stretch = stretch.saturating_mul(GROWTH),
        }
    }
}

async fn count_from(
    caller: &Caller,
    stream: &str,
    shard: Option<&str>,
    from: &Position,
    count: usize,
) -> Result<Newest, Failure> {
    let (_, until) = Ending::Tail.limits();
    let reader = Reader::new(stream.to_owned(), shard.map(ToOwned::to_owned), from.clone(), until);
    let mut call = reader.open(caller).await?;
    let mut newest = Newest::new(count);
    while let Some((_, event)) = call.next().await? {
        if let Event::Records(records) = event {
            records.records.iter().for_each(|record| newest.saw(moment(record.arrival_time)));
        }
    }
    Ok(newest)
}

/// The moments at which the newest records arrived.
struct Newest {
    count: usize,
    moments: BinaryHeap<Reverse<Moment>>,
    /// Records that arrived with the oldest of these, and are too many.
    unwanted: u64,
}

impl Newest {
    fn new(count: usize) -> Self {
        Self { count, moments: BinaryHeap::new(), unwanted: 0 }
    }

    fn saw(&mut self, moment: Moment) {
        let oldest = self.oldest();
        if oldest.is_some_and(|oldest| moment < oldest) {
            return;
        }
        self.moments.push(Reverse(moment));
        if oldest.is_some() {
            self.moments.pop();
            self.unwanted = if self.oldest() == oldest { self.unwanted + 1 } else { 0 };
        }
    }

    /// When the first of them arrived; `None` as long as there are too few.
    fn oldest(&self) -> Option<Moment> {
        let oldest = self.moments.peek().map(|Reverse(moment)| *moment);
        oldest.filter(|_| self.moments.len() == self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest(count: usize, seconds: &[i64]) -> (Option<i64>, u64) {
        let mut newest = Newest::new(count);
        seconds.iter().for_each(|second| newest.saw((*second, 0)));
        (newest.oldest().map(|(seconds, _)| seconds), newest.unwanted)
    }

    #[test]
    fn the_newest_are_found_in_any_order_and_with_any_number_at_one_moment() {
        assert_eq!(newest(3, &[1, 2]), (None, 0), "there are too few");
        assert_eq!(newest(2, &[5, 1, 4, 2]), (Some(4), 0));
        assert_eq!(newest(2, &[1, 1, 1, 1]), (Some(1), 2));
        assert_eq!(newest(2, &[1, 1, 1, 2]), (Some(1), 2), "one of the three is wanted");
        assert_eq!(newest(2, &[1, 1, 2, 2]), (Some(2), 0));
        assert_eq!(newest(1, &[3, 3, 2, 3]), (Some(3), 2));
    }
}
