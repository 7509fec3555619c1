"""The load of dead letters: received too often or given up by their consumer, and brought back by redrives."""

import asyncio
import itertools
import time

import grpc
from loads import BACKLOG_MAX, CALL_SECONDS_MAX, LEASE, Violation, ack, ask, nack, until_gone
from oracle import Letters, body_of, reason_of

from forebay.queue.v1 import queue_pb2, queue_service_pb2 as calls
from google.protobuf.duration_pb2 import Duration

MAX_RECEIVES = 2
# A redrive that a kill interrupted has so long to end by itself before the check cancels it.
REDRIVE_SECONDS = 2


async def allowed(call):
    """As ask(), but the state of the queue may refuse the call."""
    try:
        return await ask(call)
    except Violation as violation:
        refused = violation.__cause__
        if isinstance(refused, grpc.aio.AioRpcError) and refused.code() == grpc.StatusCode.FAILED_PRECONDITION:
            return None
        raise


class DeadLetters:
    """A queue and its dead-letter queue. Each message is in one of them until it is acknowledged."""

    def __init__(self, random, fifo=False):
        self.random = random
        self.fifo = fifo
        suffix = ".fifo" if fifo else ""
        self.work, self.dead = f"work{suffix}", f"dead{suffix}"
        self.ledger = Letters(self.work, self.dead, MAX_RECEIVES)
        self.numbers = itertools.count()
        self.redrives = set()

    # What was taken in `work` and is still on its way is seen in `dead`, never in both: `work` is looked at first.
    @property
    def queues(self):
        return [self.work, self.dead]

    def settings_of(self, queue):
        kind = queue_pb2.QUEUE_TYPE_FIFO if self.fifo else queue_pb2.QUEUE_TYPE_STANDARD
        settings = queue_pb2.Queue(type=kind, visibility_timeout=LEASE)
        if queue == self.work:
            policy = queue_pb2.DeadLetterPolicy(dead_letter_queue=self.full(self.dead), max_receive_count=MAX_RECEIVES)
            settings.dead_letter_policy.CopyFrom(policy)
        return settings

    def named(self, work):
        """The name that the broker gave the queue `work` tells those of both."""
        self.namespace = work.rsplit("/queues/", 1)[0]

    def full(self, queue):
        return f"{self.namespace}/queues/{queue}"

    def workers(self, stub):
        return [
            until_gone(lambda: self.send(stub)),
            until_gone(lambda: self.consume(stub, self.work)),
            until_gone(lambda: self.consume(stub, self.work)),
            until_gone(lambda: self.consume(stub, self.dead)),
            until_gone(lambda: self.redrive(stub)),
        ]

    async def send(self, stub):
        if self.ledger.backlog() > BACKLOG_MAX // 2:
            await asyncio.sleep(0.02)
            return
        keys = [f"{self.work}-{next(self.numbers)}" for _ in range(self.random.randint(1, 10))]
        self.ledger.on_try(keys)
        messages = [self.message(key) for key in keys]
        answer = await ask(stub.Send(calls.SendRequest(queue=self.work, messages=messages), timeout=CALL_SECONDS_MAX))
        for key, result in zip(keys, answer.results, strict=True):
            if result.WhichOneof("result") != "sent":
                raise Violation(f"sending {key} was refused: {result.error}")
            self.ledger.on_sent(key, result.sent.message_id)

    def message(self, key):
        if not self.fifo:
            return queue_pb2.Message(body=body_of(key))
        # Few of a group: what a lost answer holds back for ever must not hold back the rest.
        group = str(int(key.rsplit("-", 1)[1]) // 5)
        return queue_pb2.Message(body=body_of(key), group_id=group, deduplication_id=key)

    async def consume(self, stub, queue):
        request = calls.ReceiveRequest(queue=queue, max_messages=10, wait=Duration(seconds=1))
        answer = await ask(stub.Receive(request, timeout=CALL_SECONDS_MAX))
        acked, settlements, broken_groups = [], [], set()
        for message in answer.messages:
            key = self.ledger.on_letter(queue, message)
            if message.group_id in broken_groups:
                continue
            settlement = self.decide(queue, key, message.receipt_handle)
            settlements.append(settlement)
            if settlement.HasField("ack"):
                acked.append(key)
            elif self.fifo:
                # The rest of the group comes back with it.
                broken_groups.add(message.group_id)
        if not settlements:
            return
        self.ledger.on_maybe_deleted(acked)
        request = calls.SettleRequest(queue=queue, settlements=settlements)
        answer = await ask(stub.Settle(request, timeout=CALL_SECONDS_MAX))
        if answer.failures:
            raise Violation(f"settling leases just obtained failed: {answer.failures[0]}")
        self.ledger.on_deleted(acked)
        # Redrives find something only when the dead letters are not all taken at once.
        await asyncio.sleep(self.random.random() * (0.2 if queue == self.dead else 0.01))

    def decide(self, queue, key, receipt):
        draw = self.random.random()
        if draw < 0.4:
            return ack(receipt)
        if draw < 0.8 or queue == self.dead:
            return nack(receipt)
        self.ledger.on_given_up(key)
        return queue_pb2.Settlement(receipt_handle=receipt, dead_letter=queue_pb2.DeadLetter(reason=reason_of(key)))

    async def redrive(self, stub):
        """Starts a redrive at some speed, back to where each came from or to the queue by name; may cancel it."""
        await asyncio.sleep(self.random.random() * 0.3)
        velocity = self.random.choice([0, 0, 20, 200])
        request = calls.StartRedriveRequest(
            source_queue=self.dead,
            destination_queue=self.random.choice(["", self.work]),
            max_messages_per_second=velocity,
        )
        started = await allowed(stub.StartRedrive(request, timeout=CALL_SECONDS_MAX))
        if started is None or self.random.random() < 0.5:
            return
        await asyncio.sleep(self.random.random() * 0.2)
        await self.cancel(stub, started.redrive)

    async def cancel(self, stub, redrive):
        request = calls.CancelRedriveRequest(name=redrive.name)
        await allowed(stub.CancelRedrive(request, timeout=CALL_SECONDS_MAX))

    async def rest(self, stub):
        """Returns when no redrive runs any more; one that the restart carried on may end by itself, or is cancelled."""
        deadline = time.monotonic() + REDRIVE_SECONDS
        while True:
            request = calls.ListRedrivesRequest(source_queue=self.dead, page_size=100)
            listed = await ask(stub.ListRedrives(request, timeout=CALL_SECONDS_MAX))
            for redrive in listed.redrives:
                self.check_redrive(redrive)
            running = [known for known in listed.redrives if known.state == queue_pb2.REDRIVE_STATE_RUNNING]
            if not running:
                return
            if time.monotonic() > deadline:
                await self.cancel(stub, running[0])
            await asyncio.sleep(0.05)

    def check_redrive(self, redrive):
        self.redrives.add(redrive.name)
        if redrive.state == queue_pb2.REDRIVE_STATE_FAILED:
            raise Violation(f"{redrive.name} failed: {redrive.failure_reason}")
        velocity = redrive.max_messages_per_second
        allowance = (time.time() - redrive.start_time.ToNanoseconds() / 1e9) * velocity
        if velocity and redrive.messages_moved > allowance:
            raise Violation(f"{redrive.name} moved {redrive.messages_moved} where {allowance:.1f} were allowed")
