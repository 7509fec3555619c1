//! SQS over its real port: what clients rely on besides the errors.

use crate::{
    aws::{Answer, call, done, query, send},
    broker::{KEY_ID, SECRET, TestBroker, bodies, message, soon, start, start_dev},
};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings},
    sign::v4::SigningParams,
};
use forebay::proto::queue::v1 as wire;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

async fn create(broker: &TestBroker, name: &str, attributes: Value) -> String {
    let created = done(broker, "CreateQueue", &json!({"QueueName": name, "Attributes": attributes})).await;
    created["QueueUrl"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_message_goes_in_and_comes_out_with_its_digests() {
    let broker = start_dev(100).await;
    let url = create(&broker, "q", json!({})).await;
    assert_eq!(url, "http://127.0.0.1:9400/000000000000/q", "the public URL");
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
    let sent = done(
        &broker,
        "SendMessage",
        &json!({
            "QueueUrl": url, "MessageBody": "a\r\n\"b\" ä",
            "MessageAttributes": {
                "foo.a": {"DataType": "Binary", "BinaryValue": "AAE="},
                "foo.b": {"DataType": "String.custom", "StringValue": "x"},
                "other": {"DataType": "Number", "StringValue": "1"},
            },
            "MessageSystemAttributes": {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}},
        }),
    )
    .await;
    assert_eq!(sent["MD5OfMessageSystemAttributes"], "5ae4d5d7636402d80f4eb6d213245a88");
    let ask = json!({
        "QueueUrl": url, "MessageAttributeNames": ["foo.*"], "AttributeNames": ["SenderId"],
        "MessageSystemAttributeNames": ["ApproximateReceiveCount", "AWSTraceHeader"],
    });
    let received = &done(&broker, "ReceiveMessage", &ask).await["Messages"][0];
    assert_eq!((&received["Body"], &received["MD5OfBody"]), (&json!("a\r\n\"b\" ä"), &sent["MD5OfMessageBody"]));
    assert_eq!(received["MessageId"], sent["MessageId"]);
    assert_eq!(received["Attributes"], json!({"ApproximateReceiveCount": "1", "AWSTraceHeader": trace}));
    let selected = json!({
        "foo.a": {"DataType": "Binary", "BinaryValue": "AAE="},
        "foo.b": {"DataType": "String.custom", "StringValue": "x"},
    });
    assert_eq!(received["MessageAttributes"], selected);
    // The digest of a selection is not that of the whole.
    assert_ne!(received["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"]);
    let delete = json!({"QueueUrl": url, "ReceiptHandle": received["ReceiptHandle"]});
    let deleted = call(&broker, "DeleteMessage", &delete).await;
    assert_eq!((deleted.status, deleted.body.as_str()), (200, ""));
    assert_eq!(call(&broker, "DeleteMessage", &delete).await.status, 200, "deleting twice is fine");
    assert_eq!(done(&broker, "ReceiveMessage", &json!({"QueueUrl": url})).await, json!({}));
}

#[tokio::test]
async fn creating_a_queue_again_with_its_policy_spelled_otherwise_finds_it() {
    let broker = start_dev(100).await;
    let statement = json!({"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    let url = create(&broker, "q", json!({"Policy": policy})).await;
    let members = r#""Resource" : "*", "Action": "sqs:SendMessage", "Principal": "*", "Effect": "Allow""#;
    let respelled = format!(r#" {{ "Statement": [ {{ {members} }} ], "Version": "2012-10-17" }} "#);
    assert_eq!(create(&broker, "q", json!({"Policy": respelled})).await, url);
    let kept = done(&broker, "GetQueueAttributes", &json!({"QueueUrl": url, "AttributeNames": ["Policy"]})).await;
    assert_eq!(kept["Attributes"]["Policy"], policy, "the first spelling stays");
    let other = json!({"QueueName": "q", "Attributes": {"Policy": policy.replace("Allow", "Deny")}});
    assert_eq!(call(&broker, "CreateQueue", &other).await.json()["__type"], "com.amazonaws.sqs#QueueNameExists");
}

#[tokio::test]
async fn query_answers_in_xml_that_keeps_the_body() {
    let broker = start_dev(100).await;
    create(&broker, "q", json!({})).await;
    let body = "<a b=\"c\">&\r\n</a>";
    let sent = query(&broker, "/000000000000/q", "SendMessage", &json!({"MessageBody": body})).await;
    assert_eq!((sent.status, sent.header("content-type")), (200, "text/xml"));
    assert_eq!(sent.xml("RequestId").as_deref(), Some(sent.header("x-amzn-requestid")));
    let url = "http%3A%2F%2Felsewhere%3A1%2Fqueue%2Fus-east-1%2F000000000000%2Fq";
    let get = format!("GET /?Action=ReceiveMessage&Version=2012-11-05&QueueUrl={url}&AttributeName.1=All HTTP/1.1");
    let received = send(broker.address, &get, b"").await;
    assert_eq!(received.xml("Body").as_deref(), Some(body));
    assert_eq!(received.xml("MD5OfBody"), sent.xml("MD5OfMessageBody"));
    assert!(received.body.contains("<Attribute><Name>ApproximateReceiveCount</Name><Value>1</Value></Attribute>"));
    let empty = send(broker.address, &get, b"").await;
    assert!(empty.body.contains("<ReceiveMessageResult></ReceiveMessageResult>"), "{}", empty.body);
    let get = "GET /000000000000/q?Action=GetQueueAttributes&AttributeName.1=VisibilityTimeout HTTP/1.1";
    let attributes = send(broker.address, get, b"").await;
    assert!(attributes.body.contains("<Attribute><Name>VisibilityTimeout</Name><Value>30</Value></Attribute>"));
    let json = send(broker.address, &format!("{get}\r\naccept: application/json"), b"").await.json();
    let result = &json["GetQueueAttributesResponse"]["GetQueueAttributesResult"];
    assert_eq!(result["Attribute"], json!([{"Name": "VisibilityTimeout", "Value": "30"}]));
}

#[tokio::test]
async fn both_protocols_settle_each_others_receipts() {
    let broker = start_dev(100).await;
    let url = create(&broker, "q", json!({})).await;
    let mut native = broker.queues().await;
    let messages = vec![message("native")];
    native.send(wire::SendRequest { queue: "q".into(), messages, durability: 0 }).await.unwrap();
    let received = done(&broker, "ReceiveMessage", &json!({"QueueUrl": url})).await;
    assert_eq!(received["Messages"][0]["Body"], "native");
    let receipt_handle = received["Messages"][0]["ReceiptHandle"].as_str().unwrap().to_owned();
    let outcome = Some(wire::settlement::Outcome::Ack(wire::Ack {}));
    let settlements = vec![wire::Settlement { receipt_handle, outcome }];
    let settled = native.settle(wire::SettleRequest { queue: "q".into(), settlements }).await.unwrap().into_inner();
    assert!(settled.failures.is_empty(), "{settled:?}");

    done(&broker, "SendMessage", &json!({"QueueUrl": url, "MessageBody": "aws"})).await;
    let ask = wire::ReceiveRequest { queue: "q".into(), ..Default::default() };
    let leased = native.receive(ask).await.unwrap().into_inner().messages;
    assert_eq!(bodies(&leased), ["aws"]);
    done(&broker, "DeleteMessage", &json!({"QueueUrl": url, "ReceiptHandle": leased[0].receipt_handle})).await;
    let ask = json!({"QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessagesNotVisible"]});
    let left = done(&broker, "GetQueueAttributes", &ask).await;
    assert_eq!(left["Attributes"]["ApproximateNumberOfMessagesNotVisible"], "0");
}

#[tokio::test]
async fn what_xml_cannot_carry_of_a_native_message_is_replaced_and_the_digest_fits() {
    let broker = start_dev(100).await;
    let url = create(&broker, "q", json!({"VisibilityTimeout": "0"})).await;
    let messages = vec![wire::Message { body: b"a\x01b\xff".to_vec().into(), ..wire::Message::default() }];
    broker.queues().await.send(wire::SendRequest { queue: "q".into(), messages, durability: 0 }).await.unwrap();
    let received = query(&broker, "/000000000000/q", "ReceiveMessage", &json!({})).await;
    assert_eq!(received.xml("Body").as_deref(), Some("a\u{fffd}b\u{fffd}"));
    assert_eq!(received.xml("MD5OfBody").as_deref(), Some("c5b435636df08589a3b21d4091db850d"));
    let received = done(&broker, "ReceiveMessage", &json!({"QueueUrl": url})).await;
    assert_eq!(received["Messages"][0]["Body"], "a\u{1}b\u{fffd}", "JSON can say it");
}

#[tokio::test]
async fn attributes_are_kept_as_they_were_set() {
    let broker = start_dev(100).await;
    create(&broker, "dead", json!({})).await;
    let arn = "arn:aws:sqs:us-east-1:000000000000:dead";
    let policy = format!(
        "{{ \"Version\": \"2012-10-17\",  \"Statement\": [{{\"Effect\":\"Allow\",\"Principal\":\"*\",\
         \"Action\":\"sqs:SendMessage\",\"Resource\":\"{arn}\"}}] }}"
    );
    let set = json!({
        "DelaySeconds": "7", "MaximumMessageSize": "2048", "MessageRetentionPeriod": "60",
        "ReceiveMessageWaitTimeSeconds": "1", "VisibilityTimeout": "0", "Policy": policy,
        "RedrivePolicy": json!({"deadLetterTargetArn": arn, "maxReceiveCount": "5"}).to_string(),
        "RedriveAllowPolicy": "{\"redrivePermission\":\"denyAll\"}", "KmsMasterKeyId": "alias/k",
        "KmsDataKeyReusePeriodSeconds": "60",
    });
    let url = create(&broker, "q", set.clone()).await;
    assert_eq!(create(&broker, "q", set.clone()).await, url, "the same once more is the same queue");
    let all = done(&broker, "GetQueueAttributes", &json!({"QueueUrl": url, "AttributeNames": ["All"]})).await;
    let all = &all["Attributes"];
    for name in set.as_object().unwrap().keys().filter(|name| *name != "RedrivePolicy") {
        assert_eq!(all[name], set[name], "{name}");
    }
    assert_eq!(all["RedrivePolicy"], format!("{{\"deadLetterTargetArn\":\"{arn}\",\"maxReceiveCount\":5}}"));
    assert_eq!((&all["SqsManagedSseEnabled"], &all["QueueArn"]), (&json!("false"), &json!(arn.replace("dead", "q"))));
    for allow in ["{\"redrivePermission\":\"allowAll\"}", ""] {
        done(&broker, "SetQueueAttributes", &json!({"QueueUrl": url, "Attributes": {"RedriveAllowPolicy": allow}}))
            .await;
        let all = done(&broker, "GetQueueAttributes", &json!({"QueueUrl": url, "AttributeNames": ["All"]})).await;
        let shown = all["Attributes"]["RedriveAllowPolicy"].as_str();
        assert_eq!(shown, Some(allow).filter(|allow| !allow.is_empty()), "the default is shown when it was said");
    }
    create(&broker, "q", json!({"RedriveAllowPolicy": "{\"redrivePermission\":\"allowAll\"}"})).await;
    let none = json!({"Policy": "", "RedrivePolicy": "", "KmsMasterKeyId": "", "SqsManagedSseEnabled": "False"});
    done(&broker, "SetQueueAttributes", &json!({"QueueUrl": url, "Attributes": none})).await;
    let all = done(&broker, "GetQueueAttributes", &json!({"QueueUrl": url, "AttributeNames": ["All"]})).await;
    let gone = ["Policy", "RedrivePolicy", "KmsMasterKeyId"].iter().all(|name| all["Attributes"].get(name).is_none());
    assert!(gone && all["Attributes"]["SqsManagedSseEnabled"] == "false", "{all}");
    assert_eq!(done(&broker, "GetQueueAttributes", &json!({"QueueUrl": url})).await, json!({}));
    let sources = done(&broker, "ListDeadLetterSourceQueues", &json!({"QueueUrl": url.replace("/q", "/dead")})).await;
    assert_eq!(sources, json!({}), "the policy is gone");
}

#[tokio::test]
async fn a_batch_hides_by_the_queues_own_timeout_where_it_says_none() {
    let broker = start_dev(100).await;
    let url = create(&broker, "q", json!({"VisibilityTimeout": "0"})).await;
    done(&broker, "SendMessage", &json!({"QueueUrl": url, "MessageBody": "m"})).await;
    let held = done(&broker, "ReceiveMessage", &json!({"QueueUrl": url, "VisibilityTimeout": 600})).await;
    let handle = &held["Messages"][0]["ReceiptHandle"];
    let alone = call(&broker, "ChangeMessageVisibility", &json!({"QueueUrl": url, "ReceiptHandle": handle})).await;
    assert_eq!(alone.header("x-amzn-query-error"), "MissingParameter;Sender", "a single change has to say it");
    let entries = json!([{"Id": "1", "ReceiptHandle": handle}]);
    let changed = done(&broker, "ChangeMessageVisibilityBatch", &json!({"QueueUrl": url, "Entries": entries})).await;
    assert_eq!(changed, json!({"Successful": [{"Id": "1"}]}));
    let again = done(&broker, "ReceiveMessage", &json!({"QueueUrl": url})).await;
    assert_eq!(again["Messages"][0]["Body"], "m", "the queue's own is none at all");
}

#[tokio::test]
async fn a_move_to_a_queue_that_is_gone_names_none() {
    let broker = start_dev(100).await;
    let arn = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    create(&broker, "dead", json!({})).await;
    let policy = json!({"deadLetterTargetArn": arn("dead"), "maxReceiveCount": 1}).to_string();
    create(&broker, "source", json!({"RedrivePolicy": policy})).await;
    let target = create(&broker, "target", json!({})).await;
    let start = json!({"SourceArn": arn("dead"), "DestinationArn": arn("target")});
    done(&broker, "StartMessageMoveTask", &start).await;
    let list = json!({"SourceArn": arn("dead")});
    let listed = done(&broker, "ListMessageMoveTasks", &list).await;
    assert_eq!(listed["Results"][0]["DestinationArn"], arn("target"));
    done(&broker, "DeleteQueue", &json!({"QueueUrl": target})).await;
    let listed = done(&broker, "ListMessageMoveTasks", &list).await;
    let task = &listed["Results"][0];
    assert_eq!((&task["SourceArn"], task.get("DestinationArn")), (&json!(arn("dead")), None));
}

#[tokio::test]
async fn a_move_that_fails_says_why_in_the_words_of_sqs() {
    let broker = start_dev(100).await;
    let arn = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    let dead = create(&broker, "dead", json!({})).await;
    let policy = json!({"deadLetterTargetArn": arn("dead"), "maxReceiveCount": 1}).to_string();
    let source = create(&broker, "source", json!({"RedrivePolicy": policy, "VisibilityTimeout": "0"})).await;
    create(&broker, "other", json!({"RedrivePolicy": policy})).await;
    let failure = || async {
        done(&broker, "StartMessageMoveTask", &json!({"SourceArn": arn("dead")})).await;
        loop {
            let task =
                done(&broker, "ListMessageMoveTasks", &json!({"SourceArn": arn("dead")})).await["Results"][0].clone();
            if task["Status"] != "RUNNING" {
                assert_eq!(task["Status"], "FAILED", "{task}");
                break task["FailureReason"].as_str().unwrap().to_owned();
            }
        }
    };
    done(&broker, "SendMessage", &json!({"QueueUrl": source, "MessageBody": "poison"})).await;
    for _ in 0..2 {
        done(&broker, "ReceiveMessage", &json!({"QueueUrl": source})).await;
    }
    let letter = json!({"QueueUrl": dead, "WaitTimeSeconds": 20, "VisibilityTimeout": 0});
    assert_eq!(done(&broker, "ReceiveMessage", &letter).await["Messages"][0]["Body"], "poison");
    done(&broker, "DeleteQueue", &json!({"QueueUrl": source})).await;
    assert_eq!(soon(failure()).await, "AWS.SimpleQueueService.NonExistentQueue");
    done(&broker, "PurgeQueue", &json!({"QueueUrl": dead})).await;
    done(&broker, "SendMessage", &json!({"QueueUrl": dead, "MessageBody": "sent here"})).await;
    assert_eq!(soon(failure()).await, "CouldNotDetermineMessageSource");
}

#[tokio::test]
async fn every_source_of_a_dead_letter_queue_is_listed_however_long_their_settings() {
    let broker = start_dev(100).await;
    let dead = create(&broker, "dead", json!({})).await;
    let arn = "arn:aws:sqs:us-east-1:000000000000:dead";
    let redrive = json!({"deadLetterTargetArn": arn, "maxReceiveCount": 3}).to_string();
    // Together longer than a native page: the policy is spelled with room.
    let statement = json!({"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"});
    let policy = format!("{}{}", json!({"Version": "2012-10-17", "Statement": [statement]}), " ".repeat(8000));
    for number in 0..215 {
        create(&broker, &format!("source-{number:03}"), json!({"RedrivePolicy": redrive, "Policy": policy})).await;
    }
    let all = done(&broker, "ListDeadLetterSourceQueues", &json!({"QueueUrl": dead})).await;
    let urls = all["queueUrls"].as_array().unwrap();
    assert_eq!((urls.len(), all.get("NextToken")), (215, None));
    assert!(urls[214].as_str().unwrap().ends_with("/source-214"));
    let paged = done(&broker, "ListDeadLetterSourceQueues", &json!({"QueueUrl": dead, "MaxResults": 214})).await;
    assert_eq!(paged["queueUrls"].as_array().unwrap().len(), 214);
    let rest = json!({"QueueUrl": dead, "MaxResults": 214, "NextToken": paged["NextToken"]});
    let rest = done(&broker, "ListDeadLetterSourceQueues", &rest).await;
    assert_eq!((&rest["queueUrls"], rest.get("NextToken")), (&json!([urls[214]]), None));
}

#[tokio::test]
async fn what_xml_has_not_is_replaced_wherever_a_native_producer_put_it() {
    let broker = start_dev(100).await;
    let url = create(&broker, "q", json!({})).await;
    let text = |text: &str| forebay::proto::common::v1::AttributeValue {
        data_type: "String".into(),
        value: Some(forebay::proto::common::v1::attribute_value::Value::StringValue(text.into())),
    };
    let odd = wire::Message {
        body: "a\u{fffe}\u{1}b".to_owned().into(),
        attributes: [("k".to_owned(), text("v\u{ffff}\u{2}w"))].into(),
        ..Default::default()
    };
    let request = wire::SendRequest { queue: "q".into(), messages: vec![odd], durability: 0 };
    broker.queues().await.send(request).await.unwrap();
    let input = json!({"QueueUrl": url, "MessageAttributeNames": ["All"], "VisibilityTimeout": 0});
    let answer = query(&broker, "/", "ReceiveMessage", &input).await;
    let legible = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    assert!(answer.body.chars().all(legible), "{:?}", answer.body);
    assert_eq!(answer.xml("Body").as_deref(), Some("a\u{fffd}\u{fffd}b"));
    assert_eq!(answer.xml("StringValue").as_deref(), Some("v\u{fffd}\u{fffd}w"));
    // The digest that a client computes of what it reads: as a sender of that very text is told.
    let same = json!({"k": {"DataType": "String", "StringValue": "v\u{fffd}\u{fffd}w"}});
    let sent = json!({"QueueUrl": url, "MessageBody": "x", "MessageAttributes": same});
    let sent = done(&broker, "SendMessage", &sent).await;
    assert_eq!(answer.xml("MD5OfMessageAttributes").as_deref(), sent["MD5OfMessageAttributes"].as_str());
}

#[tokio::test]
async fn accounts_and_regions_are_apart() {
    let broker = start_dev(100).await;
    create(&broker, "q", json!({})).await;
    let list = |credential: &'static str| {
        let signed = "SignedHeaders=host;x-amz-target";
        let signature = format!("AWS4-HMAC-SHA256 Credential={credential}/sqs/aws4_request, {signed}, Signature=0");
        let target = "x-amz-target: AmazonSQS.ListQueues\r\nx-amz-date: 20261124T000000Z";
        let head = format!("POST / HTTP/1.1\r\n{target}\r\nauthorization: {signature}");
        let address = broker.address;
        async move { send(address, &head, b"{}").await.json() }
    };
    let own = json!({"QueueUrls": ["http://127.0.0.1:9400/000000000000/q"]});
    assert_eq!(list("000000000000/20261124/us-east-1").await, own);
    assert_eq!(list("111111111111/20261124/us-east-1").await, json!({}));
    assert_eq!(list("000000000000/20261124/eu-north-1").await, json!({}));
}

#[tokio::test]
async fn a_request_without_a_good_signature_is_refused_with_awss_code() {
    let broker = start().await;
    let unsigned = call(&broker, "ListQueues", &json!({})).await;
    assert_eq!((unsigned.status, unsigned.header("x-amzn-query-error")), (403, "MissingAuthenticationToken;Sender"));
    let signed = |id: &str, rest: &str| {
        let scope = "20261124/us-east-1/sqs/aws4_request";
        let header = format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders=host{rest}");
        let dated = "content-type: application/x-www-form-urlencoded\r\nx-amz-date: 20261124T000000Z";
        format!("POST / HTTP/1.1\r\n{dated}\r\nauthorization: {header}")
    };
    let body = b"Action=ListQueues&Version=2012-11-05";
    let zeros = format!(", Signature={}", "0".repeat(64));
    for (head, code) in [
        (signed("AKIANOBODY", &zeros), "InvalidClientTokenId"),
        (signed(KEY_ID, &zeros), "SignatureDoesNotMatch"),
        (signed(KEY_ID, ""), "IncompleteSignature"),
    ] {
        let refused = send(broker.address, &head, body).await;
        assert_eq!((refused.status, refused.xml("Code").as_deref()), (403, Some(code)), "{head}");
    }
}

/// The head of a request that AWS's own signer signed for the body.
pub(crate) fn sign(broker: &TestBroker, (id, secret): (&str, &str), time: SystemTime, body: &[u8]) -> String {
    let identity = Credentials::new(id, secret, None, None, "test").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region("eu-north-1")
        .name("sqs")
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .unwrap();
    let target = "AmazonSQS.CreateQueue";
    let (uri, headers) = (format!("http://{}/", broker.address), [("x-amz-target", target)]);
    let signable = SignableRequest::new("POST", uri, headers.into_iter(), SignableBody::Bytes(body)).unwrap();
    let (instructions, _) = aws_sigv4::http_request::sign(signable, &params.into()).unwrap().into_parts();
    let (signed, _) = instructions.into_parts();
    let signed = signed.iter().map(|header| format!("\r\n{}: {}", header.name(), header.value())).collect::<String>();
    format!("POST / HTTP/1.1\r\nx-amz-target: {target}{signed}")
}

#[tokio::test]
async fn a_signature_lets_its_own_request_in_and_no_other() {
    let broker = start().await;
    let (key, body) = ((KEY_ID, SECRET), b"{\"QueueName\":\"q\"}");
    #[expect(clippy::disallowed_methods, reason = "the broker under test reads the machine's clock")]
    let now = SystemTime::now();
    let good = sign(&broker, key, now, body);
    assert_eq!(send(broker.address, &good, body).await.status, 200);
    let code = |answer: &Answer| answer.header("x-amzn-query-error").to_owned();
    let changed = send(broker.address, &good, b"{\"QueueName\":\"p\"}").await;
    assert_eq!((changed.status, code(&changed)), (403, "SignatureDoesNotMatch;Sender".to_owned()));
    let wrong = sign(&broker, (KEY_ID, "another"), now, body);
    assert_eq!(code(&send(broker.address, &wrong, body).await), "SignatureDoesNotMatch;Sender");
    let old = sign(&broker, key, now - Duration::from_secs(16 * 60), body);
    let old = send(broker.address, &old, body).await;
    assert_eq!(code(&old), "SignatureDoesNotMatch;Sender");
    assert!(old.json()["message"].as_str().unwrap().starts_with("Signature expired: "), "{old:?}");
    // The region of the signature is where the queue is.
    let mut native = broker.queues().await;
    let far = wire::GetQueueRequest { name: "namespaces/default@eu-north-1/queues/q".into(), view: 0 };
    native.get_queue(far).await.unwrap();
}

#[tokio::test]
async fn people_from_emulators_find_their_endpoints() {
    let broker = start_dev(100).await;
    let url = create(&broker, "q", json!({})).await;
    for (body, delay) in [("seen", 0), ("later", 900)] {
        done(&broker, "SendMessage", &json!({"QueueUrl": url, "MessageBody": body, "DelaySeconds": delay})).await;
    }
    assert_eq!(send(broker.address, "GET /health HTTP/1.1", b"").await.json()["status"], "ok");
    let health = send(broker.address, "GET /_localstack/health HTTP/1.1", b"").await;
    assert_eq!((health.status, &health.json()["services"]["sqs"]), (200, &json!("running")));
    let peek = |query: &'static str| {
        let head = format!("GET /_aws/sqs/messages?QueueUrl=http://localhost/000000000000/q{query} HTTP/1.1");
        let address = broker.address;
        async move { send(address, &format!("{head}\r\naccept: application/json"), b"").await.json() }
    };
    for _ in 0..2 {
        let seen = peek("").await;
        let messages = &seen["ReceiveMessageResponse"]["ReceiveMessageResult"]["Message"];
        assert_eq!((messages[0]["Body"].as_str(), messages.get(1)), (Some("seen"), None), "{seen}");
        assert_eq!(messages[0]["ReceiptHandle"], "SQS/BACKDOOR/ACCESS");
    }
    let seen = peek("&ShowDelayed=true").await;
    let seen = &seen["ReceiveMessageResponse"]["ReceiveMessageResult"]["Message"];
    assert_eq!(seen.as_array().map(Vec::len), Some(2));
    let head = "GET /_aws/sqs/messages/us-east-1/000000000000/q HTTP/1.1";
    assert_eq!(send(broker.address, head, b"").await.xml("Body").as_deref(), Some("seen"));
    let missing =
        send(broker.address, "GET /_aws/sqs/messages?QueueUrl=http://x/000000000000/none HTTP/1.1", b"").await;
    assert_eq!(missing.xml("Code").as_deref(), Some("AWS.SimpleQueueService.NonExistentQueue"));
}

#[tokio::test]
async fn a_browser_may_ask_and_what_is_unknown_is_answered_as_such() {
    let broker = start_dev(100).await;
    let asks = "access-control-request-method: POST\r\naccess-control-request-headers: authorization,x-amz-target";
    let preflight =
        send(broker.address, &format!("OPTIONS / HTTP/1.1\r\norigin: https://page.example\r\n{asks}"), b"").await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (200, "*"));
    assert_eq!(preflight.header("access-control-allow-headers"), "authorization,x-amz-target");
    let unknown = call(&broker, "Nothing", &json!({})).await;
    let body = "{\"__type\":\"com.amazon.coral.service#UnknownOperationException\"}";
    assert_eq!((unknown.status, unknown.body.as_str()), (400, body));
    let head = "POST / HTTP/1.1\r\nx-amz-target: AmazonSQS.ListQueues";
    let broken = send(broker.address, head, b"{\"MaxResults\":").await;
    assert_eq!((broken.status, broken.header("x-amzn-query-error")), (400, "MalformedInput;Sender"));
}
