"""boto3, current and of the Query era, as programs written for SQS use it."""

import hashlib
import json
import struct
import threading
import time

import boto3
import pytest
from botocore.exceptions import ClientError

import server as servers


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def md5_of_attributes(attributes):
    """As the SDKs with checks compute it: each part with its length in front, sorted by name."""
    total = hashlib.md5()

    def part(data):
        total.update(struct.pack(">I", len(data)) + data)

    for name, attribute in sorted(attributes.items()):
        part(name.encode())
        part(attribute["DataType"].encode())
        binary = attribute["DataType"].startswith("Binary")
        total.update(b"\x02" if binary else b"\x01")
        part(attribute["BinaryValue"] if binary else attribute["StringValue"].encode())
    return total.hexdigest()


def receive(sqs, url, **more):
    return sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, **more).get("Messages", [])


def code_of(caught):
    return caught.value.response["Error"]["Code"]


def test_a_message_with_attributes_comes_as_it_was_sent(sqs, url):
    attributes = {
        "text": {"DataType": "String", "StringValue": "grün & <bold> \"q\""},
        "number": {"DataType": "Number.int", "StringValue": "42"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff\x01"},
    }
    body = "first line\nsecond \u2713 <x a=\"1\"/> & \r\n\tend"
    sent = sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
    assert sent["MD5OfMessageBody"] == md5(body)
    assert sent["MD5OfMessageAttributes"] == md5_of_attributes(attributes)
    [message] = receive(sqs, url, AttributeNames=["All"], MessageAttributeNames=["All"])
    assert message["Body"] == body
    assert message["MD5OfBody"] == md5(body)
    assert message["MessageAttributes"] == attributes
    assert message["MD5OfMessageAttributes"] == md5_of_attributes(attributes)
    assert message["MessageId"] == sent["MessageId"]
    system = message["Attributes"]
    assert system["ApproximateReceiveCount"] == "1"
    assert abs(int(system["SentTimestamp"]) / 1000 - time.time()) < 60
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == counts["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_a_part_of_the_attributes_has_an_md5_of_its_own(sqs, url):
    attributes = {f"{name}.x": {"DataType": "String", "StringValue": name} for name in ("a", "b", "c")}
    sqs.send_message(QueueUrl=url, MessageBody="-", MessageAttributes=attributes)
    [message] = receive(sqs, url, MessageAttributeNames=["a.*", "c.x"])
    expected = {name: attributes[name] for name in ("a.x", "c.x")}
    assert message["MessageAttributes"] == expected
    assert message["MD5OfMessageAttributes"] == md5_of_attributes(expected)


def test_batches_send_receive_and_delete(sqs, url):
    entries = [{"Id": f"e{at}", "MessageBody": f"body {at}"} for at in range(10)]
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert {entry["Id"]: entry["MD5OfMessageBody"] for entry in answer["Successful"]} == {
        entry["Id"]: md5(entry["MessageBody"]) for entry in entries
    }
    assert not answer.get("Failed")
    messages = []
    while len(messages) < 10:
        found = receive(sqs, url, MaxNumberOfMessages=10)
        assert found
        messages += found
    assert sorted(message["Body"] for message in messages) == [f"body {at}" for at in range(10)]
    handles = [{"Id": str(at), "ReceiptHandle": found["ReceiptHandle"]} for at, found in enumerate(messages)]
    answer = sqs.delete_message_batch(QueueUrl=url, Entries=handles[:9] + [{"Id": "bad", "ReceiptHandle": "none"}])
    assert len(answer["Successful"]) == 9
    [failed] = answer["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("bad", "ReceiptHandleIsInvalid", True)
    sqs.delete_message_batch(QueueUrl=url, Entries=handles[9:])


def test_a_released_message_comes_again_and_counts(sqs, url):
    sqs.send_message(QueueUrl=url, MessageBody="again")
    [message] = receive(sqs, url)
    assert sqs.receive_message(QueueUrl=url).get("Messages", []) == []
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    [message] = receive(sqs, url, AttributeNames=["ApproximateReceiveCount"])
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"
    entries = [{"Id": "one", "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}]
    answer = sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)
    assert [entry["Id"] for entry in answer["Successful"]] == ["one"]
    assert len(receive(sqs, url)) == 1


def test_fifo_keeps_the_order_of_a_group_and_drops_repeats(sqs, name):
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "false"}
    url = sqs.create_queue(QueueName=f"{name}.fifo", Attributes=attributes)["QueueUrl"]
    send = lambda body, group, token: sqs.send_message(  # noqa: E731
        QueueUrl=url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=token
    )
    first = send("a1", "a", "1")
    send("a2", "a", "2")
    send("b1", "b", "3")
    assert send("a1", "a", "1")["MessageId"] == first["MessageId"]
    messages = receive(sqs, url, MaxNumberOfMessages=10, AttributeNames=["All"])
    bodies = [(message["Attributes"]["MessageGroupId"], message["Body"]) for message in messages]
    assert [body for group, body in bodies if group == "a"] == ["a1", "a2"]
    assert [body for group, body in bodies if group == "b"] == ["b1"]
    assert messages[0]["Attributes"]["SequenceNumber"] == first["SequenceNumber"]
    send("a3", "a", "4")
    assert sqs.receive_message(QueueUrl=url).get("Messages", []) == [], "the group is busy"
    for message in messages:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert [message["Body"] for message in receive(sqs, url)] == ["a3"]
    with pytest.raises(ClientError) as caught:
        sqs.send_message(QueueUrl=url, MessageBody="no group")
    assert code_of(caught) == "MissingParameter"


def test_a_message_received_too_often_is_a_dead_letter_and_moves_back(sqs, name):
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    assert arn == f"arn:aws:sqs:{servers.REGION}:{servers.OWNER.account}:{name}-dead"
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    url = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})["QueueUrl"]
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    sent = sqs.send_message(QueueUrl=url, MessageBody="poison")
    [message] = receive(sqs, url)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    assert sqs.receive_message(QueueUrl=url).get("Messages", []) == []
    [message] = receive(sqs, dead, AttributeNames=["All"])
    assert (message["Body"], message["MessageId"]) == ("poison", sent["MessageId"])
    source = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == source
    sqs.change_message_visibility(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    if "start_message_move_task" in dir(sqs):
        assert sqs.start_message_move_task(SourceArn=arn)["TaskHandle"]
        assert [message["Body"] for message in receive(sqs, url)] == ["poison"]
        [task] = sqs.list_message_move_tasks(SourceArn=arn)["Results"]
        assert task["SourceArn"] == arn


def test_queues_are_listed_by_prefix_and_page_and_found_by_name(sqs, name):
    names = [f"page-{name}-{at}" for at in range(5)]
    urls = [sqs.create_queue(QueueName=each)["QueueUrl"] for each in names]
    pages = sqs.get_paginator("list_queues").paginate(
        QueueNamePrefix=f"page-{name}", PaginationConfig={"PageSize": 2}
    )
    listed = [page["QueueUrls"] for page in pages]
    assert sum(listed, []) == urls
    assert max(map(len, listed)) == 2
    assert sqs.get_queue_url(QueueName=names[3])["QueueUrl"] == urls[3]
    sqs.delete_queue(QueueUrl=urls[3])
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
        sqs.get_queue_url(QueueName=names[3])
    assert code_of(caught) == "AWS.SimpleQueueService.NonExistentQueue"


def test_attributes_and_tags_are_kept_as_they_were_set(sqs, url):
    arn = f"arn:aws:sqs:{servers.REGION}:{servers.OWNER.account}:any"
    statement = {"Effect": "Allow", "Principal": {"AWS": servers.STRANGER.account}, "Action": "SQS:*", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=1)
    wanted = {"VisibilityTimeout": "45", "DelaySeconds": "0", "MessageRetentionPeriod": "3600", "Policy": policy}
    sqs.set_queue_attributes(QueueUrl=url, Attributes=wanted)
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(wanted))["Attributes"]
    assert found == wanted
    sqs.tag_queue(QueueUrl=url, Tags={"team": "orders", "empty": ""})
    sqs.untag_queue(QueueUrl=url, TagKeys=["empty"])
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "orders"}


def test_a_waiting_receive_is_woken_by_a_send(server, sqs, url):
    found = []
    waiting = threading.Thread(target=lambda: found.extend(receive(sqs, url)))
    waiting.start()
    sqs.send_message(QueueUrl=url, MessageBody="wake up")
    waiting.join(10)
    assert [message["Body"] for message in found] == ["wake up"]


def test_a_purged_queue_is_empty(sqs, url):
    sqs.send_message(QueueUrl=url, MessageBody="gone")
    sqs.purge_queue(QueueUrl=url)
    assert sqs.receive_message(QueueUrl=url).get("Messages", []) == []
    with pytest.raises(sqs.exceptions.PurgeQueueInProgress):
        sqs.purge_queue(QueueUrl=url)


def test_the_object_style_works(server, name):
    resource = boto3.resource(
        "sqs",
        endpoint_url=server.url,
        region_name=servers.REGION,
        aws_access_key_id=servers.OWNER.id,
        aws_secret_access_key=servers.OWNER.secret,
    )
    queue = resource.create_queue(QueueName=name)
    queue.send_messages(Entries=[{"Id": "1", "MessageBody": "one"}])
    [message] = queue.receive_messages(WaitTimeSeconds=5)
    assert message.body == "one"
    message.delete()
    assert resource.get_queue_by_name(QueueName=name).url == queue.url
    queue.delete()


def test_regions_and_accounts_are_worlds_of_their_own(server, sqs, url, name):
    from conftest import client_of

    elsewhere = client_of(server, region="us-west-2")
    with pytest.raises(elsewhere.exceptions.QueueDoesNotExist):
        elsewhere.get_queue_url(QueueName=name)
    strangers = client_of(server, servers.STRANGER)
    other = strangers.create_queue(QueueName=name)["QueueUrl"]
    assert other != url and servers.STRANGER.account in other
    assert strangers.receive_message(QueueUrl=other).get("Messages", []) == []


def test_the_caller_is_the_owner_of_the_key(server):
    from conftest import client_of

    identity = client_of(server, service="sts").get_caller_identity()
    assert identity["Account"] == servers.OWNER.account
    assert identity["Arn"].startswith(f"arn:aws:iam::{servers.OWNER.account}:")


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        ("create_queue", {"QueueName": "with space"}, "InvalidParameterValue"),
        ("create_queue", {"QueueName": "q", "Attributes": {"VisibilityTimeout": "no"}}, "InvalidAttributeValue"),
        ("create_queue", {"QueueName": "q", "Attributes": {"NoSuch": "1"}}, "InvalidAttributeName"),
        ("send_message", {"MessageBody": "\x01"}, "InvalidMessageContents"),
        ("send_message", {"MessageBody": "-", "DelaySeconds": 901}, "InvalidParameterValue"),
        ("receive_message", {"MaxNumberOfMessages": 11}, "InvalidParameterValue"),
        ("receive_message", {"WaitTimeSeconds": 21}, "InvalidParameterValue"),
        ("delete_message", {"ReceiptHandle": "nonsense"}, "ReceiptHandleIsInvalid"),
        ("send_message_batch", {"Entries": []}, "AWS.SimpleQueueService.EmptyBatchRequest"),
        (
            "send_message_batch",
            {"Entries": [{"Id": "same", "MessageBody": "-"}] * 2},
            "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        ),
        (
            "send_message_batch",
            {"Entries": [{"Id": str(at), "MessageBody": "-"} for at in range(11)]},
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        ),
    ],
)
def test_a_wrong_request_gets_the_code_of_aws(sqs, url, call, arguments, code):
    if call != "create_queue":
        arguments = {"QueueUrl": url, **arguments}
    with pytest.raises(ClientError) as caught:
        getattr(sqs, call)(**arguments)
    assert code_of(caught) == code
    assert caught.value.response["ResponseMetadata"]["RequestId"]
