"""Short forms of the calls the tests make again and again, and the reading of error details."""

import contextlib

import grpc
import pytest
from broker import generate_stubs  # noqa: F401  (makes `forebay` importable)
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from forebay.queue.v1 import queue_pb2, queue_service_pb2 as calls

TIMEOUT = 30


def seconds(number):
    return Duration(seconds=int(number), nanos=int(number % 1 * 1e9))


def create(queues, name, **settings):
    kind = queue_pb2.QUEUE_TYPE_FIFO if name.endswith(".fifo") else queue_pb2.QUEUE_TYPE_STANDARD
    request = calls.CreateQueueRequest(queue_id=name, queue=queue_pb2.Queue(type=kind, **settings))
    return queues.CreateQueue(request, timeout=TIMEOUT).queue


def message(body, **fields):
    return queue_pb2.Message(body=body.encode() if isinstance(body, str) else body, **fields)


def send(queues, name, *messages):
    """Sends and returns what was stored; fails when an entry was refused."""
    results = queues.Send(calls.SendRequest(queue=name, messages=messages), timeout=TIMEOUT).results
    assert [result.WhichOneof("result") for result in results] == ["sent"] * len(messages), results
    return [result.sent for result in results]


def send_bodies(queues, name, *bodies):
    return send(queues, name, *(message(body) for body in bodies))


def receive(queues, name, most=10, wait=0, **fields):
    request = calls.ReceiveRequest(queue=name, max_messages=most, wait=seconds(wait), **fields)
    return list(queues.Receive(request, timeout=TIMEOUT).messages)


def bodies(messages):
    return [message.body.decode() for message in messages]


def settle(queues, name, *settlements):
    return list(queues.Settle(calls.SettleRequest(queue=name, settlements=settlements), timeout=TIMEOUT).failures)


def ack(received):
    return queue_pb2.Settlement(receipt_handle=received.receipt_handle, ack=queue_pb2.Ack())


def nack(received, **fields):
    return queue_pb2.Settlement(receipt_handle=received.receipt_handle, nack=queue_pb2.Nack(**fields))


def extend(received, timeout):
    change = queue_pb2.Extend(visibility_timeout=seconds(timeout))
    return queue_pb2.Settlement(receipt_handle=received.receipt_handle, extend=change)


def dead_letter(received, reason):
    return queue_pb2.Settlement(
        receipt_handle=received.receipt_handle, dead_letter=queue_pb2.DeadLetter(reason=reason)
    )


def ack_all(queues, name, messages):
    assert settle(queues, name, *(ack(message) for message in messages)) == []


def stats(queues, name):
    from forebay.common.v1 import common_pb2

    request = calls.GetQueueRequest(name=name, view=common_pb2.RESOURCE_VIEW_FULL)
    return queues.GetQueue(request, timeout=TIMEOUT).queue.stats


def peek(queues, name, *states, **fields):
    request = calls.PeekRequest(queue=name, page_size=100, states=states, **fields)
    return list(queues.Peek(request, timeout=TIMEOUT).messages)


class Refusal:
    """A gRPC error with its google.rpc details unpacked by type."""

    def __init__(self, error):
        self.code = error.code()
        self.text = error.details()
        self._details = {}
        status = rpc_status.from_call(error)
        assert status is not None, f"no google.rpc.Status in the trailers of {error}"
        for detail in status.details:
            for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
                if detail.Is(kind.DESCRIPTOR):
                    unpacked = kind()
                    detail.Unpack(unpacked)
                    self._details[kind.__name__] = unpacked

    @property
    def reason(self):
        info = self._details["ErrorInfo"]
        assert info.domain == "forebay"
        return info.reason

    @property
    def fields(self):
        return [violation.field for violation in self._details["BadRequest"].field_violations]

    @property
    def descriptions(self):
        return " ".join(violation.description for violation in self._details["BadRequest"].field_violations)

    @property
    def invites_a_retry(self):
        return "RetryInfo" in self._details


@contextlib.contextmanager
def refused(code, reason):
    """The call inside must fail with this code and reason; yields a list whose only element is the refusal."""
    seen = []
    with pytest.raises(grpc.RpcError) as raised:
        yield seen
    refusal = Refusal(raised.value)
    assert (refusal.code, refusal.reason) == (code, reason), refusal.text
    seen.append(refusal)
