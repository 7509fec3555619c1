//! Streams over gRPC: put, read, follow through a split, produce with sequences, share shards in a group.

use crate::broker::{TestBroker, Wire, seconds, soon, start};
use forebay::proto::stream::v1::{
    self as wire, join_request,
    join_response::Frame as Told,
    produce_request,
    produce_response::Frame as Answered,
    put_result::Result as Put,
    stream_service_client::StreamServiceClient,
    subscribe_shard_response::{Event, Records},
};
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};
use tonic_types::StatusExt;

pub(crate) type Client = StreamServiceClient<Wire>;

pub(crate) async fn client(broker: &TestBroker) -> Client {
    StreamServiceClient::new(broker.channel().await)
}

/// A stream that is active.
pub(crate) async fn stream(client: &mut Client, stream_id: &str, shard_count: u32) -> wire::Stream {
    let request = wire::CreateStreamRequest { stream_id: stream_id.into(), shard_count, ..Default::default() };
    client.create_stream(request).await.unwrap();
    loop {
        let get = wire::GetStreamRequest { name: stream_id.into(), view: 0 };
        let found = client.get_stream(get).await.unwrap().into_inner().stream.unwrap();
        if found.state() == wire::StreamState::Active {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

pub(crate) fn record(key: &str, data: &str) -> wire::RecordInput {
    wire::RecordInput { data: data.to_owned().into(), partition_key: key.into(), ..Default::default() }
}

pub(crate) async fn put(client: &mut Client, stream: &str, records: Vec<wire::RecordInput>) -> Vec<Put> {
    let request = wire::PutRecordsRequest { stream: stream.into(), records, durability: 0 };
    let results = client.put_records(request).await.unwrap().into_inner().results;
    results.into_iter().map(|result| result.result.unwrap()).collect()
}

fn texts(records: &[wire::Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.data).into_owned()).collect()
}

fn from_the_oldest() -> Option<wire::Position> {
    let start = wire::position::Start::TrimHorizon(wire::position::TrimHorizon {});
    Some(wire::Position { start: Some(start) })
}

fn until_the_tail() -> Option<wire::Until> {
    Some(wire::Until { stop: Some(wire::until::Stop::Tail(wire::until::Tail {})) })
}

/// What a reader of the whole stream gets up to its tail, by key.
async fn follow(client: &mut Client, stream: &str) -> BTreeMap<String, Vec<String>> {
    let request = wire::SubscribeStreamRequest {
        stream: stream.into(),
        position: from_the_oldest(),
        until: until_the_tail(),
        ..Default::default()
    };
    let mut answers = client.subscribe_stream(request).await.unwrap().into_inner();
    let mut found = BTreeMap::<String, Vec<String>>::new();
    while let Some(answer) = soon(answers.message()).await.unwrap() {
        if let Some(Event::Records(records)) = answer.event.unwrap().event {
            for record in records.records {
                let text = String::from_utf8_lossy(&record.data).into_owned();
                found.entry(record.partition_key).or_default().push(text);
            }
        }
    }
    found
}

#[tokio::test]
async fn what_is_put_is_read_from_any_position_and_by_a_reader_who_waits() {
    let broker = start().await;
    let mut client = client(&broker).await;
    // How many shards there are is not said: one.
    let created = stream(&mut client, "events", 0).await;
    assert_eq!((created.open_shards, created.name.as_str()), (1, "namespaces/000000000000/streams/events"));
    let results = put(&mut client, "events", vec![record("a", "1"), record("a", "2"), record("", "none")]).await;
    let Put::Put(second) = &results[1] else { panic!("{results:?}") };
    assert!(matches!(&results[2], Put::Error(error) if error.sender_fault), "a record needs a key: {results:?}");
    let read = |start: wire::position::Start| wire::ReadShardRequest {
        stream: "events".into(),
        shard_id: second.shard_id.clone(),
        position: Some(wire::Position { start: Some(start) }),
        ..Default::default()
    };
    let at = wire::position::Start::AtSequenceNumber(second.sequence_number.clone());
    let page = client.read_shard(read(at)).await.unwrap().into_inner();
    assert_eq!(texts(&page.records), ["2"]);
    assert_eq!(
        (&page.records[0].sequence_number, &page.records[0].partition_key),
        (&second.sequence_number, &"a".into())
    );
    // The next page waits for the next record.
    let mut other = client.clone();
    let waiting = wire::ReadShardRequest {
        position: page.next,
        wait: seconds(20),
        ..read(wire::position::Start::Latest(wire::position::Latest {}))
    };
    let waiting = tokio::spawn(async move { other.read_shard(waiting).await.unwrap().into_inner() });
    put(&mut client, "events", vec![record("b", "3")]).await;
    assert_eq!(texts(&soon(waiting).await.unwrap().records), ["3"]);
}

#[tokio::test]
async fn a_subscription_sees_the_end_of_a_shard_and_a_stream_is_followed_through_it() {
    let broker = start().await;
    let mut client = client(&broker).await;
    stream(&mut client, "events", 1).await;
    put(&mut client, "events", (0..20).map(|key| record(&format!("k{key}"), "before")).collect()).await;
    let request = wire::SubscribeShardRequest {
        stream: "events".into(),
        shard_id: "shardId-000000000000".into(),
        position: from_the_oldest(),
        until: None,
    };
    let mut answers = client.subscribe_shard(request).await.unwrap().into_inner();
    let mut seen = 0;
    while seen < 20 {
        match soon(answers.message()).await.unwrap().unwrap().event {
            Some(Event::Records(records)) => seen += records.records.len(),
            other => panic!("{other:?}"),
        }
    }
    let split = wire::reshard_stream_request::Split { shard_id: "0".into(), new_starting_hash_key: String::new() };
    let change = Some(wire::reshard_stream_request::Change::Split(split));
    let reshard = wire::ReshardStreamRequest { stream: "events".into(), change };
    let new = client.reshard_stream(reshard).await.unwrap().into_inner().new_shards;
    assert_eq!(new.len(), 2);
    let ended = loop {
        match soon(answers.message()).await.unwrap().unwrap().event {
            Some(Event::Records(records)) => assert_eq!(records.records.len(), 0, "a sign of life"),
            Some(Event::Ended(ended)) => break ended,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ended.child_shards.len(), 2);
    assert_eq!(soon(answers.message()).await.unwrap(), None);
    put(&mut client, "events", (0..20).map(|key| record(&format!("k{key}"), "after")).collect()).await;
    let found = follow(&mut client, "events").await;
    assert_eq!(found.len(), 20);
    assert!(found.values().all(|texts| texts == &["before", "after"]), "{found:?}");
}

#[tokio::test]
async fn a_reader_of_the_newest_learns_at_once_where_to_go_on() {
    let broker = start().await;
    let mut client = client(&broker).await;
    stream(&mut client, "events", 1).await;
    put(&mut client, "events", vec![record("a", "before")]).await;
    let from = |start| wire::SubscribeShardRequest {
        stream: "events".into(),
        shard_id: "shardId-000000000000".into(),
        position: Some(wire::Position { start: Some(start) }),
        until: None,
    };
    // Any other sign of life comes after five seconds or more: so many of those take longer than a minute.
    let many = async {
        for turn in 0..13 {
            let latest = from(wire::position::Start::Latest(wire::position::Latest {}));
            let sign = first_records(&mut client, latest).await;
            assert_eq!(texts(&sign.records), [""; 0]);
            put(&mut client, "events", vec![record("a", &turn.to_string())]).await;
            let behind = from(wire::position::Start::AfterSequenceNumber(sign.continuation_sequence_number));
            assert_eq!(texts(&first_records(&mut client, behind).await.records), [turn.to_string()]);
        }
    };
    soon(many).await;
}

/// What a subscription says first.
async fn first_records(client: &mut Client, request: wire::SubscribeShardRequest) -> Records {
    let mut answers = client.subscribe_shard(request).await.unwrap().into_inner();
    match answers.message().await.unwrap().unwrap().event {
        Some(Event::Records(records)) => records,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_producer_goes_on_where_its_last_session_ended() {
    let broker = start().await;
    let mut client = client(&broker).await;
    stream(&mut client, "events", 2).await;
    for (first, known) in [(1, 0), (2, 2)] {
        let (frames, requests) = mpsc::channel(8);
        let open = produce_request::Open { stream: "events".into(), producer_id: "p".into(), durability: 0 };
        let batch = produce_request::Batch { first_sequence: first, records: vec![record("a", "x"), record("b", "y")] };
        for frame in [produce_request::Frame::Open(open), produce_request::Frame::Batch(batch)] {
            frames.send(wire::ProduceRequest { frame: Some(frame) }).await.unwrap();
        }
        drop(frames);
        let mut answers = client.produce(ReceiverStream::new(requests)).await.unwrap().into_inner();
        let mut told = Vec::new();
        while let Some(answer) = soon(answers.message()).await.unwrap() {
            told.push(answer.frame.unwrap());
        }
        let [Answered::Opened(opened), Answered::Acked(acked)] = &told[..] else { panic!("{told:?}") };
        assert_eq!((opened.last_sequence, acked.first_sequence), (known, first));
        let repeated: Vec<bool> = acked
            .results
            .iter()
            .map(|result| match result.result.as_ref().unwrap() {
                Put::Put(put) => put.deduplicated,
                Put::Error(error) => panic!("{error:?}"),
            })
            .collect();
        assert_eq!(repeated, [first == 2, false]);
    }
    let found = follow(&mut client, "events").await;
    assert_eq!((found["a"].len(), found["b"].len()), (1, 2));
}

/// One member of a group, from the client's side.
pub(crate) struct Member {
    frames: mpsc::Sender<wire::JoinRequest>,
    answers: Streaming<wire::JoinResponse>,
}

impl Member {
    pub(crate) async fn join(client: &mut Client, group: &str) -> Self {
        let (frames, requests) = mpsc::channel(64);
        let open = join_request::Open {
            stream: "events".into(),
            group: group.into(),
            consumer_name: "test-member".into(),
            initial_position: from_the_oldest(),
            ..Default::default()
        };
        frames.send(wire::JoinRequest { frame: Some(join_request::Frame::Open(open)) }).await.unwrap();
        let answers = client.join(ReceiverStream::new(requests)).await.unwrap().into_inner();
        let mut member = Self { frames, answers };
        assert!(matches!(member.next().await, Told::Opened(_)));
        member
    }

    async fn next(&mut self) -> Told {
        soon(self.answers.message()).await.unwrap().unwrap().frame.unwrap()
    }

    async fn say(&self, frame: join_request::Frame) {
        self.frames.send(wire::JoinRequest { frame: Some(frame) }).await.unwrap();
    }

    /// Takes records until there are `count`, and commits each delivery; says which were delivered.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<String> {
        let (mut taken, mut commits, mut confirmed) = (Vec::new(), 0, 0);
        while taken.len() < count || confirmed < commits {
            match self.next().await {
                Told::Delivery(delivery) => {
                    taken.extend(texts(&delivery.records));
                    let last = delivery.records.last().unwrap();
                    commits += 1;
                    let commit = join_request::Commit {
                        commit_id: commits,
                        shard_id: delivery.shard_id,
                        sequence_number: last.sequence_number.clone(),
                        generation: delivery.generation,
                    };
                    self.say(join_request::Frame::Commit(commit)).await;
                }
                Told::Committed(committed) => {
                    assert_eq!(committed.error, None);
                    confirmed += 1;
                }
                Told::Assigned(_) => {}
                other => panic!("{other:?}"),
            }
        }
        taken
    }
}

#[tokio::test]
async fn a_group_goes_on_where_its_members_committed_and_fences_a_stale_one() {
    let broker = start().await;
    let mut client = client(&broker).await;
    stream(&mut client, "events", 2).await;
    put(&mut client, "events", (0..10).map(|key| record(&format!("k{key}"), &format!("{key}"))).collect()).await;
    let mut first = Member::join(&mut client, "workers").await;
    let mut taken = first.take(10).await;
    taken.sort();
    assert_eq!(taken, (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
    let stale = join_request::Commit {
        commit_id: 99,
        shard_id: "shardId-000000000000".into(),
        sequence_number: "0".into(),
        generation: 1,
    };
    first.say(join_request::Frame::Commit(join_request::Commit { sequence_number: "x".into(), ..stale })).await;
    let refused = loop {
        match soon(first.answers.message()).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it is refused"),
            Err(status) => break status,
        }
    };
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.get_error_details().bad_request().unwrap().field_violations[0].field, "commit.sequence_number");
    put(&mut client, "events", vec![record("k0", "new")]).await;
    let mut second = Member::join(&mut client, "workers").await;
    assert_eq!(second.take(1).await, ["new"], "what was committed does not come again");
    let get = wire::GetGroupRequest { name: "events/groups/workers".into() };
    let group = client.get_group(get).await.unwrap().into_inner().group.unwrap();
    assert_eq!(group.checkpoints.iter().map(|checkpoint| checkpoint.lag_records).sum::<u64>(), 0);
    drop(second);
    let seek = wire::SeekGroupRequest { name: group.name.clone(), position: from_the_oldest(), ..Default::default() };
    let sought = loop {
        let preview = wire::SeekGroupRequest { validate_only: true, ..seek.clone() };
        match client.seek_group(preview).await {
            Ok(sought) => break sought.into_inner(),
            // The member's leaving is on its way.
            Err(status) => assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    assert_eq!(sought.shards.iter().map(|shard| shard.repeated_records).sum::<u64>(), 11);
    client.seek_group(seek).await.unwrap();
    let mut third = Member::join(&mut client, "workers").await;
    assert_eq!(third.take(11).await.len(), 11);
}
