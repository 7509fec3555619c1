"""The clients: three of the workloads. Each worker runs until the broker dies under it; what it knew then stays.

A call that fails because the broker went away leaves its effect unknown. Every other failure is the broker's fault.
"""

import asyncio
import itertools

import grpc
from broker import KEY
from oracle import Groups, Ledger, Violation, body_of

from forebay.common.v1 import common_pb2
from forebay.queue.v1 import queue_pb2, queue_service_pb2 as calls
from google.protobuf.duration_pb2 import Duration

CALL_SECONDS_MAX = 30
BACKLOG_MAX = 2000
# Longer than any run: an acknowledged lease must not time out under the oracle's feet.
LEASE = Duration(seconds=40_000)


class BrokerGone(Exception):
    """The connection broke: the broker was killed."""


async def ask(call):
    """Awaits a unary call; tells a dead broker from a refusal."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise judged(error) from error


def judged(error):
    return judged_status(error.code(), error.details())


def judged_status(code, details):
    # The last pair is grpcio's own: a write met the broken connection before a read did.
    broken = code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    if broken or (code, details) == (grpc.StatusCode.INTERNAL, "Internal error from Core"):
        return BrokerGone(f"{code}: {details}")
    return Violation(f"a call ended with {code}: {details}")


async def ended(call):
    """What the end of a two-way call means."""
    return judged_status(await call.code(), await call.details())


async def write(call, frame):
    """Writes to a two-way call. A write that fails says nothing; the call's status does."""
    try:
        await call.write(frame)
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
        raise await ended(call) from error


async def read(call):
    """The next frame of a two-way call."""
    try:
        answer = await call.read()
    except grpc.aio.AioRpcError as error:
        raise judged(error) from error
    if answer is grpc.aio.EOF:
        raise await ended(call)
    kind = answer.WhichOneof("frame")
    return kind, getattr(answer, kind)


def ack(receipt):
    return queue_pb2.Settlement(receipt_handle=receipt, ack=queue_pb2.Ack())


def nack(receipt):
    return queue_pb2.Settlement(receipt_handle=receipt, nack=queue_pb2.Nack())


async def until_gone(step):
    """Repeats a step until the broker goes away; returns how that showed."""
    try:
        while True:
            await step()
    except BrokerGone as gone:
        return str(gone)


class Standard:
    """Send, receive, acknowledge or give back, on a standard queue."""

    queue = "plain"

    def __init__(self, random):
        self.random = random
        self.ledger = Ledger(self.queue)
        self.numbers = itertools.count()

    def settings(self):
        return queue_pb2.Queue(type=queue_pb2.QUEUE_TYPE_STANDARD, visibility_timeout=LEASE)

    def workers(self, stub):
        return [until_gone(lambda: self.send(stub)) for _ in range(3)] + [
            until_gone(lambda: self.consume(stub)) for _ in range(3)
        ]

    async def send(self, stub):
        if self.ledger.backlog() > BACKLOG_MAX:
            await asyncio.sleep(0.02)
            return
        keys = [f"plain-{next(self.numbers)}" for _ in range(self.random.randint(1, 10))]
        self.ledger.on_try(keys)
        messages = [queue_pb2.Message(body=body_of(key)) for key in keys]
        answer = await ask(stub.Send(calls.SendRequest(queue=self.queue, messages=messages), timeout=CALL_SECONDS_MAX))
        for key, result in zip(keys, answer.results, strict=True):
            if result.WhichOneof("result") == "sent":
                self.ledger.on_sent(key, result.sent.message_id)
            elif not result.error.HasField("retry_delay"):
                raise Violation(f"sending {key} was refused: {result.error}")

    async def consume(self, stub):
        request = calls.ReceiveRequest(queue=self.queue, max_messages=10, wait=Duration(seconds=1))
        answer = await ask(stub.Receive(request, timeout=CALL_SECONDS_MAX))
        acked, settlements = {}, []
        for message in answer.messages:
            key = self.ledger.on_received(message)
            if self.random.random() < 0.85:
                acked[message.receipt_handle] = key
                settlements.append(ack(message.receipt_handle))
            else:
                settlements.append(nack(message.receipt_handle))
        if not settlements:
            return
        self.ledger.on_maybe_deleted(acked.values())
        request = calls.SettleRequest(queue=self.queue, settlements=settlements)
        answer = await ask(stub.Settle(request, timeout=CALL_SECONDS_MAX))
        if answer.failures:
            raise Violation(f"settling leases just obtained failed: {answer.failures[0]}")
        self.ledger.on_deleted(acked.values())


class Fifo:
    """Groups and deduplication ids. A call whose answer was lost is repeated as it was, after the restart."""

    queue = "steps.fifo"
    groups = 8
    consumers = 3

    def __init__(self, random):
        self.random = random
        self.ledger = Ledger(self.queue)
        self.order = Groups(self.ledger)
        self.next_index = dict.fromkeys((f"g{n}" for n in range(self.groups)), 0)
        self.unanswered_sends = {}
        self.unanswered_receives = {}
        self.unanswered_settles = {}
        self.attempts = itertools.count()

    def settings(self):
        return queue_pb2.Queue(type=queue_pb2.QUEUE_TYPE_FIFO, visibility_timeout=LEASE)

    def workers(self, stub):
        producers = [until_gone(lambda g=group: self.send(stub, g)) for group in self.next_index]
        return producers + [until_gone(lambda c=name: self.consume(stub, c)) for name in self.consumer_names()]

    def consumer_names(self):
        return [f"consumer {n}" for n in range(self.consumers)]

    async def send(self, stub, group):
        if self.ledger.backlog() > BACKLOG_MAX:
            await asyncio.sleep(0.02)
            return
        known = self.next_index[group]
        indexes = self.unanswered_sends.get(group)
        repeat = indexes is None and known > 0 and self.random.random() < 0.1
        if repeat:
            indexes = [self.random.randrange(max(0, known - 20), known)]
        elif indexes is None:
            indexes = list(range(known, known + self.random.randint(1, 3)))
            self.unanswered_sends[group] = indexes
        keys = [f"{group}-{index}" for index in indexes]
        self.ledger.on_try(keys)
        messages = [queue_pb2.Message(body=body_of(key), group_id=group, deduplication_id=key) for key in keys]
        answer = await ask(stub.Send(calls.SendRequest(queue=self.queue, messages=messages), timeout=CALL_SECONDS_MAX))
        for key, result in zip(keys, answer.results, strict=True):
            if result.WhichOneof("result") != "sent":
                raise Violation(f"sending {key} was refused: {result.error}")
            if repeat and not result.sent.deduplicated:
                raise Violation(f"the repeat of {key} was not recognised")
            self.ledger.on_sent(key, result.sent.message_id)
        if not repeat:
            self.next_index[group] = indexes[-1] + 1
            del self.unanswered_sends[group]
        await asyncio.sleep(self.random.random() * 0.02)

    async def consume(self, stub, consumer):
        if consumer not in self.unanswered_settles:
            await self.receive(stub, consumer)
        if consumer in self.unanswered_settles:
            await self.settle(stub, consumer)

    async def receive(self, stub, consumer):
        attempt = self.unanswered_receives.setdefault(consumer, f"attempt-{next(self.attempts)}")
        request = calls.ReceiveRequest(
            queue=self.queue, max_messages=10, wait=Duration(seconds=1), receive_attempt_id=attempt
        )
        answer = await ask(stub.Receive(request, timeout=CALL_SECONDS_MAX))
        del self.unanswered_receives[consumer]
        if not answer.messages:
            return
        by_group = self.order.on_received(answer.messages, consumer)
        acked, settlements = [], []
        for group, indexes in by_group.items():
            receipts = [message.receipt_handle for message in answer.messages if message.group_id == group]
            done = self.random.randint(0, len(indexes)) if self.random.random() < 0.3 else len(indexes)
            acked += [f"{group}-{index}" for index in indexes[:done]]
            settlements += [ack(receipt) for receipt in receipts[:done]]
            settlements += [nack(receipt) for receipt in receipts[done:]]
        self.unanswered_settles[consumer] = (acked, list(by_group), settlements)

    async def settle(self, stub, consumer):
        keys, groups, settlements = self.unanswered_settles[consumer]
        self.order.on_settle(keys, groups, consumer)
        self.ledger.on_maybe_deleted(keys)
        request = calls.SettleRequest(queue=self.queue, settlements=settlements)
        answer = await ask(stub.Settle(request, timeout=CALL_SECONDS_MAX))
        acks = {settlement.receipt_handle for settlement in settlements if settlement.HasField("ack")}
        failed = [failure for failure in answer.failures if failure.receipt_handle in acks]
        if failed:
            raise Violation(f"{consumer}: acknowledging a lease that was never given up failed: {failed[0].error}")
        self.order.on_settled(keys)
        del self.unanswered_settles[consumer]


class Produced:
    """One Produce call whose producer comes back after each break; two Consume calls."""

    queue = "ingest"
    producer_id = "producer-1"
    window = 200

    def __init__(self, random):
        self.random = random
        self.ledger = Ledger(self.queue)
        self.acked_through = 0
        self.tried_through = 0

    def settings(self):
        return queue_pb2.Queue(type=queue_pb2.QUEUE_TYPE_STANDARD, visibility_timeout=Duration(seconds=20))

    def workers(self, stub):
        return [self.guarded(self.produce, stub), self.guarded(self.consume, stub), self.guarded(self.consume, stub)]

    async def guarded(self, stream, stub):
        """Runs a two-way call until the broker goes away; returns how that showed."""
        try:
            await stream(stub)
        except BrokerGone as gone:
            return str(gone)

    async def produce(self, stub):
        call = stub.Produce(metadata=[KEY])
        opening = calls.ProduceRequest.Open(queue=self.queue, producer_id=self.producer_id)
        await write(call, calls.ProduceRequest(open=opening))
        opened = await self.frame(call, "opened")
        stored = opened.last_sequence
        if not self.acked_through <= stored <= self.tried_through:
            raise Violation(
                f"the producer's last sequence is {stored}; {self.acked_through} was acknowledged, "
                f"{self.tried_through} was sent"
            )
        sender = asyncio.create_task(self.write_batches(call))
        try:
            while True:
                self.on_acked(await self.frame(call, "acked"), stored)
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def write_batches(self, call):
        following = self.acked_through + 1
        while True:
            if following - self.acked_through > self.window or self.ledger.backlog() > BACKLOG_MAX:
                await asyncio.sleep(0.01)
                continue
            count = self.random.randint(1, 5)
            keys = [f"ingest-{following + n}" for n in range(count)]
            self.ledger.on_try(keys)
            self.tried_through = max(self.tried_through, following + count - 1)
            messages = [queue_pb2.Message(body=body_of(key)) for key in keys]
            batch = calls.ProduceRequest.Batch(first_sequence=following, messages=messages)
            await write(call, calls.ProduceRequest(batch=batch))
            following += count

    def on_acked(self, acked, stored):
        if acked.first_sequence != self.acked_through + 1:
            raise Violation(f"sequence {acked.first_sequence} was acknowledged after {self.acked_through}")
        for sequence, result in enumerate(acked.results, acked.first_sequence):
            if result.WhichOneof("result") != "sent":
                raise Violation(f"sequence {sequence} was refused: {result.error}")
            if result.sent.deduplicated != (sequence <= stored):
                raise Violation(f"sequence {sequence}: deduplicated is {result.sent.deduplicated}, {stored} were stored")
            self.ledger.on_sent(f"ingest-{sequence}", result.sent.message_id)
            self.acked_through = sequence

    async def consume(self, stub):
        call = stub.Consume(metadata=[KEY])
        flow = common_pb2.FlowControl(max_outstanding_messages=20, max_outstanding_bytes=1 << 20)
        opening = calls.ConsumeRequest.Open(queue=self.queue, flow_control=flow, release_grace=Duration(seconds=1))
        await write(call, calls.ConsumeRequest(open=opening))
        await self.frame(call, "opened")
        unconfirmed = {}
        for_later = []
        settle_id = 0
        while True:
            delivery = await self.delivery(call, unconfirmed)
            acked, settlements = set(), [ack(message.receipt_handle) for message in for_later]
            acked.update(self.ledger.on_received(message) for message in for_later)
            for_later = []
            for message in delivery.messages:
                key = self.ledger.on_received(message)
                draw = self.random.random()
                if draw < 0.1:
                    settlements.append(nack(message.receipt_handle))
                elif draw < 0.2 and len(delivery.messages) > 1:
                    for_later.append(message)
                else:
                    acked.add(key)
                    settlements.append(ack(message.receipt_handle))
            if not settlements:
                continue
            settle_id += 1
            self.ledger.on_maybe_deleted(acked)
            unconfirmed[settle_id] = acked
            settle = calls.ConsumeRequest.Settle(settle_id=settle_id, settlements=settlements)
            await write(call, calls.ConsumeRequest(settle=settle))

    async def delivery(self, call, unconfirmed):
        """The next delivery; on the way to it, notes what was confirmed."""
        while True:
            kind, frame = await read(call)
            if kind == "delivery":
                return frame
            if kind != "settled_through":
                continue
            if frame.failures:
                raise Violation(f"settling in the call that holds the lease failed: {frame.failures[0].error}")
            for settle_id in [known for known in unconfirmed if known <= frame.settle_id]:
                self.ledger.on_deleted(unconfirmed.pop(settle_id))

    async def frame(self, call, kind):
        found, frame = await read(call)
        if found != kind:
            raise Violation(f"a frame {found} came instead of {kind}")
        return frame
