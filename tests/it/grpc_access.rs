//! Who may call, over the wire.

use crate::broker::{KEY_ID, SECRET, TestBroker, soon, start};
use forebay::proto::{
    access::v1::{self as wire, access_service_client::AccessServiceClient},
    admin::v1::{self as admin, admin_service_client::AdminServiceClient},
    queue::v1::{self as queue, queue_service_client::QueueServiceClient},
};
use tonic::{Code, Request, Status, metadata::MetadataValue};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};
use tonic_types::StatusExt;

fn with_key<T>(id: &str, secret: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value: MetadataValue<_> = format!("Bearer {id}:{secret}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

async fn access(broker: &TestBroker) -> AccessServiceClient<crate::broker::Wire> {
    AccessServiceClient::new(broker.channel().await)
}

fn is_unauthenticated(status: &Status) -> bool {
    let details = status.get_error_details();
    let info = details.error_info().expect("always there");
    status.code() == Code::Unauthenticated
        && (info.reason.as_str(), info.domain.as_str()) == ("UNAUTHENTICATED", "forebay")
        && details.request_info().is_some()
        && details.retry_info().is_none()
}

async fn create(broker: &TestBroker, user: &str, account: &str) -> wire::CreateAccessKeyResponse {
    let key = wire::AccessKey { user_name: user.into(), account_id: account.into(), ..Default::default() };
    let request = wire::CreateAccessKeyRequest { access_key: Some(key) };
    access(broker).await.create_access_key(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_call_without_a_good_key_is_refused_by_every_service() {
    let broker = start().await;
    let stranger = broker.stranger().await;
    let mut queues = QueueServiceClient::new(stranger.clone());
    let mut admins = AdminServiceClient::new(stranger.clone());
    let mut keys = AccessServiceClient::new(stranger.clone());
    let none = [
        queues.list_queues(queue::ListQueuesRequest::default()).await.unwrap_err(),
        queues.produce(tokio_stream::pending::<queue::ProduceRequest>()).await.unwrap_err(),
        queues.consume(tokio_stream::pending::<queue::ConsumeRequest>()).await.unwrap_err(),
        admins.get_server_info(admin::GetServerInfoRequest {}).await.unwrap_err(),
        keys.get_caller(wire::GetCallerRequest {}).await.unwrap_err(),
        keys.list_access_keys(wire::ListAccessKeysRequest::default()).await.unwrap_err(),
    ];
    assert!(none.iter().all(is_unauthenticated), "{none:?}");
    assert!(none.iter().all(|status| status.message().contains("send the header authorization")), "{none:?}");
    for (id, secret) in [(KEY_ID, "wrong"), ("AKIANOBODY", SECRET), (KEY_ID, "")] {
        let request = with_key(id, secret, queue::ListQueuesRequest::default());
        assert!(is_unauthenticated(&queues.list_queues(request).await.unwrap_err()), "{id}:{secret}");
    }
    assert!(queues.list_queues(with_key(KEY_ID, SECRET, queue::ListQueuesRequest::default())).await.is_ok());
}

#[tokio::test]
async fn health_and_reflection_ask_for_no_key() {
    let broker = start().await;
    let mut health = HealthClient::new(broker.stranger().await);
    health.check(HealthCheckRequest { service: String::new() }).await.unwrap();
    let mut reflection = ServerReflectionClient::new(broker.stranger().await);
    let asked = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    reflection.server_reflection_info(tokio_stream::once(asked)).await.unwrap();
}

#[tokio::test]
async fn a_created_key_calls_in_its_own_account() {
    let broker = start().await;
    let made = create(&broker, "ann", "111111111111").await;
    let (id, secret) = (made.access_key.unwrap().access_key_id, made.secret_access_key);
    let stranger = broker.stranger().await;
    let caller = AccessServiceClient::new(stranger.clone())
        .get_caller(with_key(&id, &secret, wire::GetCallerRequest {}))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(caller.arn, "arn:aws:iam::111111111111:user/ann");
    assert_eq!((caller.account_id.as_str(), caller.region.as_str()), ("111111111111", "us-east-1"));
    assert_eq!(caller.access_key_id, id);
    let mut queues = QueueServiceClient::new(stranger.clone());
    let request = queue::CreateQueueRequest { queue_id: "orders".into(), ..Default::default() };
    let theirs = queues.create_queue(with_key(&id, &secret, request)).await.unwrap().into_inner().queue.unwrap();
    assert_eq!(theirs.name, "namespaces/111111111111/queues/orders");
    assert_eq!(broker.create("orders", queue::Queue::default()).await.name, "namespaces/000000000000/queues/orders");
    let foreign = queue::GetQueueRequest { name: "namespaces/000000000000/queues/orders".into(), view: 0 };
    let denied = queues.get_queue(with_key(&id, &secret, foreign)).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    // The server is its own account's.
    let mut admins = AdminServiceClient::new(stranger);
    let drain = with_key(&id, &secret, admin::DrainRequest::default());
    assert_eq!(admins.drain(drain).await.unwrap_err().code(), Code::PermissionDenied);
    assert!(admins.get_server_info(with_key(&id, &secret, admin::GetServerInfoRequest {})).await.is_ok());
}

#[tokio::test]
async fn the_list_of_keys_shows_no_secret() {
    let broker = start().await;
    let made = create(&broker, "ann", "").await;
    let listed = access(&broker).await.list_access_keys(wire::ListAccessKeysRequest::default()).await.unwrap();
    let listed = listed.into_inner().access_keys;
    assert_eq!(listed.len(), 2);
    let text = format!("{listed:?}");
    assert!(!text.contains(&made.secret_access_key) && !text.contains(SECRET), "{text}");
    let own = listed.iter().find(|key| key.access_key_id == KEY_ID).unwrap();
    assert!(own.last_used_time.is_some() && own.create_time.is_some() && !own.disabled, "{own:?}");
}

#[tokio::test]
async fn a_revoked_key_loses_its_open_calls_too() {
    let broker = start().await;
    broker.create("orders", queue::Queue::default()).await;
    let made = create(&broker, "ann", "").await;
    let (id, secret) = (made.access_key.unwrap().access_key_id, made.secret_access_key);
    let mut queues = QueueServiceClient::new(broker.stranger().await);
    let wait = queue::ReceiveRequest {
        queue: "orders".into(),
        wait: Some(prost_types::Duration { seconds: 20, nanos: 0 }),
        ..Default::default()
    };
    let mut probe = queues.clone();
    let waiting = {
        let request = with_key(&id, &secret, wait);
        tokio::spawn(async move { queues.receive(request).await })
    };
    // The wait has begun once another call over the same connection was answered and the queue counts it.
    loop {
        let request = queue::GetQueueRequest { name: "orders".into(), view: 2 };
        let found = probe.get_queue(with_key(&id, &secret, request)).await.unwrap().into_inner().queue.unwrap();
        if found.stats.unwrap().consumers == 1 {
            break;
        }
        tokio::task::yield_now().await;
    }
    let request = wire::RevokeAccessKeyRequest { access_key_id: id.clone(), delete: false };
    access(&broker).await.revoke_access_key(request).await.unwrap();
    assert!(soon(waiting).await.unwrap().is_err());
    let mut queues = QueueServiceClient::new(broker.stranger().await);
    let refused = queues.list_queues(with_key(&id, &secret, queue::ListQueuesRequest::default())).await.unwrap_err();
    assert!(is_unauthenticated(&refused) && refused.message().contains("is disabled"), "{refused:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_new_key_is_named() {
    let broker = start().await;
    let mut client = access(&broker).await;
    let field = |status: Status| {
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        status.get_error_details().bad_request().unwrap().field_violations[0].field.clone()
    };
    let key = |id: &str, user: &str| wire::AccessKey {
        access_key_id: id.into(),
        user_name: user.into(),
        ..Default::default()
    };
    let request = |key| wire::CreateAccessKeyRequest { access_key: Some(key) };
    let refused = client.create_access_key(request(key("AKIAMINE", "ann"))).await.unwrap_err();
    assert_eq!(field(refused), "access_key.access_key_id");
    let refused = client.create_access_key(request(key("", "a b"))).await.unwrap_err();
    assert_eq!(field(refused), "access_key.user_name");
    let odd = wire::AccessKey { account_id: "12".into(), ..key("", "ann") };
    assert_eq!(field(client.create_access_key(request(odd)).await.unwrap_err()), "access_key.account_id");
    let odd = wire::AccessKey { policies: vec!["{}".into(), "nonsense".into()], ..key("", "ann") };
    assert!(field(client.create_access_key(request(odd)).await.unwrap_err()).starts_with("access_key.policies"));
    let request = |id: &str, secret: &str| wire::ImportAccessKeyRequest {
        access_key: Some(key(id, "ann")),
        secret_access_key: secret.into(),
    };
    let refused = client.import_access_key(request("mine", "")).await.unwrap_err();
    assert_eq!(field(refused), "secret_access_key");
    client.import_access_key(request("mine", "secret")).await.unwrap();
    let again = client.import_access_key(request("mine", "secret")).await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists);
    let unknown = wire::RevokeAccessKeyRequest { access_key_id: "nobody".into(), delete: true };
    assert_eq!(client.revoke_access_key(unknown).await.unwrap_err().code(), Code::NotFound);
}
