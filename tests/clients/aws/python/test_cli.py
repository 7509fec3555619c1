"""aws-cli v1 on queues, as it is typed."""

import json

import server as servers


def test_a_message_passes_from_the_shell(aws, name):
    url = aws("sqs", "create-queue", "--queue-name", name)["QueueUrl"]
    attributes = '{"kind": {"DataType": "String", "StringValue": "test"}}'
    sent = aws("sqs", "send-message", "--queue-url", url, "--message-body", "hi", "--message-attributes", attributes)
    options = ("--message-attribute-names", "All", "--wait-time-seconds", "5")
    [message] = aws("sqs", "receive-message", "--queue-url", url, *options)["Messages"]
    assert (message["Body"], message["MessageId"]) == ("hi", sent["MessageId"])
    handle = message["ReceiptHandle"]
    aws("sqs", "change-message-visibility", "--queue-url", url, "--receipt-handle", handle, "--visibility-timeout", "60")
    aws("sqs", "delete-message", "--queue-url", url, "--receipt-handle", handle)
    counts = aws("sqs", "get-queue-attributes", "--queue-url", url, "--attribute-names", "All")["Attributes"]
    assert counts["ApproximateNumberOfMessagesNotVisible"] == "0"
    aws("sqs", "delete-queue", "--queue-url", url)


def test_batches_fifo_and_dead_letters(aws, name):
    dead = aws("sqs", "create-queue", "--queue-name", f"{name}-dead.fifo", "--attributes", "FifoQueue=true")
    options = ("--attribute-names", "QueueArn")
    arn = aws("sqs", "get-queue-attributes", "--queue-url", dead["QueueUrl"], *options)["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "2"})
    attributes = json.dumps({"FifoQueue": "true", "ContentBasedDeduplication": "true", "RedrivePolicy": policy})
    url = aws("sqs", "create-queue", "--queue-name", f"{name}.fifo", "--attributes", attributes)["QueueUrl"]
    entries = json.dumps([{"Id": str(at), "MessageBody": f"b{at}", "MessageGroupId": "g"} for at in range(3)])
    assert len(aws("sqs", "send-message-batch", "--queue-url", url, "--entries", entries)["Successful"]) == 3
    options = ("--max-number-of-messages", "10", "--wait-time-seconds", "5")
    messages = aws("sqs", "receive-message", "--queue-url", url, *options)["Messages"]
    assert [message["Body"] for message in messages] == ["b0", "b1", "b2"]
    sources = aws("sqs", "list-dead-letter-source-queues", "--queue-url", dead["QueueUrl"])
    assert sources["queueUrls"] == [url]
    handles = [{"Id": str(at), "ReceiptHandle": message["ReceiptHandle"]} for at, message in enumerate(messages)]
    deleted = aws("sqs", "delete-message-batch", "--queue-url", url, "--entries", json.dumps(handles[1:]))
    assert [entry["Id"] for entry in deleted["Successful"]] == ["1", "2"]
    for handle in (handles[0]["ReceiptHandle"], None):
        if handle is None:
            [message] = aws("sqs", "receive-message", "--queue-url", url, "--wait-time-seconds", "5")["Messages"]
            handle = message["ReceiptHandle"]
        entries = json.dumps([{"Id": "0", "ReceiptHandle": handle, "VisibilityTimeout": 0}])
        aws("sqs", "change-message-visibility-batch", "--queue-url", url, "--entries", entries)
    assert "Messages" not in aws("sqs", "receive-message", "--queue-url", url), "it was received too often"
    options = ("--attribute-names", "All", "--wait-time-seconds", "5")
    [letter] = aws("sqs", "receive-message", "--queue-url", dead["QueueUrl"], *options)["Messages"]
    assert (letter["Body"], letter["Attributes"]["MessageGroupId"]) == ("b0", "g")


def test_errors_have_the_names_that_scripts_look_for(aws, name):
    said = aws("sqs", "get-queue-url", "--queue-name", name, code=255)
    assert "(AWS.SimpleQueueService.NonExistentQueue)" in said
    said = aws("sqs", "create-queue", "--queue-name", name, key=servers.READER, code=255)
    assert "(AccessDenied)" in said


def test_the_caller_is_told_who_it_is(aws):
    assert aws("sts", "get-caller-identity")["Account"] == servers.OWNER.account
