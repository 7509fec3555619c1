//! aws-sdk-sqs as programs use it. The environment names server and key.

use aws_sdk_sqs::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    error::ProvideErrorMetadata,
    operation::get_queue_url::GetQueueUrlError,
    primitives::Blob,
    types::{
        DeleteMessageBatchRequestEntry, Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
        SendMessageBatchRequestEntry,
    },
};
use std::env::var;

fn client(secret: Option<&str>) -> Client {
    let secret = secret.map_or_else(|| var("AWS_SECRET_ACCESS_KEY").unwrap(), ToOwned::to_owned);
    let credentials = Credentials::new(var("AWS_ACCESS_KEY_ID").unwrap(), secret, None, None, "environment");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(var("AWS_ENDPOINT_URL").unwrap())
        .region(Region::new(var("AWS_REGION").unwrap()))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

async fn create(sqs: &Client, name: &str, attributes: &[(QueueAttributeName, &str)]) -> String {
    let mut request = sqs.create_queue().queue_name(name);
    for (attribute, value) in attributes {
        request = request.attributes(attribute.clone(), *value);
    }
    request.send().await.unwrap().queue_url.unwrap()
}

async fn receive(sqs: &Client, url: &str) -> Vec<Message> {
    let request = sqs.receive_message().queue_url(url).max_number_of_messages(10).wait_time_seconds(5);
    let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
    request.message_attribute_names("All").send().await.unwrap().messages.unwrap_or_default()
}

#[tokio::test]
async fn a_message_goes_round() {
    let sqs = client(None);
    let url = create(&sqs, "rust", &[]).await;
    let bytes = MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new([0, 255])).build().unwrap();
    let request = sqs.send_message().queue_url(&url).message_body("grün & <bold>").message_attributes("bytes", bytes);
    let sent = request.send().await.unwrap();
    let messages = receive(&sqs, &url).await;
    let [message] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(message.body(), Some("grün & <bold>"));
    assert_eq!(message.message_id(), sent.message_id());
    let attribute = &message.message_attributes().unwrap()["bytes"];
    assert_eq!(attribute.binary_value().unwrap().as_ref(), [0, 255]);
    let handle = message.receipt_handle().unwrap();
    let release = sqs.change_message_visibility().queue_url(&url).receipt_handle(handle).visibility_timeout(0);
    release.send().await.unwrap();
    let again = receive(&sqs, &url).await;
    let count = &again[0].attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount];
    assert_eq!(count, "2");
    let handle = again[0].receipt_handle().unwrap();
    sqs.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap();
}

#[tokio::test]
async fn batches_order_and_dead_letters() {
    let sqs = client(None);
    let fifo = [(QueueAttributeName::FifoQueue, "true"), (QueueAttributeName::ContentBasedDeduplication, "true")];
    let dead = create(&sqs, "rust-dead.fifo", &fifo).await;
    let request = sqs.get_queue_attributes().queue_url(&dead).attribute_names(QueueAttributeName::QueueArn);
    let arn = request.send().await.unwrap().attributes.unwrap()[&QueueAttributeName::QueueArn].clone();
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":1}}"#);
    let attributes = [&fifo[..], &[(QueueAttributeName::RedrivePolicy, &policy)]].concat();
    let url = create(&sqs, "rust.fifo", &attributes).await;
    let entry = |at: usize| {
        let entry = SendMessageBatchRequestEntry::builder().id(at.to_string()).message_body(format!("body {at}"));
        entry.message_group_id("g").build().unwrap()
    };
    let sent = sqs.send_message_batch().queue_url(&url).set_entries(Some((0..5).map(entry).collect()));
    assert_eq!(sent.send().await.unwrap().successful().len(), 5);
    let messages = receive(&sqs, &url).await;
    let bodies: Vec<_> = messages.iter().filter_map(Message::body).collect();
    assert_eq!(bodies, ["body 0", "body 1", "body 2", "body 3", "body 4"]);
    let entry = |(at, message): (usize, &Message)| {
        let handle = message.receipt_handle().unwrap();
        DeleteMessageBatchRequestEntry::builder().id(at.to_string()).receipt_handle(handle).build().unwrap()
    };
    let handles = messages.iter().enumerate().skip(1).map(entry).collect();
    let deleted = sqs.delete_message_batch().queue_url(&url).set_entries(Some(handles)).send().await.unwrap();
    assert_eq!((deleted.successful().len(), deleted.failed().len()), (4, 0));
    let handle = messages[0].receipt_handle().unwrap();
    let release = sqs.change_message_visibility().queue_url(&url).receipt_handle(handle).visibility_timeout(0);
    release.send().await.unwrap();
    assert!(sqs.receive_message().queue_url(&url).send().await.unwrap().messages().is_empty());
    assert_eq!(receive(&sqs, &dead).await[0].body(), Some("body 0"));
}

#[tokio::test]
async fn errors_are_those_of_the_sdk() {
    let error = client(None).get_queue_url().queue_name("nothing").send().await.unwrap_err().into_service_error();
    assert!(matches!(error, GetQueueUrlError::QueueDoesNotExist(_)), "{error:?}");
    assert_eq!(error.code(), Some("AWS.SimpleQueueService.NonExistentQueue"));
    let error = client(Some("wrong")).list_queues().send().await.unwrap_err();
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"), "{error:?}");
}
