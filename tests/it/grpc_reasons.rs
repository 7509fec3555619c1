//! Every reason of the error table is provoked over the wire, or listed with why not.

use crate::{
    broker::{TestBroker, ack, grouped, message, seconds, settle, start, start_limited},
    grpc_streams,
};
use forebay::{
    base::reason::Reason,
    proto::{
        access::v1::{self as access, access_service_client::AccessServiceClient},
        admin::v1 as admin,
        queue::v1::{
            self as wire,
            produce_request::{Batch, Frame, Open},
            queue_service_client::QueueServiceClient,
            settlement::Outcome,
        },
        stream::v1::{
            self as streams,
            reshard_stream_request::{Change, Split},
        },
    },
    protocol::port::serve::ServerOptions,
};
use std::{collections::BTreeSet, fmt::Debug};
use tonic::{Response, Status};
use tonic_types::StatusExt;

/// Reasons that no test provokes over the wire.
const LISTED: &[(Reason, &str)] = &[
    (Reason::ThroughputExceeded, "needs an inbox of 65,536 commands that nobody empties"),
    (Reason::TooManyConnections, "the connection is closed before anything can be said on it"),
    (Reason::StorageFull, "needs a full disk: the log's tests make one"),
    (Reason::StorageCorrupt, "an unreadable message is logged, not refused"),
    (Reason::Draining, "a draining connection takes no new calls; the window is a race"),
    (Reason::Starting, "a server that starts answers on a port of its own: see starting.rs"),
    (Reason::PermissionExists, "permissions are added by label in the AWS protocol only"),
    (Reason::PermissionNotFound, "permissions are removed by label in the AWS protocol only"),
    (Reason::ActionNotShared, "permissions are added by label in the AWS protocol only"),
    (Reason::TooManyAccessKeys, "needs 10,000 keys"),
    (Reason::BackupRunning, "needs a backup that still runs; the log's tests hold a pin"),
    (Reason::TooManyStreams, "needs 10,000 streams"),
    (Reason::StreamPartExists, "consumers are registered in the AWS protocol only"),
    (Reason::GroupFenced, "a member that lost its shards hears of it in a frame: see grpc_streams.rs"),
    (Reason::Internal, "is a bug"),
];

fn reason<T: Debug>(answer: Result<Response<T>, Status>) -> String {
    let status = answer.expect_err("it is refused");
    status.get_error_details().error_info().expect("always there").reason.clone()
}

fn get(name: &str) -> wire::GetQueueRequest {
    wire::GetQueueRequest { name: name.into(), view: 0 }
}

fn create(queue_id: &str, settings: wire::Queue) -> wire::CreateQueueRequest {
    wire::CreateQueueRequest { queue_id: queue_id.into(), queue: Some(settings), ..Default::default() }
}

fn dead_letters(queue: &str) -> wire::Queue {
    let policy = wire::DeadLetterPolicy { dead_letter_queue: queue.into(), max_receive_count: 1 };
    wire::Queue { dead_letter_policy: Some(policy), ..Default::default() }
}

type Client = QueueServiceClient<crate::broker::Wire>;

async fn send(client: &mut Client, queue: &str, message: wire::Message) -> Option<String> {
    let request = wire::SendRequest { queue: queue.into(), messages: vec![message], durability: 0 };
    let results = client.send(request).await.unwrap().into_inner().results;
    match results[0].result.clone().unwrap() {
        wire::send_result::Result::Sent(_) => None,
        wire::send_result::Result::Error(error) => Some(error.reason),
    }
}

async fn receive(client: &mut Client, queue: &str) -> wire::ReceivedMessage {
    let request = wire::ReceiveRequest { queue: queue.into(), wait: seconds(10), ..Default::default() };
    client.receive(request).await.unwrap().into_inner().messages.remove(0)
}

/// The reason a settlement fails for, if it does.
async fn settled(client: &mut Client, queue: &str, settlement: wire::Settlement) -> Option<String> {
    let request = wire::SettleRequest { queue: queue.into(), settlements: vec![settlement] };
    let failures = client.settle(request).await.unwrap().into_inner().failures;
    failures.first().map(|failure| failure.error.clone().unwrap().reason)
}

async fn of_queues(broker: &TestBroker) -> Vec<String> {
    let mut client = broker.queues().await;
    let create_dead = create(
        "none-dead",
        wire::Queue {
            redrive_allow_policy: Some(wire::RedriveAllowPolicy { permission: 2, source_queues: vec![] }),
            ..Default::default()
        },
    );
    client.create_queue(create_dead).await.unwrap();
    broker.create("gone", wire::Queue::default()).await;
    client.delete_queue(wire::DeleteQueueRequest { name: "gone".into(), ..Default::default() }).await.unwrap();
    client.purge_queue(wire::PurgeQueueRequest { name: "orders".into() }).await.unwrap();
    let actions = ["\"sqs:SendMessage\""; 8].join(",");
    let statement = format!("{{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":[{actions}]}}");
    let policy = format!("{{\"Statement\":{statement}}}");
    let os_buffer = wire::SendRequest { queue: "orders".into(), messages: vec![message("1")], durability: 2 };
    vec![
        reason(client.get_queue(get("a b")).await),
        reason(client.get_queue(get("missing")).await),
        reason(client.get_queue(get("namespaces/123456789012/queues/orders")).await),
        reason(client.create_queue(create("gone", wire::Queue::default())).await),
        reason(client.create_queue(create("orders", wire::Queue { delay: seconds(9), ..Default::default() })).await),
        reason(client.create_queue(create("new", dead_letters("none-dead"))).await),
        reason(client.delete_queue(wire::DeleteQueueRequest { name: "orders".into(), etag: "0".into() }).await),
        reason(client.purge_queue(wire::PurgeQueueRequest { name: "orders".into() }).await),
        reason(client.send(os_buffer).await),
        reason(client.create_queue(create("eight", wire::Queue { policy, ..Default::default() })).await),
    ]
}

async fn of_leases(broker: &TestBroker) -> Vec<String> {
    let mut client = broker.queues().await;
    broker.create("leases", wire::Queue { max_message_bytes: 1024, ..Default::default() }).await;
    broker.create("leases.fifo", wire::Queue::default()).await;
    let mut reasons = Vec::new();
    reasons.extend(send(&mut client, "leases", message(&"x".repeat(1025))).await);
    send(&mut client, "leases", message("1")).await;
    let held = receive(&mut client, "leases").await;
    let nonsense = wire::Settlement { receipt_handle: "nonsense".into(), ..ack(&held) };
    reasons.extend(settled(&mut client, "leases", nonsense).await);
    let dead = settle(&held, Outcome::DeadLetter(wire::DeadLetter::default()));
    reasons.extend(settled(&mut client, "leases", dead).await);
    // Twelve hours more are too long once any time has passed since the receive.
    let half_a_day = wire::Extend { visibility_timeout: seconds(43_200) };
    loop {
        if let Some(reason) = settled(&mut client, "leases", settle(&held, Outcome::Extend(half_a_day))).await {
            reasons.push(reason);
            break;
        }
    }
    send(&mut client, "leases.fifo", grouped("g", "1")).await;
    let held = receive(&mut client, "leases.fifo").await;
    let nack = settle(&held, Outcome::Nack(wire::Nack::default()));
    assert_eq!(settled(&mut client, "leases.fifo", nack).await, None);
    reasons.extend(settled(&mut client, "leases.fifo", ack(&held)).await);
    reasons
}

async fn of_redrives(broker: &TestBroker) -> Vec<String> {
    let mut client = broker.queues().await;
    broker.create("dead", wire::Queue::default()).await;
    client.create_queue(create("source", dead_letters("dead"))).await.unwrap();
    for text in ["1", "2", "3", "4", "5"] {
        send(&mut client, "dead", message(text)).await;
    }
    let start = |source: &str, destination: &str| wire::StartRedriveRequest {
        source_queue: source.into(),
        destination_queue: destination.into(),
        max_messages_per_second: 1,
    };
    let not_dead = reason(client.start_redrive(start("source", "")).await);
    let running = client.start_redrive(start("dead", "orders")).await.unwrap().into_inner().redrive.unwrap();
    let twice = reason(client.start_redrive(start("dead", "orders")).await);
    let cancel = wire::CancelRedriveRequest { name: running.name.clone() };
    client.cancel_redrive(cancel.clone()).await.unwrap();
    let ended = reason(client.cancel_redrive(cancel).await);
    let (queue, _) = running.name.rsplit_once('/').unwrap();
    let name = format!("{queue}/00000000-0000-0000-0000-000000000000");
    let unknown = reason(client.cancel_redrive(wire::CancelRedriveRequest { name }).await);
    vec![not_dead, twice, ended, unknown]
}

async fn of_streams(broker: &TestBroker) -> Vec<String> {
    let open = Frame::Open(Open { queue: "orders".into(), producer_id: "p".into(), durability: 0 });
    let batch = Frame::Batch(Batch { first_sequence: 9, messages: vec![message("9")] });
    let mut reasons = Vec::new();
    for frames in [vec![open, batch.clone()], vec![batch]] {
        let frames: Vec<_> = frames.into_iter().map(|frame| wire::ProduceRequest { frame: Some(frame) }).collect();
        let mut client = broker.queues().await;
        let mut answers = client.produce(tokio_stream::iter(frames)).await.unwrap().into_inner();
        let status = loop {
            match answers.message().await {
                Ok(answer) => assert!(answer.is_some(), "the call is refused"),
                Err(status) => break status,
            }
        };
        reasons.push(status.get_error_details().error_info().unwrap().reason.clone());
    }
    reasons
}

async fn of_shards(broker: &TestBroker) -> Vec<String> {
    let mut client = grpc_streams::client(broker).await;
    let create = |stream_id: &str, tags: usize| {
        let tags = (0..tags).map(|number| (number.to_string(), String::new())).collect();
        let stream = Some(streams::Stream { tags, ..Default::default() });
        streams::CreateStreamRequest { stream_id: stream_id.into(), stream, shard_count: 1, ..Default::default() }
    };
    let split = |shard_id: &str| {
        let split = Split { shard_id: shard_id.into(), new_starting_hash_key: String::new() };
        streams::ReshardStreamRequest { stream: "events".into(), change: Some(Change::Split(split)) }
    };
    let get = streams::GetStreamRequest { name: "events".into(), view: 0 };
    let mut reasons =
        vec![reason(client.get_stream(get).await), reason(client.create_stream(create("tags", 51)).await)];
    client.create_stream(create("events", 0)).await.unwrap();
    reasons.push(reason(client.create_stream(create("events", 0)).await));
    reasons.push(reason(client.reshard_stream(split("7")).await));
    let group = streams::GetGroupRequest { name: "events/groups/none".into() };
    reasons.push(reason(client.get_group(group).await));
    let large = "x".repeat(900 << 10);
    let records = vec![
        grpc_streams::record("k", &large),
        grpc_streams::record("k", &large),
        grpc_streams::record("k", &"x".repeat(2 << 20)),
    ];
    for result in grpc_streams::put(&mut client, "events", records).await {
        if let streams::put_result::Result::Error(error) = result {
            reasons.push(error.reason);
        }
    }
    client.reshard_stream(split("0")).await.unwrap();
    reasons.push(reason(client.reshard_stream(split("0")).await));
    while reasons.last().is_some_and(|last| last != "STREAM_STATE_FORBIDS") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        reasons.push(reason(client.reshard_stream(split("0")).await));
    }
    reasons
}

async fn of_keys(broker: &TestBroker) -> Vec<String> {
    let mut stranger = QueueServiceClient::new(broker.stranger().await);
    let mut client = AccessServiceClient::new(broker.channel().await);
    let key = access::AccessKey {
        access_key_id: crate::broker::KEY_ID.into(),
        user_name: "ann".into(),
        ..Default::default()
    };
    let import = access::ImportAccessKeyRequest { access_key: Some(key), secret_access_key: "secret".into() };
    let revoke = access::RevokeAccessKeyRequest { access_key_id: "nobody".into(), delete: true };
    vec![
        reason(stranger.get_queue(get("orders")).await),
        reason(client.import_access_key(import).await),
        reason(client.revoke_access_key(revoke).await),
    ]
}

async fn of_backups(broker: &TestBroker) -> Vec<String> {
    let request = admin::CreateBackupRequest { directory: "/dev/null/backups".into() };
    let mut steps = broker.admin().await.create_backup(request).await.unwrap().into_inner();
    let status = steps.message().await.expect_err("nothing can be there");
    vec![status.get_error_details().error_info().expect("always there").reason.clone()]
}

async fn of_limits() -> Vec<String> {
    let broker = start_limited(ServerOptions::default(), 1, 1).await;
    broker.create("only", wire::Queue::default()).await;
    let mut client = broker.queues().await;
    let many = reason(client.create_queue(create("second", wire::Queue::default())).await);
    send(&mut client, "only", message("1")).await;
    send(&mut client, "only", message("2")).await;
    receive(&mut client, "only").await;
    let request = wire::ReceiveRequest { queue: "only".into(), ..Default::default() };
    vec![many, reason(client.receive(request).await)]
}

#[tokio::test]
async fn every_reason_is_provoked_or_listed() {
    let broker = start().await;
    broker.create("orders", wire::Queue::default()).await;
    let mut provoked = BTreeSet::new();
    provoked.extend(of_queues(&broker).await);
    provoked.extend(of_leases(&broker).await);
    provoked.extend(of_redrives(&broker).await);
    provoked.extend(of_streams(&broker).await);
    provoked.extend(of_shards(&broker).await);
    provoked.extend(of_backups(&broker).await);
    provoked.extend(of_keys(&broker).await);
    provoked.extend(of_limits().await);
    let listed: BTreeSet<_> = LISTED.iter().map(|(reason, _)| reason.as_str().to_owned()).collect();
    assert_eq!(provoked.intersection(&listed).collect::<Vec<_>>(), Vec::<&String>::new(), "listed without need");
    let all: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str().to_owned()).collect();
    assert_eq!(provoked.union(&listed).cloned().collect::<BTreeSet<_>>(), all);
}
