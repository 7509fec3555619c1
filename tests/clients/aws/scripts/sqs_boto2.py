"""boto 2 as Debian has it (python3-boto): the Query protocol of long ago. The environment names server and key."""

import os
import urllib.parse

from boto.exception import SQSError
from boto.sqs.connection import SQSConnection
from boto.sqs.message import RawMessage
from boto.sqs.queue import Queue
from boto.sqs.regioninfo import SQSRegionInfo

SERVER = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])


def connect(secret=os.environ["AWS_SECRET_ACCESS_KEY"]):
    region = SQSRegionInfo(name=os.environ["AWS_REGION"], endpoint=SERVER.hostname)
    connection = SQSConnection(
        aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=secret,
        region=region,
        port=SERVER.port,
        is_secure=False,
    )
    connection.auth_region_name = os.environ["AWS_REGION"]
    connection.num_retries = 0
    return connection


sqs = connect()
queue = sqs.create_queue("boto2")
queue.set_message_class(RawMessage)
body = "gr\u00fcn & <bold>"
message = RawMessage(body=body)
message.message_attributes = {"kind": {"data_type": "String", "string_value": "test"}}
queue.write(message)
[found] = queue.get_messages(wait_time_seconds=5, attributes="All", message_attributes=["All"])
assert found.get_body() == body, found.get_body()
assert found.message_attributes["kind"]["string_value"] == "test", found.message_attributes
assert found.attributes["ApproximateReceiveCount"] == "1", found.attributes
found.change_visibility(0)
[found] = queue.get_messages(wait_time_seconds=5, attributes="All")
assert found.attributes["ApproximateReceiveCount"] == "2"
queue.delete_message(found)

answer = queue.write_batch([(str(at), f"body {at}", 0) for at in range(10)])
assert len(answer.results) == 10
messages = []
while len(messages) < 10:
    messages += queue.get_messages(10, wait_time_seconds=5)
assert len(queue.delete_message_batch(messages).results) == 10
assert queue.count() == 0

dead = sqs.create_queue("boto2-dead")
policy = '{"maxReceiveCount":1,"deadLetterTargetArn":"%s"}' % dead.arn
assert sqs.set_queue_attribute(queue, "RedrivePolicy", policy)
queue.write(RawMessage(body="poison"))
[found] = queue.get_messages(wait_time_seconds=5)
found.change_visibility(0)
assert queue.get_messages() == []
dead.set_message_class(RawMessage)
assert [letter.get_body() for letter in dead.get_messages(wait_time_seconds=5)] == ["poison"]
assert sqs.get_dead_letter_source_queues(dead)[0].url == queue.url

# Older than FIFO queues, but it sends what it is told.
fifo_attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
parameters = {"QueueName": "boto2.fifo"}
for at, (name, value) in enumerate(fifo_attributes.items(), 1):
    parameters.update({f"Attribute.{at}.Name": name, f"Attribute.{at}.Value": value})
fifo = sqs.get_object("CreateQueue", parameters, Queue)
fifo.set_message_class(RawMessage)
for body in ("1", "2", "2", "3"):
    parameters = {"MessageBody": body, "MessageGroupId": "g"}
    assert sqs.make_request("SendMessage", parameters, fifo.id, "POST").status == 200
messages = fifo.get_messages(10, wait_time_seconds=5, attributes="All")
assert [found.get_body() for found in messages] == ["1", "2", "3"]
assert {found.attributes["MessageGroupId"] for found in messages} == {"g"}
assert len(fifo.delete_message_batch(messages).results) == 3

assert sqs.get_queue("nothing") is None
try:
    connect("wrong").get_all_queues()
except SQSError as error:
    assert (error.status, error.error_code) == (403, "SignatureDoesNotMatch"), error
else:
    raise AssertionError("a wrong secret was taken")
