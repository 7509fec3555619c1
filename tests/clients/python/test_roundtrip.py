"""One client in Python against the real broker: every unary call, from the side of a user."""

import http.client
import struct
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from broker import KEY
from calls import (
    TIMEOUT,
    ack,
    ack_all,
    bodies,
    calls,
    create,
    dead_letter,
    extend,
    message,
    nack,
    peek,
    queue_pb2,
    receive,
    refused,
    seconds,
    send,
    send_bodies,
    settle,
    stats,
)
from google.protobuf.field_mask_pb2 import FieldMask

from forebay.common.v1 import common_pb2


def test_a_queue_is_created_read_changed_listed_and_deleted(queues, name):
    made = create(queues, name, visibility_timeout=seconds(45), tags={"team": "billing"})
    assert made.name.endswith(f"/queues/{name}")
    assert made.arn.endswith(f":{name}")

    read = queues.GetQueue(calls.GetQueueRequest(name=made.name), timeout=TIMEOUT).queue
    assert read.visibility_timeout == seconds(45)
    assert read.retention == seconds(4 * 86_400)
    assert dict(read.tags) == {"team": "billing"}

    change = queue_pb2.Queue(name=made.name, visibility_timeout=seconds(60), etag=read.etag)
    mask = FieldMask(paths=["visibility_timeout"])
    request = calls.UpdateQueueRequest(queue=change, update_mask=mask)
    updated = queues.UpdateQueue(request, timeout=TIMEOUT).queue
    assert updated.visibility_timeout == seconds(60)
    assert dict(updated.tags) == {"team": "billing"}
    with refused(grpc.StatusCode.ABORTED, "ETAG_MISMATCH"):
        queues.UpdateQueue(request, timeout=TIMEOUT)

    listed = queues.ListQueues(calls.ListQueuesRequest(id_prefix=name), timeout=TIMEOUT).queues
    assert made.name in [queue.name for queue in listed]

    queues.DeleteQueue(calls.DeleteQueueRequest(name=made.name), timeout=TIMEOUT)
    with refused(grpc.StatusCode.NOT_FOUND, "QUEUE_NOT_FOUND"):
        queues.GetQueue(calls.GetQueueRequest(name=made.name), timeout=TIMEOUT)


def test_listing_pages_through_every_queue_once(queues, name):
    names = {create(queues, f"{name}-{number}").name for number in range(5)}
    seen, token = [], ""
    while True:
        request = calls.ListQueuesRequest(id_prefix=f"{name}-", page_size=2, page_token=token)
        page = queues.ListQueues(request, timeout=TIMEOUT)
        assert len(page.queues) <= 2
        seen += [queue.name for queue in page.queues]
        token = page.next_page_token
        if not token:
            break
    assert sorted(seen) == sorted(names)


def test_creating_a_queue_again_returns_it_and_with_other_settings_is_refused(queues, name):
    first = create(queues, name, visibility_timeout=seconds(45))
    assert create(queues, name, visibility_timeout=seconds(45)).name == first.name
    with refused(grpc.StatusCode.ALREADY_EXISTS, "QUEUE_EXISTS_DIFFERENTLY"):
        create(queues, name, visibility_timeout=seconds(46))


def test_a_message_comes_back_as_it_was_sent_and_is_gone_when_acknowledged(queues, name):
    create(queues, name)
    attributes = {
        "kind": common_pb2.AttributeValue(data_type="String", string_value="order"),
        "amount": common_pb2.AttributeValue(data_type="Number.euro", string_value="12.50"),
        "stamp": common_pb2.AttributeValue(data_type="Binary", binary_value=b"\x00\xff"),
    }
    body = bytes(range(256))
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    [sent] = send(queues, name, message(body, attributes=attributes, trace_context=trace))
    [received] = receive(queues, name)
    assert received.message_id == sent.message_id
    assert received.body == body
    assert dict(received.attributes) == attributes
    assert received.trace_context == trace
    assert received.receive_count == 1
    assert received.send_time.ToMilliseconds() <= received.first_receive_time.ToMilliseconds()
    assert received.lease_expire_time.ToMilliseconds() == received.first_receive_time.ToMilliseconds() + 30_000
    assert receive(queues, name) == []
    ack_all(queues, name, [received])
    assert peek(queues, name) == []


def test_each_entry_of_a_batch_succeeds_or_fails_alone(queues, name):
    create(queues, name, max_message_bytes=2048)
    batch = [message("small"), message(b"x" * 2049), message(b"y" * 2048)]
    results = queues.Send(calls.SendRequest(queue=name, messages=batch), timeout=TIMEOUT).results
    assert [result.WhichOneof("result") for result in results] == ["sent", "error", "sent"]
    error = results[1].error
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT.value[0], "MESSAGE_TOO_LARGE")
    assert error.sender_fault and "2048" in error.message and "2049" in error.message
    assert sorted(len(received.body) for received in receive(queues, name)) == [5, 2048]


def test_a_waiting_receive_wakes_when_a_message_arrives(queues, name):
    create(queues, name)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(receive, queues, name, 1, 20)
        send_bodies(queues, name, "wake up")
        assert bodies(waiting.result(15)) == ["wake up"]


def test_a_message_given_back_is_received_again(queues, name):
    create(queues, name)
    send_bodies(queues, name, "again")
    [first] = receive(queues, name)
    assert settle(queues, name, nack(first, keep_receive_count=True)) == []
    [second] = receive(queues, name)
    assert second.receive_count == 1
    assert settle(queues, name, nack(second)) == []
    [third] = receive(queues, name)
    assert third.receive_count == 2
    assert settle(queues, name, nack(third, delay=seconds(600))) == []
    assert receive(queues, name) == []


def test_an_old_lease_does_not_settle_a_newer_one(queues, name):
    create(queues, name)
    send_bodies(queues, name, "contested")
    [old] = receive(queues, name)
    settle(queues, name, nack(old))
    [new] = receive(queues, name)
    settle(queues, name, ack(old))
    assert bodies(entry.message for entry in peek(queues, name)) == ["contested"]
    assert settle(queues, name, extend(new, 60)) == []
    ack_all(queues, name, [new])
    assert peek(queues, name) == []


def test_a_lease_can_be_extended_and_shows_in_flight(queues, name):
    create(queues, name)
    send_bodies(queues, name, "slow")
    [received] = receive(queues, name)
    assert settle(queues, name, extend(received, 3600)) == []
    [entry] = peek(queues, name, queue_pb2.MESSAGE_STATE_IN_FLIGHT)
    gained = entry.message.lease_expire_time.ToMilliseconds() - received.lease_expire_time.ToMilliseconds()
    assert gained >= 3_569_000
    assert stats(queues, name).in_flight_messages == 1


def test_a_made_up_receipt_is_refused_and_the_others_are_settled(queues, name):
    create(queues, name)
    send_bodies(queues, name, "real")
    [received] = receive(queues, name)
    forged = queue_pb2.Settlement(receipt_handle=received.receipt_handle[:-4] + "AAAA", ack=queue_pb2.Ack())
    [failure] = settle(queues, name, forged, ack(received))
    assert failure.receipt_handle == forged.receipt_handle
    assert failure.error.reason == "RECEIPT_HANDLE_INVALID"
    assert peek(queues, name) == []


def test_a_delayed_message_waits(queues, name):
    create(queues, name)
    send(queues, name, message("later", delay=seconds(200 * 86_400)), message("now"))
    assert bodies(receive(queues, name)) == ["now"]
    assert bodies(entry.message for entry in peek(queues, name, queue_pb2.MESSAGE_STATE_DELAYED)) == ["later"]


def test_a_fifo_queue_keeps_the_order_of_a_group_and_locks_it(queues, name):
    name += ".fifo"
    create(queues, name)
    sent = send(
        queues,
        name,
        *(message(f"{group}{n}", group_id=group, deduplication_id=f"{group}{n}") for n in range(3) for group in "ab"),
    )
    numbers = [int(entry.sequence_number) for entry in sent]
    assert numbers == sorted(set(numbers))
    [first] = receive(queues, name, 1)
    assert first.body == b"a0"
    others = receive(queues, name)
    assert bodies(others) == ["b0", "b1", "b2"]
    ack_all(queues, name, [first])
    assert bodies(receive(queues, name)) == ["a1", "a2"]


def test_a_fifo_queue_recognises_a_repeated_send_even_after_deletion(queues, name):
    name += ".fifo"
    create(queues, name)
    [first] = send(queues, name, message("once", group_id="g", deduplication_id="d"))
    [repeat] = send(queues, name, message("other body", group_id="g", deduplication_id="d"))
    assert (repeat.message_id, repeat.sequence_number) == (first.message_id, first.sequence_number)
    assert repeat.deduplicated and not first.deduplicated
    received = receive(queues, name)
    assert bodies(received) == ["once"]
    ack_all(queues, name, received)
    [late] = send(queues, name, message("once", group_id="g", deduplication_id="d"))
    assert late.deduplicated
    assert receive(queues, name) == []


def test_a_receive_repeated_with_its_attempt_id_returns_the_same_messages(queues, name):
    name += ".fifo"
    create(queues, name, fifo=queue_pb2.FifoSettings(content_based_deduplication=True))
    send(queues, name, message("one", group_id="g"), message("two", group_id="g"))
    first = receive(queues, name, receive_attempt_id="attempt-1")
    again = receive(queues, name, receive_attempt_id="attempt-1")
    assert bodies(first) == bodies(again) == ["one", "two"]
    assert receive(queues, name, receive_attempt_id="attempt-2") == []
    ack_all(queues, name, again)


def test_a_message_received_too_often_becomes_a_dead_letter_and_is_redriven(queues, name):
    dead = create(queues, f"{name}-dead")
    policy = queue_pb2.DeadLetterPolicy(dead_letter_queue=dead.name, max_receive_count=1)
    source = create(queues, name, dead_letter_policy=policy)
    send_bodies(queues, name, "poison")
    [received] = receive(queues, name)
    settle(queues, name, nack(received))
    assert receive(queues, name) == []
    [letter] = receive(queues, dead.name, wait=20)
    assert letter.body == b"poison"
    assert letter.message_id == received.message_id
    assert letter.receive_count == 2
    assert name in letter.dead_letter_source
    settle(queues, dead.name, nack(letter))

    redrive = queues.StartRedrive(calls.StartRedriveRequest(source_queue=dead.name), timeout=TIMEOUT).redrive
    assert redrive.source_queue == dead.name
    [back] = receive(queues, source.name, wait=20)
    assert back.body == b"poison"
    listed = queues.ListRedrives(calls.ListRedrivesRequest(source_queue=dead.name), timeout=TIMEOUT).redrives
    assert redrive.name in [entry.name for entry in listed]


def test_a_consumer_can_send_a_message_to_the_dead_letters_with_a_reason(queues, name):
    dead = create(queues, f"{name}-dead")
    policy = queue_pb2.DeadLetterPolicy(dead_letter_queue=dead.name, max_receive_count=5)
    create(queues, name, dead_letter_policy=policy)
    send_bodies(queues, name, "unreadable")
    [received] = receive(queues, name)
    assert settle(queues, name, dead_letter(received, "the schema is unknown")) == []
    [letter] = receive(queues, dead.name, wait=20)
    assert letter.body == b"unreadable"
    assert letter.dead_letter_reason == "the schema is unknown"


def test_peek_shows_every_message_page_by_page_and_leases_none(queues, name):
    create(queues, name)
    send_bodies(queues, name, *(f"message {number}" for number in range(7)))
    seen, token = [], ""
    while True:
        request = calls.PeekRequest(queue=name, page_size=3, page_token=token, max_body_bytes=9)
        page = queues.Peek(request, timeout=TIMEOUT)
        seen += [entry.message.body.decode() for entry in page.messages]
        assert all(entry.state == queue_pb2.MESSAGE_STATE_VISIBLE for entry in page.messages)
        token = page.next_page_token
        if not token:
            break
    assert seen == [f"message {number}" for number in range(7)]
    assert all(received.receive_count == 1 for received in receive(queues, name))


def test_purging_removes_what_is_visible_in_flight_and_delayed(queues, name):
    create(queues, name)
    send(queues, name, message("in flight"), message("visible"), message("delayed", delay=seconds(60)))
    receive(queues, name, 1)
    purged = queues.PurgeQueue(calls.PurgeQueueRequest(name=name), timeout=TIMEOUT)
    assert purged.purged_messages == 3
    assert peek(queues, name) == []
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "PURGE_IN_PROGRESS") as seen:
        queues.PurgeQueue(calls.PurgeQueueRequest(name=name), timeout=TIMEOUT)
    assert seen[0].invites_a_retry


@pytest.mark.parametrize(
    ("request_of", "field", "limit"),
    [
        (lambda name: calls.ReceiveRequest(queue=name, max_messages=1001), "max_messages", "1000"),
        (lambda name: calls.ReceiveRequest(queue=name, wait=seconds(21)), "wait", "20"),
        (lambda name: calls.ReceiveRequest(queue=name, visibility_timeout=seconds(43_201)), "visibility_timeout", "12"),
        (lambda name: calls.ReceiveRequest(queue="no such name"), "queue", "80"),
    ],
    ids=["max_messages", "wait", "visibility_timeout", "queue"],
)
def test_a_refusal_names_the_field_and_the_limit(queues, name, request_of, field, limit):
    create(queues, name)
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT") as seen:
        queues.Receive(request_of(name), timeout=TIMEOUT)
    assert seen[0].fields == [field]
    assert limit in seen[0].descriptions + seen[0].text
    assert not seen[0].invites_a_retry


def test_an_unknown_queue_is_not_found(queues):
    with refused(grpc.StatusCode.NOT_FOUND, "QUEUE_NOT_FOUND") as seen:
        queues.Send(calls.SendRequest(queue="nobody-made-me", messages=[message("x")]), timeout=TIMEOUT)
    assert "nobody-made-me" in seen[0].text


def test_reflection_lists_the_service(shared_broker):
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

    services = ProtoReflectionDescriptorDatabase(shared_broker.channel()).get_services()
    assert "forebay.queue.v1.QueueService" in services
    assert "grpc.health.v1.Health" in services


def test_a_browser_reaches_the_same_port_with_grpc_web(shared_broker, queues, name):
    made = create(queues, name)
    request = calls.GetQueueRequest(name=made.name).SerializeToString()
    connection = http.client.HTTPConnection("127.0.0.1", shared_broker.port, timeout=TIMEOUT)
    connection.request(
        "POST",
        "/forebay.queue.v1.QueueService/GetQueue",
        body=struct.pack(">BI", 0, len(request)) + request,
        headers={
            "content-type": "application/grpc-web+proto",
            "accept": "application/grpc-web+proto",
            KEY[0]: KEY[1],
        },
    )
    answer = connection.getresponse()
    assert answer.status == 200
    body = answer.read()
    flag, length = struct.unpack_from(">BI", body)
    assert flag == 0
    assert calls.GetQueueResponse.FromString(body[5 : 5 + length]).queue.name == made.name
    trailer_flag, _ = struct.unpack_from(">BI", body, 5 + length)
    assert trailer_flag == 0x80 and b"grpc-status:0" in body[5 + length :].replace(b" ", b"")
