"""What a user finds after the broker was killed or stopped."""

import grpc
from calls import (
    ack_all,
    bodies,
    calls,
    create,
    message,
    nack,
    peek,
    queue_pb2,
    receive,
    seconds,
    send,
    send_bodies,
    settle,
    stats,
)
from test_streams import Consumer, Producer


def states(queues, name):
    """Every message's body by its state."""
    kinds = {
        queue_pb2.MESSAGE_STATE_VISIBLE: "visible",
        queue_pb2.MESSAGE_STATE_IN_FLIGHT: "in flight",
        queue_pb2.MESSAGE_STATE_DELAYED: "delayed",
    }
    return {entry.message.body.decode(): kinds[entry.state] for entry in peek(queues, name)}


def test_after_kill_9_every_message_is_there_once_in_its_state(own_broker):
    queues = own_broker.queues()
    create(queues, "orders", visibility_timeout=seconds(3600))
    send(queues, "orders", message("deleted"), message("leased"), message("given back"))
    deleted, leased, given_back = receive(queues, "orders")
    ack_all(queues, "orders", [deleted])
    settle(queues, "orders", nack(given_back))
    send(queues, "orders", message("visible"), message("delayed", delay=seconds(86_400)))
    before = stats(queues, "orders")

    own_broker.restart_after_kill()
    queues = own_broker.queues()
    assert states(queues, "orders") == {
        "leased": "in flight",
        "given back": "visible",
        "visible": "visible",
        "delayed": "delayed",
    }
    after = stats(queues, "orders")
    assert (after.visible_messages, after.in_flight_messages, after.delayed_messages) == (2, 1, 1)
    assert after.stored_bytes == before.stored_bytes
    # The lease outlives the process, and so does the receipt for it.
    ack_all(queues, "orders", [leased])
    received = receive(queues, "orders")
    assert sorted((entry.body.decode(), entry.receive_count) for entry in received) == [("given back", 2), ("visible", 1)]
    ack_all(queues, "orders", received)

    own_broker.restart_after_kill()
    assert states(own_broker.queues(), "orders") == {"delayed": "delayed"}


def test_deduplication_and_the_order_of_a_group_survive_kill_9(own_broker):
    queues = own_broker.queues()
    create(queues, "steps.fifo")
    entries = [message(str(n), group_id="g", deduplication_id=str(n)) for n in range(4)]
    sent = send(queues, "steps.fifo", *entries)
    [first] = receive(queues, "steps.fifo", 1)
    ack_all(queues, "steps.fifo", [first])

    own_broker.restart_after_kill()
    queues = own_broker.queues()
    repeated = send(queues, "steps.fifo", *entries)
    assert all(entry.deduplicated for entry in repeated)
    assert [entry.message_id for entry in repeated] == [entry.message_id for entry in sent]
    [after] = send(queues, "steps.fifo", message("4", group_id="g", deduplication_id="4"))
    assert int(after.sequence_number) > int(sent[-1].sequence_number)
    assert bodies(receive(queues, "steps.fifo")) == ["1", "2", "3", "4"]


def test_settings_survive_and_a_deleted_queue_stays_deleted(own_broker):
    queues = own_broker.queues()
    dead = create(queues, "dead")
    policy = queue_pb2.DeadLetterPolicy(dead_letter_queue=dead.name, max_receive_count=3)
    made = create(queues, "kept", retention=seconds(3600), dead_letter_policy=policy, tags={"a": "b"})
    create(queues, "dropped")
    queues.DeleteQueue(calls.DeleteQueueRequest(name="dropped"))

    own_broker.restart_after_kill()
    queues = own_broker.queues()
    assert queues.GetQueue(calls.GetQueueRequest(name="kept")).queue == made
    listed = queues.ListQueues(calls.ListQueuesRequest()).queues
    assert sorted(queue.name.rsplit("/", 1)[1] for queue in listed) == ["dead", "kept"]


def test_a_producer_resumes_behind_what_was_acknowledged_before_kill_9(own_broker):
    queues = own_broker.queues()
    create(queues, "ingest")
    producer = Producer(queues, "ingest", "p")
    producer.send(1, "1", "2", "3")
    producer.acked()

    own_broker.restart_after_kill()
    queues = own_broker.queues()
    again = Producer(queues, "ingest", "p")
    assert again.opened.last_sequence == 3
    again.send(2, "2", "3", "4")
    assert [result.sent.deduplicated for result in again.acked().results] == [True, True, False]
    again.cancel()
    assert bodies(receive(queues, "ingest")) == ["1", "2", "3", "4"]


def test_sigterm_tells_consumers_finishes_and_leaves_nothing_to_repair(own_broker):
    queues = own_broker.queues()
    create(queues, "work")
    send_bodies(queues, "work", "one", "two")
    consumer = Consumer(queues, "work", outstanding=1)
    [held] = consumer.deliveries(1)
    own_broker.process.terminate()
    assert consumer.next("draining") is not None
    consumer.settle(1, queue_pb2.Settlement(receipt_handle=held.receipt_handle, ack=queue_pb2.Ack()))
    assert list(consumer.settled().failures) == []
    consumer.half_close()
    assert own_broker.process.wait(60) == 0, own_broker.log_tail()

    own_broker.close_channels()
    own_broker.start()
    assert states(own_broker.queues(), "work") == {"two": "visible"}


def test_a_second_sigterm_ends_a_drain_that_waits(own_broker):
    queues = own_broker.queues()
    create(queues, "work")
    consumer = Consumer(queues, "work")
    own_broker.process.terminate()
    consumer.next("draining")
    own_broker.terminate()
    own_broker.close_channels()
    own_broker.start()
    assert states(own_broker.queues(), "work") == {}


def test_a_second_broker_on_the_same_data_is_refused(own_broker):
    import subprocess
    from broker import Broker, os

    other = Broker(own_broker.folder)
    environment = {"PATH": os.environ["PATH"], **other.settings}
    result = subprocess.run(
        [os.environ["FOREBAY_BIN"], "serve"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert result.returncode != 0
    assert str(own_broker.process.pid) in result.stderr + result.stdout
    assert own_broker.is_serving()


def test_a_health_check_fails_when_nobody_listens(own_broker):
    own_broker.kill()
    assert not own_broker.is_serving()
    own_broker.start()
    assert own_broker.is_serving()


def test_a_lost_connection_is_an_ordinary_error(own_broker):
    queues = own_broker.queues()
    create(queues, "work")
    own_broker.kill()
    try:
        send_bodies(queues, "work", "nobody hears this")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE
    else:
        raise AssertionError("a send to a dead broker was acknowledged")
