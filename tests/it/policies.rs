//! Policies as they are enforced: who is let in, who is not, and what a refusal tells.

use crate::broker::{KEY_ID, SECRET, TestBroker, start};
use forebay::{
    base::{
        reason::{Reason, Refusal},
        time::Timestamp,
    },
    domain::policy::action::{Action, Reach, Scope},
    proto::{
        access::v1::{self as access, access_service_client::AccessServiceClient},
        queue::v1::{self as wire, queue_service_client::QueueServiceClient},
    },
    service::{
        access::manage::CreateAccessKey,
        broker::{Broker, Caller, Via},
        create_queue::CreateQueue,
        delete_queue::DeleteQueue,
        explain::Explain,
        get_queue::GetQueue,
        list_queues::ListQueues,
        peek::Peek,
        permissions::{AddPermission, RemovePermission},
        produce::OpenProduce,
        receive::Receive,
        redrive::{ListRedrives, StartRedrive},
        send::{Message, Send},
        settings::QueueFields,
        settle::{Decision, Settle, Settlement},
        tags::{TagQueue, UntagQueue},
        update_queue::UpdateQueue,
    },
};
use std::{collections::BTreeMap, sync::Arc};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

const ORDERS: &str = "arn:aws:sqs:us-east-1:000000000000:orders";
const FULL: &str = "namespaces/000000000000/queues/orders";
const OTHER: &str = "111111111111";

fn via(ip: &str, secure: bool) -> Via {
    Via { source_ip: Some(ip.parse().unwrap()), secure }
}

async fn key(broker: &TestBroker, account: &str, user: &str, policies: &[&str]) -> String {
    let policies = policies.iter().map(|policy| (*policy).to_owned()).collect();
    let new = CreateAccessKey { account: account.into(), user: user.into(), policies, ..Default::default() };
    let key = broker.broker.create_access_key(&admin(broker), new).await.unwrap();
    format!("Bearer {}:{}", key.id, key.secret.as_ref().unwrap().expose())
}

fn admin(broker: &TestBroker) -> Caller {
    broker.broker.bearer(Some(format!("Bearer {KEY_ID}:{SECRET}").as_bytes()), via("127.0.0.1", false)).unwrap()
}

/// A caller with a new key of this account and these policies.
async fn caller(broker: &TestBroker, account: &str, user: &str, policies: &[&str]) -> Caller {
    let header = key(broker, account, user, policies).await;
    broker.broker.bearer(Some(header.as_bytes()), via("127.0.0.1", false)).unwrap()
}

fn statement(effect: &str, action: &str, rest: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"s","Effect":"{effect}","Action":{action}{rest}}}]}}"#)
}

fn allow(action: &str) -> String {
    statement("Allow", action, r#","Resource":"*""#)
}

/// A queue's policy for a principal, perhaps under a condition.
fn of_queue(effect: &str, principal: &str, action: &str, condition: &str) -> String {
    statement(effect, action, &format!(r#","Principal":{principal}{condition}"#))
}

async fn set_policy(broker: &TestBroker, policy: &str) {
    let fields = QueueFields { policy: Some(policy.into()), ..QueueFields::default() };
    let request = UpdateQueue { name: "orders".into(), fields, ..UpdateQueue::default() };
    broker.broker.update_queue(&admin(broker), request).await.unwrap();
}

async fn with_orders() -> TestBroker {
    let broker = start().await;
    let request = CreateQueue { queue_id: "orders".into(), ..CreateQueue::default() };
    broker.broker.create_queue(&admin(&broker), request).await.unwrap();
    broker
}

async fn send(broker: &Broker, caller: &Caller, queue: &str) -> Result<(), Refusal> {
    let messages = vec![Message { body: "1".into(), ..Message::default() }];
    broker.send(caller, Send { queue: queue.into(), messages, ..Send::default() }).await.map(drop)
}

async fn receive(broker: &Broker, caller: &Caller, queue: &str) -> Result<Vec<String>, Refusal> {
    let received = broker.receive(caller, Receive { queue: queue.into(), ..Receive::default() }).await?;
    Ok(received.iter().map(|message| broker.receipt_handle(&message.receipt)).collect())
}

fn denied<T>(result: Result<T, Refusal>) -> String {
    let refusal = result.err().expect("denied");
    assert_eq!(refusal.reason, Reason::AccessDenied, "{refusal}");
    refusal.message
}

#[tokio::test]
async fn a_key_with_a_policy_may_do_what_it_says_and_nothing_else() {
    let broker = with_orders().await;
    let uses = &broker.broker;
    let policy = statement("Allow", r#"["sqs:SendMessage","sqs:GetQueueUrl"]"#, &format!(r#","Resource":"{ORDERS}""#));
    let ann = caller(&broker, "", "ann", &[&policy]).await;
    send(uses, &ann, "orders").await.unwrap();
    let refused = denied(receive(uses, &ann, "orders").await);
    assert_eq!(
        refused,
        format!(
            "User: arn:aws:iam::000000000000:user/ann is not authorized to perform: sqs:ReceiveMessage on resource: \
             {ORDERS} because no identity-based policy allows the sqs:ReceiveMessage action"
        )
    );
    // What she may not do on a queue, she is not told about one that does not exist either.
    let missing = denied(send(uses, &ann, "nowhere").await);
    assert_eq!(missing.replace("nowhere", "x"), denied(send(uses, &ann, "elsewhere").await).replace("elsewhere", "x"));
    denied(uses.list_queues(&ann, ListQueues::default()).await);
    denied(uses.create_queue(&ann, CreateQueue { queue_id: "new".into(), ..CreateQueue::default() }).await);
    denied(uses.create_access_key(&ann, CreateAccessKey { user: "eve".into(), ..Default::default() }).await);
    denied(uses.config(&ann));
    // The queue's policy is the other side, and in the same account one is enough.
    set_policy(&broker, &of_queue("Allow", r#"{"AWS":"arn:aws:iam::000000000000:user/ann"}"#, r#""sqs:*""#, "")).await;
    assert_eq!(receive(uses, &ann, "orders").await.unwrap().len(), 1);
    denied(uses.peek(&ann, Peek { queue: "orders".into(), ..Peek::default() }).await);
}

#[tokio::test]
async fn another_account_needs_the_permission_of_both_sides() {
    let broker = with_orders().await;
    let uses = &broker.broker;
    let whole = caller(&broker, OTHER, "root-like", &[]).await;
    let sender = caller(&broker, OTHER, "sender", &[&allow(r#""sqs:SendMessage""#)]).await;
    let reader = caller(&broker, OTHER, "reader", &[&allow(r#""sqs:ReceiveMessage""#)]).await;
    let missing = denied(send(uses, &whole, "namespaces/000000000000/queues/nowhere").await);
    let unshared = denied(send(uses, &whole, FULL).await);
    assert_eq!(missing.replace("nowhere", "orders"), unshared, "nobody learns what exists");
    assert!(unshared.ends_with("because no resource-based policy allows the sqs:SendMessage action"), "{unshared}");

    set_policy(&broker, &of_queue("Allow", &format!(r#"{{"AWS":"{OTHER}"}}"#), r#""sqs:SendMessage""#, "")).await;
    for (name, caller, may) in [("whole", &whole, true), ("sender", &sender, true), ("reader", &reader, false)] {
        assert_eq!(send(uses, caller, FULL).await.is_ok(), may, "{name}");
        denied(receive(uses, caller, FULL).await);
    }
    let refused = denied(send(uses, &reader, FULL).await);
    assert!(refused.ends_with("because no identity-based policy allows the sqs:SendMessage action"), "{refused}");
    // A third account is still outside.
    denied(send(uses, &caller(&broker, "222222222222", "eve", &[]).await, FULL).await);
}

#[tokio::test]
async fn an_explicit_denial_wins() {
    let broker = with_orders().await;
    let uses = &broker.broker;
    let (everything, never) = (allow(r#""*""#), statement("Deny", r#""sqs:Send*""#, r#","Resource":"*""#));
    let ann = caller(&broker, "", "ann", &[&everything, &never]).await;
    let refused = denied(send(uses, &ann, "orders").await);
    assert!(refused.ends_with("with an explicit deny in an identity-based policy"), "{refused}");
    receive(uses, &ann, "orders").await.unwrap();

    let bob = caller(&broker, "", "bob", &[]).await;
    send(uses, &bob, "orders").await.unwrap();
    set_policy(&broker, &of_queue("Deny", r#"{"AWS":"arn:aws:iam::000000000000:user/bob"}"#, r#""sqs:*""#, "")).await;
    let refused = denied(send(uses, &bob, "orders").await);
    assert!(refused.ends_with("with an explicit deny in a resource-based policy"), "{refused}");
    send(uses, &admin(&broker), "orders").await.unwrap();
}

#[tokio::test]
async fn conditions_ask_where_a_call_comes_from() {
    let broker = with_orders().await;
    let uses = &broker.broker;
    let only_near = r#","Condition":{"IpAddress":{"aws:SourceIp":["127.0.0.0/8","2001:db8::/32"]}}"#;
    let at = |ip: &str, secure: bool| Caller { via: via(ip, secure), ..admin(&broker) };
    let principal = format!(r#"{{"AWS":"{OTHER}"}}"#);
    set_policy(&broker, &of_queue("Allow", &principal, r#""sqs:SendMessage""#, only_near)).await;
    let other = caller(&broker, OTHER, "ann", &[]).await;
    for (ip, may) in [("127.0.0.1", true), ("::ffff:127.9.9.9", true), ("2001:db8::7", true), ("192.0.2.1", false)] {
        let result = send(uses, &Caller { via: via(ip, false), ..other.clone() }, FULL).await;
        assert_eq!(result.is_ok(), may, "{ip}");
    }
    let only_tls = r#","Condition":{"Bool":{"aws:SecureTransport":"false"}}"#;
    set_policy(&broker, &of_queue("Deny", r#""*""#, r#"["sqs:SendMessage","sqs:ReceiveMessage"]"#, only_tls)).await;
    denied(send(uses, &at("127.0.0.1", false), "orders").await);
    send(uses, &at("127.0.0.1", true), "orders").await.unwrap();
    let bygone = r#","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}}"#;
    set_policy(&broker, &of_queue("Deny", r#""*""#, r#""sqs:SendMessage""#, bygone)).await;
    denied(send(uses, &at("127.0.0.1", true), "orders").await);
    assert!(uses.now() > Timestamp(1_577_836_800_000));
}

#[tokio::test]
async fn every_settlement_needs_its_own_action() {
    let broker = with_orders().await;
    let uses = &broker.broker;
    let worker = caller(&broker, "", "worker", &[&allow(r#"["sqs:ReceiveMessage","sqs:DeleteMessage"]"#)]).await;
    let decisions = |handle: &str, decisions: Vec<Decision>| {
        let settlement = |decision| Settlement { receipt_handle: handle.to_owned(), decision };
        Settle { queue: "orders".into(), settlements: decisions.into_iter().map(settlement).collect() }
    };
    send(uses, &admin(&broker), "orders").await.unwrap();
    let handle = receive(uses, &worker, "orders").await.unwrap().remove(0);
    let nack = || Decision::Nack { delay: None, keep_receive_count: false };
    for (wanted, needs) in [
        (vec![nack()], "sqs:ChangeMessageVisibility"),
        (vec![Decision::Ack, nack()], "sqs:ChangeMessageVisibility"),
        (vec![Decision::Extend { visibility_timeout: None }], "sqs:ChangeMessageVisibility"),
        (vec![Decision::DeadLetter { reason: String::new() }], "forebay:DeadLetterMessage"),
    ] {
        let refused = denied(uses.settle(&worker, decisions(&handle, wanted)).await);
        assert!(refused.contains(&format!("perform: {needs} on")), "{refused}");
    }
    assert_eq!(uses.settle(&worker, decisions(&handle, vec![Decision::Ack])).await, Ok(vec![]));
}

#[tokio::test]
async fn tags_decide_about_queues_that_have_them_and_queues_to_be_made() {
    let broker = start().await;
    let uses = &broker.broker;
    let blue = |key: &str| format!(r#","Resource":"*","Condition":{{"StringEquals":{{"aws:{key}/team":"blue"}}}}"#);
    let make = statement("Allow", r#"["sqs:CreateQueue","sqs:TagQueue"]"#, &blue("RequestTag"));
    let used = statement("Allow", r#"["sqs:SendMessage","sqs:SetQueueAttributes"]"#, &blue("ResourceTag"));
    let ann = caller(&broker, "", "ann", &[&make, &used]).await;
    let tags = |team: &str| Some(BTreeMap::from([("team".to_owned(), team.to_owned())]));
    let create = |name: &str, tags| CreateQueue {
        queue_id: name.into(),
        fields: QueueFields { tags, ..QueueFields::default() },
        ..CreateQueue::default()
    };
    denied(uses.create_queue(&ann, create("plain", None)).await);
    denied(uses.create_queue(&ann, create("red", tags("red"))).await);
    uses.create_queue(&ann, create("blue", tags("blue"))).await.unwrap();
    uses.create_queue(&admin(&broker), create("red", tags("red"))).await.unwrap();
    send(uses, &ann, "blue").await.unwrap();
    denied(send(uses, &ann, "red").await);
    let retag = |tags| UpdateQueue {
        name: "blue".into(),
        fields: QueueFields { tags, ..QueueFields::default() },
        ..UpdateQueue::default()
    };
    denied(uses.update_queue(&ann, retag(tags("red"))).await);
    denied(uses.update_queue(&ann, retag(Some(BTreeMap::new()))).await);
    uses.update_queue(&ann, retag(tags("blue"))).await.unwrap();
}

#[tokio::test]
async fn tags_set_and_taken_one_by_one_are_judged_too() {
    let broker = with_orders().await;
    let uses = &broker.broker;
    let only_stage = r#","Resource":"*","Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":"stage"}}"#;
    let ann =
        caller(&broker, "", "ann", &[&statement("Allow", r#"["sqs:TagQueue","sqs:UntagQueue"]"#, only_stage)]).await;
    let tag = |key: &str| TagQueue { name: "orders".into(), tags: vec![(key.to_owned(), "x".to_owned())] };
    let untag = |key: &str| UntagQueue { name: "orders".into(), keys: vec![key.to_owned()] };
    uses.tag_queue(&ann, tag("stage")).await.unwrap();
    denied(uses.tag_queue(&ann, tag("team")).await);
    denied(uses.untag_queue(&ann, untag("team")).await);
    uses.untag_queue(&ann, untag("stage")).await.unwrap();
}

#[tokio::test]
async fn an_explanation_says_what_a_call_would_be_told_and_by_which_statement() {
    let broker = with_orders().await;
    let (uses, owner) = (&broker.broker, admin(&broker));
    let only_send = statement("Allow", r#""sqs:SendMessage""#, &format!(r#","Resource":"{ORDERS}""#));
    let ann = caller(&broker, "", "ann", &[&only_send]).await;
    let other = caller(&broker, OTHER, "bob", &[]).await;
    let near = r#","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#;
    set_policy(&broker, &of_queue("Allow", &format!(r#"{{"AWS":"{OTHER}"}}"#), r#""sqs:ReceiveMessage""#, near)).await;
    let explain = |caller: &Caller, principal: &str, action: &str, resource: &str, source_ip: &str| {
        let (principal, action, resource) = (principal.to_owned(), action.to_owned(), resource.to_owned());
        uses.explain_access(
            caller,
            &Explain { principal, action, resource, source_ip: source_ip.into(), secure: false },
        )
    };
    let (ann_arn, bob_arn) = ("arn:aws:iam::000000000000:user/ann", "arn:aws:iam::111111111111:user/bob");
    let of_ann = format!("policies[0] of {ann_arn}: s");
    let of_orders = format!("policy of {ORDERS}: s");
    for (principal, action, resource, ip, allowed, deciding) in [
        ("", "sqs:SendMessage", "orders", "", true, ""),
        (ann_arn, "SQS:sendmessage", "orders", "", true, of_ann.as_str()),
        (ann.identity.key_id.as_deref().unwrap(), "sqs:SendMessage", ORDERS, "", true, of_ann.as_str()),
        (ann_arn, "sqs:ReceiveMessage", FULL, "", false, ""),
        (ann_arn, "sqs:SendMessage", "nowhere", "", false, ""),
        (ann_arn, "sqs:ListQueues", "", "", false, ""),
        (ann_arn, "forebay:Drain", "", "", false, ""),
        (bob_arn, "sqs:ReceiveMessage", ORDERS, "10.1.2.3", true, of_orders.as_str()),
        (OTHER, "sqs:ReceiveMessage", ORDERS, "10.1.2.3", true, of_orders.as_str()),
        (bob_arn, "sqs:ReceiveMessage", ORDERS, "11.1.2.3", false, ""),
        (bob_arn, "sqs:DeleteQueue", ORDERS, "10.1.2.3", false, ""),
    ] {
        let told = explain(&owner, principal, action, resource, ip).unwrap();
        let by: Vec<_> = told.deciding.iter().map(|by| format!("{}: {}", by.policy, by.statement)).collect();
        assert_eq!((told.allowed, by.join(", ").as_str()), (allowed, deciding), "{}", told.explanation);
        assert_eq!(told.explanation.contains(" may not perform "), !allowed, "{}", told.explanation);
    }
    let refused = |caller: &Caller, principal: &str, action: &str, resource: &str, ip: &str| {
        let refusal = explain(caller, principal, action, resource, ip).expect_err("refused");
        (refusal.reason, refusal.field)
    };
    let at = |field: &str| (Reason::InvalidArgument, Some(field.to_owned()));
    assert_eq!(refused(&owner, "", "sqs:Fly", "orders", ""), at("action"));
    assert_eq!(refused(&owner, "", "sqs:SendMessage", "a b", ""), at("resource"));
    assert_eq!(refused(&owner, "", "sqs:SendMessage", "arn:aws:sns:us-east-1:000000000000:t", ""), at("resource"));
    assert_eq!(refused(&owner, "", "sqs:SendMessage", "orders", "here"), at("source_ip"));
    let nobody = "arn:aws:iam::000000000000:user/nobody";
    assert_eq!(refused(&owner, nobody, "sqs:SendMessage", "orders", "").0, Reason::AccessKeyNotFound);
    assert_eq!(refused(&owner, "AKIANOBODY", "sqs:SendMessage", "orders", "").0, Reason::AccessKeyNotFound);
    // Each account explains its own, and only who may.
    assert_eq!(refused(&other, ann_arn, "sqs:SendMessage", ORDERS, "").0, Reason::AccessDenied);
    assert_eq!(refused(&other, "", "sqs:SendMessage", ORDERS, "").0, Reason::AccessDenied);
    assert!(explain(&other, "", "sqs:SendMessage", "mine", "").unwrap().allowed);
    assert_eq!(refused(&ann, "", "sqs:SendMessage", "orders", "").0, Reason::AccessDenied);
}

#[tokio::test]
async fn what_belongs_to_the_owner_no_policy_gives_away() {
    let broker = with_orders().await;
    let uses = &broker.broker;
    set_policy(&broker, &of_queue("Allow", r#""*""#, r#""*""#, "")).await;
    let other = caller(&broker, OTHER, "ann", &[]).await;
    let name = || FULL.to_owned();
    let owner_only = "because only the account that owns the resource has the";
    let parent = "namespaces/000000000000".to_owned();
    let new = CreateQueue { parent: parent.clone(), queue_id: "new".into(), ..CreateQueue::default() };
    for refused in [
        denied(uses.update_queue(&other, UpdateQueue { name: name(), ..UpdateQueue::default() }).await),
        denied(uses.delete_queue(&other, DeleteQueue { name: name(), ..DeleteQueue::default() }).await),
        denied(uses.create_queue(&other, new).await),
        denied(uses.list_queues(&other, ListQueues { parent, ..ListQueues::default() }).await),
        denied(uses.start_redrive(&other, StartRedrive { source_queue: name(), ..StartRedrive::default() }).await),
        denied(uses.list_redrives(&other, ListRedrives { source_queue: name(), ..ListRedrives::default() }).await),
        denied(uses.add_permission(&other, AddPermission { queue: name(), ..AddPermission::default() }).await),
        denied(uses.remove_permission(&other, RemovePermission { queue: name(), ..RemovePermission::default() }).await),
        denied(uses.config(&other)),
        denied(uses.status(&other).await),
        denied(uses.authorise_server(&other, Action::Drain)),
    ] {
        assert!(refused.contains(owner_only), "{refused}");
    }
    uses.server_info(&other).unwrap();
    send(uses, &other, FULL).await.unwrap();
    uses.peek(&other, Peek { queue: name(), ..Peek::default() }).await.unwrap();
    uses.purge_queue(&other, FULL).await.unwrap();
    let tags = Some(BTreeMap::from([("team".to_owned(), "blue".to_owned())]));
    let fields = QueueFields { tags, ..QueueFields::default() };
    let tagged = UpdateQueue { name: "orders".into(), fields, ..UpdateQueue::default() };
    assert_eq!(uses.update_queue(&admin(&broker), tagged).await.unwrap().definition.options.tags.len(), 1);
    let shown = uses.get_queue(&other, GetQueue { name: name(), with_figures: true }).await.unwrap();
    assert!(shown.definition.options.tags.is_empty(), "tags are the owner's");
}

#[tokio::test]
async fn permissions_come_and_go_by_their_labels() {
    let broker = with_orders().await;
    let (uses, owner) = (&broker.broker, admin(&broker));
    let other = caller(&broker, OTHER, "ann", &[]).await;
    let add = |label: &str, accounts: &[&str], actions: &[&str]| {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let (accounts, actions) = (texts(accounts), texts(actions));
        uses.add_permission(&owner, AddPermission { queue: "orders".into(), label: label.into(), accounts, actions })
    };
    let remove =
        |label: &str| uses.remove_permission(&owner, RemovePermission { queue: "orders".into(), label: label.into() });
    let policy = || async {
        let request = GetQueue { name: "orders".into(), ..GetQueue::default() };
        uses.get_queue(&owner, request).await.unwrap().definition.options.policy.clone()
    };
    denied(send(uses, &other, FULL).await);
    add("send", &[OTHER], &["SendMessage"]).await.unwrap();
    send(uses, &other, FULL).await.unwrap();
    denied(receive(uses, &other, FULL).await);
    let one = policy().await;
    assert!(one.starts_with(&format!(r#"{{"Version":"2008-10-17","Id":"{ORDERS}/SQSDefaultPolicy","Statement":["#)));
    add("all", &[OTHER, "222222222222"], &["*"]).await.unwrap();
    receive(uses, &other, FULL).await.unwrap();
    let reason = |result: Result<(), Refusal>| result.expect_err("refused").reason;
    assert_eq!(reason(add("send", &[OTHER], &["SendMessage"]).await), Reason::PermissionExists);
    assert_eq!(reason(add("x", &[OTHER], &["DeleteQueue"]).await), Reason::ActionNotShared);
    assert_eq!(reason(remove("none").await), Reason::PermissionNotFound);
    remove("all").await.unwrap();
    assert_eq!(policy().await, one);
    denied(receive(uses, &other, FULL).await);
    for number in 1..20 {
        add(&format!("n{number}"), &[OTHER], &["GetQueueUrl"]).await.unwrap();
    }
    assert_eq!(reason(add("n20", &[OTHER], &["GetQueueUrl"]).await), Reason::PolicyTooLarge);
    for number in 1..20 {
        remove(&format!("n{number}")).await.unwrap();
    }
    remove("send").await.unwrap();
    assert_eq!(policy().await, "");
    assert_eq!(reason(remove("send").await), Reason::PermissionNotFound);
}

#[tokio::test]
async fn a_session_ends_when_its_permission_does() {
    let broker = with_orders().await;
    let uses: &Arc<Broker> = &broker.broker;
    let bob = caller(&broker, "", "bob", &[]).await;
    let request = OpenProduce { queue: "orders".into(), ..OpenProduce::default() };
    let mut session = uses.open_produce(&bob, request).await.unwrap();
    let message = || vec![Message { body: "1".into(), ..Message::default() }];
    session.push(0, message()).unwrap();
    set_policy(&broker, &of_queue("Deny", r#"{"AWS":"arn:aws:iam::000000000000:user/bob"}"#, r#""sqs:*""#, "")).await;
    denied(session.push(0, message()));
}

#[test]
fn no_action_of_the_server_reaches_other_accounts() {
    let shared = Action::ALL.iter().filter(|action| action.reach() == Reach::Shared);
    for action in shared {
        assert!(matches!(action.scope(), Scope::Queue | Scope::Stream), "{}", action.as_str());
    }
}

/// A call with this `authorization` header.
fn with_key<T>(header: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", header.parse().unwrap());
    request
}

fn is_denied<T: std::fmt::Debug>(answer: Result<tonic::Response<T>, Status>) -> String {
    let status = answer.unwrap_err();
    let details = status.get_error_details();
    assert_eq!(
        (status.code(), details.error_info().unwrap().reason.as_str()),
        (Code::PermissionDenied, "ACCESS_DENIED")
    );
    status.message().to_owned()
}

#[tokio::test]
async fn policies_hold_over_the_wire() {
    let broker = with_orders().await;
    let ann = key(&broker, "", "ann", &[&allow(r#""sqs:SendMessage""#)]).await;
    let bob = key(&broker, OTHER, "bob", &[&allow(r#"["sqs:SendMessage","sqs:ReceiveMessage"]"#)]).await;
    let mut queues = QueueServiceClient::new(broker.stranger().await);
    let sending = |queue: &str| wire::SendRequest {
        queue: queue.into(),
        messages: vec![wire::Message { body: "1".into(), ..Default::default() }],
        ..Default::default()
    };
    let receiving = |queue: &str| wire::ReceiveRequest { queue: queue.into(), ..Default::default() };
    queues.send(with_key(&ann, sending("orders"))).await.unwrap();
    let why = is_denied(queues.receive(with_key(&ann, receiving("orders"))).await);
    assert!(why.ends_with("because no identity-based policy allows the sqs:ReceiveMessage action"), "{why}");
    is_denied(queues.send(with_key(&bob, sending(FULL))).await);
    let from_here =
        r#","Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"},"Bool":{"aws:SecureTransport":"false"}}"#;
    set_policy(&broker, &of_queue("Allow", &format!(r#"{{"AWS":"{OTHER}"}}"#), r#""sqs:*""#, from_here)).await;
    queues.send(with_key(&bob, sending(FULL))).await.unwrap();
    assert_eq!(queues.receive(with_key(&bob, receiving(FULL))).await.unwrap().into_inner().messages.len(), 1);
    is_denied(queues.purge_queue(with_key(&bob, wire::PurgeQueueRequest { name: FULL.into() })).await);
    let from_there = from_here.replace("127.0.0.0", "10.0.0.0");
    set_policy(&broker, &of_queue("Allow", &format!(r#"{{"AWS":"{OTHER}"}}"#), r#""sqs:*""#, &from_there)).await;
    is_denied(queues.send(with_key(&bob, sending(FULL))).await);

    let mut keys = AccessServiceClient::new(broker.channel().await);
    let asked = access::ExplainAccessRequest {
        principal: "arn:aws:iam::111111111111:user/bob".into(),
        action: "sqs:SendMessage".into(),
        resource: ORDERS.into(),
        source_ip: "10.0.0.1".into(),
        secure_transport: false,
    };
    let told = keys.explain_access(asked.clone()).await.unwrap().into_inner();
    let by: Vec<_> = told.deciding.iter().map(|by| by.policy.as_str()).collect();
    assert_eq!(by, ["policies[0] of arn:aws:iam::111111111111:user/bob", &format!("policy of {ORDERS}")]);
    assert!(told.allowed && told.deciding.iter().all(|by| by.statement == "s"), "{told:?}");
    let over_tls = access::ExplainAccessRequest { secure_transport: true, ..asked };
    let told = keys.explain_access(over_tls).await.unwrap().into_inner();
    assert!(!told.allowed && told.deciding.is_empty(), "{told:?}");
    assert!(told.explanation.ends_with("because no resource-based policy allows the sqs:SendMessage action"));
}
