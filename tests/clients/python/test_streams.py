"""Produce and Consume from Python: one call each, many messages, resumed after a break."""

import queue

import grpc
import pytest
from calls import Refusal, ack, bodies, calls, create, message, nack, peek, receive, seconds, send_bodies

from forebay.common.v1 import common_pb2
from forebay.queue.v1 import queue_pb2

STEP_SECONDS_MAX = 20


class Call:
    """A two-way call: what is put goes out, `next` waits for what comes in and fails after a while."""

    def __init__(self, method):
        self.frames = queue.Queue()
        self.answers = method(iter(self.frames.get, None), timeout=STEP_SECONDS_MAX)
        self.kept = []

    def put(self, frame):
        self.frames.put(frame)

    def half_close(self):
        self.frames.put(None)

    def cancel(self):
        self.answers.cancel()

    def next(self, kind):
        """The next frame of this kind. A delivery and a confirmation may overtake each other; heartbeats are dropped."""
        for at, kept in enumerate(self.kept):
            if kept.WhichOneof("frame") == kind:
                return getattr(self.kept.pop(at), kind)
        for answer in self.answers:
            found = answer.WhichOneof("frame")
            if found == kind:
                return getattr(answer, kind)
            if found != "heartbeat":
                self.kept.append(answer)
        raise AssertionError(f"the call ended before a frame {kind!r} came")

    def rest(self):
        """What is left when the call has ended in peace."""
        return self.kept + [answer for answer in self.answers if answer.WhichOneof("frame") != "heartbeat"]


class Producer(Call):
    def __init__(self, queues, name, producer_id=""):
        super().__init__(queues.Produce)
        self.put(calls.ProduceRequest(open=calls.ProduceRequest.Open(queue=name, producer_id=producer_id)))
        self.opened = self.next("opened")

    def send(self, first, *texts):
        batch = calls.ProduceRequest.Batch(first_sequence=first, messages=[message(text) for text in texts])
        self.put(calls.ProduceRequest(batch=batch))

    def acked(self):
        return self.next("acked")


class Consumer(Call):
    def __init__(self, queues, name, outstanding=10, **fields):
        super().__init__(queues.Consume)
        flow = common_pb2.FlowControl(max_outstanding_messages=outstanding, max_outstanding_bytes=1 << 20)
        self.put(calls.ConsumeRequest(open=calls.ConsumeRequest.Open(queue=name, flow_control=flow, **fields)))
        self.opened = self.next("opened")

    def deliveries(self, number):
        """Messages until there are `number`."""
        messages = []
        while len(messages) < number:
            messages += self.next("delivery").messages
        return messages

    def settle(self, settle_id, *settlements):
        self.put(calls.ConsumeRequest(settle=calls.ConsumeRequest.Settle(settle_id=settle_id, settlements=settlements)))

    def settled(self):
        return self.next("settled_through")


def test_what_is_produced_is_acknowledged_in_order_and_received(queues, name):
    create(queues, name)
    producer = Producer(queues, name)
    producer.send(1, "a", "b")
    producer.send(3, "c")
    first, second = producer.acked(), producer.acked()
    assert (first.first_sequence, len(first.results)) == (1, 2)
    assert (second.first_sequence, len(second.results)) == (3, 1)
    assert all(result.sent.message_id for result in [*first.results, *second.results])
    producer.half_close()
    assert producer.rest() == []
    assert bodies(receive(queues, name)) == ["a", "b", "c"]


def test_a_producer_that_comes_back_stores_each_sequence_once(queues, name):
    create(queues, name)
    producer = Producer(queues, name, "ingest-1")
    assert producer.opened.last_sequence == 0
    producer.send(1, "one", "two")
    producer.acked()
    producer.cancel()

    again = Producer(queues, name, "ingest-1")
    assert again.opened.last_sequence == 2
    again.send(1, "one", "two", "three")
    results = again.acked().results
    assert [result.sent.deduplicated for result in results] == [True, True, False]
    assert bodies(receive(queues, name)) == ["one", "two", "three"]


def test_a_producer_that_skips_a_sequence_is_told_so(queues, name):
    create(queues, name)
    producer = Producer(queues, name, "ingest-2")
    producer.send(5, "too far")
    with pytest.raises(grpc.RpcError) as raised:
        producer.acked()
    refusal = Refusal(raised.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SEQUENCE_GAP")
    assert peek(queues, name) == []


def test_a_consumer_gets_no_more_than_its_credit(queues, name):
    create(queues, name)
    send_bodies(queues, name, *(str(number) for number in range(5)))
    consumer = Consumer(queues, name, outstanding=2)
    held = consumer.deliveries(2)
    assert bodies(held) == ["0", "1"]
    consumer.settle(1, ack(held[0]))
    assert consumer.settled().settle_id == 1
    held += consumer.deliveries(1)
    assert bodies(held) == ["0", "1", "2"]
    in_flight = peek(queues, name, queue_pb2.MESSAGE_STATE_IN_FLIGHT)
    assert bodies(entry.message for entry in in_flight) == ["1", "2"]
    consumer.settle(2, ack(held[1]), ack(held[2]))
    assert consumer.settled().settle_id == 2
    assert bodies(consumer.deliveries(2)) == ["3", "4"]
    consumer.cancel()


def test_a_message_sent_later_is_delivered_at_once(queues, name):
    create(queues, name)
    consumer = Consumer(queues, name)
    send_bodies(queues, name, "fresh")
    [delivered] = consumer.deliveries(1)
    assert delivered.body == b"fresh"
    consumer.settle(1, nack(delivered, keep_receive_count=True))
    consumer.settled()
    [again] = consumer.deliveries(1)
    assert again.message_id == delivered.message_id
    consumer.settle(2, ack(again))
    assert consumer.settled().settle_id == 2
    consumer.half_close()
    assert consumer.rest() == []


def test_settling_with_a_made_up_receipt_fails_alone(queues, name):
    create(queues, name)
    consumer = Consumer(queues, name)
    consumer.settle(1, queue_pb2.Settlement(receipt_handle="made up", ack=queue_pb2.Ack()))
    settled = consumer.settled()
    assert [failure.error.reason for failure in settled.failures] == ["RECEIPT_HANDLE_INVALID"]
    consumer.half_close()
    assert consumer.rest() == []


def test_a_resumed_session_keeps_its_leases_and_nothing_is_delivered_twice(queues, name):
    create(queues, name)
    send_bodies(queues, name, "held", "next")
    consumer = Consumer(queues, name, outstanding=1, release_grace=seconds(60))
    [held] = consumer.deliveries(1)
    consumer.cancel()

    resumed = Consumer(queues, name, outstanding=1, resume_session_id=consumer.opened.session_id)
    resumed.settle(1, ack(held))
    assert list(resumed.settled().failures) == []
    assert bodies(resumed.deliveries(1)) == ["next"]
    resumed.cancel()


def test_without_a_resume_the_leases_are_given_back_after_the_grace(queues, name):
    create(queues, name)
    send_bodies(queues, name, "left behind")
    consumer = Consumer(queues, name, release_grace=seconds(0.2), visibility_timeout=seconds(43_000))
    consumer.deliveries(1)
    consumer.cancel()
    assert bodies(receive(queues, name, wait=15)) == ["left behind"]


def test_a_fifo_group_is_consumed_in_order(queues, name):
    name += ".fifo"
    create(queues, name, fifo=queue_pb2.FifoSettings(content_based_deduplication=True))
    texts = [f"{group}{number}" for number in range(5) for group in "ab"]
    request = calls.SendRequest(queue=name, messages=[message(text, group_id=text[0]) for text in texts])
    queues.Send(request, timeout=STEP_SECONDS_MAX)
    consumer = Consumer(queues, name, outstanding=2)
    seen = []
    for settle_id in range(1, 100):
        if len(seen) == len(texts):
            break
        delivered = consumer.next("delivery").messages
        seen += bodies(delivered)
        consumer.settle(settle_id, *(ack(entry) for entry in delivered))
        consumer.settled()
    for group in "ab":
        assert [text for text in seen if text[0] == group] == [f"{group}{number}" for number in range(5)]
    consumer.cancel()
