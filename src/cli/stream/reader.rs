//! The way of one reader through a stream or one of its shards, over as many calls as it takes.
//!
//! Each call goes on where the one before it got to, shard by shard, so no record comes twice and none is left out.

use crate::{
    cli::{Failure, client::Caller},
    proto::stream::v1::{
        Position, ShardPosition, SubscribeShardRequest, SubscribeShardResponse, SubscribeStreamRequest,
        SubscribeStreamResponse, Until, position::Start, subscribe_shard_response::Event,
    },
};
use std::collections::BTreeMap;
use tonic::Streaming;

/// What is read, and how far it is.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    stream: String,
    /// None: every shard, through splits and merges.
    shard: Option<String>,
    start: Position,
    until: Option<Until>,
    /// Where each shard that said something goes on.
    places: BTreeMap<String, Position>,
    /// Shards that are read to their end, with those they go on in.
    ended: Vec<(String, Vec<String>)>,
}

/// One call.
pub(super) enum Call {
    Shard(String, Box<Streaming<SubscribeShardResponse>>),
    Stream(Box<Streaming<SubscribeStreamResponse>>),
}

impl Reader {
    pub(super) fn new(stream: String, shard: Option<String>, start: Position, until: Option<Until>) -> Self {
        Self { stream, shard, start, until, places: BTreeMap::new(), ended: Vec::new() }
    }

    /// One shard does not begin where the others do.
    pub(super) fn begin_at(mut self, shard: String, position: Position) -> Self {
        self.places.insert(shard, position);
        self
    }

    pub(super) fn is_of_a_shard(&self) -> bool {
        self.shard.is_some()
    }

    pub(super) async fn open(&self, caller: &Caller) -> Result<Call, Failure> {
        match &self.shard {
            Some(shard) => {
                let request = caller.stream(self.shard_request(shard));
                let answers = caller.streams().subscribe_shard(request).await?.into_inner();
                Ok(Call::Shard(shard.clone(), Box::new(answers)))
            }
            None => {
                let request = caller.stream(self.stream_request());
                Ok(Call::Stream(Box::new(caller.streams().subscribe_stream(request).await?.into_inner())))
            }
        }
    }

    fn shard_request(&self, shard: &str) -> SubscribeShardRequest {
        SubscribeShardRequest {
            stream: self.stream.clone(),
            shard_id: shard.to_owned(),
            position: Some(self.places.get(shard).unwrap_or(&self.start).clone()),
            until: self.until.clone(),
        }
    }

    fn stream_request(&self) -> SubscribeStreamRequest {
        let place = |(shard, position): (&String, &Position)| ShardPosition {
            shard_id: shard.clone(),
            position: Some(position.clone()),
        };
        SubscribeStreamRequest {
            stream: self.stream.clone(),
            position: Some(self.start.clone()),
            resume: self.places.iter().map(place).collect(),
            until: self.until.clone(),
        }
    }

    /// Takes note of what the server said about a shard.
    pub(super) fn heard(&mut self, shard: &str, event: &Event) {
        match event {
            Event::Records(records) => {
                self.places.insert(shard.to_owned(), after(&records.continuation_sequence_number));
                self.forget_parents();
            }
            Event::Ended(ended) => {
                let children = ended.child_shards.iter().map(|child| child.shard_id.clone()).collect();
                self.ended.push((shard.to_owned(), children));
            }
            Event::Draining(_) => {}
        }
    }

    /// A shard that has ended keeps its place until all of its children have theirs.
    fn forget_parents(&mut self) {
        let places = &mut self.places;
        self.ended.retain(|(parent, children)| {
            let is_waiting = children.iter().any(|child| !places.contains_key(child));
            if !is_waiting {
                places.remove(parent);
            }
            is_waiting
        });
    }
}

impl Call {
    /// The next thing the server says, and of which shard; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<(String, Event)>, Failure> {
        loop {
            let (shard, event) = match self {
                Self::Shard(shard, answers) => match answers.message().await? {
                    Some(answer) => (shard.clone(), answer.event),
                    None => return Ok(None),
                },
                Self::Stream(answers) => match answers.message().await? {
                    Some(answer) => (answer.shard_id, answer.event.and_then(|answer| answer.event)),
                    None => return Ok(None),
                },
            };
            if let Some(event) = event {
                return Ok(Some((shard, event)));
            }
        }
    }
}

fn after(number: &str) -> Position {
    Position { start: Some(Start::AfterSequenceNumber(number.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::stream::v1::{
        Shard,
        subscribe_shard_response::{Ended, Records},
    };

    fn records(number: &str) -> Event {
        Event::Records(Records { continuation_sequence_number: number.into(), ..Records::default() })
    }

    fn ended(children: &[&str]) -> Event {
        let child = |id: &&str| Shard { shard_id: (*id).into(), ..Shard::default() };
        Event::Ended(Ended { child_shards: children.iter().map(child).collect() })
    }

    fn resumed(reader: &Reader) -> Vec<(String, Option<Position>)> {
        reader.stream_request().resume.into_iter().map(|place| (place.shard_id, place.position)).collect()
    }

    #[test]
    fn the_next_call_goes_on_behind_what_each_shard_said_last() {
        let mut reader = Reader::new("s".into(), None, Position::default(), None);
        reader.heard("0", &records("5"));
        reader.heard("1", &records("7"));
        reader.heard("0", &records("6"));
        assert_eq!(resumed(&reader), [("0".into(), Some(after("6"))), ("1".into(), Some(after("7")))]);
    }

    #[test]
    fn a_shard_that_ended_keeps_its_place_until_all_its_children_have_theirs() {
        let mut reader = Reader::new("s".into(), None, Position::default(), None);
        reader.heard("0", &records("5"));
        reader.heard("0", &ended(&["1", "2"]));
        reader.heard("1", &records("8"));
        assert_eq!(resumed(&reader), [("0".into(), Some(after("5"))), ("1".into(), Some(after("8")))]);
        reader.heard("2", &records("9"));
        assert_eq!(resumed(&reader), [("1".into(), Some(after("8"))), ("2".into(), Some(after("9")))]);
    }

    #[test]
    fn a_reader_of_one_shard_begins_where_it_is_told_and_goes_on_where_it_was() {
        let start = after("3");
        let mut reader = Reader::new("s".into(), Some("0".into()), start.clone(), None);
        assert_eq!(reader.shard_request("0").position, Some(start));
        reader.heard("0", &records("5"));
        assert_eq!(reader.shard_request("0").position, Some(after("5")));
    }
}
