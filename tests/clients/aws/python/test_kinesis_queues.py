"""Queues on streams through boto3: every operation, and a broker killed in the middle of the work."""

import itertools
import threading
import time

import pytest
import server as servers
from botocore.exceptions import BotoCoreError, ClientError
from conftest import client_of

_numbers = itertools.count(1)
RECORDS = 300
KILLS = 3
WORKERS = 3


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.05)


def new_stream(kinesis, name):
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]


def is_active(kinesis, queue):
    return kinesis.describe_queue(QueueARN=queue)["QueueDescription"]["QueueStatus"] == "ACTIVE"


def new_queue(kinesis, name, stream, **more):
    source = {"StreamARN": stream, "StartingPosition": {"Type": "TRIM_HORIZON"}}
    made = kinesis.create_queue(QueueName=name, StreamConfigurationList=[source], **more)["QueueDescription"]
    wait_for(lambda: is_active(kinesis, made["QueueARN"]))
    return made["QueueARN"]


def handles(records):
    return [{"ReceiptHandle": record["ReceiptHandle"]} for record in records]


@pytest.fixture(scope="session")
def kinesis(server):
    return client_of(server, service="kinesis")


@pytest.fixture
def stream(kinesis):
    return new_stream(kinesis, f"queued-{next(_numbers)}")


def test_a_queue_lives_and_goes(kinesis, stream):
    queue = new_queue(kinesis, f"queue-{next(_numbers)}", stream, Tags={"made": "here"})
    kinesis.update_queue(QueueARN=queue, QueueAttributes={"VisibilityTimeoutSeconds": 7})
    wait_for(lambda: is_active(kinesis, queue))
    described = kinesis.describe_queue(QueueARN=queue)["QueueDescription"]
    assert described["QueueAttributes"]["VisibilityTimeoutSeconds"] == 7
    assert described["QueueAttributes"]["DeadLetterConfiguration"] == {"TargetType": "BUILT_IN", "MaxReceiveCount": 6}
    assert kinesis.list_tags_for_resource(ResourceARN=queue)["Tags"] == [{"Key": "made", "Value": "here"}]
    listed = kinesis.list_queues(StreamFilter=[{"StreamARN": stream}])["QueueSummaries"]
    assert [summary["QueueARN"] for summary in listed] == [queue]
    with pytest.raises(kinesis.exceptions.ResourceInUseException, match="has 1 queues"):
        kinesis.delete_stream(StreamARN=stream)
    kinesis.delete_queue(QueueARN=queue)
    wait_for(lambda: not kinesis.list_queues(StreamFilter=[{"StreamARN": stream}])["QueueSummaries"])
    with pytest.raises(kinesis.exceptions.ResourceNotFoundException):
        kinesis.receive_queue_records(QueueARN=queue)
    kinesis.delete_stream(StreamARN=stream)


def test_records_are_received_settled_and_restored(kinesis, stream):
    dead = {"DeadLetterConfiguration": {"TargetType": "BUILT_IN", "MaxReceiveCount": 1}}
    queue = new_queue(kinesis, f"queue-{next(_numbers)}", stream, QueueAttributes=dead)
    put = kinesis.put_record(StreamARN=stream, PartitionKey="key", Data=b"some data")
    received = kinesis.receive_queue_records(QueueARN=queue)["QueueRecords"]
    assert [record["Data"] for record in received] == [b"some data"]
    assert received[0]["PartitionKey"] == "key" and received[0]["RecordId"] == put["SequenceNumber"]
    shown = [{**handle, "VisibilityTimeoutSeconds": 0} for handle in handles(received)]
    assert not kinesis.update_queue_records_visibility(QueueARN=queue, Entries=shown)["Failed"]
    letters = kinesis.receive_dead_letter_queue_records(QueueARN=queue)["QueueRecords"]
    assert [record["ReceiveCount"] for record in letters] == [2]
    longer = [{**handle, "VisibilityTimeoutSeconds": 600} for handle in handles(letters)]
    assert not kinesis.update_dead_letter_queue_records_visibility(QueueARN=queue, Entries=longer)["Failed"]
    assert not kinesis.restore_dead_letter_queue_records(QueueARN=queue, Entries=handles(letters))["Failed"]
    failed = kinesis.acknowledge_dead_letter_queue_records(QueueARN=queue, Entries=handles(letters))["Failed"]
    assert [entry["ErrorCode"] for entry in failed] == ["InvalidArgumentException"]
    again = kinesis.receive_queue_records(QueueARN=queue)["QueueRecords"]
    settled = kinesis.acknowledge_queue_records(QueueARN=queue, Entries=handles(again))
    assert len(settled["Successful"]) == 1 and not settled["Failed"]
    assert kinesis.receive_queue_records(QueueARN=queue, WaitTimeSeconds=1)["QueueRecords"] == []


def test_another_user_needs_a_permission(kinesis, server, stream):
    queue = new_queue(kinesis, f"queue-{next(_numbers)}", stream)
    for key in (servers.READER, servers.STRANGER):
        other = client_of(server, service="kinesis", key=key)
        with pytest.raises(ClientError, match="kinesis:ReceiveQueueRecords on resource: " + queue):
            other.receive_queue_records(QueueARN=queue)


def put_all(server, stored):
    """Puts numbered records until so many are stored. One that was not acknowledged is left behind, never repeated."""
    client = client_of(server, service="kinesis", config={"connect_timeout": 5, "read_timeout": 10})
    number = 0
    while len(stored) < RECORDS:
        try:
            client.put_record(StreamName="worked", PartitionKey=str(number), Data=str(number).encode())
            stored.add(str(number))
        except (BotoCoreError, ClientError):
            time.sleep(0.02)
        number += 1


def work(server, queue, stopped, seen, done, unsure):
    """Receives and acknowledges; notes what was received after somebody was told that it is acknowledged, and of what
    nobody was told whether it is."""
    client = client_of(server, service="kinesis", config={"connect_timeout": 5, "read_timeout": 30})
    while not stopped.is_set():
        received = []
        try:
            known = set(done)
            received = client.receive_queue_records(QueueARN=queue, WaitTimeSeconds=1)["QueueRecords"]
            seen += [(record["Data"].decode(), record["Data"].decode() in known) for record in received]
            if received:
                settled = client.acknowledge_queue_records(QueueARN=queue, Entries=handles(received))
                names = {record["ReceiptHandle"]: record["Data"].decode() for record in received}
                done.update(names[entry["ReceiptHandle"]] for entry in settled["Successful"])
        except (BotoCoreError, ClientError):
            unsure.update(record["Data"].decode() for record in received)
            time.sleep(0.02)


def test_what_was_acknowledged_stays_so_and_nothing_is_lost_when_the_broker_is_killed(tmp_path):
    with servers.Server(tmp_path / "server") as server:
        kinesis = client_of(server, service="kinesis")
        stream = new_stream(kinesis, "worked")
        queue = new_queue(kinesis, "work", stream, QueueAttributes={
            "VisibilityTimeoutSeconds": 2,
            "DeadLetterConfiguration": {"TargetType": "NONE"},
        })
        stopped, stored, seen, done, unsure = threading.Event(), set(), [], set(), set()
        threads = [threading.Thread(target=put_all, args=(server, stored))]
        threads += [threading.Thread(target=work, args=(server, queue, stopped, seen, done, unsure)) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        for _ in range(KILLS):
            enough = len(done) + RECORDS // 6
            is_over = lambda: len(stored) >= RECORDS and stored <= done | unsure  # noqa: E731
            wait_for(lambda enough=enough: len(done) >= enough or is_over())
            server.restart_after_kill()
        wait_for(lambda: len(stored) >= RECORDS and stored <= done | unsure, seconds=120)
        stopped.set()
        for thread in threads:
            thread.join()
        assert not [data for data, was_done in seen if was_done], "an acknowledged record came again"
        assert len(stored) >= RECORDS
        assert len(unsure - done) <= KILLS * WORKERS * 10, "more than the kills can explain"
        # Longer than a lease lasts.
        left = kinesis.receive_queue_records(QueueARN=queue, WaitTimeSeconds=4)["QueueRecords"]
        assert not {record["Data"].decode() for record in left} & done
