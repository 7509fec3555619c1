//! Every rpc refuses bad input, naming the field and the limit. The list of rpcs comes from the descriptors, so that an
//! rpc without rows fails.

use crate::broker::{Wire, seconds, soon, start};
use forebay::proto::{
    FILE_DESCRIPTOR_SET,
    access::v1 as access,
    admin::v1 as admin,
    common::v1::FlowControl,
    queue::v1::{self as wire, consume_request, produce_request},
};
use prost::Message;
use std::{collections::BTreeMap, future::Future, pin::Pin};
use tonic::{Code, Request, Status, client::Grpc};
use tonic_types::StatusExt;

type Asking = Pin<Box<dyn Future<Output = Status>>>;

/// A bad request, the field it is refused for, and words of the limit.
pub(crate) struct Row {
    ask: Box<dyn FnOnce(Wire, &'static str) -> Asking>,
    field: &'static str,
    limit: &'static str,
}

pub(crate) fn bad<M: Message + 'static>(request: M, field: &'static str, limit: &'static str) -> Row {
    Row { ask: Box::new(|channel, path| Box::pin(refused(channel, path, vec![request]))), field, limit }
}

/// Frames of a stream, of which the last is bad.
pub(crate) fn bad_stream<M: Message + 'static>(frames: Vec<M>, field: &'static str, limit: &'static str) -> Row {
    Row { ask: Box::new(|channel, path| Box::pin(refused(channel, path, frames))), field, limit }
}

/// How the rpc refuses; unary rpcs are called as streams of one, which is the same on the wire.
async fn refused<M: Message + 'static>(channel: Wire, path: &'static str, frames: Vec<M>) -> Status {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<Encoded, Encoded>::default();
    let frames: Vec<_> = frames.iter().map(|frame| Encoded(frame.encode_to_vec())).collect();
    let path = http::uri::PathAndQuery::from_static(path);
    let answers = grpc.streaming(Request::new(tokio_stream::iter(frames)), path, codec).await;
    let mut answers = match answers {
        Ok(answers) => answers.into_inner(),
        Err(status) => return status,
    };
    loop {
        match soon(answers.message()).await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the call was not refused"),
            Err(status) => return status,
        }
    }
}

/// A message as its bytes.
#[derive(Clone, Debug, Default)]
struct Encoded(Vec<u8>);

impl Message for Encoded {
    fn encode_raw(&self, buffer: &mut impl bytes::BufMut) {
        buffer.put_slice(&self.0);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: prost::encoding::WireType,
        buffer: &mut impl bytes::Buf,
        context: prost::encoding::DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        prost::encoding::skip_field(wire_type, tag, buffer, context)
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// What the descriptors say: every rpc's path, and whether its request has fields.
fn rpcs() -> BTreeMap<String, bool> {
    let set = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let has_fields = |name: &str| {
        let of_file = |file: &prost_types::FileDescriptorProto| {
            let prefix = format!(".{}.", file.package());
            let found = file.message_type.iter().find(|message| name.strip_prefix(&prefix) == Some(message.name()));
            found.map(|message| !message.field.is_empty())
        };
        set.file.iter().find_map(of_file).unwrap()
    };
    let mut rpcs = BTreeMap::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                rpcs.insert(path, has_fields(method.input_type()));
            }
        }
    }
    rpcs
}

fn queue(queue: wire::Queue) -> Option<wire::Queue> {
    Some(queue)
}

fn create(settings: wire::Queue) -> wire::CreateQueueRequest {
    wire::CreateQueueRequest { queue_id: "new".into(), queue: queue(settings), ..Default::default() }
}

const NAME_RULE: &str = "1 to 80 letters";

fn settings_rows() -> Vec<Row> {
    let dead = |dead_letter_queue: &str, max_receive_count| wire::Queue {
        dead_letter_policy: Some(wire::DeadLetterPolicy {
            dead_letter_queue: dead_letter_queue.into(),
            max_receive_count,
        }),
        ..Default::default()
    };
    let allow = |permission, source_queues: Vec<String>| wire::Queue {
        redrive_allow_policy: Some(wire::RedriveAllowPolicy { permission, source_queues }),
        ..Default::default()
    };
    let fifo = wire::FifoSettings { throughput_limit_scope: 2, ..Default::default() };
    let tags = (0..51).map(|number| (number.to_string(), String::new())).collect();
    let long_tag = [("k".repeat(129), String::new())].into();
    let default = wire::Queue::default;
    vec![
        bad(
            create(wire::Queue { visibility_timeout: seconds(43_201), ..default() }),
            "queue.visibility_timeout",
            "12h",
        ),
        bad(
            create(wire::Queue { visibility_timeout: seconds(-1), ..default() }),
            "queue.visibility_timeout",
            "0 seconds",
        ),
        bad(create(wire::Queue { retention: seconds(59), ..default() }), "queue.retention", "60s to 14d"),
        bad(create(wire::Queue { delay: seconds(901), ..default() }), "queue.delay", "900s"),
        bad(create(wire::Queue { receive_wait: seconds(21), ..default() }), "queue.receive_wait", "20s"),
        bad(create(wire::Queue { max_message_bytes: 1023, ..default() }), "queue.max_message_bytes", "1024 to 1048576"),
        bad(create(wire::Queue { max_message_bytes: 1_048_577, ..default() }), "queue.max_message_bytes", "1048576"),
        bad(create(wire::Queue { policy: "x".repeat(8193), ..default() }), "queue.policy", "8192 bytes"),
        bad(create(wire::Queue { policy: "no json".into(), ..default() }), "queue.policy", "a JSON value"),
        bad(create(wire::Queue { policy: "{}".into(), ..default() }), "queue.policy", "a statement"),
        bad(create(wire::Queue { tags, ..default() }), "queue.tags", "50 tags"),
        bad(create(wire::Queue { tags: long_tag, ..default() }), "queue.tags", "128 characters"),
        bad(
            create(wire::Queue { fifo: Some(fifo), ..default() }),
            "queue.fifo.content_based_deduplication",
            "FIFO queues",
        ),
        bad(create(wire::Queue { r#type: 2, ..default() }), "queue.type", ".fifo"),
        bad(create(wire::Queue { r#type: 9, ..default() }), "queue.type", "enum"),
        bad(create(wire::Queue { durability: 9, ..default() }), "queue.durability", "enum"),
        bad(create(dead("orders", 0)), "queue.dead_letter_policy.max_receive_count", "1 to 1000"),
        bad(create(dead("orders", 1001)), "queue.dead_letter_policy.max_receive_count", "1 to 1000"),
        bad(create(dead("new", 1)), "queue.dead_letter_policy.dead_letter_queue", "another queue"),
        bad(create(dead("a b", 1)), "queue.dead_letter_policy.dead_letter_queue", NAME_RULE),
        bad(create(dead("jobs.fifo", 1)), "queue.dead_letter_policy.dead_letter_queue", "standard"),
        bad(create(allow(0, vec![])), "queue.redrive_allow_policy.permission", "BY_QUEUE"),
        bad(create(allow(3, vec![])), "queue.redrive_allow_policy.source_queues", "1 to 10"),
        bad(create(allow(1, vec!["orders".into()])), "queue.redrive_allow_policy.source_queues", "BY_QUEUE"),
        bad(
            wire::CreateQueueRequest {
                queue_id: "new.fifo".into(),
                ..create(wire::Queue { fifo: Some(fifo), ..default() })
            },
            "queue.fifo.throughput_limit_scope",
            "deduplication_scope",
        ),
        bad(wire::CreateQueueRequest { queue_id: "a b".into(), ..Default::default() }, "queue_id", NAME_RULE),
        bad(wire::CreateQueueRequest { queue_id: "q".repeat(81), ..Default::default() }, "queue_id", NAME_RULE),
        bad(wire::CreateQueueRequest { parent: "namespaces/12".into(), ..create(default()) }, "parent", "12 digits"),
        bad(wire::CreateQueueRequest { parent: "elsewhere".into(), ..create(default()) }, "parent", "namespaces/"),
    ]
}

fn update(settings: wire::Queue, paths: &[&str]) -> wire::UpdateQueueRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let settings = wire::Queue { name: "orders".into(), ..settings };
    wire::UpdateQueueRequest {
        queue: queue(settings),
        update_mask: Some(prost_types::FieldMask { paths }),
        validate_only: true,
    }
}

fn queue_rows(method: &str) -> Option<Vec<Row>> {
    let name = || "a b".to_owned();
    let orders = || "orders".to_owned();
    Some(match method {
        "CreateQueue" => settings_rows(),
        "GetQueue" => vec![
            bad(wire::GetQueueRequest { name: name(), view: 0 }, "name", NAME_RULE),
            bad(wire::GetQueueRequest { name: orders(), view: 9 }, "view", "enum"),
        ],
        "ListQueues" => {
            let list = wire::ListQueuesRequest::default;
            vec![
                bad(wire::ListQueuesRequest { page_size: 1001, ..list() }, "page_size", "0 to 1000"),
                bad(wire::ListQueuesRequest { page_size: -1, ..list() }, "page_size", "0 to 1000"),
                bad(wire::ListQueuesRequest { page_token: "?".into(), ..list() }, "page_token", "the page before"),
                bad(wire::ListQueuesRequest { id_prefix: "p".repeat(81), ..list() }, "id_prefix", "80 characters"),
                bad(wire::ListQueuesRequest { dead_letter_queue: name(), ..list() }, "dead_letter_queue", NAME_RULE),
                bad(wire::ListQueuesRequest { parent: "x".into(), ..list() }, "parent", "namespaces/"),
                bad(wire::ListQueuesRequest { view: 9, ..list() }, "view", "enum"),
            ]
        }
        "UpdateQueue" => vec![
            bad(wire::UpdateQueueRequest::default(), "queue.name", NAME_RULE),
            bad(update(wire::Queue::default(), &["colour"]), "update_mask", "can change"),
            bad(update(wire::Queue::default(), &["type"]), "update_mask", "can change"),
            bad(update(wire::Queue { delay: seconds(901), ..Default::default() }, &["delay"]), "queue.delay", "900s"),
            bad(
                update(wire::Queue::default(), &["fifo.deduplication_scope"]),
                "queue.fifo.deduplication_scope",
                "FIFO queues",
            ),
        ],
        "DeleteQueue" => vec![bad(wire::DeleteQueueRequest { name: name(), ..Default::default() }, "name", NAME_RULE)],
        "PurgeQueue" => vec![bad(wire::PurgeQueueRequest { name: name() }, "name", NAME_RULE)],
        "StartRedrive" => {
            let start = |source: &str, destination: &str, max_messages_per_second| wire::StartRedriveRequest {
                source_queue: source.into(),
                destination_queue: destination.into(),
                max_messages_per_second,
            };
            vec![
                bad(start("a b", "", 0), "source_queue", NAME_RULE),
                bad(start("orders", "a b", 0), "destination_queue", NAME_RULE),
                bad(start("orders", "orders", 0), "destination_queue", "another queue"),
                bad(start("orders", "jobs.fifo", 0), "destination_queue", "standard"),
                bad(start("orders", "", 501), "max_messages_per_second", "0 to 500"),
            ]
        }
        "ListRedrives" => {
            let list = || wire::ListRedrivesRequest { source_queue: orders(), ..Default::default() };
            vec![
                bad(wire::ListRedrivesRequest { source_queue: name(), ..list() }, "source_queue", NAME_RULE),
                bad(wire::ListRedrivesRequest { page_size: 1001, ..list() }, "page_size", "1000"),
                bad(wire::ListRedrivesRequest { page_token: "x".into(), ..list() }, "page_token", "the page before"),
            ]
        }
        "CancelRedrive" => vec![
            bad(wire::CancelRedriveRequest { name: "orders".into() }, "name", "/redrives/"),
            bad(wire::CancelRedriveRequest { name: "orders/redrives/1".into() }, "name", "/redrives/"),
        ],
        _ => return message_rows(method),
    })
}

fn message_rows(method: &str) -> Option<Vec<Row>> {
    let orders = || "orders".to_owned();
    Some(match method {
        "Send" => {
            let send = |count| wire::SendRequest {
                queue: orders(),
                messages: vec![wire::Message::default(); count],
                durability: 0,
            };
            let delayed = wire::Message { delay: seconds(-1), ..Default::default() };
            let huge = wire::Message { body: vec![0; 3 << 20].into(), ..Default::default() };
            vec![
                bad(wire::SendRequest { queue: "a b".into(), ..send(1) }, "queue", NAME_RULE),
                bad(send(0), "messages", "1 to 1000 entries"),
                bad(send(1001), "messages", "1 to 1000 entries"),
                bad(wire::SendRequest { messages: vec![huge; 3], ..send(0) }, "messages", "8388608 bytes"),
                bad(wire::SendRequest { messages: vec![delayed], ..send(0) }, "messages.delay", "0 seconds"),
                bad(wire::SendRequest { durability: 9, ..send(1) }, "durability", "enum"),
            ]
        }
        "Receive" => {
            let receive = || wire::ReceiveRequest { queue: orders(), ..Default::default() };
            let attempt = |receive_attempt_id: &str, queue: &str| wire::ReceiveRequest {
                receive_attempt_id: receive_attempt_id.into(),
                queue: queue.into(),
                ..receive()
            };
            vec![
                bad(wire::ReceiveRequest { queue: "a b".into(), ..receive() }, "queue", NAME_RULE),
                bad(wire::ReceiveRequest { max_messages: 1001, ..receive() }, "max_messages", "1 to 1000"),
                bad(wire::ReceiveRequest { wait: seconds(21), ..receive() }, "wait", "0s to 20s"),
                bad(
                    wire::ReceiveRequest { visibility_timeout: seconds(43_201), ..receive() },
                    "visibility_timeout",
                    "12h",
                ),
                bad(attempt("x", "orders"), "receive_attempt_id", "FIFO queues"),
                bad(attempt("a b", "jobs.fifo"), "receive_attempt_id", "1 to 128"),
            ]
        }
        "Settle" => {
            let settle =
                |count| wire::SettleRequest { queue: orders(), settlements: vec![wire::Settlement::default(); count] };
            vec![
                bad(wire::SettleRequest { queue: "a b".into(), ..settle(1) }, "queue", NAME_RULE),
                bad(settle(0), "settlements", "1 to 1000 entries"),
                bad(settle(1001), "settlements", "1 to 1000 entries"),
            ]
        }
        "Peek" => {
            let peek = || wire::PeekRequest { queue: orders(), ..Default::default() };
            vec![
                bad(wire::PeekRequest { queue: "a b".into(), ..peek() }, "queue", NAME_RULE),
                bad(wire::PeekRequest { page_size: 1001, ..peek() }, "page_size", "1000"),
                bad(wire::PeekRequest { page_token: "x".into(), ..peek() }, "page_token", "the page before"),
                bad(wire::PeekRequest { states: vec![0], ..peek() }, "states", "visible"),
                bad(wire::PeekRequest { group_id: "a b".into(), ..peek() }, "group_id", "1 to 128"),
            ]
        }
        "Produce" => produce_rows(),
        "Consume" => consume_rows(),
        _ => return None,
    })
}

fn produce_rows() -> Vec<Row> {
    use produce_request::{Batch, Frame, Open};
    let open = || Open { queue: "orders".into(), producer_id: "p".into(), durability: 0 };
    let opened = |open| wire::ProduceRequest { frame: Some(Frame::Open(open)) };
    let batch = |first_sequence, count| {
        let messages = vec![wire::Message::default(); count];
        let frame = Some(Frame::Batch(Batch { first_sequence, messages }));
        vec![opened(open()), wire::ProduceRequest { frame }]
    };
    vec![
        bad_stream(vec![opened(Open { queue: "a b".into(), ..open() })], "open.queue", NAME_RULE),
        bad_stream(vec![opened(Open { producer_id: "a b".into(), ..open() })], "open.producer_id", "1 to 128"),
        bad_stream(vec![opened(Open { durability: 9, ..open() })], "open.durability", "enum"),
        bad_stream(batch(1, 0), "batch.messages", "1 to 1000 entries"),
        bad_stream(batch(1, 1001), "batch.messages", "1 to 1000 entries"),
        bad_stream(batch(0, 1), "batch.first_sequence", "1 or more"),
        bad_stream(vec![wire::ProduceRequest { frame: None }], "frame", "one open"),
    ]
}

fn consume_rows() -> Vec<Row> {
    use consume_request::{Frame, Open, Settle};
    let open = || Open { queue: "orders".into(), ..Default::default() };
    let first = |open| vec![wire::ConsumeRequest { frame: Some(Frame::Open(open)) }];
    let second = |frame| {
        let mut frames = first(open());
        frames.push(wire::ConsumeRequest { frame: Some(frame) });
        frames
    };
    let flow = |max_outstanding_messages| FlowControl { max_outstanding_messages, max_outstanding_bytes: 0 };
    let settle = |count| Frame::Settle(Settle { settle_id: 1, settlements: vec![wire::Settlement::default(); count] });
    let most = "open.flow_control.max_outstanding_messages";
    vec![
        bad_stream(first(Open { queue: "a b".into(), ..open() }), "open.queue", NAME_RULE),
        bad_stream(first(Open { consumer_name: "n".repeat(129), ..open() }), "open.consumer_name", "128 characters"),
        bad_stream(first(Open { flow_control: Some(flow(100_001)), ..open() }), most, "0 to 100000"),
        bad_stream(first(Open { visibility_timeout: seconds(0), ..open() }), "open.visibility_timeout", "1s to 12h"),
        bad_stream(first(Open { max_lease: seconds(43_201), ..open() }), "open.max_lease", "1s to 12h"),
        bad_stream(first(Open { release_grace: seconds(601), ..open() }), "open.release_grace", "0s to 600s"),
        bad_stream(first(Open { max_batch_delay: seconds(2), ..open() }), "open.max_batch_delay", "0s to 1s"),
        bad_stream(first(Open { resume_session_id: "x".into(), ..open() }), "open.resume_session_id", "session_id"),
        bad_stream(second(Frame::FlowControl(flow(100_001))), "flow_control.max_outstanding_messages", "0 to 100000"),
        bad_stream(second(settle(0)), "settle.settlements", "1 to 1000 entries"),
        bad_stream(second(settle(1001)), "settle.settlements", "1 to 1000 entries"),
        bad_stream(second(Frame::Open(open())), "frame", "one open"),
    ]
}

fn admin_rows(method: &str) -> Option<Vec<Row>> {
    let list = admin::ListConnectionsRequest::default;
    Some(match method {
        "SetLogFilter" => vec![
            bad(admin::SetLogFilterRequest { filter: String::new() }, "filter", "level"),
            bad(admin::SetLogFilterRequest { filter: "!".into() }, "filter", "level"),
            bad(admin::SetLogFilterRequest { filter: "f".repeat(1025) }, "filter", "1024 characters"),
        ],
        "ListConnections" => vec![
            bad(admin::ListConnectionsRequest { page_size: 1001, ..list() }, "page_size", "1000"),
            bad(admin::ListConnectionsRequest { page_token: "x".into(), ..list() }, "page_token", "the page before"),
        ],
        "CloseConnection" => vec![
            bad(admin::CloseConnectionRequest { id: "x".into() }, "id", "open connection"),
            bad(admin::CloseConnectionRequest { id: "999999".into() }, "id", "open connection"),
        ],
        "VerifyStorage" => vec![bad(
            admin::VerifyStorageRequest { max_bytes_per_second: 65_535 },
            "max_bytes_per_second",
            "65536 and more",
        )],
        "CreateBackup" => vec![
            bad(admin::CreateBackupRequest { directory: String::new() }, "directory", "an absolute path"),
            bad(admin::CreateBackupRequest { directory: "backups".into() }, "directory", "an absolute path"),
            bad(admin::CreateBackupRequest { directory: "/a/../b".into() }, "directory", "an absolute path"),
            bad(admin::CreateBackupRequest { directory: "/".into() }, "directory", "an absolute path"),
            bad(admin::CreateBackupRequest { directory: "/d".repeat(2049) }, "directory", "4096 characters"),
            bad(admin::CreateBackupRequest { directory: "/usr".into() }, "directory", "an empty directory"),
        ],
        "Drain" => vec![bad(admin::DrainRequest { grace: seconds(3601) }, "grace", "0s to 1h")],
        _ => return None,
    })
}

fn access_rows(method: &str) -> Option<Vec<Row>> {
    let key = || access::AccessKey { user_name: "ann".into(), ..Default::default() };
    let create = |key| access::CreateAccessKeyRequest { access_key: Some(key) };
    let import = |id: &str, secret: &str| access::ImportAccessKeyRequest {
        access_key: Some(access::AccessKey { access_key_id: id.into(), ..key() }),
        secret_access_key: secret.into(),
    };
    let past = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
    let never = Some(prost_types::Timestamp { seconds: -1, nanos: 0 });
    let list = access::ListAccessKeysRequest::default;
    let explain = |principal: &str, action: &str, resource: &str, source_ip: &str| access::ExplainAccessRequest {
        principal: principal.into(),
        action: action.into(),
        resource: resource.into(),
        source_ip: source_ip.into(),
        secure_transport: false,
    };
    let revoke = |id: String| access::RevokeAccessKeyRequest { access_key_id: id, delete: true };
    Some(match method {
        "CreateAccessKey" => vec![
            bad(create(access::AccessKey::default()), "access_key.user_name", "1 to 64 letters"),
            bad(create(access::AccessKey { account_id: "12".into(), ..key() }), "access_key.account_id", "12 digits"),
            bad(
                create(access::AccessKey { access_key_id: "AKIA".into(), ..key() }),
                "access_key.access_key_id",
                "empty",
            ),
            bad(create(access::AccessKey { expire_time: past, ..key() }), "access_key.expire_time", "a time to come"),
            bad(create(access::AccessKey { expire_time: never, ..key() }), "access_key.expire_time", "1970"),
            bad(
                create(access::AccessKey { policies: vec!["{}".into(); 11], ..key() }),
                "access_key.policies",
                "10 policies at most",
            ),
            bad(create(access::AccessKey { policies: vec!["[]".into()], ..key() }), "access_key.policies", "an object"),
        ],
        "ImportAccessKey" => vec![
            bad(import("a:b", "secret"), "access_key.access_key_id", "3 to 128 letters"),
            bad(import("mine", ""), "secret_access_key", "1 to 256 ASCII"),
            bad(import("mine", "a b"), "secret_access_key", "1 to 256 ASCII"),
        ],
        "ListAccessKeys" => vec![
            bad(access::ListAccessKeysRequest { page_size: 1001, ..list() }, "page_size", "1000"),
            bad(
                access::ListAccessKeysRequest { page_token: "t".repeat(129), ..list() },
                "page_token",
                "128 characters",
            ),
        ],
        "RevokeAccessKey" => vec![
            bad(revoke(String::new()), "access_key_id", "1 to 128 bytes"),
            bad(revoke("k".repeat(129)), "access_key_id", "1 to 128 bytes"),
        ],
        "ExplainAccess" => vec![
            bad(explain("", "sqs:Fly", "orders", ""), "action", "an action such as sqs:SendMessage"),
            bad(explain("", "sqs:SendMessage", "a b", ""), "resource", "a queue's name"),
            bad(explain("", "sqs:ListQueues", "a b", ""), "resource", "namespaces/{namespace}"),
            bad(explain("", "sqs:SendMessage", "orders", "near"), "source_ip", "an address"),
            bad(explain("arn:aws:sqs:::x", "sqs:SendMessage", "orders", ""), "principal", "an access key's id"),
        ],
        _ => return None,
    })
}

#[tokio::test]
async fn every_rpc_refuses_bad_input_with_the_field_and_the_limit() {
    let broker = start().await;
    broker.create("orders", wire::Queue::default()).await;
    broker.create("jobs.fifo", wire::Queue::default()).await;
    crate::grpc_streams::stream(&mut crate::grpc_streams::client(&broker).await, "events", 1).await;
    let channel = broker.channel().await;
    let rpcs = rpcs();
    assert!(rpcs.len() >= 22, "{rpcs:?}");
    for (path, has_fields) in rpcs {
        let (service, method) = path.rsplit_once('/').unwrap();
        let rows = match service.rsplit('.').next() {
            Some("AdminService") => admin_rows(method),
            Some("AccessService") => access_rows(method),
            Some("StreamService") => crate::stream_walk::rows(method),
            _ => queue_rows(method),
        };
        assert_eq!(rows.is_some(), has_fields, "{path} takes fields and has no rows, or the other way round");
        let path: &'static str = path.leak();
        for Row { ask, field, limit } in rows.into_iter().flatten() {
            let status = ask(channel.clone(), path).await;
            let details = status.get_error_details();
            let fields: Vec<_> = details.bad_request().map_or(&[][..], |bad| &bad.field_violations).iter().collect();
            let names: Vec<_> = fields.iter().map(|violation| violation.field.as_str()).collect();
            assert_eq!(names, [field], "{path}: {status:?}");
            assert_eq!(status.code(), Code::InvalidArgument, "{path} {field}: {status:?}");
            assert!(status.message().contains(limit), "{path} {field}: {:?} lacks {limit:?}", status.message());
            assert!(status.message().len() < 500, "{path} {field}: {:?}", status.message());
            assert!(details.error_info().is_some() && details.retry_info().is_none());
        }
    }
}
